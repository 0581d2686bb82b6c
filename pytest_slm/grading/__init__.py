"""Graders judge answers that no rule can judge: classifiers and models, asked after all answers are there.

A grader is not pure: it may load weights or ask a server. So its identity stands in the result, and a report says which
grader, in which version, a number depends on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pytest_slm.core.record import Record
from pytest_slm.core.types import Generation, Sample, Verdict


@dataclass(frozen=True, kw_only=True)
class GraderInfo(Record):
    """Which grader it was: ``sha256`` is the hash of what decides (weights, rules), None where there is none."""

    name: str
    version: str
    sha256: str | None = None


class Grader(Protocol):
    """Judges answers in a batch. A failure raises SlmError and makes the item an error, never a verdict."""

    info: GraderInfo

    def grade(self, answers: Sequence[tuple[Sample, Generation]]) -> Sequence[Verdict]:
        """One verdict for each answer, in their order."""
        ...
