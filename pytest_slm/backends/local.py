"""What a backend does that computes in its own process, whatever its engine: from requests to token ids and back to
results, one call like the other."""

from __future__ import annotations

import functools
import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from pytest_slm.backends.control import ControlTokens
from pytest_slm.backends.protocol import (
    CHAT,
    GENERATE,
    LOGLIKELIHOOD,
    TIMING,
    TOKENS,
    TOOLS,
    Delivery,
    EngineTest,
    EngineTimes,
    ModelSpec,
    Progress,
    ignored,
    silent,
)
from pytest_slm.core.request import LogLikelihood, Thinking
from pytest_slm.core.sample import rewritten
from pytest_slm.core.types import Generation, Request
from pytest_slm.errors import BackendError, NotAvailableError
from pytest_slm.prompts import process
from pytest_slm.prompts.pairs import Ids, PairTokenizer, rolling_windows, shown_of, split_pairs
from pytest_slm.prompts.switches import Switch, switch_of, variables_of
from pytest_slm.prompts.template import TEMPLATE_REMEDY, ChatTemplate, TemplateFacts, chat_template, joint_facts
from pytest_slm.prompts.thinking import Marks, answered_with, opened_by
from pytest_slm.prompts.writing import DEFAULT_RULES, ThinkingRules, Writing

T = TypeVar("T")


