"""What all scorers share: which part of a generation is the answer, what a sample must bring, and the boundary that
keeps one odd answer from costing more than its own sample."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from pytest_slm.core.record import Record
from pytest_slm.core.types import Generation, Sample, Verdict
from pytest_slm.errors import SlmError, UsageError

LONGEST = 100_000
"""Letters of an answer that are read: several times what the longest answers of small models have."""

UNREAD = "unread"
"""Among a verdict's details, the reason why an answer was not looked at."""

T = TypeVar("T")
R = TypeVar("R", bound=Record)
P = ParamSpec("P")


def guarded(text: str, read: Callable[[], T], instead: Callable[[str], T]) -> T:
    """What ``read`` makes of an answer, or ``instead`` of it, with the reason, if the answer cannot be read.

    An answer is the one input that nobody has chosen. Whatever it makes our code raise, it says nothing about the other
    samples; mistakes in the sample itself (SlmError) are told as ever.
    """
    if len(text) > LONGEST:
        return instead(f"an answer of {len(text):,} letters is too long to be read")
    try:
        return read()
    except SlmError:
        raise
    except Exception as error:  # the second line of defence: our tests ask what is inside, where nothing may be raised
        return instead(f"the answer cannot be read ({type(error).__name__}: {error!s:.200})")


def bounded(
    scorer: Callable[Concatenate[Sample, Generation, P], Verdict],
) -> Callable[Concatenate[Sample, Generation, P], Verdict]:
    """A built-in scorer behind the boundary: no answer makes it raise, one that cannot be read is 0 with the reason."""

    @functools.wraps(scorer)
    def judge(sample: Sample, generation: Generation, *more: P.args, **named: P.kwargs) -> Verdict:
        return guarded(
            generation.text,
            lambda: scorer(sample, generation, *more, **named),
            lambda reason: unread(generation, reason),
        )

    return cast(Callable[Concatenate[Sample, Generation, P], Verdict], judge)


def unread(generation: Generation, reason: str) -> Verdict:
    """The score of an answer that cannot be read: it is not right, whichever way round the question is put."""
    return Verdict(value=0.0, answer=generation.text[:200], explanation=reason, details={UNREAD: reason})


def too_long(generation: Generation) -> Verdict | None:
    """The verdict on an answer that is too long to be read, for scorers that may raise."""
    return guarded(generation.text, lambda: None, lambda reason: unread(generation, reason))


def answer_of(generation: Generation) -> str:
    """The text the model gave as its answer, without space around it."""
    return generation.text.strip()


def no_answer() -> Verdict:
    """The score of an empty answer where silence is wrong. (A backend that failed raises; it never comes here.)"""
    return Verdict(value=0.0, answer="", explanation="no answer")


def bad_sample(sample: Sample, problem: str) -> UsageError:
    """The error for a sample that its scorer cannot use: a mistake in the data, not in the answer."""
    return UsageError(f"sample {sample.id!r}: {problem}", slug="sample-unfit")


def target_as(kind: type[R], sample: Sample) -> R:
    """The target as the record that its scorer compares with. Raises UsageError (``sample-unfit``) where it is none."""
    try:
        return kind.from_json(sample.target)
    except ValueError as error:
        raise bad_sample(sample, f"target: {error}") from None


def spellings(sample: Sample) -> tuple[str, ...]:
    """The target as the texts that count as right: one text or number, or a list of spellings of one answer."""
    target: Any = sample.target
    texts = tuple(str(item).strip() for item in (target if isinstance(target, list | tuple) else [target]))
    if target is None or not texts or not all(texts):
        raise bad_sample(sample, "the target is empty. Give the text or number that is right")
    return texts
