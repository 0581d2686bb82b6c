"""From two run reports to a ``Comparison``: timings by ranks, answers in pairs, and what must not be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pytest_slm.comparing.answers import Samples, ScoreDifference, compare_answers
from pytest_slm.comparing.timings import SMALLEST, TimingDifference, compare_timings, name_of
from pytest_slm.core.backend_info import TIMINGS, device_facts
from pytest_slm.core.record import Record
from pytest_slm.core.types import MEASURED, Result, RunReport
from pytest_slm.errors import ReportError
from pytest_slm.machine.hardware import FINGERPRINT
from pytest_slm.registry.performance import SUITE
from pytest_slm.registry.scores import engine_of, machine_of
from pytest_slm.registry.store import REPORT_NAME, read_report, read_samples


@dataclass(frozen=True, kw_only=True)
class RunName(Record):
    """Which run a side is."""

    path: str
    model: str
    quantization: str
    run_id: str


@dataclass(frozen=True, kw_only=True)
class Comparison(Record):
    """All that was found. A ratio is B to A; ``refused`` says what was not compared, and why."""

    schema: Literal["1.0"] = "1.0"
    a: RunName
    b: RunName
    differs: Mapping[str, tuple[str, str]]
    """What else is not the same in both runs: a difference may be its work."""
    timings: tuple[TimingDifference, ...]
    scores: tuple[ScoreDifference, ...]
    refused: tuple[str, ...]
    margin: float | None = None
    """Scores that differ by less are as good as equal, by the user's word; a share."""
    unknown: tuple[str, ...] = ()
    """Items that have a score in A, and none in B or none that can be compared."""


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """A run as it lies on the disk."""

    path: Path
    run: RunReport
    samples: Samples

    @property
    def name(self) -> RunName:
        """How it is told."""
        run = self.run
        return RunName(path=str(self.path), model=run.submission.name, quantization=run.quantization, run_id=run.run_id)


def read_run(path: Path) -> StoredRun:
    """The run in a folder, or of a ``report.json`` with its samples beside it. Raises ReportError."""
    file = path / REPORT_NAME if path.is_dir() else path
    run = read_report(file)
    return StoredRun(path=path, run=run, samples=read_samples(file.parent, run))


def compare(
    a: StoredRun,
    b: StoredRun,
    *,
    smallest: float = SMALLEST,
    every: bool = False,
    margin: float | None = None,
    flips: bool = False,
) -> Comparison:
    """What is different between two runs.

    ``smallest`` is the share below which a difference of timings is none, ``margin`` that of scores (None: nobody has
    said one); ``every`` tells all measurements of an item, not only those that it is about; ``flips`` the questions
    that one model answered better. Raises ReportError (compare-nothing) where nothing can be compared; its line says
    why.
    """
    refused: list[str] = []
    pairs = list(_pairs(a.run, b.run, refused))
    timed = [pair for pair in pairs if pair[0].suite == SUITE]
    machines = _machines(a.run, b.run) if timed else ""
    if machines:
        refused.append(machines)
        timed = []
    timed = [pair for pair in timed if _alike(*pair, refused)]
    timings = compare_timings(timed, smallest=smallest, every=every)
    asked = [pair for pair in pairs if pair[0].suite != SUITE]
    shown = (a.run.show_harmful, b.run.show_harmful)
    scores = compare_answers(asked, a.samples, b.samples, refused, margin=margin, flips=flips, show_harmful=shown)
    if not timings and not scores:
        why = "; ".join(dict.fromkeys(refused)) or "no item was measured in both"
        raise ReportError(f"{a.path} and {b.path}: nothing to compare: {why}", slug="compare-nothing")
    known = {one.item for one in scores}
    return Comparison(
        a=a.name,
        b=b.name,
        differs=differing(a.run, b.run),
        timings=timings,
        scores=scores,
        refused=tuple(refused),
        margin=margin,
        unknown=tuple(name for result in a.run.results if _scored(result) and (name := name_of(result)) not in known),
    )


def _scored(result: Result) -> bool:
    return result.suite != SUITE and result.outcome in MEASURED and result.metric() is not None


def _pairs(a: RunReport, b: RunReport, refused: list[str]) -> Iterator[tuple[Result, Result]]:
    """The items that both have measured, whatever the quantization; an item of two versions is two items."""
    others = {(result.suite, result.task, result.variant): result for result in b.results}
    for mine in a.results:
        other = others.get((mine.suite, mine.task, mine.variant))
        if mine.outcome not in MEASURED:
            continue
        if other is None or other.outcome not in MEASURED:
            if _scored(mine):
                why = f"{other.outcome}: {other.reason}" if other and other.reason else "not measured"
                refused.append(f"{name_of(mine)}: {why} in B")
            continue
        if mine.version == other.version:
            yield mine, other
        else:
            refused.append(f"{name_of(mine)}: version {mine.version} and version {other.version} are two tasks")


def _alike(a: Result, b: Result, refused: list[str]) -> bool:
    """Whether both timed the same thing: the depth ``context`` is another one where the context is."""
    theirs = _shape(b)
    for key, one in _shape(a).items():
        other = theirs.get(key, one)
        if one != other:
            refused.append(f"{name_of(a)}: {key} {one} and {key} {other} are two measures")
            return False
    return True


def _shape(result: Result) -> dict[str, object]:
    known = {} if result.timing is None else {"profile": result.timing.profile}
    shape = result.shape.to_json() if result.shape else {}
    return known | {key: value for key, value in shape.items() if value is not None}


def _machines(a: RunReport, b: RunReport) -> str:
    """Why timings cannot be compared, or nothing where both are of the same machine."""
    one, other = machine_of(a), machine_of(b)
    if one is None or other is None:
        return "timings: a report does not say which machine it is from"
    if one == other:
        return ""
    facts = [(key, a.machine.get(key), b.machine.get(key)) for key in (*FINGERPRINT, "cores_usable")]
    mine, its = device_facts(a.backend), device_facts(b.backend)
    # Two GPUs may both be called cuda: then the engine's build has their names.
    key = "device" if mine.get("device") != its.get("device") else "engine_build"
    facts.append((key, mine.get(key, "cpu"), its.get(key, "cpu")))
    apart = [fact for fact in facts if fact[1] != fact[2]]
    apart = apart or [("fingerprint", one, other)]
    told = "; ".join(f"{key} is {here!r} and {there!r}" for key, here, there in apart)
    return f"timings: of two machines, and never compared: {told}"


def differing(a: RunReport, b: RunReport) -> dict[str, tuple[str, str]]:
    """What else is not the same in two runs: model, engine and settings, each as both have it."""

    def described(run: RunReport) -> dict[str, str]:
        backend = run.backend
        told = {
            "model": run.submission.name,
            "quantization": f"{run.quantization} made from {run.made_from}" if run.made_from else run.quantization,
            "weights": str(backend and backend.weights_sha256)[:12],
            "mode": run.mode,
            "limit": str(run.limit),
            "seed": str(run.seed),
            "engine": str(engine_of(run)),
        }
        told |= {key: str(getattr(backend, key, None)) for key in TIMINGS if key != "weights_sha256"}
        told |= {name: str(value) for name, value in run.generation.to_json().items()}
        return told | {"thread_wait": str(run.host.thread_wait if run.host else None)}

    one, other = described(a), described(b)
    return {key: (one[key], other[key]) for key in one if one[key] != other[key]}
