"""The command line, in and out: the only file that reads pytest's options."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pytest_slm.core.config import MODES, RunConfig
from pytest_slm.core.record import is_file_name
from pytest_slm.core.request import GenerationSettings, Thinking
from pytest_slm.errors import ReportError, UsageError
from pytest_slm.plugin.baselines.options import BASELINE, add_baseline, baseline_of
from pytest_slm.plugin.cells.options import CELLS, add_cells, cells_of
from pytest_slm.plugin.given import (
    RECORDS,
    SETTINGS,
    add_records,
    add_settings,
    check_given,
    kernels,
    path_of,
    records_of,
    settings_of,
)


def add_options(parser: pytest.Parser) -> None:
    """Declare the ``--slm-*`` options."""
    group = parser.getgroup("slm", "measure a small language model (pytest-slm)")
    add = group.addoption
    add(
        "--slm-model",
        metavar="REF",
        help="the model: a Hub repo id (org/name), a .gguf file, a folder of safetensors, pkg:DISTRIBUTION (a GGUF "
        "that an installed package ships), the path or slug of a submission, http://HOST:PORT/v1 (a model that a "
        "server holds), or fake[:SCRIPT.json]. Without a path "
        "argument the built-in suites run",
    )
    add(
        "--slm-mode",
        choices=MODES,
        default=None,
        help="quick (default): a seeded sample of every task, minutes, never ranked; full: everything; "
        "validate: the submission's own checks, no model is loaded",
    )
    add("--slm-quant", metavar="Q", help="quantizations, as in Q8_0,Q4_0, or all; default: the only one, or Q4_K_M")
    add(
        "--slm-suite",
        metavar="S",
        help="suites or single tasks, as in core,rag/niah (`pytest-slm suites` lists them)",
    )
    add(
        "--slm-task",
        metavar="T",
        action="append",
        default=None,
        help="tasks or groups of lm-eval that need no file: lm_eval:NAME, with commas or repeated; without a path and "
        "without --slm-suite only they run",
    )
    add("--slm-limit", metavar="N", type=int, help="at most N samples per item; never more than the mode has")
    add(
        "--slm-budget",
        metavar="TIME",
        help="the time that the run may take, as in 90s, 10m or 1h30m: the samples of every item are chosen so that it "
        "fits, from rates that are measured first; less than that is no budget, and the least is told",
    )
    add(
        "--slm-plan",
        action="store_true",
        default=None,
        help="say what would be measured, with samples, tokens, time, memory, download and disk, and measure nothing; "
        "exit code 4 if it does not fit on this machine",
    )
    add(
        "--slm-resume",
        action="store_true",
        default=None,
        help="go on with the newest unfinished run of the same model and options in the reports folder (or the one "
        "that --slm-run-id names); a new run if there is none",
    )
    add(
        "--slm-rescore",
        metavar="RUN",
        help="score the answers of a finished run again (its folder, or its report.json), with today's scorers and "
        "tasks, and ask no model; model, quantization, mode, seed and limit are those of the run",
    )
    add("--slm-data", metavar="DIR", help="a folder that mirrors the Hub's layout: DIR/<org>/<name>/ is a data set")
    add("--slm-offline", action="store_true", default=None, help="never use the network: local files and caches only")
    add("--slm-reports", metavar="DIR", help="where run folders go (default: ./reports)")
    add("--slm-run-id", metavar="ID", help="name of the run folder (default: date, time and four random digits)")
    add("--slm-seed", metavar="N", type=int, help="seed of samples and generators (default: 1234)")
    add(
        "--slm-gate",
        metavar="KEY=X",
        action="append",
        default=None,
        help="fail an item whose primary metric is worse than X (a share): suite/task=0.5 or suite=0.5; repeatable",
    )
    add_baseline(add)
    add_cells(add)
    add("--slm-backend", metavar="NAME", help="the engine, instead of the one for the format (llamacpp, fake, ...)")
    add("--slm-threads", metavar="N", type=int, help="threads of the engine (default: physical cores)")
    add("--slm-n-ctx", metavar="N", type=int, help="context length in tokens (default: the model's own)")
    add(
        "--slm-exact",
        action="store_true",
        default=None,
        help="compute every request in batches of its own, so that no number depends on its neighbours: slower, and "
        "the same to the last bit however requests are ordered (docs/scoring.md says how much packing changes)",
    )
    add(
        "--slm-thinking",
        metavar="T",
        help="off (default): chat templates are told that the model shall not think before it answers; on: that it "
        "shall, within the tokens of the task; N: it may think N tokens beside those of the answer, then its thinking "
        "is ended. Thinking is never part of an answer",
    )
    add(
        "--slm-canary",
        choices=("on", "off"),
        default=None,
        help="on (default): a model that knows no order of words is an error before anything is measured; off: measure "
        "it all the same, say one with random weights",
    )
    add(
        "--slm-interleave",
        action="store_true",
        default=None,
        help="let the rounds of timings alternate between the quantizations (A-B-A-B), so that a disturbance meets all "
        "of them; all are in memory at once",
    )
    add_settings(add)
    add_records(add)
    add("--slm-start-timeout", metavar="S", type=float, help="seconds that loading a model may take (default: 120)")
    add(
        "--slm-request-timeout",
        metavar="S",
        type=float,
        help="seconds of silence after which the model's process is ended and the item is an error (default: 300)",
    )


LONGEST_S = 1e7
"""A third of a year. The system's own clocks take no more than some more of that, and no infinity."""
LARGEST = 1 << 31
"""Engines keep such numbers in 32 bits."""
LARGEST_SEED = (1 << 63) - 1
"""What a report can keep of a number."""