class ResultCollector(Generic[T]):
    """Results as they come, in whatever order, told to whoever watches."""

    def __init__(self, n: int, progress: Progress, finished: Delivery[T]) -> None:
        self._n = n
        self._found: dict[int, T] = {}
        self._progress, self._finished = progress, finished

    def add(self, number: int, result: T) -> None:
        """Take the result of a request and tell it."""
        self._found[number] = result
        self._finished(number, result)
        self.beat()

    def beat(self) -> None:
        """Tell that work goes on."""
        self._progress(len(self._found), self._n)

    def results(self) -> list[T]:
        """All results, in the order of the requests."""
        self.beat()
        return [self._found[number] for number in range(self._n)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A request whose prompt is known as token ids, ``n_unshown`` at its beginning left out, with how its model thinks,
    and the marks of the thinking that the prompt has opened; ``started`` is when work on it began, on the monotonic
    clock."""

    number: int
    request: Request
    ids: list[int]
    n_unshown: int = 0
    started: float
    rules: ThinkingRules = DEFAULT_RULES
    opened: Marks | None = None

    @property
    def most(self) -> int:
        """Tokens that may come at most, as far as the context has room."""
        return self.rules.most(self.request)

    @property
    def begun(self) -> tuple[int, ...]:
        """What of the answer is known, and need not be written again; it always writes at least one token itself."""
        return self.request.begun[: self.most - 1] if self.request.resumable else ()

    def writing(self) -> Writing:
        """The text that follows it, before anything of it is written."""
        return Writing(self.request, self.rules, self.opened)


class Tokenizer(PairTokenizer, Protocol):
    """What a conversation needs of a tokenizer; a token that the model does not have is -1."""

    bos: int
    eos: int
    adds_bos: bool
    control: ControlTokens

    @property
    def chat_template(self) -> str | None: ...

    @property
    def tool_template(self) -> str | None:
        """The chat template for conversations with tools, where the model has another one for those."""
        ...

    def spelled(self, token: int) -> str: ...

    def continued(self, text: str) -> list[int]:
        """Token ids of plain text that stands behind a control token."""
        ...


class RoundTimer(Protocol):
    """Rounds of the engine alone, and the KV memory that is kept between them."""

    def run(self, test: EngineTest, progress: Progress) -> EngineTimes: ...

    def release(self) -> None: ...


class LocalBackend(ABC):
    """The protocol's calls, for an engine that says how ids are continued (``_write``) and scored (``_score``)."""

    files: Sequence[Path]
    """Its weights."""
    _n_ctx: int
    _n_vocab: int
    _timer: RoundTimer
    _thinking: Thinking = "off"
    _split_threads = 1
    """Threads that cut texts into tokens before they are scored."""

    def __init__(self, spec: ModelSpec, needs: str) -> None:
        if spec.path is None:
            raise BackendError(needs, slug="model-load")
        self._path = spec.path
        self._exact, self._thinking = spec.exact, spec.thinking
        self._sha256: str | None = None

    @property
    @abstractmethod
    def _tokenizer(self) -> Tokenizer:
        """Raises BackendError once the model was closed."""

    @abstractmethod
    def _write(self, requests: Sequence[Request], found: ResultCollector[Generation]) -> None: ...

    @abstractmethod
    def _score(self, pairs: Sequence[tuple[Ids, Ids]], found: ResultCollector[LogLikelihood]) -> None: ...

    @functools.cached_property
    def capabilities(self) -> frozenset[str]:
        """Found at the first look, not when the model is opened: a template is tried for it, which takes time."""
        chat = {CHAT} if self._tokenizer.chat_template else set()
        tools = {TOOLS} if self._template_facts.tools else set()
        return frozenset({GENERATE, LOGLIKELIHOOD, TIMING, TOKENS} | chat | tools)

    def _template(self, *, tools: bool) -> ChatTemplate | None:
        tokenizer = self._tokenizer
        source = (tokenizer.tool_template if tools else None) or tokenizer.chat_template
        if source is None:
            return None
        told = tuple(variables_of(source, self._thinking).items())
        return chat_template(source, tokenizer.spelled(tokenizer.bos), tokenizer.spelled(tokenizer.eos), told)

    def _prepare(self) -> None:
        """Start the process that renders chat templates, where one is needed: it takes a moment until it is ready."""
        if self._tokenizer.chat_template:
            process.start()

    @property
    def _template_facts(self) -> TemplateFacts:
        facts = joint_facts(self._template(tools=False), self._template(tools=True))
        if (switch := self._switch) is None:
            return facts
        told = f"its system message begins with {switch.said(self._thinking)!r}, unless a task's says another"
        return replace(facts, notes=(*facts.notes, told))

    def count_tokens(self, requests: Sequence[Request]) -> list[int]:
        """Prompt tokens of each request."""
        return [len(self._shown(request)) for request in requests]

    def generate(
        self,
        requests: Sequence[Request],
        progress: Progress = silent,
        finished: Delivery[Generation] = ignored,
    ) -> list[Generation]:
        """One generation per request."""
        self._timer.release()
        found = ResultCollector(len(requests), progress, finished)
        self._write(requests, found)
        return found.results()

    def loglikelihood(
        self,
        pairs: Sequence[tuple[str, str]],
        progress: Progress = silent,
        finished: Delivery[LogLikelihood] = ignored,
    ) -> list[LogLikelihood]:
        """How likely each continuation is after its context."""
        return self._likelihoods(self._split(pairs), progress, finished)

    def loglikelihood_rolling(self, texts: Sequence[str], progress: Progress = silent) -> list[LogLikelihood]:
        """How likely each whole text is, in windows of the context's length."""
        tokenizer = self._tokenizer
        windows: list[tuple[Ids, Ids]] = []
        owners: list[int] = []
        for number, text in enumerate(texts):
            ids = tokenizer.tokenize(text, add_special=False, parse_special=False)
            mine = rolling_windows(ids, tokenizer.start, self._n_ctx)
            windows += mine
            owners += [number] * len(mine)
        parts: list[list[LogLikelihood]] = [[] for _ in texts]
        for owner, part in zip(owners, self._likelihoods(windows, progress, ignored), strict=True):
            parts[owner].append(part)
        return [
            LogLikelihood(
                logprob=math.fsum(part.logprob for part in mine if part.logprob is not None),
                is_greedy=all(part.is_greedy for part in mine),
                n_tokens=sum(part.n_tokens for part in mine),
            )
            for mine in parts
        ]

    def time(self, test: EngineTest, progress: Progress = silent) -> EngineTimes:
        """One round of the engine alone."""
        return self._timer.run(test, progress)

    def _likelihoods(
        self, pairs: Sequence[tuple[Ids, Ids]], progress: Progress, finished: Delivery[LogLikelihood]
    ) -> list[LogLikelihood]:
        self._timer.release()
        found = ResultCollector(len(pairs), progress, finished)
        self._score(pairs, found)
        return found.results()

    def _split(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[list[int], list[int]]]:
        return split_pairs(self._tokenizer, pairs, self._split_threads)

    def _prompt(self, number: int, request: Request) -> Prompt:
        started = time.perf_counter()
        whole, text = self._asked(request)
        ids = shown_of(whole, request, self._n_ctx, self._rules.most(request))
        if not ids:
            raise BackendError("the prompt is empty: there is nothing to continue", slug="empty-prompt")
        return Prompt(
            number=number,
            request=request,
            ids=ids,
            n_unshown=len(whole) - len(ids),
            started=started,
            rules=self._rules,
            opened=opened_by(text, self._rules.known),
        )

    @functools.cached_property
    def _rules(self) -> ThinkingRules:
        tokenizer = self._tokenizer
        return ThinkingRules.of(
            "\n".join(filter(None, (tokenizer.chat_template, tokenizer.tool_template))) or None,
            self._thinking,
            lambda text: tokenizer.tokenize(text, add_special=False, parse_special=True),
            self._switch,
        )

    @property
    def _switch(self) -> Switch | None:
        source = self._tokenizer.chat_template
        return None if source is None else switch_of(source, Path(self._path).name)

    def _shown(self, request: Request) -> list[int]:
        """The tokens that the model is shown."""
        return shown_of(self._ids(request), request, self._n_ctx, self._rules.most(request))

    def _ids(self, request: Request) -> list[int]:
        return self._asked(request)[0]

    def _asked(self, request: Request) -> tuple[list[int], str]:
        """The tokens of a prompt, and its text (empty where it is given as tokens)."""
        tokenizer = self._tokenizer
        if request.prompt_ids is not None:
            foreign = [token for token in request.prompt_ids if not 0 <= token < self._n_vocab]
            if foreign:
                raise BackendError(f"{foreign[0]} is no token id of this model (0 to {self._n_vocab - 1})")
            return list(request.prompt_ids), ""
        if request.prompt is not None:
            return tokenizer.tokenize(request.prompt, add_special=True, parse_special=False), request.prompt
        template = self._template(tools=bool(request.tools))
        if template is None:
            raise NotAvailableError(
                f"{self._path}: the model has no chat template, so it cannot be asked in conversations; "
                f"{TEMPLATE_REMEDY}",
                slug="no-chat-template",
            )
        messages, switch = request.turns, self._switch
        messages = messages if switch is None else switch.set(messages, self._thinking)
        # A character of the private use area that no message holds, nor its name in JSON: some templates write that.
        told = [message.to_json() for message in (*messages, *(request.messages or ())[-1:])]
        said = json.dumps([*told, *request.tools], ensure_ascii=False)
        mark, named = next(
            (chr(code), f"\\u{code:04x}")
            for code in range(0xE000, 0xF900)
            if chr(code) not in said and f"\\u{code:04x}" not in said
        )

        def plain_words(text: str) -> str:
            return tokenizer.control.marked(text, mark)

        tools = [rewritten(tool, plain_words) for tool in request.tools]
        text = template.render([message.rewritten(plain_words) for message in messages], tools).replace(named, mark)
        text = answered_with(text, plain_words(request.answer_prefix), self._rules.known)
        ids: list[int] = []
        for part, plain in tokenizer.control.parts(text, mark):
            if plain and ids:
                ids += tokenizer.continued(part)
            else:
                ids += tokenizer.tokenize(part, add_special=False, parse_special=not plain)
        # BOS comes once: either the template has written it, or the model wants it added.
        return ([tokenizer.bos, *ids] if tokenizer.adds_bos and ids[:1] != [tokenizer.bos] else ids), text
