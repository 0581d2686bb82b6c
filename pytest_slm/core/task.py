"""What is measured: suites, their tasks, and the metrics of a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_slm.core.record import Record, RecordError


@dataclass(frozen=True, kw_only=True)
class MetricSpec(Record):
    """How one metric is made from the scores of a task.

    With no more than a name it is the mean of all scores. ``group`` takes the samples whose ``metadata.group`` is
    that; ``complement`` turns a share p into 1 - p (lower is then better); ``balance`` averages the means of several
    groups with equal weight; ``key`` is the upstream name where an adapter computes it (lm-eval: ``acc_norm``), with
    ``filter`` its filter.
    """

    name: str
    group: str | None = None
    complement: bool = False
    balance: tuple[str, ...] = ()
    key: str | None = None
    filter: str = "none"
    unit: str = "share"

    @property
    def higher_is_better(self) -> bool:
        """A complement counts what should not happen."""
        return not self.complement


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
    version: int = 1
    source: str = ""
    """Where it comes from: a paper or an upstream task."""
    license: str = ""
    requires: tuple[str, ...] = ()
    scorer: str | None = None
    breakdown: str | None = None
    """A metadata key of the samples: the primary metric is also told for each of its values."""
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    modes: Mapping[str, ModePlan] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    gate: Gate | None = None
    tokens_per_sample: int = 100
    """A rough expectation, used for the ETA only and never reported."""
    path: str = ""

    def __post_init__(self) -> None:
        names = [metric.name for metric in self.metrics]
        if len(set(names)) != len(names):
            raise RecordError(f"metric names must be unique, not {names}")
        if self.primary not in names:
            raise RecordError(f"primary {self.primary!r} is none of the metrics {names}")
        if self.gate and self.gate.metric not in names:
            raise RecordError(f"gate metric {self.gate.metric!r} is none of the metrics {names}")

    def spec(self, metric: str) -> MetricSpec:
        """The declaration of the metric of that name."""
        return next(spec for spec in self.metrics if spec.name == metric)


@dataclass(frozen=True, kw_only=True)
class Suite(Record):
    """A folder of tasks. ``tags`` become pytest markers; ``tasks`` names what its score is the mean of."""

    name: str
    title: str
    description: str = ""
    tags: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    path: str = ""
