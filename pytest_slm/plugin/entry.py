"""The pytest side: options, fixtures, and one hook. Without ``--slm-model`` nothing else exists, or is imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from pytest_slm.errors import SlmError, UsageError
from pytest_slm.plugin import hookspecs
from pytest_slm.plugin.docs.options import add_docs, docs_options
from pytest_slm.plugin.options import add_options, read_options

if TYPE_CHECKING:
    from pytest_slm.core.types import Measurement, Metric, Submission
    from pytest_slm.hosts.remote import RemoteBackend
    from pytest_slm.plugin.stopwatch import Timer
    from pytest_slm.run.session import Run

NOT_ASKED = "needs a model: pytest --slm-model=REF (see pytest --help, group slm)"


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)
    add_docs(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(tryfirst=True)  # before pytest-json-report looks at its options
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "slm_task(name, variant, quick, cost, prompt, output, budget_s, rounds, last): what a test measures"
    )
    config.addinivalue_line("markers", "slm_timing: measures time, so it runs alone (skipped under pytest-xdist)")
    try:
        settings = read_options(config)
        if settings is not None:
            from pytest_slm.plugin.start import start

            start(config, settings)
        docs = docs_options(config)
        if docs is not None:
            from pytest_slm.plugin.docs.hooks import check_docs

            check_docs(config, docs)
    except SlmError as error:
        raise pytest.UsageError(str(error)) from None


@pytest.fixture
def slm_backend(request: pytest.FixtureRequest) -> RemoteBackend:
    """The open model of the quantization under test (``pytest_slm.backends.protocol.Backend``)."""
    run = _run(request.config)
    from pytest_slm.plugin.items import skipping

    with skipping():
        return run.open(request.param)


@pytest.fixture
def slm_submission(request: pytest.FixtureRequest) -> Submission:
    """The submission under test."""
    return _run(request.config).submission


@pytest.fixture
def slm_result(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Hands what a test measured to the report: ``slm_result(measurements=[...], metrics=[...], primary=None,
    provenance={...})``."""
    item = request.node
    run = _run(item.config)

    def hand_in(
        *,
        measurements: Sequence[Measurement] = (),
        metrics: Sequence[Metric] = (),
        primary: str | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        from pytest_slm.plugin.items import IDENTITY, report_result

        _check_identity(item, "slm_result")
        result = run.timed(item.stash[IDENTITY], tuple(measurements), tuple(metrics), primary, provenance or {})
        report_result(item, run.judged(result))

    return hand_in


@pytest.fixture
def slm_time(request: pytest.FixtureRequest) -> Timer:
    """Measures rounds and hands them in: ``slm_time(benchmark, lambda subject: Decode(subject.open(), 100))``."""
    _run(request.config)
    _check_identity(request.node, "slm_time")
    from pytest_slm.plugin.stopwatch import Timer

    return Timer(request.node)


def _check_identity(item: pytest.Item, fixture: str) -> None:
    from pytest_slm.plugin.items import IDENTITY

    if IDENTITY not in item.stash:
        raise UsageError(
            f"{item.nodeid}: {fixture} needs the marker @pytest.mark.slm_task(name) and the fixture slm_backend, "
            "so that the result has a name",
            slug="no-identity",
        )


def _run(config: pytest.Config) -> Run:
    if not config.pluginmanager.has_plugin("slm-active"):
        pytest.skip(NOT_ASKED)
    from pytest_slm.plugin.items import RUN

    return config.stash[RUN]