NAMES = (
    *("mode", "quant", "suite", "task", "limit", "data", "offline", "reports", "run_id", "seed", "gate", "backend"),
    *("threads", "n_ctx", "served_model", "concurrency", "exact", "thinking", "canary", "start_timeout"),
    *("request_timeout", "resume", "plan", "budget", "interleave", "rescore"),
    *(*RECORDS, *SETTINGS, *BASELINE, *CELLS),
)


def read_options(config: pytest.Config) -> RunConfig | None:
    """The settings of this run; None without ``--slm-model``, and then pytest-slm does nothing.

    Raises UsageError if other ``--slm-*`` options are given without it, or have impossible values.
    """
    given = {name: config.getoption(f"slm_{name}") for name in NAMES}
    model = config.getoption("slm_model")
    check_given(config.invocation_params.args, {"model": model, **given})
    recorded: GenerationSettings | None = None
    if given["rescore"] is not None:
        model, recorded = _rescored(given, model)
    if model is None:
        alone = [name for name, value in given.items() if value is not None]
        if alone:
            option = alone[0].replace("_", "-")
            raise UsageError(f"--slm-{option} needs --slm-model=REF: which model is it for?", slug="no-model")
        return None
    for name in ("limit", "threads", "n_ctx", "concurrency", "start_timeout", "request_timeout"):
        most = LONGEST_S if name.endswith("timeout") else LARGEST
        if given[name] is not None and not 0 < given[name] < most:
            raise UsageError(
                f"--slm-{name.replace('_', '-')}={given[name]}: must be above 0 and below {most:,.0f}",
                slug="option-value",
            )
    if given["seed"] is not None and abs(given["seed"]) > LARGEST_SEED:
        raise UsageError(
            f"--slm-seed={given['seed']!s:.40}: must be a whole number of at most {LARGEST_SEED}", slug="option-value"
        )
    engine, generation, template = settings_of(given)
    if recorded is not None:
        _check_recorded(generation, recorded)
        generation = recorded
    # With --slm-resume an id that nobody chose is that of the run that goes on, if there is one.
    run_id = given["run_id"] or ("" if given["resume"] else new_run_id())
    plain = all(letter.isalnum() or letter in "._-" for letter in run_id)
    if run_id and not (plain and is_file_name(run_id)):
        problem = "a name that a folder can have, of letters, digits, '.', '_' and '-' only"
        raise UsageError(f"--slm-run-id={run_id:.80}: expected {problem}", slug="option-value")
    settings = {
        "model": model,
        "mode": given["mode"] or "quick",
        "quant": given["quant"],
        "suites": tuple((given["suite"] or "").split(",")) if given["suite"] else (),
        "tasks": tuple(dict.fromkeys(_task(part) for text in given["task"] or () for part in text.split(","))),
        "limit": given["limit"],
        "data": str(path_of(given["data"])) if given["data"] else None,
        "offline": bool(given["offline"]),
        "reports": str(path_of(given["reports"] or "reports")),
        "run_id": run_id,
        "gates": _gates(given["gate"] or ()),
        "baseline": baseline_of(given, path_of),
        **cells_of(given, path_of),
        "backend": given["backend"],
        "engine": engine,
        "every_engine": given["engine"] == "all",
        "kernels": kernels(given["kernels"]),
        "generation": generation,
        "chat_template": template,
        "served_model": given["served_model"],
        "concurrency": given["concurrency"],
        "exact": bool(given["exact"]),
        "thinking": "off" if given["thinking"] is None else thinking(given["thinking"]),
        "canary": given["canary"] != "off",
        **records_of(given),
        "interleave": bool(given["interleave"]),
        "resume": bool(given["resume"]),
        "plan": bool(given["plan"]),
        "rescore": given["rescore"],
        "budget": None if given["budget"] is None else duration(given["budget"]),
    }
    optional = {name: given[name] for name in ("seed", "start_timeout", "request_timeout") if given[name] is not None}
    if settings["data"] and not Path(str(settings["data"])).is_dir():
        raise UsageError(f"--slm-data={given['data']}: no such folder", slug="data-missing")
    return RunConfig(**settings, **optional)


