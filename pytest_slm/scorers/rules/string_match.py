"""RULER's two metrics: how much of what was asked for stands in the answer.

``string_match_all`` is the share of the targets that are in it, ``string_match_part`` whether any of them is; both
ignore case and take a target anywhere, in a longer word too (NVIDIA/RULER, scripts/eval/synthetic/constants.py).
lm-eval's RULER has the first for all tasks; that of its QA tasks is lower for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from pytest_slm.core.record import Record
from pytest_slm.core.types import Generation, Sample, Verdict
from pytest_slm.scorers import Rule
from pytest_slm.scorers.answer import bounded, no_answer, spellings

ALL, PART = "string_match_all", "string_match_part"
_UNPRINTABLE = re.compile(r"[\x00-\x1f]")


@dataclass(frozen=True, kw_only=True)
class StringMatchOptions(Record):
    """Which of the two decides: the share of ``all`` targets, or any of them (``part``)."""

    of: Literal["all", "part"] = "all"


@bounded
def string_match(sample: Sample, generation: Generation, options: StringMatchOptions) -> Verdict:
    """Partial credit for each target that is in the answer; the other metric stands in the verdict's ``values``."""
    answer = _UNPRINTABLE.sub("\n", generation.text.strip()).strip()
    if not answer:
        return no_answer()
    targets, compared = _targets(sample), answer.lower()
    found = [target for target in targets if target.lower() in compared]
    values = {ALL: len(found) / len(targets), PART: float(bool(found))}
    missing = ", ".join(repr(target) for target in targets if target not in found)
    told = f"{len(found)} of {len(targets)} are in the answer" + (f"; missing: {missing:.400}" if missing else "")
    return Verdict(value=values[ALL if options.of == "all" else PART], answer=answer, explanation=told, values=values)


def _targets(sample: Sample) -> tuple[str, ...]:
    """The targets as they are: a space at the edge of one counts, as it does in RULER."""
    spellings(sample)
    return tuple(map(str, sample.target)) if isinstance(sample.target, list | tuple) else (str(sample.target),)


def _check(sample: Sample, _options: object) -> None:
    """Raise UsageError for a sample without a target."""
    spellings(sample)


STRING_MATCH = Rule(
    judge=string_match,
    options=StringMatchOptions,
    check=_check,
    right=lambda sample, _options: (" ".join(spellings(sample)),),
)
