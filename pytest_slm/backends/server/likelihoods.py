"""How likely a model finds a given text, by whatever way its server has; each way is tried before it is believed.

``EchoedPrompts``: the prompt comes back with the log-probability of each of its tokens (``echo`` with ``logprobs``, or
vLLM's ``prompt_logprobs``). ``ForcedTokens``: llama-server has no such thing, but writes any token that is made likely
enough, and tells what it would have been without that: one request for each token of a continuation.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_slm.backends.server.asking import TEXT_PATH
from pytest_slm.backends.server.fields import ReplyFields
from pytest_slm.backends.server.http import Alive, Client, unwatched
from pytest_slm.backends.server.identity import LLAMA_SERVER, Identity
from pytest_slm.backends.server.tokens import ServerTokenizer
from pytest_slm.core.request import LogLikelihood
from pytest_slm.errors import BackendError, NotAvailableError
from pytest_slm.prompts.pairs import PairSum, fitted, rolling_windows, split_pair

PROBE = "One, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve."
"""Words of which the next one is sure, so that a list of numbers that is shifted by one place is noticed."""
CLOSE = 0.05
"""Nats by which two requests may differ that compute the same."""
SURE = 1000.0
"""Added to the logit of a token, it is written."""


class Way(Protocol):
    """One way to get likelihoods."""

    name: str
    starts: bool
    """Whether the first token of a text has a likelihood, too."""

    def score(self, context: str, continuation: str, alive: Alive) -> LogLikelihood: ...

    def rolling(self, text: str, alive: Alive) -> LogLikelihood: ...


def find_way(client: Client, identity: Identity) -> Way | str:
    """The first way that works with this server, or why there is none."""
    if identity.kind == LLAMA_SERVER:
        ways: Sequence[Any] = (ForcedTokens(client, identity),)
    else:
        ways = (EchoedPrompts(client, identity, echo=True), EchoedPrompts(client, identity, echo=False))
    reasons = []
    for way in ways:
        try:
            problem = way.problem()
        except (BackendError, NotAvailableError) as error:
            if error.slug in ("server-unreachable", "server-cut", "server-silent", "server-key", "server-busy"):
                raise
            problem = error.args[0]
        if not problem:
            found: Way = way
            return found
        reasons.append(f"{way.name}: {problem}")
    return "this server gives no likelihoods of given texts (" + "; ".join(reasons) + ")"


# -- the prompt comes back ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Token:
    """A token of a prompt, with its log-probability (None: the first of a text has none) and the greatest there."""

    text: str
    logprob: float | None
    best: float | None

    @property
    def is_greedy(self) -> bool:
        return self.logprob is not None and self.best is not None and self.logprob >= self.best - 1e-6


class EchoedPrompts:
    """The prompt's own log-probabilities, in one request a pair."""

    starts = False

    def __init__(self, client: Client, identity: Identity, *, echo: bool) -> None:
        self._client, self._identity, self._echo = client, identity, echo
        self.name = "echo" if echo else "prompt_logprobs"

    def problem(self) -> str:
        """Why the numbers cannot be believed; empty if they can. Raises BackendError where the server refuses."""
        tokens = self._tokens(PROBE, unwatched)
        if not tokens:
            return "the prompt does not come back with its log-probabilities"
        if not "".join(token.text for token in tokens).endswith(PROBE):
            return "the texts of its tokens are not the prompt"
        places = [n for n, token in enumerate(tokens) if n > 3 and token.text.startswith(" ")][-4::2]
        if len(places) < 2 or any(token.logprob is None for token in tokens[1:]):
            return "tokens of the prompt have no log-probability"
        for place in places:
            begun = "".join(token.text for token in tokens[:place])
            text, logprob = self._next(begun[begun.index(PROBE[:3]) :])
            token = tokens[place]
            if token.best is None or logprob is None or abs(token.best - logprob) > CLOSE:
                return "its numbers are those of another place of the text than they are told for"
            if token.text == text and token.logprob is not None and abs(token.logprob - logprob) > CLOSE:
                return "its numbers are not those of the tokens that they are told for"
        return ""

    def score(self, context: str, continuation: str, alive: Alive) -> LogLikelihood:
        """How likely a continuation is; the tokens are those of the whole text, cut where the context ends."""
        if not continuation:
            raise BackendError("an empty continuation has no likelihood", slug="empty-continuation")
        stripped = context.rstrip()
        if not stripped:
            raise NotAvailableError(
                "this server tells no likelihood of the first token of a text: nothing can be scored without a context",
                slug="server-start",
            )
        tokens = self._tokens(context + continuation, alive)
        first = self._first_of(tokens, context + continuation, len(stripped))
        tail = tokens[first:]
        logprobs = [token.logprob for token in tail if token.logprob is not None]
        if not tail or len(logprobs) < len(tail):
            raise BackendError(
                f"{self._where}: {len(tail) - len(logprobs)} of {len(tail)} tokens have no log-probability; try "
                "another version of the server",
                slug="server-field",
            )
        return LogLikelihood(
            logprob=sum(logprobs),
            is_greedy=all(token.is_greedy for token in tail),
            n_tokens=len(tail),
            n_prompt=first,
        )

    def rolling(self, text: str, alive: Alive) -> LogLikelihood:
        """Never: the first token of a text would be missing in it."""
        raise NotAvailableError(
            "this server tells no likelihood of the first token of a text: none of a text as a whole",
            slug="server-start",
        )

    @property
    def _where(self) -> str:
        return self._client.url(TEXT_PATH)

    def _first_of(self, tokens: Sequence[_Token], text: str, boundary: int) -> int:
        """The place of the first token behind the boundary, found from the end: what a token's text is, is sure there,
        while one of half a character may stand before."""
        place, n = len(text), len(tokens)
        while n and place > boundary:
            piece = tokens[n - 1].text
            if not piece or text[max(0, place - len(piece)) : place] != piece:
                raise BackendError(
                    f"{self._where}: the server's tokens are not the text {text[:place][-30:]!r}: what a continuation "
                    "has of it is not known; try another server",
                    slug="server-boundary",
                )
            place, n = place - len(piece), n - 1
        if place < boundary:
            raise BackendError(
                f"{self._where}: one token ({tokens[n].text!r:.40}) holds the end of the context and the beginning of "
                "the continuation: begin the continuation with a space",
                slug="server-boundary",
            )
        return n

    def _tokens(self, prompt: str, alive: Alive) -> list[_Token]:
        alive()
        # Some take 0 for "as many as fit": one token is written, and dropped.
        asked: dict[str, Any] = {"model": self._identity.model, "prompt": prompt, "max_tokens": 1, "temperature": 0.0}
        asked |= {"echo": True, "logprobs": 1} if self._echo else {"prompt_logprobs": 1}
        answer = ReplyFields(self._where, self._client.ask(TEXT_PATH, asked, alive))
        choice = next(iter(answer.each("choices")), None)
        if choice is None:
            return []
        if not self._echo:
            return [
                _told_by_vllm(choice, number, entry) for number, entry in enumerate(choice.items("prompt_logprobs"))
            ]
        usage = answer.inside("usage")
        written = usage.count("completion_tokens") if usage else None
        found = choice.inside("logprobs")
        if found is None or written is None:
            return []
        texts, logprobs, tops = found.items("tokens"), found.items("token_logprobs"), found.items("top_logprobs")
        if not len(texts) == len(logprobs) == len(tops) or not all(isinstance(text, str) for text in texts):
            return []
        tokens = [
            _Token(text, found.as_logprob("token_logprobs", logprob), _best(found, top))
            for text, logprob, top in zip(texts, logprobs, tops, strict=True)
        ]
        # Whether the token that was written is among them depends on the server, and on the model.
        ends = [n for n in (len(tokens), len(tokens) - written) if "".join(texts[:n]).endswith(prompt)]
        return tokens[: ends[0] if ends else len(tokens) - written]

    def _next(self, prompt: str) -> tuple[str, float | None]:
        """What would be written next, and how likely it is."""
        asked = {"model": self._identity.model, "prompt": prompt, "max_tokens": 1, "temperature": 0.0, "logprobs": 1}
        answer = ReplyFields(self._where, self._client.ask(TEXT_PATH, asked))
        choice = next(iter(answer.each("choices")), None)
        found = choice.inside("logprobs") if choice else None
        texts, logprobs = (found.items("tokens"), found.items("token_logprobs")) if found else ([], [])
        if found is None or not texts or not logprobs or not isinstance(texts[0], str):
            return "", None
        return texts[0], found.as_logprob("token_logprobs", logprobs[0])


