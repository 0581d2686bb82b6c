"""What every engine can be asked. Sequences in, sequences of the same length and order out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pytest_slm.core.record import Record
from pytest_slm.core.types import Generation, Request

CHAT = "chat"
GENERATE = "generate"
LOGLIKELIHOOD = "loglikelihood"
TOKENS = "tokens"
CAPABILITIES = frozenset({CHAT, GENERATE, LOGLIKELIHOOD, TOKENS})
"""chat: conversations through the model's own template; generate: text from a prompt; loglikelihood: how likely the
model finds a given text; tokens: exact token counts."""

Progress = Callable[[int, int], None]
"""Called with (done, total) as work proceeds, often enough to tell a working engine from a hanging one."""


def silent(_done: int, _total: int) -> None:
    """The progress callback of those who do not watch."""


@dataclass(frozen=True, kw_only=True)
class ModelSpec(Record):
    """What a backend needs to open a model. ``threads`` and ``n_ctx`` None: the backend decides and describes."""

    path: str | None
    format: str
    threads: int | None = None
    n_ctx: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LogLikelihood(Record):
    """Sum of the natural-log probabilities of a continuation, whether greedy decoding would have written it, and the
    number of its tokens."""

    logprob: float
    is_greedy: bool
    n_tokens: int


class Backend(Protocol):
    """One open model. Opened as ``Class(spec)``; any failure raises SlmError, never returns a substitute."""

    capabilities: frozenset[str]

    def describe(self) -> Mapping[str, Any]:
        """Name, engine version, context length, threads, weights and template hashes: all that a number depends on."""
        ...

    def count_tokens(self, requests: Sequence[Request]) -> Sequence[int]:
        """Prompt tokens of each request, chat template included: exactly what ``generate`` would evaluate."""
        ...

    def generate(self, requests: Sequence[Request], progress: Progress = silent) -> Sequence[Generation]:
        """One generation per request. Nothing is kept in memory between requests."""
        ...

    def loglikelihood(self, pairs: Sequence[tuple[str, str]], progress: Progress = silent) -> Sequence[LogLikelihood]:
        """How likely each continuation is after its context; an empty context stands for the start of a text."""
        ...

    def loglikelihood_rolling(self, texts: Sequence[str], progress: Progress = silent) -> Sequence[LogLikelihood]:
        """How likely each whole text is, in disjoint windows of the context length where it is longer."""
        ...

    def close(self) -> None:
        """Free the model. May be called twice."""
        ...
