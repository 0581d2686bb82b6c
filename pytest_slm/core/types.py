"""The nouns of the project, from a submission to a run report. Frozen, keyword-only, checked when they are born."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.statistics import Interval

Mode = Literal["quick", "full", "validate"]
MODES: tuple[Mode, ...] = ("quick", "full", "validate")

Outcome = Literal["passed", "failed", "skipped", "error", "not_run"]
"""passed: measured, gate met; failed: measured, below its gate; skipped: something is missing; error: could not be
measured; not_run: planned, but the run ended before."""
OUTCOMES: tuple[Outcome, ...] = ("passed", "failed", "skipped", "error", "not_run")
MEASURED: frozenset[str] = frozenset({"passed", "failed"})

REPORT_SCHEMA = "1.0"


# -- what is measured ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Quantization(Record):
    """One file (or folder) of weights of a model: ``name`` as people say it (Q8_0, FP16), ``format`` gguf, safetensors
    or the name of another backend's format; ``source`` a Hub repo, ``pkg:`` reference or folder; ``file`` in it."""

    name: str
    format: str
    source: str | None = None
    file: str | None = None


@dataclass(frozen=True, kw_only=True)
class Submission(Record):
    """A model and its quantizations, as declared by a YAML file or derived from a model reference."""

    slug: str
    name: str
    quantizations: tuple[Quantization, ...]
    family: str | None = None
    hf_repo: str | None = None
    revision: str | None = None
    parameters: str | None = None
    architecture: str | None = None
    context_length: int | None = None
    license: str | None = None
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    submitted_by: str | None = None
    submitted_date: str | None = None
    contact: str | None = None
    origin: str = ""
    """The reference it came from: a path, ``pkg:...`` or repo id."""


@dataclass(frozen=True, kw_only=True)
class Detected(Record):
    """What the headers of a weights file say. ``None`` means that the header does not say it."""

    format: str
    architecture: str | None = None
    parameters: int | None = None
    context_length: int | None = None
    vocab_size: int | None = None
    hidden_size: int | None = None
    num_layers: int | None = None
    kv_heads: int | None = None
    quantization: str | None = None
    bits_per_weight: float | None = None
    file_size: int | None = None
    name: str | None = None
    license: str | None = None
    rope_scaling: str | None = None
    chat_template: str | None = None
    chat_template_sha256: str | None = None
    revision: str | None = None
    gated: bool | None = None


# -- what is asked ------------------------------------------------------------------------------------------------


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


@dataclass(frozen=True, kw_only=True)
class Message(Record):
    """One turn of a conversation."""

    role: str
    content: str


