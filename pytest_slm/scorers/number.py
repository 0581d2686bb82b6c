"""Is the number in the answer the right one? Compared as a number, exactly: 3.0 is 3, and 25 is not 5."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.types import Generation, Sample, Verdict
from pytest_slm.scorers import Rule
from pytest_slm.scorers.answer import answer_of, bad_sample, bounded, no_answer
from pytest_slm.scorers.numerals import Numeral, numeral_at, numerals
from pytest_slm.scorers.plain import BOX, BOX_END, OPAQUE, plain

_WORD = r"[^\W\d_]{1,15}+(?:[23](?!\w))?"  # m2 is one, too
_UNIT = rf"(?: ?\(?{_WORD}(?:\.(?= ))?(?:[/×*-]{_WORD}){{0,3}}\)?| ?[%°€£¥¢₹])"
_UNITS = re.compile(rf"{_UNIT}{{0,3}}")
_POWERED = re.compile(r"(?<=[^\W\d_])(?: ?\^ ?\(?|\*\*(?=-?\d(?![\d*])))[-+]?\d{1,3}\)?")
_SUBSCRIPT = re.compile(r"(?<=[^\W\d_])_\(?\d++\)?")
_SIGN_APART = re.compile(r"(?<=[=:(])([ \t]*+)-[ \t]++(?=[$€£¥]?\d)|\bnegative (?=\d)|(?<=\bis )minus (?=\d)")
_LEAD = (
    r"[\s:*_`\"'(=≈~]*+(?:[a-z](?: ?\([a-z]\))? ?= ?)?(?:(?:about|around|approximately|roughly|exactly) )?[*_`(≈~]*+"
)
_DECLARED = re.compile(rf"(?:\b(?:answer|result)\b(?:\s+is\b|[*_`\"']*\s*[:=])|####){_LEAD}", re.IGNORECASE)
# "Answer: 3 boxes + 4 boxes = 7" declares 7, not 3: a declared number must not go on as a sum.
_SUM = re.compile(rf"{_UNIT}{{0,3}}?\s*[-+*/×÷=≈^x]\s*[\d$€£({OPAQUE}]")
_UNDONE = re.compile(rf"{_UNIT}{{0,3}}?\s*[-+*/×÷^x]\s*[\d$€£({OPAQUE}]")
_PARAGRAPH = re.compile(r"(?:[^\n]|\n(?!\n)){0,300}+")
_AND = re.compile(rf"{_UNIT}{{0,3}}?\s*(?:[,;&](?:\s*(?:and|or)\b)?|\band\b|\bor\b)\s*")
_END = re.compile(rf"{_UNIT}{{0,2}}?[*_`\"'$)\]\t ]*+(?:\.?[*_`\"'$)\]\t ]*+(?:\n|\Z)|[.!?] |{BOX_END})")
_ALONE = re.compile(r"[\s*_`\"'(=≈~]*+")
_ALONE_END = re.compile(r"[ \t*_`\"'$).!]*+(?:\n|\Z)")
_LIST_MARKER = re.compile(r"^[ \t]*+\d++[.)][ \t]++(?=\S)", re.MULTILINE)
_BOXES = re.compile(rf"{BOX}([^{BOX}{BOX_END}\n]*+){BOX_END}?")
_BOXED = re.compile(r"[\s$*_`\"']*+")
_BOXED_END = re.compile(r"[\s$*_`\"'.)]*+\Z")
# Up to the cut everything that may belong to its number: digits, "1 1/" before a 2, "3 ×" before a 10.
_TORN = re.compile(r"(?<![\w.,:'/^×*{}\\$€£¥+-])[A-Za-z0-9_.,:'/^×*{}\\$€£¥–−+-]*(?:\d|[/^×*{])\Z")
_BEGUN = re.compile(r"(?<![\d.,])[-−–]?[$€£]?[\d.,]*\d(?:[ \t]*(?:/|\^|×|\\times|\\cdot)[ \t]*(?:10)?|[ \t]+)\Z")

_SIGNS = (*"=≈+*/×÷^−", " -", "\\times", "\\cdot", "\\approx")
"""What a sum or an equation goes on behind."""


@dataclass(frozen=True, kw_only=True)
class NumberOptions(Record):
    """How far the answer may be from the target: by ``tolerance``, or by the share ``relative`` of the target's amount,
    whichever allows more. Units are read over and never converted: 5 km is 5."""

    tolerance: float = 0.0
    relative: float = 0.0

    def __post_init__(self) -> None:
        for name in ("tolerance", "relative"):
            if getattr(self, name) < 0:
                raise RecordError(f"{name}: expected a number from 0, not {getattr(self, name)}")

    def allowed(self, target: Fraction) -> Fraction:
        """The greatest distance from the target that is still right, exactly as its decimals are written."""
        return max(Fraction(str(self.tolerance)), Fraction(str(self.relative)) * abs(target))


DEFAULT = NumberOptions()


@bounded
def number(sample: Sample, generation: Generation, options: NumberOptions = DEFAULT) -> Verdict:
    """Right if the answer's number equals the target (a number, its text, or a list of them, any of which is right), or
    is as near as the options allow.

    The answer's number is, in this order: the last one declared as such ("the answer is 12", "#### 12",
    ``\\boxed{12}``), one that stands alone on the first line, the last one that does not number a list. It is read as
    people write it: LaTeX, thousands in several conventions, fractions, mixed numbers, powers of ten, currencies,
    units. Words ("twelve"), unfinished sums ("12/4", "2^3") and several declared numbers ("3 or 4") are not the number
    that they mean, nor is one right after which the answer was cut off: it may be half of another.
    """
    targets = _targets(sample)
    expected = " or ".join(_written(sample))
    answer = answer_of(generation)
    if not answer:
        return no_answer()
    cut = generation.finish != "stop"
    # A number with white space behind it is whole.
    whole = _whole_part(answer) if cut and not generation.text[-1:].isspace() else answer
    found = _declared_before_sum(whole) if cut and _is_open_sum(whole) else _answered(whole)
    if found is None:
        none = "no number before the answer was cut off" if cut else "no number in the answer"
        return Verdict(value=0.0, answer=answer, explanation=f"{none}, expected {expected}")
    if found.value is None:
        problem = f"{found.text!r:.80} is not one number, expected {expected}"
        return Verdict(value=0.0, answer=found.text, explanation=problem)
    if found.value in targets:
        return Verdict(value=1.0, answer=found.text, explanation=f"{found.text} is right")
    if any(map(options.allowed, targets)):
        within = any(abs(found.value - target) <= options.allowed(target) for target in targets)
        told = f"{found.text} is {'' if within else 'not '}within the tolerance of {expected}"
        return Verdict(value=float(within), answer=found.text, explanation=told)
    return Verdict(value=0.0, answer=found.text, explanation=f"answered {found.text}, expected {expected}")


def answered(text: str) -> str | None:
    """The number that ``text`` gives as its answer, as it is written there, or None if there is no number."""
    found = _answered(text)
    return None if found is None else found.text


def check(sample: Sample, _options: object = None) -> None:
    """Raise UsageError for a sample whose target is no number."""
    _targets(sample)


def _targets(sample: Sample) -> list[Fraction]:
    return [_target(sample, written) for written in _written(sample)]


def _written(sample: Sample) -> list[str]:
    several = isinstance(sample.target, list | tuple) and sample.target
    return [str(one) for one in (sample.target if several else [sample.target])]


def _target(sample: Sample, written: str) -> Fraction:
    digits = written.removesuffix("%").rstrip()  # units are read over, here as in answers
    found = numeral_at(plain(digits), 0)
    if found is None or found.value is None or found.end != len(digits):
        raise bad_sample(sample, f"the target {written!r:.80} is no number. Write it with digits")
    return found.value


def _whole_part(answer: str) -> str:
    """An answer that was cut off without the number that may go on behind the cut."""
    torn = _TORN.search(answer[-500:])
    if torn is None:
        return answer
    whole = answer[: len(answer) - len(torn[0])]
    begun = _BEGUN.search(whole[-500:])
    return whole[: len(whole) - len(begun[0])] if begun else whole


def _is_open_sum(text: str) -> bool:
    """Whether a text ends behind a sign: of "5 × 11 =" the result is missing, and 11 is not it."""
    return text.rstrip(" \t\n$€£¥(").endswith(_SIGNS)


def _declared_before_sum(text: str) -> Numeral | None:
    """What is declared before the sentence at the end, which is still reckoning: no other number is its answer."""
    before = text.rstrip()
    before = before[: max(before.rfind(end) for end in ("\n", ". ", "! ", "? ")) + 1]
    return max(_declared(_read_plainly(before)), key=lambda numeral: numeral.end, default=None)


def _read_plainly(text: str) -> str:
    text = _SUBSCRIPT.sub("", _POWERED.sub("", plain(text)))
    return _SIGN_APART.sub(lambda found: f"{found[1] or ''}-", text)


def _answered(text: str) -> Numeral | None:
    text = _read_plainly(text)
    declared = max(_declared(text), key=lambda numeral: numeral.end, default=None)
    if declared is not None:
        return declared
    alone = numeral_at(text, _ALONE.match(text).end())  # type: ignore[union-attr]  # it matches the empty text
    if alone is not None and _ALONE_END.match(text, _behind_unit(text, alone.end)):
        return alone
    there = numerals(_LIST_MARKER.sub("", text.replace(BOX, " ")))
    last = max(there, key=lambda numeral: numeral.end, default=None)
    return None if last is None else last.last()


def _declared(text: str) -> Iterator[Numeral]:
    """What the text declares as its answer, or as several answers at once (a numeral without value)."""
    for place in _DECLARED.finditer(text):
        numeral = numeral_at(text, place.end())
        if numeral is not None and not _SUM.match(text, numeral.end):
            yield _with_others(text, numeral)
        elif numeral is not None and (result := _result(text, numeral)) is not None:
            yield result
    for box in _BOXES.finditer(text):
        content = box[1].rpartition("=")[2].rpartition("≈")[2]
        numeral = numeral_at(content, _BOXED.match(content).end())  # type: ignore[union-attr]
        whole = numeral is not None and _BOXED_END.match(content, _behind_unit(content, numeral.end))
        if numeral is not None and whole:
            yield Numeral(numeral.text, box.start(), box.end(), numeral.value)
        elif next(numerals(content), None) is not None:
            yield Numeral(content.strip(), box.start(), box.end(), None)


def _result(text: str, first: Numeral) -> Numeral | None:
    """What a declared sum comes to: the side of its equation that is one number. A sum at the end of the text without
    any such side was left undone; after others something may follow, and what they declare is not known."""
    found = _PARAGRAPH.match(text, first.start)
    end, place, result = found.end() if found else len(text), first.start, None
    for side in re.split("[=≈]", text[place:end]):
        numeral = numeral_at(text, _ALONE.match(text, place).end())  # type: ignore[union-attr]
        if numeral is not None and numeral.end <= place + len(side):
            alone = _UNDONE.match(text, numeral.end) is None
            result = Numeral(numeral.text, first.start, end, numeral.value) if alone else result
        place += len(side) + 1
    if result is None and next(numerals(text[end:]), None) is None:
        return Numeral(text[first.start : end].strip(), first.start, end, None)
    return result


def _with_others(text: str, first: Numeral) -> Numeral:
    """The numeral, or, where it begins a list of several ("3, 4 or 5"), all of them without a value."""
    end = first.end
    while link := _AND.match(text, end):
        following = numeral_at(text, link.end())
        if following is None:
            break
        end = following.end
    if end == first.end or not _END.match(text, end):
        return first
    return Numeral(text[first.start : end], first.start, end, None)


def _behind_unit(text: str, position: int) -> int:
    return _UNITS.match(text, position).end()  # type: ignore[union-attr]  # it matches the empty text


NUMBER = Rule(judge=number, options=NumberOptions, check=check, right=lambda sample, _: _written(sample))
