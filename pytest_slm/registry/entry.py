"""The registry document: one entry per model, every number with its interval, its n and where it came from.

Scores are points from 0 to 100 where more is always better; rates keep the direction of their name and are shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pytest_slm.core.aggregation import ScoreRules
from pytest_slm.core.record import (
    FileName,
    Inside,
    Name,
    NameOrNone,
    Record,
    RecordError,
    Repo,
    Revision,
    Sha256,
    Slug,
    Time,
)
from pytest_slm.core.statistics import Interval
from pytest_slm.core.types import CutPrompts, Cuts, SuiteFacts, ThinkingCounts
from pytest_slm.registry.points import AggregateScore as AggregateScore
from pytest_slm.registry.points import Composite as Composite
from pytest_slm.registry.points import PastResult as PastResult
from pytest_slm.registry.points import ScoresElsewhere as ScoresElsewhere
from pytest_slm.registry.points import TaskScore as TaskScore
from pytest_slm.registry.points import UseCase as UseCase
from pytest_slm.registry.points import check_bounds
from pytest_slm.registry.questions.record import QuestionScores
from pytest_slm.registry.speeds import DeploymentTarget, Performance

REGISTRY_SCHEMA = "3.0.0"


@dataclass(frozen=True, kw_only=True)
class Item(Record):
    """One item as the newest run of its kind left it: measured, or why it was not. ``value`` is in ``unit``."""

    suite: Name
    task: Name
    variant: NameOrNone
    version: int
    outcome: str
    mode: str
    report: Inside
    reason: str = ""
    metric: Name | None = None
    value: float | None = None
    unit: str | None = None
    interval: Interval | None = None
    higher_is_better: bool | None = None
    n: int | None = None
    n_unscored: int = 0
    part: tuple[int, int] | None = None
    """How many questions a full run asked, and of how many, where there was only a part of its data set; else None."""
    chance: float | None = None
    answers_cut: int | None = None
    """Samples of which an answer was ended at its greatest length; None where that is not known, or does not matter."""
    prompts_cut: CutPrompts | None = None
    """Prompts that lost their beginning; None where each was shown as a whole."""
    cuts: Cuts | None = None
    """What those, and answers that were cut off while the model was thinking, may have changed of ``value``."""
    thinking: ThinkingCounts | None = None
    questions: QuestionScores | None = None
    """The score of each question, for comparisons in pairs; None where its samples were not beside the report, or the
    metric is no mean over questions."""
    sampled: QuestionScores | None = None
    """The scores of the sample of them that a quick run asked beside this full one: by those it is compared with files
    of which there is no full run."""
    verdict: str | None = None
    """``stable`` or ``noisy`` of an item that measures time, whose reason ``noise`` is; None for others."""
    noise: str = ""
    seconds: float | None = None
    """How long it took; None in older registries."""
    dataset: str = ""
    """The data set that its questions are from, as its report names it: of the Hub ``owner/name``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_bounds(self.value, self.cuts)
        if self.n is not None and self.n < 1:
            raise RecordError(f"n: a number of {self.n} samples does not exist")
        if self.chance is not None and not 0 <= self.chance <= 1:
            raise RecordError(f"chance: a chance level is in [0, 1], not {self.chance}")


@dataclass(frozen=True, kw_only=True)
class Rate(Record):
    """A rate of the safety tasks, as a share; its name says what is counted (``attack_success_rate``)."""

    value: float
    interval: Interval | None
    n: int
    tasks: tuple[str, ...]
    mode: str
    limit: int | None = None
    settings: str = ""
    higher_is_better: bool = False
    cuts: Cuts | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_bounds(self.value, self.cuts)
        if self.n < 1:
            raise RecordError(f"n: a rate of {self.n} samples does not exist")


@dataclass(frozen=True, kw_only=True)
class PublishedFile(Record):
    """Where weights can be had as they were measured: a ``file`` (or a folder, without one) of a Hub repo at a
    ``revision``, or of an installable Python package."""

    repo: Repo | None = None
    revision: Revision | None = None
    package: Name | None = None
    file: Inside | None = None


