"""What happens once, when a session with ``--slm-model`` begins: resolve the model, and wire the session's parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_slm.core.config import RunConfig
from pytest_slm.core.types import Quantization, Submission
from pytest_slm.errors import UsageError
from pytest_slm.extensions import Extensions
from pytest_slm.hosts.sources import Hosts
from pytest_slm.load.builtin import check_suites, suites_folder
from pytest_slm.models import check_served, resolve, select, variants
from pytest_slm.plugin import distribution
from pytest_slm.plugin.active import Active, NamedSuites
from pytest_slm.plugin.baselines.hooks import hold_against
from pytest_slm.plugin.cells.hooks import use_cells
from pytest_slm.plugin.items import LIVE, RUN
from pytest_slm.plugin.options import new_run_id
from pytest_slm.plugin.reporter import Reporter
from pytest_slm.plugin.signals import end_politely
from pytest_slm.plugin.stopwatch import WithoutBenchmark, check_interleave
from pytest_slm.run.recorded import RecordedHosts, RecordedRun
from pytest_slm.run.session import Run
from pytest_slm.run.settings import check
from pytest_slm.terminal.progress import live_line


def _quantizations(submission: Submission, settings: RunConfig, extensions: Extensions) -> tuple[Quantization, ...]:
    """Those that are measured. Raises UsageError where there are none, or where they have no engine to choose."""
    chosen = select(submission, settings.quant)
    engine = settings.engine
    asked = {"engine-lib": engine.engine_lib, "engine": engine.engine or settings.every_engine}
    asked["kernels"] = settings.kernels != ("native",)
    option = next((name for name, is_asked in asked.items() if is_asked), None)
    if option is None:
        return chosen
    entry = extensions.backends.find("gguf", settings.backend)
    if not entry.engines or not any(one.format == "gguf" for one in chosen):
        raise UsageError(
            f"--slm-{option}: only the backend llamacpp, which opens GGUF files, has engines to choose: leave it out",
            slug="option-value",
        )
    entry.check_installed(engine)
    return variants(chosen, entry.installed_engines() if settings.every_engine else (), settings.kernels)


def start(config: pytest.Config, settings: RunConfig) -> None:
    """Put a ``Run`` on the stash, and register the parts that this process needs. Raises SlmError for wrong input."""
    extensions = Extensions()
    config.hook.pytest_slm_register_backends(register=extensions.backends.register)
    config.hook.pytest_slm_register_scorers(register=extensions.scorers.register)
    config.hook.pytest_slm_register_kinds(register=extensions.kinds.register)
    config.hook.pytest_slm_register_generators(register=extensions.generators.register)
    config.hook.pytest_slm_register_graders(register=extensions.graders.register)
    settings = distribution.settings(config) or settings
    submission = resolve(settings.model, submissions=Path("submissions"), offline=settings.offline)
    check_served(settings, submission)
    run = Run(
        config=settings,
        submission=submission,
        quantizations=_quantizations(submission, settings, extensions),
        extensions=extensions,
    )
    if settings.resume and not settings.plan and not distribution.is_worker(config):
        run.resume(new_run_id)
    config.stash[RUN] = run
    config.pluginmanager.register(Active(), "slm-active")
    # In workers too: they get the command line as it was typed.
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        check_suites(settings.suites, suites_folder())
        if settings.suites:
            config.pluginmanager.register(NamedSuites(suites_folder(), settings.suites), "slm-named")
        # Tasks that the command line names need no file (see items.named).
        config.args = [] if settings.tasks and not settings.suites else [str(suites_folder())]
    held = None if settings.plan else hold_against(config, run)
    cells = use_cells(config, run)
    if distribution.is_worker(config):
        config.stash[LIVE] = live_line(config)
        distribution.join(config, run)
        _rescore(run)
        return
    if not config.option.collectonly:
        if settings.mode != "validate" and not settings.plan and not settings.rescore:
            check(settings, [run.backend_entry(quantization.name).name for quantization in run.quantizations])
        if settings.interleave and not settings.plan:  # it locates the weights, and a plan downloads and makes none
            check_interleave(run)
        run.hosts = hosts = Hosts(
            run.openings(),
            start_timeout=settings.start_timeout,
            request_timeout=settings.request_timeout,
            alone=not (distribution.is_controller(config) or settings.interleave),
        )
        distribution.prepare(config, run, hosts)
        _rescore(run)
        end_politely(config)
    if settings.plan or settings.budget is not None:
        _plan(config, run)
    if not any(argument.startswith("--benchmark") for argument in config.invocation_params.args):
        config.option.benchmark_quiet = (
            True  # its tables tell the rounds again; whoever asks for anything of it gets them
        )
    if not config.pluginmanager.has_plugin("benchmark"):
        config.pluginmanager.register(WithoutBenchmark(), "slm-without-benchmark")
    config.pluginmanager.register(Reporter(config, run, held, cells), "slm-reporter")


def _rescore(run: Run) -> None:
    """Let the answers of a finished run stand in for the model, if that is what was asked for."""
    if run.config.rescore is not None and run.hosts is not None:
        run.recorded = RecordedRun(Path(run.config.rescore))
        run.hosts = RecordedHosts(run.recorded, run.hosts)
        run.limits = (run.recorded.report.budget or {}).get("samples", {})


def _plan(config: pytest.Config, run: Run) -> None:
    """Plan before the first item. Raises UsageError under pytest-xdist, whose controller does not see the items."""
    if distribution.is_controller(config):
        raise UsageError(
            "--slm-plan and --slm-budget need one process that knows all items: leave out -n (the workers share one "
            "model anyway, they do not make it faster)",
            slug="plan-alone",
        )
    from pytest_slm.plugin.planner import Planner  # most sessions need none

    config.pluginmanager.register(Planner(config, run), "slm-planner")
