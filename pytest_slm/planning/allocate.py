"""How many samples each item gets, so that all of them together fit into a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_slm.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Demand:
    """An item that wants time: ``fixed_s`` whatever it gets, and ``sample_s`` for each of ``least`` to ``most``
    samples. Items without samples (those that measure time) have ``most`` 0."""

    item: str
    fixed_s: float
    sample_s: float = 0.0
    least: int = 1
    most: int = 0

    def at(self, samples: int) -> tuple[int, float]:
        """The samples that it takes if each item gets ``samples``, and their seconds."""
        n = min(self.most, max(self.least, samples))
        return n, self.fixed_s + n * self.sample_s


def allocate(demands: Sequence[Demand], seconds: float) -> tuple[dict[str, int], float]:
    """Samples by item, and the seconds that all items take with them.

    Every item gets the same number, as far as it has so many: scores with equally many samples are equally sure, and a
    suite's score is as sure as its least sure task. Raises UsageError (budget-small), naming the least time that would
    do, if there is no room for the least samples of each.
    """
    if total(demands, 0) > seconds:
        raise UsageError(
            f"the least samples of each of {len(demands)} items take about {total(demands, 0):.0f} s, and "
            f"{max(0.0, seconds):.0f} s are left for them",
            slug="budget-small",
        )
    low, high = 0, max((demand.most for demand in demands), default=0) + 1
    while high - low > 1:  # total(low) fits, total(high) may not
        middle = (low + high) // 2
        low, high = (middle, high) if total(demands, middle) <= seconds else (low, middle)
    return {demand.item: demand.at(low)[0] for demand in demands if demand.most}, total(demands, low)


def total(demands: Sequence[Demand], samples: int) -> float:
    """Seconds of all items if each gets ``samples``."""
    return math.fsum(demand.at(samples)[1] for demand in demands)
