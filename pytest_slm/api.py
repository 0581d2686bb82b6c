"""Measuring from Python: one call, a run report back. The work is that of the command line, in this process."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_slm.errors import SlmError, UsageError, did_you_mean

if TYPE_CHECKING:
    import pytest

    from pytest_slm.core.types import RunReport
    from pytest_slm.planning.plan import RunPlan


class _Listener:
    """A plugin of the session that keeps its reports."""

    def __init__(self) -> None:
        self.reports: tuple[RunReport, ...] = ()
        self.plan: RunPlan | None = None

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        from pytest_slm.plugin.planner import PLAN
        from pytest_slm.plugin.reporter import REPORTS

        self.reports, self.plan = config.stash.get(REPORTS, ()), config.stash.get(PLAN, None)


COLOUR = re.compile(r"\x1b\[[0-9;]*m")
"""pytest writes in colours where FORCE_COLOR is set, as notebooks do."""


def measure(
    model: str,
    *,
    suites: Iterable[str] = (),
    paths: Iterable[str | os.PathLike[str]] = (),
    mode: str = "quick",
    quant: str | None = None,
    limit: int | None = None,
    reports: str | os.PathLike[str] = "reports",
    plugins: Sequence[object] = (),
    quiet: bool = True,
    **options: Any,
) -> RunReport:
    """Measure a model and return the report of the run, in a script or in a notebook.

    ``model`` is a reference as ``--slm-model`` takes it, ``suites`` are suites or single tasks (none: all), ``paths``
    folders with suites of your own, ``plugins`` objects or modules with the hooks of docs/plugins.md. ``options`` are
    the other ``--slm-*`` options by their names: ``data="mirror"``, ``n_ctx=2048``, ``offline=True``, ``exact=True``.

    An item that could not be measured is in the report, with its reason, and raises nothing. Raises UsageError for
    wrong arguments, SlmError if there is no report.
    """
    said = {"mode": mode, "quant": quant, "limit": limit, "reports": os.fspath(reports), **options}
    listener = _session(model, said, suites, paths, plugins, quiet=quiet)
    if len(listener.reports) != 1:
        n = len(listener.reports)
        raise SlmError(f"{model}: {n} reports were made; measure one quantization at a time, of what can be measured")
    return listener.reports[0]


def plan(
    model: str, *, suites: Iterable[str] = (), paths: Iterable[str | os.PathLike[str]] = (), **options: Any
) -> RunPlan:
    """What a run would measure and take, as ``--slm-plan`` says it: rates are measured, and nothing else. The arguments
    are those of ``measure``. Raises UsageError for wrong ones, SlmError if there is no plan."""
    listener = _session(model, {**options, "plan": True}, suites, paths, (), quiet=True)
    if listener.plan is None:
        raise SlmError(f"{model}: there is no plan, since nothing would be measured")
    return listener.plan


def _session(
    model: str,
    options: Mapping[str, Any],
    suites: Iterable[str],
    paths: Iterable[str | os.PathLike[str]],
    plugins: Sequence[object],
    *,
    quiet: bool,
) -> _Listener:
    """A session of pytest in this process, and what it left. Raises UsageError."""
    import pytest

    from pytest_slm.plugin.options import NAMES

    here = str(Path.cwd())
    arguments = ["-c", os.devnull, "--rootdir", here, "--confcutdir", here, "--import-mode=importlib"]
    arguments += ["-p", "no:cacheprovider"]
    arguments += ["-q", "--no-header"] if quiet else []
    said = {"model": model, **options}
    if suites := ",".join(suites):
        said["suite"] = suites
    unknown = sorted(set(options) - set(NAMES))
    if unknown:
        raise UsageError(f"measure() has no argument {unknown[0]!r:.80}. {did_you_mean(unknown[0], NAMES)}")
    arguments += [argument for name, value in said.items() for argument in _option(name, value)]
    listener, errors = _Listener(), io.StringIO()
    with contextlib.redirect_stderr(errors), _still(quiet):
        code = pytest.main([*arguments, *(os.fspath(path) for path in paths)], plugins=[listener, *plugins])
    if code == pytest.ExitCode.USAGE_ERROR and listener.plan is None:  # one that does not fit is a plan, too
        said_by_pytest = COLOUR.sub("", errors.getvalue()).strip()
        message, _, slug = said_by_pytest.removeprefix("ERROR: ").rpartition("  [")
        raise UsageError(message or slug, slug=slug.rstrip("]") if message else None)
    return listener


def _option(name: str, value: Any) -> list[str]:
    option = f"--slm-{name.replace('_', '-')}"
    if value is None or value is False:
        return []
    return [option] if value is True else [f"{option}={value}"]


def _still(quiet: bool) -> contextlib.AbstractContextManager[Any]:
    return contextlib.redirect_stdout(io.StringIO()) if quiet else contextlib.nullcontext()
