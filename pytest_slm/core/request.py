"""What a conversation asks, and what is answered: text, likelihoods, a program's trial, a grader's verdict, calls of
tools, what another conversation has found out."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from pytest_slm.core.record import WORD, Record, RecordError, check_bounds
from pytest_slm.core.sample import Ending, Message, Sample, ToolCall, Verdict
from pytest_slm.core.worlds import Chain, Execution, Handover

Thinking = Literal["off", "on"] | int
"""Whether a model shall think before it answers, or the most tokens that it may think."""


def check_thinking(thinking: Thinking) -> None:
    """Raise RecordError unless it is off, on, or a number of tokens."""
    if thinking not in ("off", "on") and not (isinstance(thinking, int) and 0 <= thinking < 10**9):
        raise RecordError(f"thinking is off, on or a number of tokens from 0, not {thinking!r:.80}")


def check_sampling(temperature: float, top_p: float, top_k: int, min_p: float) -> None:
    """Raise RecordError for what no sampler can do."""
    if not 0 <= temperature < math.inf:
        raise RecordError(f"temperature must be at least 0 (greedy), not {temperature:g}")
    if not 0 < top_p <= 1:
        raise RecordError(f"top_p must be above 0 and at most 1, not {top_p:g}")
    if top_k < 0:
        raise RecordError(f"top_k must be at least 0, not {top_k}")
    if not 0 <= min_p < 1:
        raise RecordError(f"min_p must be at least 0 and below 1, not {min_p:g}")


@dataclass(frozen=True, kw_only=True)
class Request(Record):
    """One generation to make: ``messages`` go through the chat template, ``prompt`` is taken as text and
    ``prompt_ids`` as token ids; exactly one of them is given.

    ``temperature`` 0 is greedy; ``top_k`` (0: all) likeliest tokens, the smallest set of them with the probability
    ``top_p``, and those at least ``min_p`` times as likely as the likeliest are left to chance. ``forced_length``
    ignores the end of turn, so that exactly ``max_tokens`` come. ``grammar`` (llama.cpp's GBNF, its first rule called
    ``root``) or ``json_schema`` says which texts are allowed at all; an answer that ``max_tokens`` cut off is the
    beginning of such a text. ``keep_end``: a prompt that leaves no room for ``max_tokens`` in the context loses its
    left end, as in lm-eval, instead of being an error. ``begun``: what the answer begins with, as token ids that are
    known from a run that was interrupted; a backend may go on behind them where the request is ``resumable``, and
    counts them as its own.
    A conversation that ends with words of the assistant is one whose answer begins with them (``answer_prefix``): the
    model goes on behind them, and they are no part of what it wrote.
    ``alone``: it is asked when nothing else is being computed, so that its times are its own.
    ``may_not_fit``: a prompt that is longer than the context is answered by the driver, with an empty text that ends
    with ``context``, instead of being an error of the whole item.
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
    min_p: float = 0.0
    forced_length: bool = False
    grammar: str | None = None
    json_schema: Mapping[str, Any] | None = None
    keep_end: bool = False
    begun: tuple[int, ...] = ()
    alone: bool = False
    may_not_fit: bool = False

    @property
    def answer_prefix(self) -> str:
        """What the answer begins with; empty as a rule."""
        last = self.messages[-1] if self.messages else None
        return last.content if last is not None and last.role == "assistant" and not last.tool_calls else ""

    @property
    def turns(self) -> tuple[Message, ...]:
        """The conversation before the answer."""
        messages = self.messages or ()
        return messages[:-1] if self.answer_prefix else messages

    @property
    def resumable(self) -> bool:
        """Whether its answer follows from the tokens alone, so that it can go on behind some of them."""
        return self.temperature == 0 and self.grammar is None and self.json_schema is None and not self.forced_length

    def __post_init__(self) -> None:
        if sum(part is not None for part in (self.messages, self.prompt, self.prompt_ids)) != 1:
            raise RecordError("a request has exactly one of messages, prompt and prompt_ids")
        if self.answer_prefix and not self.turns:
            raise RecordError("an answer is begun that nobody has asked for: a message of the user stands before it")
        if self.max_tokens < 1:
            raise RecordError(f"max_tokens must be at least 1, not {self.max_tokens}")
        check_sampling(self.temperature, self.top_p, self.top_k, self.min_p)
        if self.grammar is not None and self.json_schema is not None:
            raise RecordError("a request has a grammar or a json_schema, not both")
        if self.forced_length and (self.grammar is not None or self.json_schema is not None):
            raise RecordError("forced_length goes on where a grammar ends: a request has one or the other")


CHATML, PLAIN = "chatml", "none"
TEMPLATE_STOPS: Mapping[str, tuple[str, ...]] = {CHATML: ("<|im_end|>",), PLAIN: ("\nQuestion:",)}
"""What ends an answer of a model that was never taught to end one, by the name of the form that it is asked in."""


