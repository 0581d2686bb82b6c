"""One question and its verdict: the conversation that a model is shown, and what its answer was worth; and how many
answers there were."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pytest_slm.core.record import Record, RecordError, check_counts

Ending = Literal["whole", "cut", "censored"]
"""How much there is of an answer: all, what its greatest length has left of it, or nothing, because the model was still
thinking then."""
LONGEST_CLUSTER = 80
"""Characters of a name of a cluster."""


@dataclass(frozen=True, kw_only=True)
class ToolCall(Record):
    """One call of a function. ``arguments`` is None where they cannot be read, ``name`` empty where not even that can
    be; ``id`` joins the call with its result, where the notation has one."""

    name: str
    arguments: Mapping[str, Any] | None = None
    id: str | None = None

    def as_template(self) -> dict[str, Any]:
        """The call as chat templates expect it (the form of OpenAI's chat completions, arguments as a mapping)."""
        told: dict[str, Any] = {"type": "function", "function": {"name": self.name, "arguments": self.arguments or {}}}
        return told if self.id is None else {"id": self.id, **told}


@dataclass(frozen=True, kw_only=True)
class Message(Record):
    """One turn of a conversation: what a role says, the calls that an assistant makes, or a tool's result.

    A result has the role ``tool``; ``tool_call_id`` says which call it answers, ``name`` which function it is from.
    """

    role: str
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        if self.tool_calls and self.role != "assistant":
            raise RecordError(f"only an assistant makes tool calls, not the role {self.role!r:.40}")
        if self.tool_call_id is not None and self.role != "tool":
            raise RecordError(f"only a tool answers a call, not the role {self.role!r:.40}")

    def rewritten(self, change: Callable[[str], str]) -> Message:
        """The message with every text in it changed: what is said, and the names and arguments of calls."""
        return replace(
            self,
            content=change(self.content),
            name=None if self.name is None else change(self.name),
            tool_calls=tuple(
                replace(call, name=change(call.name), arguments=rewritten(call.arguments, change))
                for call in self.tool_calls
            ),
        )

    def as_template(self) -> dict[str, Any]:
        """The message as chat templates see it: what is not there is left out, since many test ``is defined``."""
        calls = {"tool_calls": [call.as_template() for call in self.tool_calls]} if self.tool_calls else {}
        named = {key: value for key in ("tool_call_id", "name") if (value := getattr(self, key)) is not None}
        return {"role": self.role, "content": self.content, **calls, **named}


def rewritten(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with every text in it changed, the keys of objects too."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(str(key)): rewritten(item, change) for key, item in value.items()}
    return [rewritten(item, change) for item in value] if isinstance(value, list | tuple) else value


@dataclass(frozen=True, kw_only=True)
class Sample(Record):
    """One question: what the model is shown (text, or a whole conversation), and what a scorer compares with.

    ``groups`` name the parts of the task that it counts in (``metadata.group`` is the short form for one of them);
    samples of one ``cluster`` share something, such as a passage, and are no independent observations. ``scoring`` are
    options of the task's scorer that differ for this sample. ``right_answers`` and ``wrong_answers`` are examples by
    which ``pytest-slm suite check`` tries the scorer; no model sees them.
    """

    id: str
    input: str | tuple[Message, ...]
    target: Any = None
    tools: tuple[Mapping[str, Any], ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    cluster: str | None = None
    scoring: Mapping[str, Any] = field(default_factory=dict)
    right_answers: tuple[str, ...] = ()
    wrong_answers: tuple[str, ...] = ()

    def messages(self) -> tuple[Message, ...]:
        """The input as a conversation."""
        return (Message(role="user", content=self.input),) if isinstance(self.input, str) else self.input

    @property
    def parts(self) -> tuple[str, ...]:
        """All groups that it counts in."""
        own = self.metadata.get("group")
        return self.groups if own is None or str(own) in self.groups else (str(own), *self.groups)


def cluster_id(cluster: str | None) -> str | None:
    """The cluster as files name it: itself where it is a name, without white space, else 16 digits of its SHA-256.

    Some tasks know what their samples share by its text alone, and that may be somebody's.
    """
    if cluster is None or (len(cluster) <= LONGEST_CLUSTER and not re.search(r"\s", cluster)):
        return cluster
    return hashlib.sha256(cluster.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Verdict(Record):
    """What one answer was worth: ``value`` in [0, 1], where what lies between is partial credit, or None where it could
    not be scored (never 0 then).

    ``explanation`` speaks of the metric that decides. ``values`` holds what further metrics are made of, by their keys,
    ``details`` what else was seen, for whoever reads the samples;
    ``chosen`` is the place of the continuation that the deciding metric takes for the answer, among all of which a
    likelihood was asked;
    ``label`` is the class that was answered, where the task sorts into classes; ``confidence``, in [0, 1], how sure the
    model was.
    """

    value: float | None
    answer: str
    explanation: str
    values: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    label: str | None = None
    confidence: float | None = None
    chosen: int | None = None

    def __post_init__(self) -> None:
        for name in ("value", "confidence"):
            number = getattr(self, name)
            if number is not None and not 0 <= number <= 1:
                raise RecordError(f"a {name} is in [0, 1] or None, not {number}")


@dataclass(frozen=True, kw_only=True)
class JudgedSample(Record):
    """A sample with its verdict: what metrics are made of. ``ending`` is that of what the model wrote, None where it
    wrote nothing or where a beginning is as good as the whole."""

    sample: Sample
    verdict: Verdict
    ending: Ending | None = None
    repeat: int = 0
    """Which of the times it is that the question was asked."""

    @property
    def scored(self) -> bool:
        """Whether any metric can be made of it."""
        return self.verdict.value is not None or bool(self.verdict.values)

    def value(self, key: str) -> Any:
        """What the metric of that key is made of, the verdict's own value if it has no other; None if not scored."""
        return self.verdict.values.get(key, self.verdict.value)


@dataclass(frozen=True, kw_only=True)
class AnswerCounts(Record):
    """How many answers an item ``asked`` for (one for each sample, or for each choice), how many of them were ``taken``
    from before an interruption, and ``notes`` on what was there and not taken, and why."""

    asked: int
    taken: int
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_counts(asked=self.asked, taken=self.taken)


@dataclass(frozen=True, kw_only=True)
class ThinkingCounts(Record):
    """How many ``answers`` a model has thought before, the ``tokens`` of that, marks included (None where a backend
    does not count them), and how many of them are ``censored``: no answer, since their length ended in the thinking."""

    answers: int
    tokens: int | None
    censored: int

    def __post_init__(self) -> None:
        check_counts(answers=self.answers, tokens=self.tokens, censored=self.censored)


@dataclass(frozen=True, kw_only=True)
class CutPrompts(Record):
    """Samples whose prompt lost its beginning, because the context has no room for it: ``samples`` of ``asked``, which
    lost so many ``tokens`` in all, and one of them ``most``."""

    samples: int
    asked: int
    tokens: int
    most: int

    def __post_init__(self) -> None:
        check_counts(samples=self.samples, asked=self.asked, tokens=self.tokens, most=self.most)
        if not (0 < self.samples <= self.asked and self.samples <= self.tokens and 0 < self.most <= self.tokens):
            raise RecordError(
                f"{self.samples} of {self.asked} prompts cannot lose {self.tokens} tokens, {self.most} one"
            )

    def __str__(self) -> str:
        lost = f"{self.tokens} tokens" if self.samples == 1 else f"{self.tokens} tokens, at most {self.most}"
        return f"{self.samples} of {self.asked} prompts lost their beginning ({lost})"
