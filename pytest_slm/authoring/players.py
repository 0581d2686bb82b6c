"""Models whose score is known before they are asked: one that knows every answer, and some that know none."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_slm.core.request import Likelihoods, LogLikelihood, RollingLikelihood, Together
from pytest_slm.core.types import Generation, Request

LIKELY, UNLIKELY = -0.001, -10_000.0
"""Log-likelihoods so far apart that no division by a length brings them together."""
SYLLABLES = ("ba", "do", "fe", "gu", "ki", "lo", "mi", "nu", "pe", "ra", "so", "tu")
Right = str | tuple[Any, ...]
"""A right answer: the text; for likelihoods, of each continuation whether it is the right one; for several questions at
once one for each."""


class Player(Protocol):
    """What answers in place of a model."""

    def text(self, right: Right | None) -> str:
        """The answer to a question whose right answer is this one, None where nobody says."""

    def likely(self, right: Right | None, n: int) -> Sequence[float]:
        """The log-likelihoods of so many continuations."""


class Oracle:
    """Knows every answer."""

    def text(self, right: Right | None) -> str:
        return right if isinstance(right, str) else ""

    def likely(self, right: Right | None, n: int) -> Sequence[float]:
        return [LIKELY if one else UNLIKELY for one in _flags(right, n)]


class Empty:
    """Says nothing, and finds everything equally likely."""

    def text(self, right: Right | None) -> str:
        return ""

    def likely(self, right: Right | None, n: int) -> Sequence[float]:
        return [-1.0] * n


class Babbling:
    """Says words that do not exist, and finds things likely as chance will have it, by a seed."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)

    def text(self, right: Right | None) -> str:
        words = ("".join(self._random.choices(SYLLABLES, k=self._random.randint(1, 4))) for _ in range(12))
        return " ".join(words).capitalize() + "."

    def likely(self, right: Right | None, n: int) -> Sequence[float]:
        return [-1 - 9 * self._random.random() for _ in range(n)]


@dataclass(frozen=True)
class Constant:
    """Always gives the same answer: the right one of most questions of that form."""

    most: Sequence[Right]

    @classmethod
    def of(cls, answers: Sequence[Right]) -> Constant:
        """The one for questions with these right answers."""
        return cls([right for right, _ in Counter(part for right in answers for part in _parts(right)).most_common()])

    def text(self, right: Right | None) -> str:
        return next((one for one in self.most if isinstance(one, str)), "")

    def likely(self, right: Right | None, n: int) -> Sequence[float]:
        same = (one for one in self.most if isinstance(one, tuple) and len(one) == n)
        return [LIKELY if one else UNLIKELY for one in next(same, (False,) * n)]


def play(player: Player, ask: Any, right: Right | None) -> Any:
    """The player's answer to what a conversation asks of a model."""
    if isinstance(ask, Together):
        parts = right if isinstance(right, tuple) and len(right) == len(ask.asks) else (None,) * len(ask.asks)
        if all(isinstance(one, Likelihoods) for one in ask.asks):  # lm-eval asks choice by choice
            sizes = [len(one.pairs) for one in ask.asks if isinstance(one, Likelihoods)]
            flat = tuple(flag for part, size in zip(parts, sizes, strict=True) for flag in _flags(part, size))
            likely = iter(_told(player.likely(flat if right is not None else None, len(flat))))
            return tuple(tuple(next(likely) for _ in range(size)) for size in sizes)
        return tuple(play(player, one, part) for one, part in zip(ask.asks, parts, strict=True))
    if isinstance(ask, Request):
        text = player.text(right)
        return Generation(text=text, n_prompt=1, n_output=len(text.split()), finish="stop")
    if isinstance(ask, RollingLikelihood):
        return _told(player.likely(right, 1))[0]
    return tuple(_told(player.likely(right, len(ask.pairs))))


def _parts(right: Right) -> list[Right]:
    """A right answer to several questions at once as those to each; choices that are asked one by one are one."""
    if isinstance(right, str) or not right:
        return [right]
    if all(isinstance(one, str) for one in right):
        return list(right)
    nested = all(isinstance(one, tuple) for one in right)
    return [tuple(flag for part in right for flag in part)] if nested else [right]


def _flags(right: Right | None, n: int) -> tuple[bool, ...]:
    fits = isinstance(right, tuple) and len(right) == n
    return tuple(bool(one) for one in right) if fits and right is not None else (False,) * n


def _told(likely: Sequence[float]) -> list[LogLikelihood]:
    return [LogLikelihood(logprob=one, is_greedy=False, n_tokens=1) for one in likely]
