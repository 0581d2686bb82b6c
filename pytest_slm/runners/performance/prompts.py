"""Prompts of an exact number of tokens, never the same twice, so that nothing of them can have been cached."""

from __future__ import annotations

import random

from pytest_slm.backends.protocol import Backend
from pytest_slm.core.types import Message, Request
from pytest_slm.errors import BackendError

MOST_TRIES = 50


class Prompts:
    """Conversations of one message that the model's own template and tokenizer make ``n_tokens`` long."""

    def __init__(self, backend: Backend, n_tokens: int, seed: int) -> None:
        self._backend = backend
        self._n_tokens = n_tokens
        self._random = random.Random(seed)

    def next(self) -> tuple[Message, ...]:
        """One more. Raises BackendError (prompt-length) if there is none of this length."""
        words = self._words(self._n_tokens)
        template = self._count("")
        for _ in range(MOST_TRIES):
            text = " ".join(words)
            count = self._count(text)
            missing = self._n_tokens - count
            if missing == 0:
                return (Message(role="user", content=text),)
            # Most words are one token, with some tokenizers two or more: those so far say how many.
            per_word = max(1.0, (count - template) / max(1, len(words)))
            if words and abs(missing) < per_word - 0.5:
                words[self._random.randrange(len(words))] = self._random.choice(WORDS + SHORT_WORDS)
            elif missing > 0:
                words += self._words(max(1, int(missing / per_word)))
            else:
                del words[min(-1, int(missing / per_word)) :]
        raise BackendError(
            f"no prompt of exactly {self._n_tokens} tokens was found: the chat template alone may be longer",
            slug="prompt-length",
        )

    def _count(self, text: str) -> int:
        request = Request(messages=(Message(role="user", content=text),), max_tokens=1)
        return self._backend.count_tokens([request])[0]

    def _words(self, n: int) -> list[str]:
        return [self._random.choice(WORDS) for _ in range(n)]


WORDS = tuple(
    "river stone window garden paper silver morning engine village bridge letter winter market forest music table "
    "harbor candle mountain station orange picture shadow copper island kitchen lantern meadow number ocean pencil "
    "quarter railway saddle thunder umbrella valley wagon yellow anchor basket cotton desert echo feather glass".split()
)
"""Short English words, so that a prompt of them is cheap to make and never the same twice."""

SHORT_WORDS = tuple("a an as at by do go if in it no of on or so to up we ash bee cup dew elm fig".split())
"""For the last token, where the other words take several."""
