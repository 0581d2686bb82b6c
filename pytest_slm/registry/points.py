"""Scores in the registry: of tasks, use cases and profiles, each with its interval, n, chance and coverage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_slm.core.record import FileName, Inside, Name, Record, RecordError, Time
from pytest_slm.core.statistics import Interval
from pytest_slm.core.types import Cuts


def above_chance(score: float, chance: float | None) -> float | None:
    """What of the way from guessing to perfect a score has gone, in points: 0 at the chance level, 100 at 100, below 0
    where a model does worse than guessing. None where the chance level is not known, or is 100."""
    return None if chance is None or chance >= 100 else 100 * (score - chance) / (100 - chance)


def _check_score(score: float, coverage: float) -> None:
    if not 0 <= score <= 100:
        raise RecordError(f"score: a score is in [0, 100], not {score}")
    if not 0 <= coverage <= 1.000001:
        raise RecordError(f"coverage: a share is in [0, 1], not {coverage}")


def check_bounds(value: float | None, cuts: Cuts | None) -> None:
    """Raise RecordError for a value that is not between the bounds that cut answers leave open."""
    if cuts and cuts.bounds and (value is None or not cuts.bounds[0] <= value <= cuts.bounds[1]):
        raise RecordError(f"{value} is not between its bounds, {cuts.bounds}")


@dataclass(frozen=True, kw_only=True)
class TaskScore(Record):
    """One declared task in a use-case score: its variants averaged, in points where more is better."""

    task: str
    version: int
    metric: str
    score: float
    interval: Interval | None
    n: int
    measured_variants: int
    planned_variants: int
    part: tuple[int, int] | None = None
    """How many questions a full run asked, and of how many, where there was only a part of its data set; else None."""
    weight: float | None = None
    """Its part of the use case's score; the parts add up to 1."""
    chance: float | None = None
    """What a model without any skill gets, in points; None where the task does not say."""
    bounds: Interval | None = None
    """The score if all answers that were cut off were wrong, and if they were right; None where nothing was written, or
    it is ``unbounded``."""
    unbounded: bool = False
    """Whether answers were cut off, and nobody can know what the score would be without that."""


@dataclass(frozen=True, kw_only=True)
class Composite(Record):
    """A suite's weighted mean of metrics of several of its tasks, as a share: a benchmark's own total."""

    value: float
    interval: Interval | None
    n: int
    cuts: Cuts | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_bounds(self.value, self.cuts)
        if self.n < 1:
            raise RecordError(f"n: a mean of {self.n} samples does not exist")


@dataclass(frozen=True, kw_only=True)
class UseCase(Record):
    """How good a model is at one kind of work. ``recommended`` is None where it was not judged (quick or limited)."""

    suite: str
    score: float
    interval: Interval | None
    n: int
    coverage: float
    """Share of the suite's declared tasks that was measured; a task with half of its variants counts half."""
    mode: str
    quantization: str
    declared: tuple[str, ...]
    benchmarks: tuple[TaskScore, ...]
    limit: int | None = None
    settings: str = ""
    """The user's own settings of texts; empty where everything was asked as tasks say."""
    chance: float | None = None
    """The mean of the chance levels of its tasks, in points; None where one of them does not say."""
    bounds: Interval | None = None
    """The mean of its tasks' bounds, where nothing was written their scores; None where none has any, and where one is
    ``unbounded``."""
    unbounded: tuple[str, ...] = ()
    """The tasks that are."""
    composites: Mapping[Name, Composite] = field(default_factory=dict)
    """The totals that its suite declares, where every part was measured; they enter no score."""
    recommended: bool | None = None
    engine: str | None = None
    machine: str | None = None
    reports: tuple[Inside, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_score(self.score, self.coverage)
        if self.n < 1:
            raise RecordError(f"n: a score of {self.n} samples does not exist")

    @property
    def above_chance(self) -> float | None:
        """The score with chance taken out (``above_chance``)."""
        return above_chance(self.score, self.chance)


@dataclass(frozen=True, kw_only=True)
class AggregateScore(Record):
    """The weighted mean of a profile, with the share of weight that was measured; ``rank`` among ``ranked`` files
    measured on the same machine, or ``unranked``: why there is none. ``server``: the address of the server that
    answered, whose weights nobody has verified."""

    profile: str
    score: float
    interval: Interval | None
    coverage: float
    quantization: str
    mode: str
    complete: bool
    limit: int | None = None
    settings: str = ""
    machine: str | None = None
    server: str | None = None
    chance: float | None = None
    """The weighted mean of the chance levels of its use cases, in points; None where one of them is not known."""
    rank: int | None = None
    ranked: int | None = None
    unranked: str = ""
    rank_interval: tuple[int, int] | None = None
    """The best and the worst rank that the intervals of all scores allow; None without a rank."""
    tier: int | None = None
    """1 for the best and all that are not told apart from it, 2 for the best of the others, and so on."""
    corrected: float | None = None
    """The score drawn to the mean of the ranked ones by how unsure it is: the best of many is best by luck, too."""
    bounds: Interval | None = None
    """The same mean of the bounds of its use cases, where nothing was written their scores; None where none has any,
    and where one is ``unbounded``."""
    unbounded: tuple[str, ...] = ()
    """The use cases that are."""
    use_cases: Mapping[Name, float] = field(default_factory=dict)
    """The scores that it is the weighted mean of. A file that has full runs of some shows others beside it."""
    tasks: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """What these were measured by: of each ``suite/task`` its version, and how many of its variants there are."""
    parts: Mapping[str, int] = field(default_factory=dict)
    """Of each of these with a data set of which there was only a part: how many questions that had."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_score(self.score, self.coverage)

    @property
    def above_chance(self) -> float | None:
        """The score with chance taken out (``above_chance``)."""
        return above_chance(self.score, self.chance)


@dataclass(frozen=True, kw_only=True)
class ScoresElsewhere(Record):
    """Scores of a quantization that another machine than that of its entry's scores has measured, too."""

    machine: str | None
    use_cases: Mapping[Name, UseCase] = field(default_factory=dict)
    aggregates: Mapping[Name, AggregateScore] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PastResult(Record):
    """One number of one report: the score of a use case in ``points``, or a speed. ``what`` is its name (``rag``,
    ``tps_output``, ``ttft_ms``), ``of`` at which length, ``versions`` those of its tasks, ``used`` whether the file's
    present number comes from this report, too."""

    what: Name
    suite: Name
    unit: str
    value: float
    interval: Interval | None
    n: int
    of: str = ""
    coverage: float | None = None
    mode: str
    limit: int | None
    settings: str
    machine: str | None
    engine: str | None
    versions: Mapping[str, int] = field(default_factory=dict)
    report: Inside
    run_id: FileName
    finished: Time
    used: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n < 1:
            raise RecordError(f"n: a number of {self.n} samples does not exist")
