"""What every engine can be asked. Sequences in, sequences of the same length and order out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from pytest_slm.core.backend_info import BackendInfo
from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.request import LogLikelihood, Thinking, check_thinking
from pytest_slm.core.types import EngineSettings, Generation, Request

CHAT = "chat"
GENERATE = "generate"
LOGLIKELIHOOD = "loglikelihood"
LETTERS = "letters"
TOKENS = "tokens"
TIMING = "timing"
TOOLS = "tools"
CAPABILITIES = frozenset({CHAT, GENERATE, LETTERS, LOGLIKELIHOOD, TOKENS, TIMING, TOOLS})
"""chat: conversations through the model's own template; tools: that template writes the tools of a request; generate:
text from a prompt; loglikelihood: how likely the model finds a given text; letters: the same of single letters, of
which the unlikely ones may be unknown; tokens: exact token counts; timing: rounds of the engine alone (``time``)."""

Progress = Callable[[int, int], None]
"""Called with (done, total) as work proceeds, often enough to tell a working engine from a hanging one."""


def silent(_done: int, _total: int) -> None:
    """The progress callback of those who do not watch."""


T_contra = TypeVar("T_contra", contravariant=True)


class Delivery(Protocol[T_contra]):
    """Called with (place of the request, its result) as soon as a request is done, in whatever order they end."""

    def __call__(self, number: int, result: T_contra, /) -> None: ...


def ignored(_number: int, _result: object) -> None:
    """The callback of those who wait for all results."""


@dataclass(frozen=True, kw_only=True)
class ModelSpec(Record):
    """What a backend needs to open a model. Settings that are None the backend decides and describes; ``exact`` asks
    it to compute every request in a way that does not depend on the other requests. ``thinking``: whether the model
    shall think before it answers, or the most tokens that it may think. ``chat_template``: chatml, none (the plain
    form) or the source of a template, instead of the model's own. ``sha256``: which weights they must be, where that is
    known; the process that opens them looks.

    For a model that a server holds ``path`` is the address; ``served_model`` the name that it has there,
    ``concurrency`` how many requests may be open at once, and ``silence_s`` the longest silence of one (None: the
    backend decides)."""

    path: str | None
    format: str
    sha256: str | None = None
    settings: EngineSettings = EngineSettings()
    exact: bool = False
    thinking: Thinking = "off"
    chat_template: str | None = None
    served_model: str | None = None
    concurrency: int | None = None
    silence_s: float | None = None

    def __post_init__(self) -> None:
        check_thinking(self.thinking)


@dataclass(frozen=True, kw_only=True)
class Workload(Record):
    """What a call would make an engine compute: tokens ``shown`` in all requests, of them ``evaluated`` when common
    beginnings are computed once, in so many ``steps``; ``depth``: earlier tokens that those look back at, summed;
    ``predicted``: rows after which something is predicted; ``outputs``: most of them in one step; ``together``:
    requests that run at once; ``cells``: tokens that the KV memory of the call has room for."""

    shown: int
    evaluated: int
    depth: int
    predicted: int
    steps: int
    together: int
    cells: int
    outputs: int


@dataclass(frozen=True, kw_only=True)
class EngineTest(Record):
    """One round of what llama-bench measures, with its names: ``n_prompt`` tokens as a prompt (pp) or ``n_gen`` tokens
    one after the other (tg), in each of ``n_sequences`` at once, after ``n_depth`` tokens that are in memory already.

    The ids are random (``seed``); there is no tokenizer and no sampler. Exactly one of ``n_prompt`` and ``n_gen`` is
    above 0.
    """

    n_prompt: int = 0
    n_gen: int = 0
    n_depth: int = 0
    n_sequences: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.n_prompt, self.n_gen, self.n_depth) < 0 or self.n_sequences < 1:
            raise RecordError("numbers of tokens are at least 0, of sequences at least 1")
        if bool(self.n_prompt) == bool(self.n_gen):
            raise RecordError("a round is a prompt (n_prompt) or generation (n_gen): one of them is above 0")

    @property
    def n_tokens(self) -> int:
        """Tokens of each sequence that are timed."""
        return self.n_prompt or self.n_gen


@dataclass(frozen=True, kw_only=True)
class EngineTimes(Record):
    """Seconds on the monotonic clock of the model's process: of a whole round, and ``inside_s`` of them within the
    engine's own calls; the rest is the loop around them. ``n_evaluated``: tokens that the engine's memory holds more
    after the round than before, of all sequences."""

    seconds: float
    inside_s: float
    n_evaluated: int


class Backend(Protocol):
    """One open model. Opened as ``Class(spec)``; any failure raises SlmError, never returns a substitute.

    A backend may have ``workload_of_requests(requests)`` and ``workload_of_pairs(pairs)`` too, each returning the
    ``Workload`` of such a call without computing anything; without them its runs cannot be planned. With the capability
    ``timing`` it has ``time(test, progress)``, which makes one round of an ``EngineTest`` and returns its
    ``EngineTimes``; BackendError (engine-count) if not exactly the tokens of the test were computed. It may have
    ``buffers()``: bytes of the memory for weights, KV and computing that are open now, by name, as the engine says; and
    ``files``: those of its weights, of which ``weights_sha256`` is the hash. With ``begun()`` it tells, while
    ``generate`` goes on, the tokens of the answers to resumable requests that are being written, by the place of the
    request; it then goes on behind the tokens that a request has as its ``begun``. ``lacks`` says why capabilities that
    it has not are missing, by their names.
    """

    @property
    def capabilities(self) -> frozenset[str]:
        """What it can do, of ``CAPABILITIES``."""
        ...

    def describe(self) -> BackendInfo:
        """Name, engine version, context length, threads, weights and template hashes: all that a number depends on."""
        ...

    def count_tokens(self, requests: Sequence[Request]) -> Sequence[int]:
        """Prompt tokens of each request, chat template included: exactly what ``generate`` would evaluate."""
        ...

    def generate(
        self,
        requests: Sequence[Request],
        progress: Progress = silent,
        finished: Delivery[Generation] = ignored,
    ) -> Sequence[Generation]:
        """One generation per request. The requests of one call may run together and share what their prompts have in
        common (``timings.n_evaluated`` says what was computed for each); nothing is kept from call to call.

        Thinking is no part of ``text``, and stop strings are not looked for in it; ``n_reasoning`` counts its tokens. A
        backend that leaves ``n_reasoning`` None has not looked, and its text is cut by the marks that are known."""
        ...

    def loglikelihood(
        self,
        pairs: Sequence[tuple[str, str]],
        progress: Progress = silent,
        finished: Delivery[LogLikelihood] = ignored,
    ) -> Sequence[LogLikelihood]:
        """How likely each continuation is after its context; an empty context stands for the start of a text. With
        the capability ``letters`` alone it is asked for continuations of one letter, and may leave some unknown."""
        ...

    def loglikelihood_rolling(self, texts: Sequence[str], progress: Progress = silent) -> Sequence[LogLikelihood]:
        """How likely each whole text is, in disjoint windows of the context length where it is longer."""
        ...

    def close(self) -> None:
        """Free the model. May be called twice."""
        ...
