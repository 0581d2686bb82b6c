"""Is the number in the answer the right one? Compared as a number, exactly: 3.0 is 3, and 25 is not 5."""

from __future__ import annotations

import re
from decimal import Decimal

from pytest_slm.core.types import Generation, Sample, Verdict
from pytest_slm.scorers.answer import answer_of, bad_sample, no_answer

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|(?<!\w)\.\d+"
# A minus sign is a sign only where nothing stands right before it: the last number of "10-3" is 3.
_NUMBER = rf"(?:(?<![\w)])[-−])?[$€£]?(?:{_DIGITS})"
_NUMBERS = re.compile(_NUMBER)
_UNIT = r"(?: ?[^\W\d]{1,15}| ?[%°]){0,2}"
# "Answer: 3 boxes + 4 boxes = 7" declares 7, not 3: a declared number must not go on as a sum.
_DECLARED = re.compile(
    r"(?:\b(?:answer|result)\b(?:\s+is\b|[*_`]*\s*[:=])|####|\\boxed\{)[\s:*_`]*"
    rf"((?>{_NUMBER}))(?!{_UNIT}\s*[-−+*/×÷=^x]\s*[\d$€£(])",
    re.IGNORECASE,
)
_ALONE = re.compile(rf"[\s*_`\"'=]*((?>{_NUMBER})){_UNIT}[ \t*_`\"'.!]*(?:\n|\Z)")
_LIST_MARKER = re.compile(r"^[ \t]*\d+[.)][ \t]+(?=\S)", re.MULTILINE)
_TORN = re.compile(r"(?<![-−$€£.,\d])[-−$€£.,\d]*\d\Z")


def number(sample: Sample, generation: Generation) -> Verdict:
    """Right if the answer's number equals the target (a number, or its text).

    The answer's number is, in this order: the last one declared as such ("the answer is 12", "#### 12",
    ``\\boxed{12}``), one that stands alone on the first line, the last one that does not number a list. Thousands
    commas, currency signs and units are read over; words ("twelve") and unfinished sums ("12/4") are not the number
    they mean, nor is one right after which the answer was cut off: it may be half of another.
    """
    if not _NUMBERS.fullmatch(str(sample.target)):
        raise bad_sample(sample, f"the target {sample.target!r} is no number. Write it with digits")
    answer = answer_of(generation)
    if not answer:
        return no_answer()
    cut = generation.finish != "stop" and not generation.text[-1:].isspace()
    found = answered(_TORN.sub("", answer) if cut else answer)
    if found is None:
        none = "no number before the answer was cut off" if cut else "no number in the answer"
        return Verdict(value=0.0, answer=answer, explanation=f"{none}, expected {sample.target}")
    if _value(found) == _value(str(sample.target)):
        return Verdict(value=1.0, answer=found, explanation=f"{found} is right")
    return Verdict(value=0.0, answer=found, explanation=f"answered {found}, expected {sample.target}")


def answered(text: str) -> str | None:
    """The number that ``text`` gives as its answer, as it is written there, or None if there is no number."""
    declared = _DECLARED.findall(text)
    if declared:
        return str(declared[-1])
    alone = _ALONE.match(text)
    if alone:
        return alone[1]
    numbers = _NUMBERS.findall(_LIST_MARKER.sub("", text))
    return str(numbers[-1]) if numbers else None


def _value(written: str) -> Decimal:
    # Decimal, not int or float: exact, and no limit on the number of digits that a looping model writes.
    return Decimal(re.sub(r"[,$€£]", "", written).replace("−", "-"))
