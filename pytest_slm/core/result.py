"""What came out: scores, measurements, metrics, results, and the report of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, Self

from pytest_slm.core.backend_info import BackendInfo, HostInfo
from pytest_slm.core.comparison import BaselineVerdict
from pytest_slm.core.record import (
    LARGEST_COUNT,
    FileName,
    Inside,
    Name,
    NameOrNone,
    Record,
    RecordError,
    Sha256,
    Time,
    check_counts,
)
from pytest_slm.core.request import GenerationSettings
from pytest_slm.core.rounds import Shape, Timing
from pytest_slm.core.sample import AnswerCounts, CutPrompts, ThinkingCounts
from pytest_slm.core.statistics import Interval
from pytest_slm.core.submission import Submission, WeightsHeader
from pytest_slm.core.task import Declaration, Gate, SuiteFacts, Task

Outcome = Literal["passed", "failed", "skipped", "error", "not_run"]
"""passed: measured, gate met; failed: measured, below its gate; skipped: something is missing; error: could not be
measured; not_run: planned, but the run ended before."""
OUTCOMES: tuple[Outcome, ...] = ("passed", "failed", "skipped", "error", "not_run")
MEASURED: frozenset[str] = frozenset({"passed", "failed"})

REPORT_SCHEMA = "1.0"
SAMPLES = ".jsonl"
"""How the name of a file of samples ends."""
PROPERTY = "slm"
"""The name under which results travel through pytest (``user_properties``) and stand in the JSON report."""


@dataclass(frozen=True, kw_only=True)
class Measurement(Record):
    """Raw values of one quantity, in the order they were taken; warm-ups apart. Statistics are derived, not stored."""

    name: Name
    unit: str
    values: tuple[float, ...]
    warmups: tuple[float, ...] = ()
    higher_is_better: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Cuts(Record):
    """How much of a metric hangs on answers that were ended at their greatest length. ``cut`` and ``censored`` are
    shares of its samples: ended in the answer, or in the thinking before one. ``lower`` and ``upper`` are the least and
    the greatest value that it could have, in its own unit, whether those were wrong or right; None where that cannot be
    known."""

    cut: float
    censored: float
    lower: float | None = None
    upper: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.cut <= 1 or not 0 <= self.censored <= 1 or self.cut + self.censored > 1.000001:
            raise RecordError(f"shares of cut answers are in [0, 1], not {self.cut} and {self.censored}")
        if (self.lower is None) != (self.upper is None):
            raise RecordError("there are two bounds or none")

    @property
    def bounds(self) -> Interval | None:
        """The least and the greatest value; None where they are not known."""
        return None if self.lower is None or self.upper is None else (self.lower, self.upper)


LARGEST_SHARE = 1000.0
"""A share is between 0 and 1, and a difference of two between -1 and 1; what some task calls one may be in percent."""


@dataclass(frozen=True, kw_only=True)
class Metric(Record):
    """A number with its doubt: ``interval`` is the 95 % interval, None where it cannot be known (n = 1, say).

    ``stderr`` is the standard error in the unit of the value, of clusters of samples where the task declares them; None
    where it is not known or the metric is not a mean of samples. ``chance`` is the value of a model without any skill,
    where the task declares it. ``cuts`` is None where nothing was written for it, or nobody looked."""

    name: Name
    value: float
    n: int
    interval: Interval | None = None
    unit: str = "share"
    higher_is_better: bool = True
    stderr: float | None = None
    chance: float | None = None
    cuts: Cuts | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        bounds = self.cuts.bounds if self.cuts else None
        if bounds and not bounds[0] <= self.value <= bounds[1]:
            raise RecordError(f"{self.name}: {self.value} is not between its bounds, {bounds}")
        if not 1 <= self.n <= LARGEST_COUNT:
            raise RecordError(f"{self.name}: a metric of {self.n} samples does not exist")
        if not math.isfinite(self.value):
            raise RecordError(f"{self.name}: {self.value} is not a finite number")
        shares = (self.value, self.stderr or 0.0, *(self.interval or ()), *(bounds or ()))
        if self.unit == "share" and (min(shares) < -LARGEST_SHARE or max(shares) > LARGEST_SHARE):
            raise RecordError(f"{self.name}: {max(shares, key=abs):g} is no share")
        if self.chance is not None and not 0 <= self.chance <= 1:
            raise RecordError(f"{self.name}: a chance level is in [0, 1], not {self.chance}")


@dataclass(frozen=True, kw_only=True)
class ItemId(Record):
    """Names one item whatever its path: a task variant on one quantization."""

    suite: Name
    task: Name
    variant: NameOrNone
    quantization: FileName

    def __str__(self) -> str:
        inside = f"{self.quantization}-{self.variant}" if self.variant else self.quantization
        return f"{self.suite}/{self.task}[{inside}]"


@dataclass(frozen=True, kw_only=True)
class Result(Record):
    """What one item brought. Only items with outcome passed or failed have metrics."""

    suite: Name
    task: Name
    variant: NameOrNone
    quantization: FileName
    mode: str
    outcome: Outcome
    version: int = 1
    kind: str = ""
    reason: str = ""
    """Why it was skipped, failed, could not be measured or did not run; for passed items empty, or what its numbers
    leave out."""
    seed: int = 0
    seconds: float = 0.0
    n_scored: int = 0
    n_unscored: int = 0
    primary: Name | None = None
    metrics: tuple[Metric, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    gate: Gate | None = None
    baseline: BaselineVerdict | None = None
    """What the same item of a baseline run says of it (``--slm-baseline``)."""
    cell: Sha256 = ""
    """The hash of its cell in a store (``--slm-store``); ``taken_over``: it was measured in an earlier session."""
    taken_over: bool = False
    samples: Inside | None = None
    """Path of the per-sample JSONL file, relative to the report."""
    machine: str | None = None
    """The machine that the model was on; None if it was never opened, or that machine has no fingerprint."""
    declared: Declaration = Declaration()
    answers: AnswerCounts | None = None
    """None for items that ask for none through a runner."""
    answers_cut: int | None = None
    """Samples of which an answer was ended at its greatest length; None where that does not matter or is not known."""
    thinking: ThinkingCounts | None = None
    """None where the model wrote nothing."""
    prompts_cut: CutPrompts | None = None
    """None where every prompt was shown as a whole. With it nothing is the primary metric: it was another task."""
    clusters: int | None = None
    """Groups of samples that share a passage or the like; None where samples are independent."""
    harmful: bool = False
    """Whether its texts may hurt whoever reads them: they stand in the file of samples, and not on pages."""
    public: bool = False
    """Whether its questions may stand on a public page; harmful ones never do."""
    canary: bool = True
    """Whether a model that knows no order of words would have been an error (``--slm-canary``)."""
    seeded: bool = False
    """Whether its questions were made from the seed: with another one they are others."""
    without_effect: Mapping[str, str] = field(default_factory=dict)
    """Settings of the user that had no meaning for it, by name, and why."""
    timing: Timing | None = None
    """None for what is no timing, and for timings that say no verdict."""
    shape: Shape | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Task source, data set and its fingerprint, template, versions: what else the number depends on. It is shown to
    people, and no program decides by it: what one reads has a field of its own."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.outcome not in OUTCOMES:
            raise RecordError(f"outcome must be one of {OUTCOMES}, not {self.outcome!r}")
        check_counts(n_scored=self.n_scored, n_unscored=self.n_unscored)
        check_counts(answers_cut=self.answers_cut, clusters=self.clusters)
        if self.samples and not self.samples.endswith(SAMPLES):
            raise RecordError(f"samples: a file of samples ends with {SAMPLES}, unlike {self.samples!r:.80}")
        if self.seconds < 0:
            raise RecordError(f"{self.id}: no item takes {self.seconds} seconds")
        if self.metrics and self.outcome not in MEASURED:
            raise RecordError(f"{self.id}: an item that is {self.outcome} has no metrics")

    @classmethod
    def of(cls, item: ItemId, *, mode: str, outcome: Outcome, **known: Any) -> Self:
        """The result of an item that a runner did not make itself."""
        return cls(**item.to_json(), mode=mode, outcome=outcome, **known)

    @cached_property  # what a report is made of is sorted, counted and found by it
    def id(self) -> ItemId:
        """The item this result belongs to."""
        return ItemId(suite=self.suite, task=self.task, variant=self.variant, quantization=self.quantization)

    def with_chance(self, task: Task) -> Self:
        """This result with the chance levels that its task declares; those that a kind has worked out stay."""
        said = {spec.name: spec.chance for spec in task.metrics if not spec.chance_of_rows}
        metrics = tuple(replace(one, chance=said.get(one.name)) if one.name in said else one for one in self.metrics)
        return replace(self, metrics=metrics)

    def unbounded(self, metric: Metric) -> bool:
        """Whether nobody can know what answers that were cut off have changed of a metric."""
        if metric.cuts is not None:
            return metric.cuts.bounds is None and metric.cuts.cut + metric.cuts.censored > 0
        return bool(self.answers_cut or (self.thinking and self.thinking.censored))

    def metric(self, name: str | None = None) -> Metric | None:
        """The metric of that name (default: the primary one), or None if it was not measured."""
        wanted = self.primary if name is None else name
        for metric in self.metrics:
            if metric.name == wanted:
                return metric
        return None


@dataclass(frozen=True, kw_only=True)
class RunReport(Record):
    """Everything about one run of one quantization: the ``slm`` section of the JSON report."""

    schema: str
    run_id: FileName
    created: Time
    """UTC, ISO 8601, when the run began."""
    finished: Time
    mode: str
    seed: int
    quantization: FileName
    submission: Submission
    detected: WeightsHeader | None
    backend: BackendInfo | None
    """None if it was never opened."""
    host: HostInfo | None = None
    """The process that held the model; None if it was never opened."""
    machine: Mapping[str, Any]
    """Of the process that held the model; of the session where none was started."""
    versions: Mapping[str, str]
    planned: tuple[ItemId, ...]
    results: tuple[Result, ...]
    suites: Mapping[Name, SuiteFacts] = field(default_factory=dict)
    """What the suites of these results say of themselves, by name."""
    interrupted: bool = False
    show_harmful: bool = False
    """Whether its user wants texts that may hurt on the pages of this run, behind a click."""
    limit: int | None = None
    generation: GenerationSettings = GenerationSettings()
    """What the user wanted of texts instead of what tasks say."""
    budget: Mapping[str, Any] | None = None
    """For a run with a time budget: asked_s, planned_s, took_s and planning_s in seconds, the samples that were chosen
    by item and those available, the measured rates, and why."""
    harness: Mapping[str, float | None] = field(default_factory=dict)
    """wall_s, of the session; took_s, from the first item of this quantization to the end of its last; startup_s, from
    the command to the first item; host_s, spent waiting for the model; share, what is left of the wall time; peak_rss
    in bytes, of the session's own process; weights_s, spent on reading the weights again."""

    def __post_init__(self) -> None:
        super().__post_init__()
        ids = [result.id for result in self.results]
        if len(set(ids)) != len(ids):
            raise RecordError("two results for one item")
        foreign = {result.quantization for result in self.results} - {self.quantization}
        if foreign:
            raise RecordError(f"results of {sorted(foreign)} in the report of {self.quantization}")

    def facts(self, suite: str) -> SuiteFacts:
        """What a suite says of itself; folders of test functions need not say anything."""
        return self.suites.get(suite) or SuiteFacts.of(suite)

    @property
    def made_from(self) -> str | None:
        """The quantization from which these weights were made on the machine of the run; None for published files."""
        derivation = self.detected.derivation if self.detected else None
        return (derivation.source_quantization or "a file of unknown type") if derivation else None

    @cached_property
    def own_settings(self) -> str:
        """By which settings of the user its answers are others than those that tasks ask for: what has any is shown,
        and never ranked."""
        lora = self.backend.lora if self.backend else None
        return ", ".join(filter(None, (str(self.generation), f"lora={lora!r:.60}" if lora else "")))

    @property
    def standard(self) -> bool:
        """Whether it is a full run as tasks ask for it, which alone can be ranked."""
        return self.mode == "full" and self.limit is None and not self.own_settings

    @property
    def answers(self) -> tuple[int, int]:
        """How many answers were taken from before an interruption, and how many were asked for in all."""
        kept = [result.answers for result in self.results if result.answers]
        return sum(one.taken for one in kept), sum(one.asked for one in kept)

    @cached_property  # a registry asks for each score of a run, and there are as many items
    def complete(self) -> bool:
        """Whether every planned item was measured or skipped for a reason of its own."""
        done = {result.id for result in self.results if result.outcome in ("passed", "failed", "skipped")}
        return set(self.planned) <= done and not self.interrupted