@dataclass(frozen=True, kw_only=True)
class Sample(Record):
    """One question: what the model is shown (text, or a whole conversation), and what a scorer compares with."""

    id: str
    input: str | tuple[Message, ...]
    target: Any = None
    tools: tuple[Mapping[str, Any], ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def messages(self) -> tuple[Message, ...]:
        """The input as a conversation."""
        return (Message(role="user", content=self.input),) if isinstance(self.input, str) else self.input


@dataclass(frozen=True, kw_only=True)
class Request(Record):
    """One generation to make: ``messages`` go through the chat template, ``prompt`` is taken as text and
    ``prompt_ids`` as token ids; exactly one of them is given.

    ``temperature`` 0 is greedy. ``forced_length`` ignores the end of turn, so that exactly ``max_tokens`` come.
    """

    messages: tuple[Message, ...] | None = None
    prompt: str | None = None
    prompt_ids: tuple[int, ...] | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    seed: int = 0
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    forced_length: bool = False

    def __post_init__(self) -> None:
        if sum(part is not None for part in (self.messages, self.prompt, self.prompt_ids)) != 1:
            raise RecordError("a request has exactly one of messages, prompt and prompt_ids")
        if self.max_tokens < 1:
            raise RecordError(f"max_tokens must be at least 1, not {self.max_tokens}")
        if not 0 <= self.temperature < math.inf or not 0 < self.top_p <= 1 or self.top_k < 0:
            raise RecordError("temperature must be >= 0, top_p in (0, 1] and top_k >= 0")


@dataclass(frozen=True, kw_only=True)
class Timings(Record):
    """Seconds on the monotonic clock of the process that holds the model, counted from the arrival of the request.

    ``prepare_s``: template and tokenizer; ``prefill_s``: the prompt through the engine; ``sample_s``: picking the
    first token; ``token_s``: when each output token was known as text (first entry: TTFT). ``n_evaluated``: prompt
    tokens that the engine really computed, which equals the prompt's length when nothing was cached.
    """

    prepare_s: float
    prefill_s: float
    sample_s: float
    token_s: tuple[float, ...]
    end_s: float
    n_evaluated: int


@dataclass(frozen=True, kw_only=True)
class Generation(Record):
    """What the model wrote. ``finish``: stop (end of turn or a stop string), length (max_tokens) or context."""

    text: str
    n_prompt: int
    n_output: int
    finish: Literal["stop", "length", "context"]
    timings: Timings | None = None


# -- what came out ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Score(Record):
    """A scorer's verdict on one sample: ``value`` in [0, 1], or None where it could not be scored (never 0 then)."""

    value: float | None
    answer: str
    explanation: str

    def __post_init__(self) -> None:
        if self.value is not None and not 0 <= self.value <= 1:
            raise RecordError(f"a score is in [0, 1] or None, not {self.value}")


@dataclass(frozen=True, kw_only=True)
class Measurement(Record):
    """Raw values of one quantity, in the order they were taken; warm-ups apart. Statistics are derived, not stored."""

    name: str
    unit: str
    values: tuple[float, ...]
    warmups: tuple[float, ...] = ()
    higher_is_better: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Metric(Record):
    """A number with its doubt: ``interval`` is the 95 % interval, None where it cannot be known (n = 1, say)."""

    name: str
    value: float
    n: int
    interval: Interval | None = None
    unit: str = "share"
    higher_is_better: bool = True

    def __post_init__(self) -> None:
        if self.n < 1:
            raise RecordError(f"{self.name}: a metric of {self.n} samples does not exist")
        if not math.isfinite(self.value):
            raise RecordError(f"{self.name}: {self.value} is not a finite number")


@dataclass(frozen=True, kw_only=True)
class ItemId(Record):
    """Names one item whatever its path: a task variant on one quantization."""

    suite: str
    task: str
    variant: str
    quantization: str

    def __str__(self) -> str:
        inside = "-".join(part for part in (self.quantization, self.variant) if part)
        return f"{self.suite}/{self.task}[{inside}]"


@dataclass(frozen=True, kw_only=True)
class Result(Record):
    """What one item brought. Only items with outcome passed or failed have metrics."""

    suite: str
    task: str
    variant: str
    quantization: str
    mode: str
    outcome: Outcome
    version: int = 1
    kind: str = ""
    reason: str = ""
    """Why it was skipped, failed, could not be measured or did not run; for passed items empty."""
    seed: int = 0
    seconds: float = 0.0
    n_scored: int = 0
    n_unscored: int = 0
    primary: str | None = None
    metrics: tuple[Metric, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    gate: Gate | None = None
    samples: str | None = None
    """Path of the per-sample JSONL file, relative to the report."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Task source, data set and its fingerprint, template, versions: whatever the number depends on."""

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise RecordError(f"outcome must be one of {OUTCOMES}, not {self.outcome!r}")
        if self.metrics and self.outcome not in MEASURED:
            raise RecordError(f"{self.id}: an item that is {self.outcome} has no metrics")

    @property
    def id(self) -> ItemId:
        """The item this result belongs to."""
        return ItemId(suite=self.suite, task=self.task, variant=self.variant, quantization=self.quantization)

    def metric(self, name: str | None = None) -> Metric | None:
        """The metric of that name (default: the primary one), or None if it was not measured."""
        wanted = self.primary if name is None else name
        return next((metric for metric in self.metrics if metric.name == wanted), None)


@dataclass(frozen=True, kw_only=True)
class RunReport(Record):
    """Everything about one run of one quantization: the ``slm`` section of the JSON report."""

    schema: str
    run_id: str
    created: str
    """UTC, ISO 8601, when the run began."""
    finished: str
    mode: str
    seed: int
    quantization: str
    submission: Submission
    detected: Detected | None
    backend: Mapping[str, Any]
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    planned: tuple[ItemId, ...]
    results: tuple[Result, ...]
    interrupted: bool = False
    limit: int | None = None
    harness: Mapping[str, float | None] = field(default_factory=dict)
    """wall_s, startup_s (command to first item), host_s (waiting for the model), share (what is left / wall)."""

    def __post_init__(self) -> None:
        ids = [result.id for result in self.results]
        if len(set(ids)) != len(ids):
            raise RecordError("two results for one item")
        foreign = {result.quantization for result in self.results} - {self.quantization}
        if foreign:
            raise RecordError(f"results of {sorted(foreign)} in the report of {self.quantization}")

    @property
    def complete(self) -> bool:
        """Whether every planned item was measured or skipped for a reason of its own."""
        done = {result.id for result in self.results if result.outcome in ("passed", "failed", "skipped")}
        return set(self.planned) <= done and not self.interrupted
