"""Which run a session goes on with: every run folder that is not finished says in ``answers/run.json`` what it is.

The file is written before the first item and removed, with all answers, when the reports of all quantizations of the
run are complete. A run goes on in its own folder, so that in the end there is one folder with one report, as if nothing
had happened.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from pytest_slm.core.config import RunConfig
from pytest_slm.core.record import Record
from pytest_slm.errors import UsageError, writing_failed
from pytest_slm.files import read_json

FOLDER = "answers"
"""Where a run folder has the answers of a run that is not finished."""
NAME = "run.json"
SCHEMA = 1

FREE = (
    *("run_id", "reports", "resume", "plan", "gates", "offline", "start_timeout", "request_timeout"),
    *("keep_prompts", "show_harmful", "registry", "site", "baseline", "store"),
    "chat_template",  # its hash stands in ``generation``
)
"""Settings that change no answer, or that say where answers are: the sequel of a run may have others. ``canary`` is
none of them, though it changes no answer either: it would have been asked before one half of an item only."""


@dataclass(frozen=True, kw_only=True)
class RunStart(Record):
    """What a run says of itself when it begins: its settings, the process that does it, and, where a time budget has
    decided that, how many samples each item takes at most (``limits``) and why (``budget``, as the report tells it)."""

    schema: int
    run_id: str
    settings: Mapping[str, Any]
    pid: int
    process_began: float
    computer: str
    limits: Mapping[str, int] = field(default_factory=dict)
    budget: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, config: RunConfig, limits: Mapping[str, int], budget: Mapping[str, object] | None = None) -> RunStart:
        """The beginning of this process's run."""
        process = psutil.Process()
        return cls(
            schema=SCHEMA,
            run_id=config.run_id,
            settings=_settings(config),
            pid=process.pid,
            process_began=process.create_time(),
            computer=platform.node(),
            limits=limits,
            budget=budget,
        )

    @property
    def going_on(self) -> bool:
        """Whether the process of that run lives, as far as this computer can know. An earlier run of this very process
        has ended: a session in it asks."""
        if self.computer != platform.node() or self.pid == os.getpid():
            return False
        try:
            return abs(psutil.Process(self.pid).create_time() - self.process_began) < 1.0
        except psutil.Error:
            return False


def choose(config: RunConfig, places: Sequence[Path]) -> tuple[RunStart | None, str]:
    """The beginning of the run that goes on, or None for a new run, and a line that says so.

    ``places`` are the folders with the run folders of each quantization. A run id in ``config`` is the one that the
    user chose. Raises UsageError if that run cannot be gone on with, or if the newest is still going on.
    """
    found = _unfinished(places)
    named = bool(config.run_id)
    if named:
        found = [beginning for beginning in found if beginning.run_id == config.run_id]
        if not found and any((place / config.run_id).is_dir() for place in places):
            raise UsageError(
                f"--slm-run-id={config.run_id}: this run is finished, or was not made to be resumed. Leave out "
                "--slm-resume and choose another id to measure again",
                slug="resume-finished",
            )
    if not found:
        return None, "nothing to resume, a new run begins"
    newest = max(found, key=lambda beginning: beginning.process_began)
    if newest.going_on:
        raise UsageError(
            f"run {newest.run_id} is still going on (process {newest.pid}): wait for it, or start a run of its own "
            "without --slm-resume",
            slug="resume-going-on",
        )
    fits = [beginning for beginning in found if beginning.settings == _settings(config) and not beginning.going_on]
    if fits:
        last = max(fits, key=lambda beginning: beginning.process_began)
        return last, f"resuming run {last.run_id}"
    name, then, now = _difference(newest.settings, _settings(config))
    told = f"run {newest.run_id} is not finished, but it has {name} {then!r}, not {now!r}"
    if named:
        raise UsageError(f"{told}: give the same options as then", slug="resume-other")
    return None, f"{told}: a new run begins"


def begin(
    folder: Path, config: RunConfig, limits: Mapping[str, int], budget: Mapping[str, object] | None = None
) -> None:
    """Say in a run folder that this process works on it. Raises ReportError where the system refuses."""
    path = folder / FOLDER / NAME
    temporary = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(exist_ok=True)
        temporary.write_text(json.dumps(RunStart.of(config, limits, budget).to_json(), indent=1), "utf-8")
        temporary.replace(path)
    except OSError as error:
        raise writing_failed(path, error) from None


def close(folder: Path, *, complete: bool) -> None:
    """At the end of a session: forget the answers of a complete run, and of one in which nothing was answered."""
    answers = folder / FOLDER
    with contextlib.suppress(OSError):
        if complete or {path.name for path in answers.iterdir()} <= {NAME}:
            shutil.rmtree(answers)


def _unfinished(places: Sequence[Path]) -> list[RunStart]:
    found = []
    for path in sorted(path for place in places for path in place.glob(f"*/{FOLDER}/{NAME}")):
        try:
            beginning = RunStart.from_json(read_json(path))
        except (OSError, ValueError):
            continue  # of another version, or damaged: no run that could be gone on with
        if beginning.schema == SCHEMA and beginning.run_id == path.parent.parent.name:
            found.append(beginning)
    return found


def _settings(config: RunConfig) -> dict[str, Any]:
    """The settings by the options that give them."""
    said = {name: value for name, value in config.to_json().items() if name not in FREE}
    engine, generation = said.pop("engine"), said.pop("generation")
    return {
        **{f"--slm-{name.replace('_', '-')}": value for name, value in {**said, **generation}.items()},
        **{f"--slm-set {name}": value for name, value in engine.items() if value is not None},
    }


def _difference(then: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, Any, Any]:
    name = next(name for name in sorted({*then, *now}) if then.get(name) != now.get(name))
    return name, then.get(name), now.get(name)
