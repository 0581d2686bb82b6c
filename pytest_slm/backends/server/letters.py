"""How likely single letters are, where a server tells nothing of given texts but the likeliest next tokens.

One token is asked for, with as many of the likeliest as the server tells (``top_logprobs``). A letter that is not among
them stays unknown: it is less likely than every token that is told. Completions are asked where the server has them;
otherwise the text is what the user says in a conversation, and the letter the first token of the answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_slm.backends.server.asking import CHAT_PATH, TEXT_PATH, body_of
from pytest_slm.backends.server.fields import ReplyFields
from pytest_slm.backends.server.http import Alive, Client, unwatched
from pytest_slm.backends.server.identity import Identity
from pytest_slm.core.request import LogLikelihood, Thinking
from pytest_slm.core.types import Message, Request
from pytest_slm.errors import BackendError, NotAvailableError

MOST = (20, 5)
"""How many of the likeliest tokens are asked for: OpenAI's limits in conversations and in completions."""
PROBE = "One, two, three,"


class Letters:
    """The likeliest next tokens, in one request for all letters behind one text."""

    def __init__(self, client: Client, identity: Identity, thinking: Thinking, *, chat: bool) -> None:
        self._client, self._identity, self._thinking, self._chat = client, identity, thinking, chat
        self._most = MOST[0]
        self.name = f"top_logprobs of {'conversations' if chat else 'completions'}, of letters alone"

    def problem(self) -> str:
        """Why the numbers cannot be believed; empty if they can."""
        said = []
        for most in MOST:
            self._most = most
            try:
                return _doubt(self._tops(PROBE, unwatched))
            except (BackendError, NotAvailableError) as error:
                if error.slug not in ("server-endpoint", "server-refused", "server-error", "server-field"):
                    raise
                said.append(str(error.args[0]))
        return said[-1]

    def score(self, context: str, letters: Sequence[str], alive: Alive) -> list[LogLikelihood]:
        """How likely each letter is after one context; a space before it is a part of its token, and in a conversation
        of no account. Raises NotAvailableError for what is no single letter."""
        shown = context.rstrip()
        space = context[len(shown) :]
        for letter in letters:
            if len(letter.strip()) != 1:
                raise NotAvailableError(
                    f"this server tells how likely single letters are, and nothing of {letter!r:.40}",
                    slug="server-likelihoods",
                )
        tops = self._tops(shown, alive)
        best = max(tops.values(), default=None)
        found = [tops.get(self._token(space + letter)) for letter in letters]
        return [
            LogLikelihood(logprob=logprob, is_greedy=logprob is not None and logprob == best, n_tokens=1)
            for logprob in found
        ]

    def _token(self, text: str) -> str:
        return text.strip() if self._chat else text

    def _tops(self, text: str, alive: Alive) -> Mapping[str, float]:
        """The likeliest next tokens by their texts; of several with one text the likeliest."""
        alive()
        path = CHAT_PATH if self._chat else TEXT_PATH
        asked: Mapping[str, Any] = (
            {"messages": (Message(role="user", content=text),)} if self._chat else {"prompt": text}
        )
        body = body_of(Request(**asked, max_tokens=1), self._identity, self._thinking)
        body = {key: value for key, value in body.items() if key not in ("stream", "stream_options")}
        more = {"logprobs": True, "top_logprobs": self._most} if self._chat else {"logprobs": self._most}
        answer = ReplyFields(self._client.url(path), self._client.ask(path, {**body, **more}, alive))
        alive()
        choice = next(iter(answer.each("choices")), None)
        told = choice.inside("logprobs") if choice else None
        if told is None:
            return {}
        if self._chat:
            place = next(iter(told.each("content")), None)
            pairs = [(one.text("token"), one.logprob("logprob")) for one in place.each("top_logprobs")] if place else []
        else:
            first = next(iter(told.items("top_logprobs")), None)
            items = first.items() if isinstance(first, Mapping) else ()
            pairs = [(str(token), told.as_logprob("top_logprobs", value)) for token, value in items]
        found: dict[str, float] = {}
        for token, logprob in pairs:
            if logprob is not None and math.isfinite(logprob):
                name = self._token(token)
                found[name] = max(logprob, found.get(name, -math.inf))
        return found


def _doubt(tops: Mapping[str, float]) -> str:
    """Why these are no log-probabilities of the likeliest tokens; empty if they may be."""
    if len(tops) < 2:
        return "the likeliest next tokens are not told"
    mass = math.fsum(math.exp(logprob) for logprob in tops.values())
    # After such a beginning every model is sure of something, and no probabilities add up to more than 1.
    return "" if 0.02 < mass < 1.01 and len(set(tops.values())) > 1 else "its numbers are no probabilities of tokens"


def find_letters(client: Client, identity: Identity, thinking: Thinking, *, text: bool, chat: bool) -> Letters | str:
    """The first way that works with this server, or why there is none."""
    reasons = []
    for offered, is_chat in ((text, False), (chat, True)):
        if offered:
            way = Letters(client, identity, thinking, chat=is_chat)
            problem = way.problem()
            if not problem:
                return way
            reasons.append(f"{way.name}: {problem}")
    return "; ".join(reasons)