@dataclass(frozen=True, kw_only=True)
class QuantizationEntry(Record):
    """One quantization of a model: its file, its scores and every item of it."""

    format: str
    size_bytes: int | None = None
    bits_per_weight: float | None = None
    weights_sha256: str | None = None
    made_from: str | None = None
    """The quantization that the file was made from on the machine of the run; null for published files."""
    published: PublishedFile | None = None
    """None for a file that was made or found on the machine of the run."""
    server: str | None = None
    """The address of the server that answered; None for weights that were opened where they were measured."""
    use_cases: Mapping[Name, UseCase] = field(default_factory=dict)
    """The best runs of each, whatever machine they were on."""
    aggregates: Mapping[Name, AggregateScore] = field(default_factory=dict)
    elsewhere: tuple[ScoresElsewhere, ...] = ()
    items: tuple[Item, ...] = ()
    history: tuple[PastResult, ...] = ()
    """What each of its runs gave by itself, where several on one machine measured the same."""


@dataclass(frozen=True, kw_only=True)
class ReportReference(Record):
    """A run report that this entry knows, by path (relative to the reports folder) and hash; ``used`` if a number
    of the entry comes from it."""

    path: Inside
    sha256: Sha256
    run_id: FileName
    quantization: FileName
    revision: Revision | None
    mode: str
    limit: int | None
    seed: int
    created: Time
    finished: Time
    complete: bool
    engine: str | None
    machine: str | None
    versions: Mapping[str, str]
    used: bool
    settings: str = ""
    model: Slug | None = None
    """The id that this report alone would have; None in older registries."""
    weights: tuple[Sha256, ...] = ()
    """The hash of the weights, and of those that they were made from."""
    suites: tuple[Name, ...] = ()
    """The suites of which it measured something, by name; none in older registries."""

    @property
    def measured_as(self) -> str:
        """Mode, limit and settings of the user's, in words."""
        return ", ".join(filter(None, (self.mode, "" if self.limit is None else f"limit {self.limit}", self.settings)))


@dataclass(frozen=True, kw_only=True)
class Claim(Record):
    """A number that somebody else has published, and nobody here has measured: shown as unverified, and never ranked.
    ``kind`` is what it was called there (``use_cases``, ``speed``), ``source`` the file, by name and hash."""

    kind: Name
    name: Name
    value: float
    unit: str
    source: Name
    sha256: Sha256
    quantization: FileName | None = None


@dataclass(frozen=True, kw_only=True)
class Provenance(Record):
    """All reports of the model, and the machines (by fingerprint) they were made on."""

    reports: tuple[ReportReference, ...]
    machines: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RegistryEntry(Record):
    """Everything that is known about one model."""

    id: Slug
    name: Name
    quantization: FileName
    """The quantization whose scores are the headline: widest coverage, then most bits."""
    date_added: str
    family: str | None = None
    hf_repo: Repo | None = None
    revision: Revision | None = None
    parameters: int | None = None
    """Counted from the weights' headers; None if nobody counted."""
    declared_parameters: str | None = None
    architecture: str | None = None
    context_length: int | None = None
    license: str | None = None
    submitted_by: str | None = None
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    use_cases: Mapping[Name, UseCase] = field(default_factory=dict)
    aggregates: Mapping[Name, AggregateScore] = field(default_factory=dict)
    performance: Performance | None = None
    performance_elsewhere: tuple[Performance, ...] = ()
    safety: Mapping[Name, Rate] = field(default_factory=dict)
    domain_scores: Mapping[Name, float] = field(default_factory=dict)
    suites: Mapping[Name, SuiteFacts] = field(default_factory=dict)
    """What the suites of its items say of themselves."""
    deployment_targets: tuple[DeploymentTarget, ...] = ()
    best_for: tuple[str, ...] = ()
    not_for: tuple[str, ...] = ()
    quantizations: Mapping[FileName, QuantizationEntry] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    provenance: Provenance

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.quantization not in self.quantizations:
            raise RecordError(f"quantization: {self.quantization!r:.80} is none of the entry's quantizations")


@dataclass(frozen=True, kw_only=True)
class RegistryMetadata(Record):
    """``last_updated`` is when the newest report was finished, so that building twice gives the same bytes."""

    schema_version: Literal["3.0.0"] = "3.0.0"
    last_updated: str | None
    total_models: int
    platform: str | None


@dataclass(frozen=True, kw_only=True)
class Registry(Record):
    """The document: what the site and all other pages are made from."""

    metadata: RegistryMetadata
    rules: ScoreRules
    models: tuple[RegistryEntry, ...]
