"""What is asked of a model: suites, tasks, samples and requests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from pytest_slm.core.record import Record, RecordError


@dataclass(frozen=True, kw_only=True)
class MetricSpec(Record):
    """How one metric is made from the scores of a task.

    With no more than a name it is the mean of all scores. ``group`` takes the samples whose ``metadata.group`` is
    that; ``complement`` turns a share p into 1 - p (lower is then better); ``balance`` averages the means of several
    groups with equal weight; ``key`` is the upstream name where an adapter computes it (lm-eval: ``acc_norm``), with
    ``filter`` its filter. ``chance`` is what a model without any skill gets; None where nobody says.
    """

    name: str
    group: str | None = None
    complement: bool = False
    balance: tuple[str, ...] = ()
    key: str | None = None
    filter: str = "none"
    unit: str = "share"
    chance: float | None = None

    def __post_init__(self) -> None:
        if self.chance is not None and not 0 <= self.chance <= 1:
            raise RecordError(f"{self.name}: a chance level is in [0, 1], not {self.chance}")

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
class RateSource(Record):
    """The metric of a task of the suite that is a rate of the registry."""

    task: str
    metric: str


@dataclass(frozen=True, kw_only=True)
class SuiteFacts(Record):
    """What a report must know of a suite to make scores of its results."""

    title: str
    scored: bool = True
    """Whether its results are made to a score; speeds and checks are not."""
    use_case: str | None = None
    """The name of its score among the use cases; None if it is none of them."""
    domain: str | None = None
    """The line of work that its questions come from: ``legal``."""
    rates: Mapping[str, RateSource] = field(default_factory=dict)
    """Rates of the registry's section ``safety``, by name."""

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
    ``grammar`` (llama.cpp's GBNF, its first rule called ``root``) or ``json_schema`` says which texts are allowed at
    all; an answer that ``max_tokens`` cut off is the beginning of such a text. ``keep_end``: a prompt that leaves no
    room for ``max_tokens`` in the context loses its left end, as in lm-eval, instead of being an error.
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
    grammar: str | None = None
    json_schema: Mapping[str, Any] | None = None
    keep_end: bool = False

    def __post_init__(self) -> None:
        if sum(part is not None for part in (self.messages, self.prompt, self.prompt_ids)) != 1:
            raise RecordError("a request has exactly one of messages, prompt and prompt_ids")
        if self.max_tokens < 1:
            raise RecordError(f"max_tokens must be at least 1, not {self.max_tokens}")
        if not 0 <= self.temperature < math.inf or not 0 < self.top_p <= 1 or self.top_k < 0:
            raise RecordError("temperature must be >= 0, top_p in (0, 1] and top_k >= 0")
        if self.grammar is not None and self.json_schema is not None:
            raise RecordError("a request has a grammar or a json_schema, not both")
        if self.forced_length and (self.grammar is not None or self.json_schema is not None):
            raise RecordError("forced_length goes on where a grammar ends: a request has one or the other")


@dataclass(frozen=True, kw_only=True)
class Timings(Record):
    """Seconds on the monotonic clock of the process that holds the model, counted from the arrival of the request.

    ``prepare_s``: template and tokenizer; ``prefill_s``: the prompt through the engine; ``sample_s``: picking the
    first token; ``detokenize_s``: making text of it (None in answers that were kept before it was measured). The four
    add up to the time to the first token. ``token_s``: when each output token was known as text (first entry: TTFT).
    ``n_evaluated``: prompt tokens that the engine really computed, which equals the prompt's length when nothing was
    cached.
    """

    prepare_s: float
    prefill_s: float
    sample_s: float
    token_s: tuple[float, ...]
    end_s: float
    n_evaluated: int
    detokenize_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Generation(Record):
    """What the model wrote. ``finish``: stop (end of turn or a stop string), length (max_tokens) or context."""

    text: str
    n_prompt: int
    n_output: int
    finish: Literal["stop", "length", "context"]
    timings: Timings | None = None
