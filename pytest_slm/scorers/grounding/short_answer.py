"""A name, a number, a date or a few words: is it what the answer singles out?

The rules are those of people who mark short answers, without a judge model: case, articles, punctuation and width do
not matter, a number is compared by value and a date by day; what is only denied ("not Lima"), or one of several that
are offered ("Lima or Quito"), is not the answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from pytest_slm.core.types import Generation, Sample, Verdict
from pytest_slm.scorers import Rule
from pytest_slm.scorers.answer import bounded, no_answer, spellings
from pytest_slm.scorers.grounding.claims import NUMBER_WORDS
from pytest_slm.scorers.grounding.reading import clean, states
from pytest_slm.scorers.match import plain_text
from pytest_slm.scorers.number import answered
from pytest_slm.scorers.numerals import numeral_at
from pytest_slm.scorers.plain import plain

LONGEST_TARGET = 8
"""Words of a target that can be looked for; a longer one is an explanation, which no comparison of texts can mark."""
_LONGEST_ANSWER = 30
_DECLARED = re.compile(r"\b(?:final\s+)?answer\s*(?:is\b\s*:?|:)\s*(?P<said>[^\n]*\S)", re.IGNORECASE)
_ORDINAL = re.compile(r"\b(\d+)(?:st|nd|rd|th)\b", re.IGNORECASE)
_ARTICLE = re.compile(r"^(?:the|an?)\s+(?=\S)", re.IGNORECASE)
_ASIDE = re.compile(r"\s*\([^()]*\)\s*")
_OTHERS = re.compile(r"\bor\b|\beither\b|\bpossibly\b|\s/\s|\n\s*(?:[*•-]|\d+[.)])\s", re.IGNORECASE)
_NUMBER = re.compile(r"[$€£]?[\d.,]*\d[\d.,]*\s*(?:%|[^\W\d]+(?:\s[^\W\d]+)?)?", re.IGNORECASE)
_MONTHS = "january february march april may june july august september october november december".split()
_MONTH = rf"(?P<month>{'|'.join(f'{name[:3]}(?:{name[3:]})?' for name in _MONTHS)})\.?"
_DATES = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"\b{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})\b",
        rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH},?\s+(?P<year>\d{{4}})\b",
        r"\b(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})\b",
    )
)

Date = tuple[int, int, int]


@bounded
def short_answer(sample: Sample, generation: Generation, _options: object = None) -> Verdict:
    """Right if what the answer singles out is one spelling of the target: the whole answer (``exact_match``), by value
    where the target is a number or a date (``numeric_match``, None elsewhere), or as words of a short answer.

    A target of more than eight words is not compared, and its sample has no score.
    """
    targets = spellings(sample)
    short = [target for target in targets if len(target.split()) <= LONGEST_TARGET]
    if not short:
        told = f"the expected answer is an explanation, which is not compared: {targets[0]!r:.200}"
        return Verdict(value=None, answer=generation.text[:200], explanation=told)
    said = singled_out(clean(generation.text))
    if not said:
        return no_answer()
    exact = any(_normal(said) == _normal(one) for target in short for one in _readings(target))
    values = [_same_value(said, target) for target in short]
    numeric = None if all(value is None for value in values) else True in values
    several = _offers_several(said, short)
    stated = numeric is None and not several and any(_says(said, one) for target in short for one in _readings(target))
    right = exact or bool(numeric) or stated
    how = "is the answer" if exact else "has the value" if numeric else "says it" if stated else "is not it"
    told = f"{said!r:.200} {how}, expected {' or '.join(map(repr, short))!s:.200}"
    return Verdict(
        value=float(right),
        answer=said[:500],
        explanation=f"{told}; several are offered" if several and not right else told,
        values={
            "accuracy": float(right),
            "exact_match": float(exact),
            "numeric_match": None if numeric is None else float(numeric),
        },
    )


def singled_out(text: str) -> str:
    """What of a clean text is its answer: what is declared as such, at last; else all of it, or its last sentence where
    it is long."""
    declared = [found["said"] for found in _DECLARED.finditer(text)]
    if declared:
        return declared[-1].strip(" \t*_`")
    if len(text.split()) <= _LONGEST_ANSWER:
        return text
    return re.split(r"(?<=[.!?])\s+(?=[A-Z])|\n+", text.strip())[-1]


def _readings(target: str) -> tuple[str, ...]:
    """A target as it stands, and without what is added in parentheses."""
    without = _ASIDE.sub(" ", target).strip(" .")
    return (target, without) if without and without != target else (target,)


def _normal(text: str) -> str:
    """A text without case, width, articles and punctuation, but for the marks inside of numbers."""
    text = re.sub(r"(?<!\d)[^\w\s]|[^\w\s](?!\d)", " ", plain_text(text))
    return " ".join(word for word in text.split() if word not in ("a", "an", "the"))


def _says(said: str, target: str) -> bool:
    """Whether words of the answer are the target; yes and no must be its first word, for both are words of any text."""
    words = _normal(target)
    if words in ("yes", "no"):
        return _normal(said).partition(" ")[0] == words
    return states(_normal(said), words) and states(said, _ARTICLE.sub("", target.strip(" .\"'")))


def _offers_several(said: str, targets: Sequence[str]) -> bool:
    """Whether other answers stand beside: an "or", a list of lines, or three things with commas that are no target."""
    if any(_OTHERS.search(target) or "," in target or " and " in target for target in targets):
        return False
    parts = [part for part in re.split(r",\s+(?:and\s+)?", said) if part.strip()]
    return bool(_OTHERS.search(f"\n{said}")) or (len(parts) > 2 and all(len(part.split()) <= 5 for part in parts))


def _same_value(said: str, target: str) -> bool | None:
    """Whether both are the same date or number; None where the target is neither."""
    day = _dates(target)
    if day:
        return _dates(said) == day
    wanted = _value(target)
    if wanted is None:
        return None
    digits = _in_digits(said)
    number = answered(digits)
    found = None if number is None else _fraction(number)
    return found == wanted and states(plain(digits), number or "")


def _value(target: str) -> Fraction | None:
    """The number that a target is, perhaps with a unit of one or two words."""
    text = _in_digits(_ASIDE.sub(" ", target)).strip(" .")
    return _fraction(text) if _NUMBER.fullmatch(text) else None


def _fraction(text: str) -> Fraction | None:
    found = numeral_at(plain(text), 0)
    return None if found is None else found.value


def _in_digits(text: str) -> str:
    """Number words from zero to twelve as digits, and ordinals as numbers."""
    text = re.sub(r"[^\W\d_]+", lambda word: NUMBER_WORDS.get(word[0].casefold(), word[0]), text)
    return _ORDINAL.sub(r"\1", text)


def _dates(text: str) -> set[Date]:
    found = set()
    for form in _DATES:
        for match in form.finditer(text):
            month = match["month"].casefold()
            number = int(month) if month.isdigit() else 1 + [name[:3] for name in _MONTHS].index(month[:3])
            found.add((int(match["year"]), number, int(match["day"])))
    return found


def check(sample: Sample, _options: object = None) -> None:
    """Raise UsageError for a sample without a target."""
    spellings(sample)


SHORT_ANSWER = Rule(judge=short_answer, check=check, right=lambda sample, _: spellings(sample))
