"""The backend's calls, for a model that a server holds. Times are stamped here, at the client."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from pytest_slm.backends.local import ResultCollector
from pytest_slm.backends.protocol import (
    CHAT,
    GENERATE,
    LETTERS,
    LOGLIKELIHOOD,
    TIMING,
    TOKENS,
    TOOLS,
    Delivery,
    ModelSpec,
    Progress,
    ignored,
    silent,
)
from pytest_slm.backends.server.asking import CHAT_PATH, IGNORES_END, TEXT_PATH, body_of
from pytest_slm.backends.server.crowd import ask_all
from pytest_slm.backends.server.http import EVENTS, Alive, Client, CutError, key_of_environment, unwatched
from pytest_slm.backends.server.identity import LLAMA_SERVER, VLLM, Identity, identify
from pytest_slm.backends.server.letters import Letters, find_letters
from pytest_slm.backends.server.likelihoods import Way, find_way
from pytest_slm.backends.server.reading import Pieces
from pytest_slm.backends.server.tokens import ServerTokenizer, TokenCounter, as_ids
from pytest_slm.core.backend_info import BackendInfo
from pytest_slm.core.request import LogLikelihood
from pytest_slm.core.types import Generation, GenerationTimes, Message, Request
from pytest_slm.errors import BackendError, NotAvailableError
from pytest_slm.prompts.pairs import shown_of
from pytest_slm.prompts.writing import ThinkingRules, Writing

T = TypeVar("T")

AT_ONCE = 4
"""Requests that are open at once, where the server does not tell how many it computes at once."""
SILENCE_S = 300.0
CUTS = 1
"""How often an answer that was cut off is asked for again, from its start."""

HELLO = Request(messages=(Message(role="user", content="Hello"),), max_tokens=1)
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
"""What is asked with to see whether tools reach the model."""


class Server:
    """A model behind an address; see docs/servers.md for what is asked of which server."""

    def __init__(self, spec: ModelSpec) -> None:
        if spec.path is None:
            raise BackendError("a server has an address: --slm-model=http://HOST:PORT/v1", slug="model-load")
        self._silence_s = spec.silence_s or SILENCE_S
        self._thinking = spec.thinking
        self._client = Client(spec.path, silence_s=self._silence_s, key=key_of_environment())
        found = identify(self._client, spec.served_model)
        limits = [n for n in (found.n_ctx, spec.settings.n_ctx) if n is not None]
        self._identity: Identity = replace(found, n_ctx=min(limits, default=None))
        self._at_once = spec.concurrency or found.slots or AT_ONCE
        self._counter = TokenCounter(self._client, self._identity, self._thinking)
        self._tokenizer = ServerTokenizer(self._client, found) if found.kind == LLAMA_SERVER else None
        self.lacks: dict[str, str] = {TIMING: "a server does not time its engine alone"}
        self._way: Way | None = None
        self._letters: Letters | None = None
        self.capabilities = self._look()

    def describe(self) -> BackendInfo:
        """What the server tells, and that it is a server's word."""
        known = self._identity
        return BackendInfo(
            name="server",
            engine=known.kind,
            engine_version=known.version,
            n_ctx=known.n_ctx,
            n_seq=self._at_once,
            thinking=self._thinking,
            chat_template_sha256=known.template_sha256,
            model_description=known.description,
            parameters=known.parameters,
            file_bytes=known.file_bytes,
            # Without it nobody asks how likely a text is from its first token on.
            vocab_size=known.vocab_size if self._way is not None and self._way.starts else None,
            server=self._client.base,
            served_model=known.model,
            weights_digest=known.digest,
            extra={"likelihoods": way.name} if (way := self._way or self._letters) else {},
        )

    def count_tokens(self, requests: Sequence[Request]) -> list[int]:
        """Prompt tokens of each request, as the server counts them."""
        return self._all(len(requests), lambda n, alive: self._counter.count(requests[n], alive), silent, ignored)

    def generate(
        self, requests: Sequence[Request], progress: Progress = silent, finished: Delivery[Generation] = ignored
    ) -> list[Generation]:
        """One generation per request, as many at once as the server is given; alone, where its time counts."""
        at_once = 1 if any(request.alone for request in requests) else self._at_once
        return self._all(len(requests), lambda n, alive: self._written(requests[n], alive), progress, finished, at_once)

    def loglikelihood(
        self,
        pairs: Sequence[tuple[str, str]],
        progress: Progress = silent,
        finished: Delivery[LogLikelihood] = ignored,
    ) -> list[LogLikelihood]:
        """How likely each continuation is after its context."""
        if self._letters is not None:
            return self._of_letters(self._letters, pairs, progress, finished)
        way = self._likelihoods
        return self._all(len(pairs), lambda n, alive: way.score(*pairs[n], alive), progress, finished)

    def _of_letters(
        self, way: Letters, pairs: Sequence[tuple[str, str]], progress: Progress, finished: Delivery[LogLikelihood]
    ) -> list[LogLikelihood]:
        """The same, with one request for all letters behind one context."""
        places: dict[str, list[int]] = {}
        for place, (context, _) in enumerate(pairs):
            places.setdefault(context, []).append(place)
        found: ResultCollector[LogLikelihood] = ResultCollector(len(pairs), progress, finished)
        asked = list(places.items())

        def told(number: int, likelihoods: list[LogLikelihood]) -> None:
            for place, one in zip(asked[number][1], likelihoods, strict=True):
                found.add(place, one)

        self._all(
            len(asked),
            lambda n, alive: way.score(asked[n][0], [pairs[place][1] for place in asked[n][1]], alive),
            lambda *_: found.beat(),
            told,
        )
        return found.results()

    def loglikelihood_rolling(self, texts: Sequence[str], progress: Progress = silent) -> list[LogLikelihood]:
        """How likely each whole text is."""
        way = self._likelihoods
        return self._all(len(texts), lambda n, alive: way.rolling(texts[n], alive), progress, ignored)

    def close(self) -> None:
        """Hang up; the server keeps its model."""
        self._client.close()

    # -- what the server can do ------------------------------------------------------------------------------------

    def _look(self) -> frozenset[str]:
        """What it can do, found by asking; ``lacks`` then says why the rest is missing."""
        found = set()
        for name, path, request in (
            (CHAT, CHAT_PATH, HELLO),
            (GENERATE, TEXT_PATH, Request(prompt="One, two,", max_tokens=1)),
        ):
            if (problem := self._refused(partial(self._written, request, unwatched))) is None:
                found.add(name)
            else:
                self.lacks[name] = f"{path}: {problem}"
        if not found:
            raise BackendError(f"{self.lacks[CHAT]}", slug="server-endpoint")
        counted = HELLO if CHAT in found else Request(prompt="One, two,", max_tokens=1)
        if (problem := self._refused(lambda: self._counter.count(counted))) is None:
            found.add(TOKENS)
        else:
            self.lacks[TOKENS] = problem
        if TOKENS in found and CHAT in found and self._shows_tools():
            found.add(TOOLS)
        else:
            self.lacks[TOOLS] = "the prompt is no longer with tools than without: the model would not see them"
        way = find_way(self._client, self._identity) if GENERATE in found else self.lacks[GENERATE]
        if isinstance(way, str):
            self.lacks[LOGLIKELIHOOD] = way
            self._look_at_letters(found, why=way)
        else:
            self._way = way
            found.add(LOGLIKELIHOOD)
        return frozenset(found)

    def _look_at_letters(self, found: set[str], why: str) -> None:
        letters = find_letters(self._client, self._identity, self._thinking, text=GENERATE in found, chat=CHAT in found)
        if isinstance(letters, str):
            self.lacks[LETTERS] = f"{why}; {letters}"
        else:
            self._letters = letters
            found.add(LETTERS)

    def _refused(self, ask: Callable[[], object]) -> str | None:
        """Why the server does not do something; None if it does it. Raises what says nothing about that."""
        try:
            ask()
        except NotAvailableError as error:
            return str(error.args[0])
        except BackendError as error:
            if error.slug not in ("server-endpoint", "server-refused", "server-error", "server-field"):
                raise
            return str(error.args[0])
        return None

    def _shows_tools(self) -> bool:
        """Whether a conversation with tools is longer than without, as the server counts its tokens."""
        counts: list[int] = []
        problem = self._refused(
            lambda: counts.extend(self._counter.count(replace(HELLO, tools=tools)) for tools in ((), (TOOL,)))
        )
        return problem is None and counts[1] > counts[0] + 10

    @property
    def _likelihoods(self) -> Way:
        if self._way is None:
            raise NotAvailableError(self.lacks[LOGLIKELIHOOD], slug="server-likelihoods")
        return self._way

    # -- one request -----------------------------------------------------------------------------------------------

    def _all(
        self,
        n: int,
        ask: Callable[[int, Alive], T],
        progress: Progress,
        finished: Delivery[T],
        at_once: int | None = None,
    ) -> list[T]:
        found: ResultCollector[T] = ResultCollector(n, progress, finished)
        return ask_all(n, at_once or self._at_once, ask, found, what=self._client.base, silence_s=self._silence_s)

    def _written(self, request: Request, alive: Alive) -> Generation:
        """The answer to one request; one that was cut off is asked for once more, from its start."""
        alive()
        request = as_ids(request, self._client, self._identity, self._thinking, alive)
        body, n_unshown = self._body(request)
        cuts = 0
        while True:
            try:
                return replace(self._streamed(request, body, alive), n_unshown=n_unshown).retried(cuts)
            except CutError:
                cuts += 1
                if cuts > CUTS:
                    raise

    def _body(self, request: Request) -> tuple[dict[str, Any], int]:
        if request.prompt_ids is not None and self._identity.kind not in (LLAMA_SERVER, VLLM):
            raise NotAvailableError("this server takes no prompt as token ids", slug="server-setting")
        body = body_of(request, self._identity, self._thinking)
        if request.messages is not None or self._tokenizer is None:
            return body, 0
        # As ids: llama-server would take a control token that a text spells for one.
        text, ids = request.prompt, list(request.prompt_ids or ())
        whole = ids if text is None else self._tokenizer.tokenize(text, add_special=True, parse_special=False)
        shown = whole if self._identity.n_ctx is None else shown_of(whole, request, self._identity.n_ctx)
        return {**body, "prompt": shown}, len(whole) - len(shown)

    def _streamed(self, request: Request, body: dict[str, Any], alive: Alive) -> Generation:
        path = CHAT_PATH if request.messages is not None else TEXT_PATH
        answer = Pieces(self._client.url(path))
        # Where the server was not told of them: in a thinking they are not looked for.
        looking = Writing(request, ThinkingRules()) if request.stop and "stop" not in body else None
        stopped = False
        began = time.perf_counter()
        with self._client.reply(path, body, alive) as (reply, busy):
            if busy:
                began = time.perf_counter()
            if reply.kind == EVENTS:
                for came, event in reply.events():
                    said = answer.add(event, came)
                    if looking is not None and looking.add(said):
                        stopped = True
                        break
            else:
                answer.add(reply.json())
        ended = time.perf_counter()
        if answer.finish is None and not stopped:
            raise CutError(
                f"{self._client.url(path)}: an answer without an end came (no finish_reason): the server gave it up, "
                "perhaps for another request; lower --slm-concurrency, and run again"
            )
        text, reasoning = answer.text, answer.reasoning
        if looking is not None and not request.forced_length:
            written = looking.finish()
            text, reasoning = written.text, reasoning or written.reasoning
        return self._generation(request, answer, text, reasoning, stopped, (began, ended)).retried(busy)

    def _generation(
        self, request: Request, answer: Pieces, text: str, reasoning: str, stopped: bool, clock: tuple[float, float]
    ) -> Generation:
        (began, ended), calls = clock, answer.calls()
        said = "\n".join(filter(None, [text, answer.written_calls()])) if calls else text
        finish = "stop" if stopped else answer.finish or "stop"
        if request.forced_length and finish == "stop" and self._identity.kind not in IGNORES_END and not stopped:
            raise NotAvailableError(
                "the model ended its answer, and this server cannot be told to go on: nothing of a given length can be "
                "timed",
                slug="server-forced-length",
            )
        n_cached = answer.n_cached
        timings = GenerationTimes(
            prepare_s=None,
            prefill_s=None,
            sample_s=None,
            token_s=tuple(stamp - began for stamp in answer.stamps),
            end_s=ended - began,
            n_evaluated=None if answer.n_prompt is None or n_cached is None else answer.n_prompt - n_cached,
        )
        return Generation(
            text=self._client.scrubbed(said),
            n_prompt=answer.n_prompt,
            n_output=None if stopped else answer.n_output,
            finish=finish,
            timings=timings if answer.stamps else None,
            reasoning=self._client.scrubbed(reasoning).strip(),
            n_reasoning=answer.n_reasoning,
            tool_calls=calls or None,
        )
