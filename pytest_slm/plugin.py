"""The pytest side: options, fixtures, and hooks of one call each. Without ``--slm-model`` only the options exist."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from pytest_slm import hookspecs, items
from pytest_slm.backends.remote import RemoteBackend
from pytest_slm.core.types import Measurement, Metric, Result, Submission
from pytest_slm.errors import SlmError
from pytest_slm.options import add_options, read_options

NOT_ASKED = "needs a model: pytest --slm-model=REF (see pytest --help, group slm)"


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(tryfirst=True)  # before pytest-json-report looks at its options
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slm_task(name, variant=None, quick=None, cost=1000, last=False): what a test measures")
    config.addinivalue_line("markers", "slm_timing: measures time, so it runs alone (skipped under pytest-xdist)")
    try:
        settings = read_options(config)
        if settings is not None:
            from pytest_slm.start import start

            config.pluginmanager.register(Active(), "slm-active")
            start(config, settings)
    except SlmError as error:
        raise pytest.UsageError(str(error)) from None


class Active:
    """The hooks of a session that measures a model."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        return items.SuiteDir.of(parent, path) if (path / items.SUITE_FILE).is_file() else None

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        return items.collect_file(file_path, parent)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "slm_backend" in metafunc.fixturenames:
            names = [q.name for q in metafunc.config.stash[items.RUN].quantizations]
            metafunc.parametrize("slm_backend", names, indirect=True)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        left_out = _items.arrange(items)
        if left_out:
            config.hook.pytest_deselected(items=left_out)

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if item.get_closest_marker("slm_timing") and hasattr(item.config, "workerinput"):
            pytest.skip("times mean nothing while other workers run: measure without -n  [timing-alone]")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[Any]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        result = items.unmeasured(item, call)
        if result is not None:
            item.user_properties.append((items.PROPERTY, result.to_json()))
        report = yield
        error = call.excinfo.value if call.excinfo else None
        if isinstance(error, SlmError):
            report.longrepr = "\n".join([str(error), *getattr(error, "__notes__", ())])
        return report

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        return ("error", "E", "ERROR") if report.when == "call" and _outcome(report) == "error" else None


_items = items  # hook arguments are found by name, and that of one hook is called like the module


def _outcome(report: pytest.TestReport) -> str | None:
    results = [value for name, value in report.user_properties if name == items.PROPERTY]
    return str(results[-1]["outcome"]) if results and isinstance(results[-1], dict) else None


@pytest.fixture
def slm_backend(request: pytest.FixtureRequest) -> RemoteBackend:
    """The open model of the quantization under test (``pytest_slm.backends.protocol.Backend``)."""
    if items.RUN not in request.config.stash:
        pytest.skip(NOT_ASKED)
    with items.skipping():
        return request.config.stash[items.RUN].open(request.param)


@pytest.fixture
def slm_submission(request: pytest.FixtureRequest) -> Submission:
    """The submission under test."""
    if items.RUN not in request.config.stash:
        pytest.skip(NOT_ASKED)
    return request.config.stash[items.RUN].submission


@pytest.fixture
def slm_result(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Hands what a test measured to the report: ``slm_result(measurements=[...], metrics=[...], primary=None)``."""
    item = request.node

    def hand_in(
        *,
        measurements: list[Measurement] | None = None,
        metrics: list[Metric] | None = None,
        primary: str | None = None,
    ) -> None:
        run, identity = item.config.stash[items.RUN], item.stash[items.IDENTITY]
        result = Result(
            **identity.to_json(),
            mode=run.config.mode,
            outcome="passed",
            kind="performance",
            seed=run.config.seed,
            measurements=tuple(measurements or ()),
            metrics=tuple(metrics or ()),
            primary=primary,
        )
        items.report_result(item, run.judged(result))

    return hand_in
