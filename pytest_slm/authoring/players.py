"""Models whose score is known before they are asked: one that knows every answer, and some that know none."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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

    def likely(self, right: Right | None, texts: Sequence[str]) -> Sequence[float]:
        """The log-likelihoods of these continuations."""


class Oracle:
    """Knows every answer."""

    def text(self, right: Right | None) -> str:
        return right if isinstance(right, str) else ""

    def likely(self, right: Right | None, texts: Sequence[str]) -> Sequence[float]:
        return [LIKELY if one else UNLIKELY for one in _flags(right, len(texts))]


class Empty:
    """Says nothing, and finds everything equally likely."""

    def text(self, right: Right | None) -> str:
        return ""

    def likely(self, right: Right | None, texts: Sequence[str]) -> Sequence[float]:
        return [-1.0] * len(texts)


class Babbler:
    """Says words that do not exist, and finds things likely as chance will have it, by a seed."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)

    def text(self, right: Right | None) -> str:
        words = ("".join(self._random.choices(SYLLABLES, k=self._random.randint(1, 4))) for _ in range(12))
        return " ".join(words).capitalize() + "."

    def likely(self, right: Right | None, texts: Sequence[str]) -> Sequence[float]:
        return [-1 - 9 * self._random.random() for _ in texts]


@dataclass(frozen=True)
class Constant:
    """Always gives the same answer: the right one of most questions that offer the same choices. Where the choices are
    others in every question there is no such answer: a model that is not shown their places cannot go by them."""

    written: str
    chosen: Mapping[tuple[str, ...], tuple[bool, ...]]

    @classmethod
    def of(cls, known: Iterable[tuple[Any, Right]]) -> Constant:
        """The one for questions with these right answers."""
        written: Counter[str] = Counter()
        forms: dict[tuple[str, ...], Counter[tuple[bool, ...]]] = {}
        for form, right in (part for one in known for part in _parts(*one)):
            if isinstance(right, str):
                written[right] += 1
            else:
                forms.setdefault(form, Counter())[tuple(map(bool, right))] += 1
        common = {form: of.most_common(1)[0][0] for form, of in forms.items() if of.total() > 1}
        return cls(next((text for text, _ in written.most_common(1)), ""), common)

    def text(self, right: Right | None) -> str:
        return self.written

    def likely(self, right: Right | None, texts: Sequence[str]) -> Sequence[float]:
        return [LIKELY if one else UNLIKELY for one in self.chosen.get(tuple(texts), (False,) * len(texts))]


def play(player: Player, ask: Any, right: Right | None) -> Any:
    """The player's answer to what a conversation asks of a model."""
    if isinstance(ask, Together):
        parts = right if isinstance(right, tuple) and len(right) == len(ask.asks) else (None,) * len(ask.asks)
        if all(isinstance(one, Likelihoods) for one in ask.asks):  # lm-eval asks choice by choice
            sizes = [len(one.pairs) for one in ask.asks if isinstance(one, Likelihoods)]
            flat = tuple(flag for part, size in zip(parts, sizes, strict=True) for flag in _flags(part, size))
            likely = iter(_told(player.likely(flat if right is not None else None, _texts(ask))))
            return tuple(tuple(next(likely) for _ in range(size)) for size in sizes)
        return tuple(play(player, one, part) for one, part in zip(ask.asks, parts, strict=True))
    if isinstance(ask, Request):
        text = player.text(right)
        return Generation(text=text, n_prompt=1, n_output=len(text.split()), finish="stop")
    if isinstance(ask, RollingLikelihood):
        return _told(player.likely(right, (ask.text,)))[0]
    return tuple(_told(player.likely(right, _texts(ask))))


def _texts(ask: Any) -> tuple[str, ...]:
    """The continuations that are offered; none where something is written."""
    if isinstance(ask, Together):
        return tuple(text for one in ask.asks for text in _texts(one))
    return tuple(after for _, after in ask.pairs) if isinstance(ask, Likelihoods) else ()


def _parts(ask: Any, right: Right) -> list[tuple[tuple[str, ...], Right]]:
    """What several questions at once offer, and the right answer to each; choices that are asked one by one are one."""
    if isinstance(right, str) or not right:
        return [(_texts(ask), right)]
    if all(isinstance(one, str) for one in right):
        return [((), one) for one in right]
    nested = all(isinstance(one, tuple) for one in right)
    return [(_texts(ask), tuple(flag for part in right for flag in part) if nested else right)]


def _flags(right: Right | None, n: int) -> tuple[bool, ...]:
    fits = isinstance(right, tuple) and len(right) == n
    return tuple(bool(one) for one in right) if fits and right is not None else (False,) * n


def _told(likely: Sequence[float]) -> list[LogLikelihood]:
    return [LogLikelihood(logprob=one, is_greedy=False, n_tokens=1) for one in likely]
