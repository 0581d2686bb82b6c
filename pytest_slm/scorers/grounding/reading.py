"""What is read of an answer before it is compared: clean text, the passages that it cites, whether it abstains, and
whether it states a thing or denies it."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from pytest_slm.scorers.match import plain_text

Abstention = Literal["no", "yes", "both"]
"""Whether an answer says that it does not know; ``both``: it does, and answers all the same."""

_BRACKETED = re.compile(
    r"[\[【]\s*\^?(?:(?:passages?|sources?|documents?|docs?|refs?|no\.?|#)\s*:?\s*)?"
    r"(\d{1,9}(?:\s*(?:,|;|&|and|-|–|†)\s*\^?\d{1,9})*)\s*[\]】]",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"\(?\b(?:passages?|sources?|documents?)\s*(?:no\.?|number|#)?\s*"
    r"(\d{1,9}(?:(?:\s*,\s*|\s*&\s*|\s+and\s+|\s*,\s*and\s+|-)(?:passage\s+)?\d{1,9})*)\b\)?",
    re.IGNORECASE,
)
_IN_PARENTHESES = re.compile(r"\(\s*(\d{1,2}(?:\s*,\s*\d{1,2})*)\s*\)")
_RANGE = re.compile(r"(\d+)\s*[-–]\s*(\d+)")
_WIDEST = 20

_PASSAGES = r"(?:passages?|texts?|contexts?|documents?|sources?|information|excerpts?)"
_VERBS = r"(?:say|state|mention|tell|give|provide|specify|contain|include|answer|have|show)"
_SAID = r"(?:said|stated|mentioned|told|given|provided|specified|included|answered|found|available|known|listed|shown)"
_ABSTAINS = re.compile(
    "|".join(
        (
            r"\b(?:do\s+not|don'?t)\s+know\b",
            r"\bi\s+(?:cannot|can't|can\s+not|could\s+not|couldn't)\s+(?:answer|say|tell|find|determine)\b",
            r"\bi(?:\s+am|'m)\s+(?:not\s+(?:sure|certain|aware|able)|unable|unsure)\b",
            r"\bunable\s+to\s+(?:answer|determine|say|find)\b",
            r"\b(?:can\s?not|can't|could\s+not|couldn't)\s+be\s+(?:answered|determined|found)\b",
            rf"\b(?:is|are|was|were)(?:\s+not|n't)\s+(?:\w+\s+)?{_SAID}\b",
            rf"\bnot\s+(?:\w+\s+)?{_SAID}\s+(?:in|by)\s+(?:\w+\s+){{0,3}}{_PASSAGES}\b",
            rf"\b(?:do|does|did)(?:\s+not|n't)\s+(?:\w+\s+)?{_VERBS}\b",
            rf"\bnone\s+of\s+(?:the|these)\s+(?:\w+\s+)?{_PASSAGES}\b",
            rf"\bno\s+{_PASSAGES}\s+(?:\w+\s+)?(?:{_VERBS}s?|has|specifies)\b",
            r"\bno\s+(?:information|answer|mention)\b",
            r"\b(?:not\s+enough|insufficient)\s+(?:information|context)\b",
        )
    ),
    re.IGNORECASE,
)
_ALONE = re.compile(r"(?:the answer is )?(?:unknown|unanswerable|n/?a|no answer|not (?:known|given|stated))", re.I)
# A full stop within a number ends no clause.
_CLAUSES = re.compile(
    r"(?<=[.!?])\s+(?=\W*[A-Z\d])|\n+|;\s+|,?\s+\b(?:but|however|although|though|yet)\b[,\s]*", re.IGNORECASE
)
_FILLER = re.compile(
    rf"(?:i\s+am\s+|i'm\s+)?(?:sorry|unfortunately|sure|answer|i\s+apologi[sz]e\b[^.!?\n]*)"
    rf"|(?:according\s+to|based\s+on|from)\s+(?:the|these)\s+(?:\w+\s+){{0,2}}{_PASSAGES}"
    rf"|(?:the|these|they|all|it)\s+(?:\w+\s+){{0,2}}?(?:{_PASSAGES}\s+)?(?:only|just)\b[^\n]*",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"(?:\b(?:not|never|neither|nor|no longer|rather than|instead of|except|except for|other than|unlike)|n't)"
    r" (?:(?:in|on|at|by|to|of|from|a|an|the|just|called|named|about) )*\W{0,3}\Z"
)


def clean(text: str) -> str:
    """The text as it is seen: full-width forms as ASCII, typographic quotes as typed, without what has no width."""
    text = unicodedata.normalize("NFKC", text)
    text = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    return text.translate({0x2019: "'", 0x2018: "'", 0x201C: '"', 0x201D: '"'}).strip()


def citations(text: str) -> tuple[list[int], str]:
    """The numbers of passages that a clean text cites, in order and as often as it does, and the text without them.

    Read are brackets ([2], [1, 3], [1-3], [Passage 2], [^2]) and words (passage 2, sources 1 and 3); a number in
    parentheses only where there is nothing else, because three (3) boats are no passage.
    """
    found: list[int] = []

    def read(match: re.Match[str]) -> str:
        found.extend(_numbers(match[1]))
        return " "

    rest = _NAMED.sub(read, _BRACKETED.sub(read, text))
    if not found:
        rest = _IN_PARENTHESES.sub(read, rest)
    return found, " ".join(rest.split())


def _numbers(written: str) -> list[int]:
    numbers: list[int] = []
    for span in re.split(r"\s*(?:,|;|&|and|†)\s*", written, flags=re.IGNORECASE):
        if (ends := _RANGE.search(span)) and 0 <= int(ends[2]) - int(ends[1]) < _WIDEST:
            numbers += range(int(ends[1]), int(ends[2]) + 1)
        else:
            numbers += [int(number) for number in re.findall(r"\d+", span)]
    return numbers


def abstention(text: str) -> Abstention:
    """Whether a clean text without citations abstains: every clause of it, some beside an answer, or none."""
    if _ALONE.fullmatch(text.strip(" .!'\"*")):
        return "yes"
    clauses = [clause for part in _CLAUSES.split(text) if (clause := part.strip(" \t.,:;!*_\"'`()-"))]
    abstaining = [clause for clause in clauses if _ABSTAINS.search(clause)]
    if not abstaining:
        return "no"
    rest = [one for one in clauses if one not in abstaining and not _FILLER.fullmatch(one) and re.search(r"\w", one)]
    return "both" if rest else "yes"


def states(text: str, wanted: str) -> bool:
    """Whether a text says something as whole words and does not only deny it ("not in 1907")."""
    plain, target = plain_text(text), plain_text(wanted)
    if not target or target not in plain:
        return False
    found = re.finditer(rf"(?<!\w)(?<!\d[.,:]){re.escape(target)}(?!\w)(?![.,:]\d)", plain)
    return any(not _DENIED.search(plain[max(0, match.start() - 60) : match.start()]) for match in found)
