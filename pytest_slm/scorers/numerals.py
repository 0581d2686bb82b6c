"""Numbers as people write them: signs, currencies, thousands, fractions, powers of ten. Nothing is calculated.

What looks like one written number but cannot be read as one (a date, 10:30, 2^3, a root) is a numeral without a value,
so that no part of it is ever taken for the number that it is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from pytest_slm.scorers.plain import OPAQUE

LONGEST, GREATEST_EXPONENT = 400, 308

_LETTER = r"A-Za-zÀ-ÿµΑ-ω"
_CURRENCY = r"(?:(?:US|CA|AU|NZ|HK|[AC])?[$€£¥₹₩₽₺฿] ?[-+]?)?+"
_START = re.compile(
    # A sign only where nothing stands right before it: the last number of "10-3" is 3. No number begins in the middle
    # of another, or inside of a word: m2, x1.
    rf"(?:(?:(?<![\w)\]])|(?<=[\u3000-\u9fff]))[-+])?{_CURRENCY}"
    rf"(?:(?<!\d[.,:'_/^])(?<![{_LETTER}])(?=\d)|(?<![\w.])(?=\.\d)|(?={OPAQUE}))"
)
_DIGITS = re.compile(r"\d++(?:[.,:'_]\d++)*+|\.\d++")
_SPACED = re.compile(r"(?: \d{3}(?!\d))++(?:[.,]\d++)?+")
_FRACTION = re.compile(r" ?/ ?(\d++)(?![.,:'_]?\d)")
_MIXED = re.compile(r"(?: | and )(\d++) ?/ ?(\d++)(?![.,:'_]?\d)")
_POWER_OF_TEN = re.compile(r" ?[×x*] ?10 ?(?:\^|\*\*) ?\(?([-+]?\d++)\)?")
_EXPONENT = re.compile(rf"[eE]([-+]?\d++)(?![{_LETTER}\d.])")
_POWER = re.compile(r" ?(?:\^|\*\*(?=[-+(]?\d++(?!\*))) ?\(?([-+]?\w++(?:\.\d++)?)\)?")
_GLUED = re.compile(rf"(?: ?[π{OPAQUE}]| pi\b|[:/^]\d++)(?:[:/^.\d]++)?+")
_OPERAND = re.compile(rf"{OPAQUE} ?\(?[\w.]*+\)?|")
_WHOLE = re.compile(r"\d++")
_FORMS = tuple(
    (re.compile(form), thousands, point)
    for form, thousands, point in (
        (r"\d++(?:\.\d++)?|\.\d++", "", "."),
        (r"[1-9]\d{0,2}(?:,\d{3})++(?:\.\d++)?", ",", "."),
        (r"\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d++)?", ",", "."),  # lakh and crore: 12,34,567
        (r"\d{1,3}(?:'\d{3})++(?:[.,]\d++)?", "'", ".,"),
        (r"\d{1,3}(?:_\d{3})++(?:\.\d++)?", "_", "."),
        (r"\d{1,3}(?: \d{3})++(?:[.,]\d++)?", " ", ".,"),
        (r"\d{1,3}(?:\.\d{3}){2,}+(?:,\d++)?|\d{1,3}(?:\.\d{3})++,\d++", ".", ","),
        (r"0,\d++|\d++,(?:\d{1,2}|\d{4,}+)", "", ","),  # 3,14; what has three digits after its comma is thousands
    )
)


@dataclass(frozen=True)
class Numeral:
    """A number in a text: as it is written, from where to where, and its value; None where it is no single number."""

    text: str
    start: int
    end: int
    value: Fraction | None

    def last(self) -> Numeral:
        """The last of several numbers that nothing but commas part: 16 of 2,4,8,16; else the numeral itself."""
        *others, last = self.text.split(",")
        if len(others) < 2 or self.value is not None or not all(part.isdigit() for part in (*others, last)):
            return self
        return Numeral(last, self.end - len(last), self.end, _value(last))


def numerals(text: str) -> Iterator[Numeral]:
    """All numerals of a plain text, in order."""
    position = 0
    while found := _START.search(text, position):
        numeral = _read(text, found)
        yield numeral
        position = max(numeral.end, position + 1)


def numeral_at(text: str, position: int) -> Numeral | None:
    """The numeral that begins at a place of a plain text."""
    found = _START.match(text, position)
    return _read(text, found) if found else None


def _read(text: str, start: re.Match[str]) -> Numeral:
    at = start.end()
    digits = _DIGITS.match(text, at)
    if digits is None:
        end = _OPERAND.match(text, at).end()  # type: ignore[union-attr]  # it matches the empty text
        return Numeral(text[start.start() : end], start.start(), end, None)
    written, end = digits[0], digits.end()
    if len(written) <= 3 and (more := _SPACED.match(text, end)):
        written, end = written + more[0], more.end()
    value = _value(written)
    value, end = _continued(text, written, value, end)
    if value is not None and "-" in start[0]:
        value = -value
    return Numeral(text[start.start() : end].strip(), start.start(), end, value)


def _continued(text: str, written: str, value: Fraction | None, end: int) -> tuple[Fraction | None, int]:
    """A fraction, a mixed number or a power of ten goes on behind its first digits."""
    whole = _WHOLE.fullmatch(written) is not None
    if whole and (found := _MIXED.match(text, end)):
        part = _ratio(found[1], found[2])
        value = None if part is None or value is None or part >= 1 else value + part
        end = found.end()
    elif found := _FRACTION.match(text, end):
        value, end = _ratio(written, found[1]) if whole else None, found.end()
    elif found := _POWER_OF_TEN.match(text, end) or _EXPONENT.match(text, end):
        value, end = _shifted(value, found[1]), found.end()
    elif found := _POWER.match(text, end):
        value, end = _shifted(Fraction(1), found[1]) if written == "10" else None, found.end()
    if found := _GLUED.match(text, end):
        value, end = None, found.end()
    return value, end


def _value(written: str) -> Fraction | None:
    if len(written) > LONGEST:  # a model that loops; and int() refuses more than 4300 digits
        return None
    for form, thousands, points in _FORMS:
        if form.fullmatch(written):
            if thousands:
                written = written.replace(thousands, "")
            for point in points:
                written = written.replace(point, ".")
            return Fraction(f"0{written}")
    return None


def _ratio(above: str, below: str) -> Fraction | None:
    """A fraction, unless it is one that comes out even: 12/4 is a division that was left undone, and not yet 3."""
    if max(len(above), len(below)) > LONGEST or not int(below):
        return None
    value = Fraction(int(above), int(below))
    return None if value.denominator == 1 else value


def _shifted(value: Fraction | None, exponent: str) -> Fraction | None:
    if value is None or not _WHOLE.fullmatch(exponent.lstrip("-+")) or len(exponent) > 5:
        return None
    power = int(exponent)
    return value * Fraction(10) ** power if abs(power) <= GREATEST_EXPONENT else None
