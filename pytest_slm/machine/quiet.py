"""Waiting until other programs leave the CPU alone, for as long as somebody is willing to wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from pytest_slm.core.record import Record
from pytest_slm.machine.conditions import FOREIGN_CORES, foreign_cores

WINDOW_S = 1.0
"""CPU time is counted in ticks of 10 ms: a second is 1 % exact."""

Look = Callable[[float], float | None]
"""Watches for so many seconds what CPU other programs take, in cores."""


@dataclass(frozen=True, kw_only=True)
class Quiet(Record):
    """What came of waiting: for how long, what other programs took at the end (in cores), and whether that is little.

    ``quiet`` is None where the system does not tell what others take.
    """

    waited_s: float
    foreign_cores: float | None
    quiet: bool | None

    @property
    def warning(self) -> str:
        """A sentence for whoever will read the timings; '' if there is nothing to warn of."""
        if self.quiet is None:
            return "whether other programs run here is not known: this system does not tell"
        if self.quiet or self.foreign_cores is None:
            return ""
        return (
            f"other programs take {self.foreign_cores:.1f} cores, after {self.waited_s:.0f} s of waiting: timings will "
            "be noisy. End them, or measure when they are done"
        )


def wait_until_quiet(
    limit_s: float, look: Look = foreign_cores, *, cores: float = FOREIGN_CORES, window_s: float = WINDOW_S
) -> Quiet:
    """Watch in windows of ``window_s`` seconds until other programs took at most ``cores`` in one of them.

    Gives up after ``limit_s`` seconds, and after one window at the earliest, so that ``limit_s=0`` only looks. ``look``
    watches for so many seconds, where the model is.
    """
    began = time.monotonic()
    while True:
        taken = look(window_s)
        waited = time.monotonic() - began
        if taken is None or taken <= cores or waited + window_s > limit_s:
            return Quiet(waited_s=waited, foreign_cores=taken, quiet=None if taken is None else taken <= cores)
