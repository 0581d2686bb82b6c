"""What is measured: suites, their tasks, and the metrics of a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from pytest_slm.core.record import Name, Record, RecordError, Repo, Revision

PARAMETERS: Mapping[str, Mapping[str, int]] = {
    "mean": {},
    "twins": {},
    "expected_maximum": {"k": 1},
    "f1": {},
    "label_f1": {},
    "macro_f1": {},
    "macro_recall": {},
    "weighted_f1": {},
    "auroc": {},
    "brier": {},
    "calibration_error": {"bins": 10},
    "spread": {},
    "bias": {},
    "gap": {},
}
"""How the scores of samples become one number (``core.metrics``), with the parameters of each and their defaults."""
ERRORS = frozenset({"bias", "brier", "calibration_error", "gap", "spread"})
"""Those that measure how far something is off, which is better small."""
OF_CONFIDENCE = frozenset({"auroc", "brier", "calibration_error"})
"""Those that are made of how sure a model is of each answer."""


@dataclass(frozen=True, kw_only=True)
class MetricSpec(Record):
    """How one metric is made from the scores of a task.

    With no more than a name it is the mean of all scores. ``group`` takes the samples that count in that group;
    ``key`` names the entry of ``Verdict.values`` that it is made of, or the upstream name where an adapter computes it
    (lm-eval: ``acc_norm``), with ``filter`` its filter. A mean may be turned by ``complement`` from a share p into
    1 - p (lower is then better), and ``balance`` averages the means of several groups with equal weight (of a ``gap``
    it names the groups that are compared). ``aggregate`` is another way than the mean (``PARAMETERS``), with its
    ``parameters``, all of them whole numbers from 1.
    ``label`` is the class that ``f1`` is of.
    ``chance`` is what a model without any skill gets; None where nobody says, or where the kind works it out of the
    rows that were asked (``chance_of_rows``). ``parts`` makes it the mean of other metrics of the task, declared before
    it, by these weights; it is made only where all of them are.
    """

    name: str
    group: str | None = None
    complement: bool = False
    balance: tuple[str, ...] = ()
    key: str | None = None
    filter: str = "none"
    unit: str = "share"
    aggregate: str = "mean"
    parameters: Mapping[str, int] = field(default_factory=dict)
    label: str | None = None
    chance: float | None = None
    chance_of_rows: bool = False
    parts: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.parts and (self.group or self.balance or self.key or self.complement or self.aggregate != "mean"):
            raise RecordError(f"{self.name}: it is made of its parts, and of nothing else")
        if not all(0 < weight < float("inf") for weight in self.parts.values()):
            raise RecordError(f"{self.name}: the weight of a part is above 0")
        if (self.aggregate == "f1") != (self.label is not None):
            raise RecordError(f"{self.name}: `label` names the class of `aggregate: f1`, and of no other")
        if self.chance is not None and not 0 <= self.chance <= 1:
            raise RecordError(f"{self.name}: a chance level is in [0, 1], not {self.chance}")
        known = PARAMETERS.get(self.aggregate)
        if known is None:
            raise RecordError(f"{self.name}: {self.aggregate!r:.80} is no aggregate; known: {', '.join(PARAMETERS)}")
        for name, value in self.parameters.items():
            if name not in known:
                raise RecordError(f"{self.name}: {self.aggregate} has no parameter {name!r:.80}")
            if value < 1:
                raise RecordError(f"{self.name}: {name} must be at least 1, not {value}")
        if self.aggregate != "mean" and (self.complement or (self.balance and self.aggregate != "gap")):
            raise RecordError(f"{self.name}: complement and balance are for means, not for {self.aggregate}")
        if self.aggregate == "gap" and len(self.balance) < 2:
            raise RecordError(f"{self.name}: `balance` names the groups that a gap is between, two or more")
        object.__setattr__(self, "parameters", {**known, **self.parameters})

    @property
    def source(self) -> str:
        """The key of what it is made of, in a verdict's values."""
        return self.key or self.name

    @property
    def higher_is_better(self) -> bool:
        """A complement counts what should not happen; errors, gaps and biases are better small."""
        return not self.complement and self.is_score

    @property
    def is_score(self) -> bool:
        """Whether it counts what is right, and does not measure how far something is off."""
        return self.aggregate not in ERRORS

    def with_chance(self, level: float | str | None) -> Self:
        """The metric with this chance level; a text says that it is worked out of the rows."""
        rows = isinstance(level, str)
        return replace(self, chance=None if isinstance(level, str) else level, chance_of_rows=rows)


