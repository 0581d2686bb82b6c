"""The score of each question of an item, packed."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from pytest_slm.core.metrics.units import Unit
from pytest_slm.core.record import Record, RecordError

WIDTHS = (1, 2, 4, 8, 16)
"""Bits that a number of a packed list may have."""
MOST = 1 << 20
"""Questions of an item: far more than any benchmark asks, and what a hostile file may make us unpack."""


@dataclass(frozen=True, kw_only=True)
class QuestionScores(Record):
    """The scores that an item's primary metric is the mean of, in the order of the questions' ids.

    Two models are compared by these where ``questions`` is the same: a hash of what was asked (ids, expected answers,
    the task's version, and the seed of what was made from it). ``scores`` are places in ``levels``, ``clusters``
    numbers of what belongs together (empty where each question stands for itself), ``groups`` places in ``balance``,
    whose groups count the same; all three packed by ``pack``, with as few bits for each question as their largest
    number needs. A level of None is a question that could not be scored.
    """

    questions: str
    n: int
    levels: tuple[float | None, ...]
    scores: str
    ids: tuple[tuple[str, int, int], ...]
    """Runs of ids: (beginning, first number, how many); of an id by itself the count is 0."""
    n_clusters: int = 0
    clusters: str = ""
    balance: tuple[str, ...] = ()
    groups: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.n <= MOST:
            raise RecordError(f"n: {self.n} questions are none, or more than {MOST}")
        if not all(level is None or 0 <= level <= 1 for level in self.levels):
            raise RecordError("levels: a score is in [0, 1]")
        for name, packed, kinds in (
            ("scores", self.scores, len(self.levels)),
            ("clusters", self.clusters, self.n_clusters),
            ("groups", self.groups, len(self.balance)),
        ):
            if (kinds or name == "scores") and max(unpack(packed, self.n, kinds), default=0) >= kinds:
                raise RecordError(f"{name}: a number is none of {kinds}")
        if any(count < 0 for *_, count in self.ids) or sum(count or 1 for *_, count in self.ids) != self.n:
            raise RecordError(f"ids: not those of {self.n} questions")

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        """The questions as what a metric is made of."""
        clusters = unpack(self.clusters, self.n, self.n_clusters) if self.n_clusters else range(self.n)
        groups = unpack(self.groups, self.n, len(self.balance)) if self.balance else [0] * self.n
        return tuple(
            Unit(value=self.levels[score], cluster=cluster, groups=self.balance[group : group + 1])
            for score, cluster, group in zip(
                unpack(self.scores, self.n, len(self.levels)), clusters, groups, strict=True
            )
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The ids one by one."""
        return tuple(
            f"{beginning}{first + place}" if count else beginning
            for beginning, first, count in self.ids
            for place in range(count or 1)
        )


def width_of(kinds: int) -> int:
    """Bits that numbers below ``kinds`` take. Raises RecordError for more than 65,536."""
    for width in WIDTHS:
        if kinds <= 1 << width:
            return width
    raise RecordError(f"{kinds} different numbers are more than {1 << WIDTHS[-1]}")


def pack(numbers: Sequence[int], kinds: int) -> str:
    """Numbers below ``kinds`` as base64 of their bits, the first one in the highest bits of the first byte."""
    width = width_of(kinds)
    whole = int("".join(f"{number:0{width}b}" for number in numbers) or "0", 2)
    missing = -len(numbers) * width % 8
    return base64.b64encode((whole << missing).to_bytes((len(numbers) * width + 7) // 8, "big")).decode()


def unpack(packed: str, n: int, kinds: int) -> list[int]:
    """The ``n`` numbers of ``pack``. Raises RecordError where it is not they."""
    width = width_of(kinds)
    try:
        data = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        raise RecordError(f"{packed!r:.40}: not base64") from None
    if len(data) != (n * width + 7) // 8:
        raise RecordError(f"{packed!r:.40}: not {n} numbers of {width} bits")
    if width == 16:
        return [data[2 * place] << 8 | data[2 * place + 1] for place in range(n)]
    mask, each = (1 << width) - 1, 8 // width
    return [data[place // each] >> (8 - width * (place % each + 1)) & mask for place in range(n)]


def runs_of(ids: Iterable[str]) -> tuple[tuple[str, int, int], ...]:
    """Ids as ``QuestionScores.ids``: those that go on counting together."""
    found: list[tuple[str, int, int]] = []
    for one in ids:
        beginning = one.rstrip("0123456789") if one.isascii() else one
        digits = one[len(beginning) :]
        if not digits or len(digits) > 9 or str(int(digits)) != digits:  # 007 would come back as 7
            found.append((one, 0, 0))
        elif found and found[-1][0] == beginning and found[-1][2] and sum(found[-1][1:]) == int(digits):
            found[-1] = (beginning, found[-1][1], found[-1][2] + 1)
        else:
            found.append((beginning, int(digits), 1))
    return tuple(found)
