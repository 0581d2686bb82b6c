"""Answers that are programs: they run in the sandbox and nowhere else, and pass if all of their tests do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable
from typing import Any

from pytest_slm.core.request import Trial
from pytest_slm.core.types import JudgedSample, Verdict


def try_program(program: str, tests: str, given: str = "", entry_point: str = "") -> Generator[Trial, Any, Verdict]:
    """The part of a conversation in which a program meets its tests; see `Trial`."""
    outcome = yield Trial(program=program, tests=tests, given=given, entry_point=entry_point)
    printed = f"; it printed, last: {outcome.output[-200:]!r}" if outcome.output else ""
    return Verdict(
        value=float(outcome.passed),
        answer=program,
        explanation=f"{outcome.ending}: {outcome.explanation}{printed}",
        details={"ending": outcome.ending, "work": outcome.work},
    )


def endings(judged: Iterable[JudgedSample]) -> dict[str, int]:
    """How the programs ended, in number."""
    return dict(sorted(Counter(str(one.verdict.details["ending"]) for one in judged).items()))