def _rescored(given: dict[str, Any], model: str | None) -> tuple[str, GenerationSettings]:
    """Take the settings of the run whose answers are scored again; return its model, and how it was asked. Raises
    UsageError."""
    from pytest_slm.run.recorded import RecordedRun  # reads a report: most sessions need none

    path = path_of(given["rescore"])
    try:
        report = RecordedRun(path).report
    except ReportError as error:
        raise UsageError(f"--slm-rescore={given['rescore']}: {error.args[0]}", slug="rescore-run") from None
    theirs = {"mode": report.mode, "quant": report.quantization, "seed": report.seed, "limit": report.limit}
    if report.backend is not None and report.backend.thinking is not None:
        theirs["thinking"] = str(report.backend.thinking)
    for name, value in theirs.items():
        if given[name] not in (None, value):
            raise UsageError(
                f"--slm-{name}={given[name]}: the run that is scored again has {value}; leave the option out",
                slug="rescore-run",
            )
    for name in ("resume", "plan", "budget", "interleave"):
        if given[name]:
            raise UsageError(f"--slm-{name} asks a model, --slm-rescore does not: leave out one", slug="rescore-run")
    given.update(theirs, rescore=str(path))
    return model or report.submission.origin, report.generation


def _check_recorded(generation: GenerationSettings, recorded: GenerationSettings) -> None:
    for name, mine in generation.said.items():
        if mine != (value := getattr(recorded, name)):
            raise UsageError(
                f"{name}={mine!s:.40}: the run that is scored again has {value!s:.40}; leave the option out",
                slug="rescore-run",
            )


def duration(text: str) -> float:
    """Seconds of a time such as ``90s``, ``10m`` or ``1h30m``. Raises UsageError for anything else."""
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?", text, re.ASCII)
    hours, minutes, seconds = (float(part or 0) for part in found.groups()) if found else (0.0, 0.0, 0.0)
    total = 3600 * hours + 60 * minutes + seconds
    if not 0 < total < LONGEST_S:
        raise UsageError(f"--slm-budget={text}: expected a time such as 90s, 10m or 1h30m", slug="option-value")
    return total


def thinking(text: str) -> Thinking:
    """Whether a model shall think, or the most tokens of it. Raises UsageError for anything else."""
    words: dict[str, Thinking] = {"off": "off", "on": "on"}
    if text in words:
        return words[text]
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise UsageError(
            f"--slm-thinking={text:.80}: expected off, on, or a number of tokens from 0 to 999999999",
            slug="option-value",
        )
    return int(text)


def new_run_id() -> str:
    """UTC to the second, and four digits so that two runs of one second differ."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def _task(text: str) -> str:
    adapter, _, name = text.partition(":")
    if adapter != "lm_eval" or not name:
        raise UsageError(f"--slm-task={text}: expected lm_eval:NAME, with NAME as lm-eval has it", slug="option-value")
    return name


def _gates(texts: Sequence[str]) -> dict[str, float]:
    gates: dict[str, float] = {}
    for text in texts:
        key, value = _gate(text)
        if key in gates:
            raise UsageError(f"--slm-gate={text}: {key} has another gate already: leave out one", slug="option-value")
        gates[key] = value
    return gates


def _gate(text: str) -> tuple[str, float]:
    key, equals, number = text.partition("=")
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if not equals or not 0 <= value <= 1:
        raise UsageError(f"--slm-gate={text}: expected suite/task=X or suite=X with X from 0 to 1", slug="option-value")
    return key, value
