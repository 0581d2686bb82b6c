"""What a conversation asks, and what is answered: text, likelihoods, a program's trial, a grader's verdict."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.sample import Ending, Message, Sample, ToolCall, Verdict

Thinking = Literal["off", "on"] | int
"""Whether a model shall think before it answers, or the most tokens that it may think."""


def check_thinking(thinking: Thinking) -> None:
    """Raise RecordError unless it is off, on, or a number of tokens."""
    if thinking not in ("off", "on") and not (isinstance(thinking, int) and 0 <= thinking < 10**9):
        raise RecordError(f"thinking is off, on or a number of tokens from 0, not {thinking!r:.80}")


@dataclass(frozen=True, kw_only=True)
class Request(Record):
    """One generation to make: ``messages`` go through the chat template, ``prompt`` is taken as text and
    ``prompt_ids`` as token ids; exactly one of them is given.

    ``temperature`` 0 is greedy. ``forced_length`` ignores the end of turn, so that exactly ``max_tokens`` come.
    ``grammar`` (llama.cpp's GBNF, its first rule called ``root``) or ``json_schema`` says which texts are allowed at
    all; an answer that ``max_tokens`` cut off is the beginning of such a text. ``keep_end``: a prompt that leaves no
    room for ``max_tokens`` in the context loses its left end, as in lm-eval, instead of being an error. ``begun``: what
    the answer begins with, as token ids that are known from a run that was interrupted; a backend may go on behind them
    where the request is ``resumable``, and counts them as its own.
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
    begun: tuple[int, ...] = ()

    @property
    def resumable(self) -> bool:
        """Whether its answer follows from the tokens alone, so that it can go on behind some of them."""
        return self.temperature == 0 and self.grammar is None and self.json_schema is None and not self.forced_length

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
class GenerationTimes(Record):
    """Seconds on the monotonic clock of the process that holds the model, counted from the arrival of the request.

    ``prepare_s``: template and tokenizer; ``prefill_s``: the prompt through the engine; ``sample_s``: picking the
    first token; ``detokenize_s``: making text of it (0 where none came). The four add up to the time to the first
    token. ``token_s``: when each output token was known as text (first entry: TTFT). ``n_evaluated``: prompt tokens
    that the engine really computed, which equals the prompt's length when nothing was cached.
    """

    prepare_s: float
    prefill_s: float
    sample_s: float
    detokenize_s: float
    token_s: tuple[float, ...]
    end_s: float
    n_evaluated: int


@dataclass(frozen=True, kw_only=True)
class Generation(Record):
    """What the model wrote. ``finish``: stop (end of turn or a stop string), length (max_tokens) or context.

    ``text`` is the answer; what the model thought before it stands apart in ``reasoning``, of ``n_reasoning`` of the
    ``n_output`` tokens, marks included (None: the backend has not looked for any). ``tool_calls`` are the calls in the
    answer, read by the driver where tools were shown; None where nobody has looked for any. ``n_unshown`` tokens at the
    beginning of the prompt were left out, because the context has no room for them.
    """

    text: str
    n_prompt: int
    n_output: int
    finish: Literal["stop", "length", "context"]
    timings: GenerationTimes | None = None
    reasoning: str = ""
    n_reasoning: int | None = None
    tool_calls: tuple[ToolCall, ...] | None = None
    n_unshown: int = 0

    @property
    def thought(self) -> bool:
        """Whether the model was thinking before it answered; what is empty between its marks is no thinking, unless
        nothing else came."""
        return bool(self.reasoning or (self.n_reasoning and not self.text.strip()))

    @property
    def ending(self) -> Ending:
        """How much of the answer there is."""
        if self.finish == "stop":
            return "whole"
        return "cut" if self.text.strip() or not self.thought else "censored"


@dataclass(frozen=True, kw_only=True)
class LogLikelihood(Record):
    """Sum of the natural-log probabilities of a continuation, whether greedy decoding would have written it, and the
    number of its tokens; ``n_prompt`` tokens of its context were shown before it (None: not known), and ``n_unshown``
    at the beginning of that were left out, because there was no room for them."""

    logprob: float
    is_greedy: bool
    n_tokens: int
    n_prompt: int | None = None
    n_unshown: int = 0


@dataclass(frozen=True, kw_only=True)
class Likelihoods:
    """How likely each continuation is after its context: answered with a tuple of ``LogLikelihood``, one a pair.

    ``labels`` say what the pairs are, for the file of samples; without them it shows the continuations.
    """

    pairs: tuple[tuple[str, str], ...]
    labels: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class RollingLikelihood:
    """How likely a whole text is: answered with a ``LogLikelihood``."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A program and the tests that it must pass: answered with the sandbox's ``Outcome``, while the model goes on.

    The tests take ``entry_point`` of the program and nothing else; ``given`` is the text of the problem, for what else
    they use. Without an entry point they take the names that neither they nor Python define.
    """

    program: str
    tests: str
    given: str = ""
    entry_point: str = ""


@dataclass(frozen=True, kw_only=True)
class Grading:
    """An answer for a grader: answered with its ``Verdict``, after the model has answered everything else."""

    grader: str
    sample: Sample
    generation: Generation


@dataclass(frozen=True, kw_only=True)
class Together:
    """Several questions to the model at once: answered with the tuple of their answers, in their order."""

    asks: tuple[Request | Likelihoods | RollingLikelihood, ...]


ModelAsk = Request | Likelihoods | RollingLikelihood | Together
Ask = ModelAsk | Trial | Grading
Talk = Generator[Ask, Any, Verdict]
"""A conversation about one sample: it yields what to ask, is sent the answer, and returns the verdict."""
