"""What all scorers share: which part of a generation is the answer, and what a sample must bring."""

from __future__ import annotations

from typing import Any

from pytest_slm.core.types import Generation, Sample, Verdict
from pytest_slm.errors import UsageError


def answer_of(generation: Generation) -> str:
    """The text the model gave as its answer, without space around it."""
    return generation.text.strip()


def no_answer() -> Verdict:
    """The score of an empty answer where silence is wrong. (A backend that failed raises; it never comes here.)"""
    return Verdict(value=0.0, answer="", explanation="no answer")


def bad_sample(sample: Sample, problem: str) -> UsageError:
    """The error for a sample that its scorer cannot use: a mistake in the data, not in the answer."""
    return UsageError(f"sample {sample.id!r}: {problem}", slug="sample-unfit")


def spellings(sample: Sample) -> tuple[str, ...]:
    """The target as the texts that count as right: one text or number, or a list of spellings of one answer."""
    target: Any = sample.target
    texts = tuple(str(item).strip() for item in (target if isinstance(target, list | tuple) else [target]))
    if target is None or not texts or not all(texts):
        raise bad_sample(sample, "the target is empty. Give the text or number that is right")
    return texts