def part_problem(spec: MetricSpec, before: Sequence[MetricSpec]) -> str | None:
    """Why a metric cannot be made of its parts, which are shares declared before it and all better in one direction."""
    known = {one.name: one for one in before if one.unit == "share"}
    for name in spec.parts:
        if name not in known:
            return f"its part {name!r:.80} is no share that is declared before it"
        if not known[name].higher_is_better:
            return f"its part {name!r:.80} is better when it is smaller"
    return None


@dataclass(frozen=True, kw_only=True)
class Dataset(Record):
    """A split of a data set, by its name on the Hub; ``revision`` is a commit, tag or branch there.

    What the Hub does not have is looked for in a mirror only, so that nobody can put another one in its place by taking
    the name: ``unpublished`` says what is known of a data set that nobody offers to the public, ``elsewhere`` where one
    is offered; both say in which form it is to be in the mirror.
    """

    path: Repo
    config: str | None = None
    split: Name = "test"
    revision: Revision | None = None
    unpublished: str = ""
    elsewhere: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.unpublished and self.elsewhere:
            raise RecordError("a data set is unpublished or elsewhere, not both")

    @property
    def on_hub(self) -> bool:
        """Whether the Hub has it."""
        return not (self.unpublished or self.elsewhere)


@dataclass(frozen=True, kw_only=True)
class ModePlan(Record):
    """What a task does in one mode: at most ``limit`` samples (None: all) of these ``variants`` (None: all)."""

    limit: int | None = None
    variants: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise RecordError(f"limit must be at least 1, not {self.limit}")


@dataclass(frozen=True, kw_only=True)
class Gate(Record):
    """The least value (or, where lower is better, the greatest) of a metric with which an item passes."""

    metric: str
    limit: float


@dataclass(frozen=True, kw_only=True)
class Task(Record):
    """One task file of a suite."""

    name: str
    suite: str
    kind: str
    description: str
    primary: str
    metrics: tuple[MetricSpec, ...]
    title: str = ""
    """What people call it, on pages; empty where its name will do."""
    version: int = 1
    source: str = ""
    """Where it comes from: a paper or an upstream task."""
    license: str = ""
    requires: tuple[str, ...] = ()
    scorer: str | None = None
    scoring: Mapping[str, Any] = field(default_factory=dict)
    """The options of the scorer, which a sample's own ``scoring`` overrides."""
    breakdown: str | None = None
    """A metadata key of the samples: the primary metric is also told for each of its values."""
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    modes: Mapping[str, ModePlan] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    gate: Gate | None = None
    family: Name | None = None
    """That of its suite which it is of (``SuiteFacts.families``)."""
    harmful: bool = False
    """Whether its questions, or answers to them, may hurt whoever reads them: pages then have hashes in their place."""
    public: bool = False
    """Whether its questions may stand on a public page: they are ours, or their licence and their authors allow it."""
    effective: float | None = None
    """Its variants are lengths in tokens (``variants`` are whole numbers), and a length is mastered from this value of
    the primary metric on."""
    tokens_per_sample: int = 100
    """A rough expectation, used for the ETA only and never reported."""
    path: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        names = [metric.name for metric in self.metrics]
        if len(set(names)) != len(names):
            raise RecordError(f"metric names must be unique, not {names}")
        if self.primary not in names:
            raise RecordError(f"primary {self.primary!r} is none of the metrics {names}")
        for place, spec in enumerate(self.metrics):
            if (wrong := part_problem(spec, self.metrics[:place])) is not None:
                raise RecordError(f"{spec.name}: {wrong}")
        if self.effective is not None and not 0 < self.effective <= 1:
            raise RecordError(f"effective is above 0 and at most 1, not {self.effective}")
        if self.effective is not None and not all(name.isdecimal() for name in self.variants):
            raise RecordError("effective is for variants that are lengths: whole numbers of tokens")
        if self.gate and self.gate.metric not in names:
            raise RecordError(f"gate metric {self.gate.metric!r} is none of the metrics {names}")

    def spec(self, metric: str) -> MetricSpec:
        """The declaration of the metric of that name."""
        return next(spec for spec in self.metrics if spec.name == metric)


