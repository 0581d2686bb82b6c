"""What became of a program, and how much it may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pytest_slm.core.record import Record, RecordError

PASS_AT_1 = "pass@1"  # noqa: S105
"""The metric of programs: the share of them that pass all of their tests, each tried once."""

Ending = Literal["passed", "failed", "timeout", "out_of_memory", "output_limit", "error"]
"""passed: the tests ran to their end; failed: they, or the program, did not; error: the interpreter itself broke off.
None but the first is a pass."""


@dataclass(frozen=True, kw_only=True)
class Limits(Record):
    """How much a program may use, its tests apart from it and as much again.

    ``work`` is counted in instructions of the virtual machine, so that the same program ends in the same way on every
    machine, however busy. ``seconds`` is for the clock on the wall, where even that is not enough. ``memory`` and
    ``output`` are bytes.
    """

    work: int = 30_000_000_000
    seconds: float = 120.0
    memory: int = 256 << 20
    output: int = 1 << 20

    def __post_init__(self) -> None:
        if min(self.work, self.seconds, self.memory, self.output) <= 0:
            raise RecordError(f"limits are above 0: {self}")


@dataclass(frozen=True, kw_only=True)
class ProgramOutcome(Record):
    """The end of one program: ``explanation`` in one line, ``output`` the last lines of what it printed."""

    ending: Ending
    explanation: str
    output: str = ""
    work: int = 0
    """Instructions that the program used, those of starting its interpreter included."""

    @property
    def passed(self) -> bool:
        """Whether all tests were met."""
        return self.ending == "passed"
