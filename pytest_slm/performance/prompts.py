"""Prompts of an exact number of tokens, never the same twice, so that nothing of them can have been cached."""

from __future__ import annotations

import random
from typing import Any

from pytest_slm.backends.protocol import CHAT, Backend
from pytest_slm.core.types import Message, Request
from pytest_slm.errors import BackendError
from pytest_slm.generators.fitting import fit_words, missing_of

MOST_COUNTS = 50


class Prompts:
    """Conversations of one message that the model's own template and tokenizer make ``n_tokens`` long; for a model
    without a template the text alone."""

    def __init__(self, backend: Backend, n_tokens: int, seed: int) -> None:
        self._backend = backend
        self._n_tokens = n_tokens
        self._random = random.Random(seed)
        self._chat = CHAT in backend.capabilities

    def next(self) -> tuple[Message, ...]:
        """One more conversation. Raises BackendError (prompt-length) if there is none of this length."""
        failure = BackendError(
            f"no prompt of exactly {self._n_tokens} tokens was found: the chat template alone may be longer",
            slug="prompt-length",
        )
        missing_in = missing_of(self._n_tokens, self._count, most=MOST_COUNTS, failure=failure)
        room = missing_in("")
        words = fit_words(lambda words: missing_in(" ".join(words)), room, self._random, WORDS, SHORT_WORDS)
        return (Message(role="user", content=" ".join(words)),)

    def request(self, **known: Any) -> Request:
        """One more, as a request that also a model without a chat template can be asked."""
        (message,) = self.next()
        return self._asked(message.content, **known)

    def _asked(self, text: str, **known: Any) -> Request:
        if not self._chat:
            return Request(prompt=text, **known)
        return Request(messages=(Message(role="user", content=text),), **known)

    def _count(self, text: str) -> int:
        return self._backend.count_tokens([self._asked(text, max_tokens=1)])[0]


WORDS = tuple(
    "river stone window garden paper silver morning engine village bridge letter winter market forest music table "
    "harbor candle mountain station orange picture shadow copper island kitchen lantern meadow number ocean pencil "
    "quarter railway saddle thunder umbrella valley wagon yellow anchor basket cotton desert echo feather glass".split()
)
"""Short English words, so that a prompt of them is cheap to make and never the same twice."""

SHORT_WORDS = tuple("a an as at by do go if in it no of on or so to up we ash bee cup dew elm fig".split())
"""For the last token, where the other words take several."""