@dataclass(frozen=True, kw_only=True)
class Declaration(Record):
    """What was declared around an item when it was measured: the tasks that the score of its suite is the mean of, the
    variants of its task, how its primary metric is made, and what ``family`` and ``effective`` of its task were."""

    suite_tasks: tuple[str, ...] = ()
    task_variants: tuple[str, ...] = ()
    primary: MetricSpec | None = None
    family: Name | None = None
    effective: float | None = None

    @classmethod
    def of(cls, task: Task, suite_tasks: tuple[str, ...]) -> Self:
        """What a task declares, in a suite whose score is made of these tasks."""
        return cls(
            suite_tasks=suite_tasks,
            task_variants=tuple(task.variants),
            primary=task.spec(task.primary),
            family=task.family,
            effective=task.effective,
        )


@dataclass(frozen=True, kw_only=True)
class RateSource(Record):
    """The metric of a task of the suite that is a rate of the registry."""

    task: str
    metric: str


@dataclass(frozen=True, kw_only=True)
class MetricPart(Record):
    """A metric of a task of the suite, and what it weighs in a metric that is made of several."""

    task: str
    metric: str
    weight: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.weight < float("inf"):
            raise RecordError(f"the weight of {self.task}/{self.metric} is above 0, not {self.weight}")


@dataclass(frozen=True, kw_only=True)
class SuiteFacts(Record):
    """What a report must know of a suite to make scores of its results."""

    title: str
    scored: bool = True
    """Whether its results are made to a score; speeds and checks are not."""
    use_case: Name | None = None
    """The name of its score among the use cases; None if it is none of them."""
    domain: Name | None = None
    """The line of work that its questions come from: ``legal``."""
    families: Mapping[Name, tuple[str, ...]] = field(default_factory=dict)
    """Tasks that count once together in its score, as the mean of them, by the name of their family."""
    rows: Mapping[Name, int] = field(default_factory=dict)
    """How many questions a full run asks of a variant of a task where its data set is whole; tasks whose questions come
    with the suite need not be named."""
    chances: Mapping[Name, str] = field(default_factory=dict)
    """How a model without any skill comes to the chance level of a task, in words, where that is not by guessing; of a
    task that declares none, why."""
    rates: Mapping[Name, RateSource] = field(default_factory=dict)
    """Rates of the registry's section ``safety``, by name."""
    composites: Mapping[Name, tuple[MetricPart, ...]] = field(default_factory=dict)
    """Metrics that are the weighted mean of metrics of several tasks, by name; there only where all of them are."""

    @property
    def family_of_tasks(self) -> dict[str, str]:
        """The family of each task that is of one."""
        return {task: family for family, tasks in self.families.items() for task in tasks}

    @classmethod
    def of(cls, suite: str) -> Self:
        """The facts of a suite that says nothing of itself."""
        return cls(title=suite, use_case=suite)


@dataclass(frozen=True, kw_only=True)
class Suite(Record):
    """A folder of tasks. ``tags`` become pytest markers; ``tasks`` names what its score is the mean of."""

    name: str
    facts: SuiteFacts
    description: str = ""
    tags: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    path: str = ""
