"""Is the expected text in the answer? Comparison ignores case, width and spacing, but never cuts words or numbers."""

from __future__ import annotations

import re
import unicodedata

from pytest_slm.core.types import Generation, Sample, Verdict
from pytest_slm.scorers.answer import answer_of, bounded, no_answer, spellings

_EDGES = " \t.!\"'`*“”‘’"
_MARK = r"(?:,|\{,\}|\\,|['’_\u00a0\u2009\u202f])"
_GROUPED = re.compile(rf"(?<![\w.,'’])\d{{1,3}}(?:{_MARK}\d{{3}})+(?![\w,]|\.\d|'\d)")


@bounded
def contains(sample: Sample, generation: Generation) -> Verdict:
    """Right if one spelling of the target stands in the answer as whole words.

    Word boundaries matter: 4711 is neither in 14711 nor in 4711.5, and "art" is not in "start".
    """
    return _contains(sample, generation, answer_of(generation))


@bounded
def needle(sample: Sample, generation: Generation) -> Verdict:
    """Like ``contains``, and a number may have thousands separators: 48,213 and 48'213 are the needle 48213."""
    answer = answer_of(generation)
    return _contains(sample, generation, _GROUPED.sub(lambda found: re.sub(r"\D", "", found[0]), answer))


@bounded
def exact(sample: Sample, generation: Generation) -> Verdict:
    """Right if the whole answer is one spelling of the target, up to case, spacing, quotes and a final full stop."""
    answer = answer_of(generation)
    if not answer:
        return no_answer()
    if _plain(answer).strip(_EDGES) in {_plain(text).strip(_EDGES) for text in spellings(sample)}:
        return Verdict(value=1.0, answer=answer, explanation="the answer is the expected text")
    return Verdict(value=0.0, answer=answer, explanation=f"expected {_told(sample)}")


def check(sample: Sample) -> None:
    """Raise UsageError for a sample without a target."""
    spellings(sample)


def _contains(sample: Sample, generation: Generation, text: str) -> Verdict:
    if not text:
        return no_answer()
    answer = answer_of(generation)
    for target in spellings(sample):
        if _whole(target).search(_plain(text)):
            return Verdict(value=1.0, answer=answer, explanation=f"{target!r} is in the answer")
    return Verdict(value=0.0, answer=answer, explanation=f"{_told(sample)} is not in the answer")


def _whole(target: str) -> re.Pattern[str]:
    # A full stop may end the sentence, but a digit on its other side makes it part of a number.
    return re.compile(rf"(?<!\w)(?<!\d[.,]){re.escape(_plain(target))}(?!\w)(?![.,]\d)")


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _told(sample: Sample) -> str:
    return " or ".join(repr(text) for text in spellings(sample))