@dataclass(frozen=True, kw_only=True)
class GenerationSettings(Record):
    """What the user wants of every text that tasks have the model write; None leaves it to the task.

    ``system`` stands before conversations that have no system message of their own. ``chat_template`` is chatml, none
    (the plain form) or the name and hash of a file, ``fewshot`` the number of examples of tasks that have some,
    ``repeats`` how often each question is asked.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    max_tokens: int | None = None
    system: str | None = None
    chat_template: str | None = None
    fewshot: int | None = None
    repeats: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sampling(
            self.temperature or 0.0, 1.0 if self.top_p is None else self.top_p, self.top_k or 0, self.min_p or 0.0
        )
        for name, (least, most) in BOUNDS.items():
            if (value := getattr(self, name)) is not None:
                check_bounds(name, value, least, most)

    @property
    def said(self) -> dict[str, Any]:
        """What the user has said, by name."""
        return {name: value for name, value in self.to_json().items() if value is not None}

    def __str__(self) -> str:
        """What was said, as one line."""
        return ", ".join(f"{name}={value!r:.60}" for name, value in self.said.items())

    @property
    def plain(self) -> bool:
        """Whether everything is asked in its plain form, without a chat template."""
        return self.chat_template == PLAIN

    def applied(self, request: Request, *, repeat: int = 0, of: str = "") -> Request:
        """The request as the user wants it. Where chance decides, each ``repeat`` of each question (``of``, its name)
        has a seed of its own, made of the request's."""
        changes = {name: value for name in SAMPLING if (value := getattr(self, name)) is not None}
        if self.temperature:
            changes["seed"] = _seed(request.seed, repeat, of)
        if request.messages is not None:
            if self.system is not None and all(message.role != "system" for message in request.messages):
                changes["messages"] = (Message(role="system", content=self.system), *request.messages)
            more = TEMPLATE_STOPS.get(self.chat_template or "", ())
            if more:
                changes["stop"] = (*request.stop, *more)
        return replace(request, **changes) if changes and not request.forced_length else request


BOUNDS = {"max_tokens": (1, WORD), "top_k": (0, WORD), "fewshot": (0, 1_000), "repeats": (1, 10_000)}
"""The least and greatest of the whole numbers: beyond them engines count in other numbers, or nobody sees the end."""
SAMPLING = ("temperature", "top_p", "top_k", "min_p", "max_tokens")
"""The settings that are fields of a request by the same name."""


def _seed(seed: int, repeat: int, of: str) -> int:
    """31 bits, so that every engine takes them."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{repeat}\0{of}".encode(errors="surrogatepass")).digest()[:4]) >> 1


@dataclass(frozen=True, kw_only=True)
class GenerationTimes(Record):
    """Seconds on the monotonic clock of the process that holds the model, counted from the arrival of the request.

    ``prepare_s``: template and tokenizer; ``prefill_s``: the prompt through the engine; ``sample_s``: picking the
    first token; ``detokenize_s``: making text of it (0 where none came). The four
    add up to the time to the first token; a server does not tell them. ``token_s``: when each output token was known as
    text (first entry: TTFT); of a server, when each piece of its stream had come. ``n_evaluated``: prompt tokens that
    the engine really computed, which equals the prompt's length when nothing was cached (None: a server does not say).
    """

    prepare_s: float | None
    prefill_s: float | None
    sample_s: float | None
    token_s: tuple[float, ...]
    end_s: float
    n_evaluated: int | None
    detokenize_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Generation(Record):
    """What the model wrote. ``finish``: stop (end of turn or a stop string), length (max_tokens) or context.

    ``text`` is the answer; what the model thought before it stands apart in ``reasoning``, of ``n_reasoning`` of the
    ``n_output`` tokens, marks included (None: the backend has not looked for any). ``tool_calls`` are the calls in the
    answer, told by a server or read by the driver where tools were shown; None where nobody has looked for any.
    ``n_unshown`` tokens at the beginning of the prompt were left out, because the context has no room for them. Counts
    that a server does not tell are None; ``n_retries``: how often a server was asked again, because it was busy or its
    answer was cut off.
    """

    text: str
    n_prompt: int | None
    n_output: int | None
    finish: Literal["stop", "length", "context"]
    timings: GenerationTimes | None = None
    reasoning: str = ""
    n_reasoning: int | None = None
    tool_calls: tuple[ToolCall, ...] | None = None
    n_unshown: int = 0
    n_drafted: int | None = None
    """Tokens that another model has drafted for it, of which ``n_accepted`` were kept; None where none drafts."""
    n_accepted: int | None = None
    n_retries: int = 0

    def retried(self, times: int) -> Generation:
        """The same answer, asked for so many times more often."""
        return replace(self, n_retries=self.n_retries + times) if times else self

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
    at the beginning of that were left out, because there was no room for them.

    ``logprob`` is None where a server tells only those of the likeliest tokens, and this one is none of them: then it
    is less likely than each continuation of the same context whose ``logprob`` is told.
    """

    logprob: float | None
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
    """A program and the tests that it must pass: answered with the sandbox's ``ProgramOutcome``, while the model goes
    on.

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
Aside = Trial | Grading | Execution | Handover | Chain
"""What is not asked of the model."""
Ask = ModelAsk | Aside
Talk = Generator[Ask, Any, Verdict]
"""A conversation about one sample: it yields what to ask, is sent the answer, and returns the verdict."""