def _best(fields: ReplyFields, top: object) -> float | None:
    if not isinstance(top, Mapping):
        return None
    values = [fields.as_logprob("top_logprobs", value) for value in top.values()]
    return max((value for value in values if value is not None), default=None)


def _told_by_vllm(choice: ReplyFields, number: int, entry: object) -> _Token:
    """One place of ``prompt_logprobs``: the likeliest token, and the prompt's own where that is another one."""
    if entry is None:
        return _Token("", None, None)
    tokens = ReplyFields("prompt_logprobs", entry, f"prompt_logprobs[{number}]")
    each = [inside for name in tokens.value if (inside := tokens.inside(name)) is not None]
    own = max(each, key=lambda one: one.count("rank") or 0, default=None)
    best = max((value for one in each if (value := one.logprob("logprob")) is not None), default=None)
    return _Token("", None, None) if own is None else _Token(own.text("decoded_token"), own.logprob("logprob"), best)


# -- tokens that are made sure -----------------------------------------------------------------------------------------


class ForcedTokens:
    """llama-server writes each token of a continuation because it must, and tells how likely it was."""

    name = "forced tokens"
    starts = True

    def __init__(self, client: Client, identity: Identity) -> None:
        self._client, self._identity = client, identity
        self._tokenizer = ServerTokenizer(client, identity)

    def problem(self) -> str:
        """Why the numbers cannot be believed; empty if they can. Raises BackendError where the server refuses."""
        ids = self._tokenizer.tokenize(PROBE, add_special=True, parse_special=False)
        different = sorted(set(ids))[:2]
        if len(different) < 2 or self._identity.n_ctx is None:
            return "the server does not tell its tokens, or the length of its context"
        tops = []
        for token in different:
            told = self._ask(ids, token, 1, unwatched)
            top = next(iter(told.each("top_logprobs")), None) if told else None
            own, best = told.logprob("logprob") if told else None, top.logprob("logprob") if top else None
            if told is None or top is None or own is None or best is None or own > best + CLOSE:
                return "a token that it is made to write has no log-probability"
            tops.append((top.count("id"), best))
        # With the weight of what is asked for in the numbers, each of the two would be the likeliest.
        (one, first), (other, second) = tops
        same = one == other and abs(first - second) < CLOSE
        return "" if same else "the log-probability of a token depends on what is asked for"

    def score(self, context: str, continuation: str, alive: Alive) -> LogLikelihood:
        """How likely a continuation is, token by token."""
        alive()
        return self._scored(split_pair(self._tokenizer, context, continuation), alive)

    def rolling(self, text: str, alive: Alive) -> LogLikelihood:
        """How likely a whole text is, in windows of the context's length."""
        ids = self._tokenizer.tokenize(text, add_special=False, parse_special=False)
        windows = rolling_windows(ids, self._tokenizer.start, self._limit)
        parts = [self._scored((list(head), list(tail)), alive) for head, tail in windows]
        return LogLikelihood(
            logprob=sum(part.logprob for part in parts if part.logprob is not None),
            is_greedy=all(part.is_greedy for part in parts),
            n_tokens=sum(part.n_tokens for part in parts),
        )

    @property
    def _limit(self) -> int:
        return (self._identity.n_ctx or 1) - 1  # the server writes a token, and wants room for it

    def _scored(self, pair: tuple[list[int], list[int]], alive: Alive) -> LogLikelihood:
        ((head, tail),) = fitted([pair], self._limit)
        total, result = PairSum(pair, (head, tail)), None
        for place, token in enumerate(tail):
            result = total.add(*self._one([*head, *tail[:place]], token, alive))
        assert result is not None
        return result

    def _one(self, begun: Sequence[int], token: int, alive: Alive) -> tuple[float, bool]:
        """The log-probability of a token behind others, and whether it is the likeliest."""
        told = self._ask(begun, token, 1, alive)
        if told is None:  # the token is a part of a character, of which the server tells nothing: take it from a list
            return self._listed(begun, token, alive)
        logprob, top = told.logprob("logprob"), next(iter(told.each("top_logprobs")), None)
        if logprob is None or told.count("id") != token:
            raise self._failed(f"the server did not write the token {token} that it was made to")
        return logprob, top is not None and top.count("id") == token

    def _listed(self, begun: Sequence[int], token: int, alive: Alive) -> tuple[float, bool]:
        """The same from the log-probabilities of all tokens, megabytes of them."""
        told = self._ask(begun, self._whole, self._identity.vocab_size or 1, alive)
        each = told.each("top_logprobs") if told else []
        logprob = next((one.logprob("logprob") for one in each if one.count("id") == token), None)
        if logprob is None:
            raise self._failed(f"the server does not tell how likely the token {token} is")
        return logprob, each[0].count("id") == token

    @functools.cached_property
    def _whole(self) -> int:
        """A token of whole characters."""
        return self._tokenizer.tokenize(PROBE, add_special=False, parse_special=False)[0]

    def _ask(self, begun: Sequence[int], token: int, n_probs: int, alive: Alive) -> ReplyFields | None:
        """What the server says of a token that it is made to write; None where it says nothing."""
        asked = {
            **{"prompt": list(begun), "n_predict": 1, "temperature": 0.0, "n_probs": n_probs, "cache_prompt": True},
            **{"logit_bias": [[token, SURE]], "ignore_eos": False, "stream": False, "model": self._identity.model},
        }
        answer = ReplyFields(self._where, self._client.ask("completion", asked, alive))
        alive()
        return next(iter(answer.each("completion_probabilities")), None)

    @property
    def _where(self) -> str:
        return self._client.url("completion")

    def _failed(self, what: str) -> BackendError:
        return BackendError(f"{self._where}: {what}; try another version of the server", slug="server-field")
