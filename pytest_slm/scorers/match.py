"""Is the expected text in the answer? Comparison ignores case, width and spacing unless a task says otherwise, but
never cuts words or numbers."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.types import Generation, Sample, Verdict
from pytest_slm.scorers import Rule
from pytest_slm.scorers.answer import answer_of, bad_sample, bounded, no_answer, spellings

_EDGES = " \t.!\"'`*“”‘’"
_MARK = r"(?:,|\{,\}|\\,|['’_\u00a0\u2009\u202f])"
_GROUPED = re.compile(rf"(?<![\w.,'’])\d{{1,3}}(?:{_MARK}\d{{3}})+(?![\w,]|\.\d|'\d)")
# What stays where punctuation goes: the marks inside of a number (1.5, 10:30, 3/4) and the sign before one.
_IN_NUMBERS = re.compile(r"(?<=\d)[.,:/](?=\d)|(?<!\w)-(?=\d)")

Space = Literal["collapse", "keep", "remove"]


@dataclass(frozen=True, kw_only=True)
class ExactOptions(Record):
    """What may differ: ``space`` within the text (around it, it never counts), and ``punctuation``: at the edges, none
    (``keep``) or all (``remove``)."""

    ignore_case: bool = True
    space: Space = "collapse"
    punctuation: Literal["edges", "keep", "remove"] = "edges"


@dataclass(frozen=True, kw_only=True)
class ContainsOptions(Record):
    """How many of the targets must be in the answer (``of``), as whole ``words`` or anywhere, and what may differ."""

    of: Literal["any", "all", "none"] = "any"
    words: bool = True
    ignore_case: bool = True
    space: Space = "collapse"
    punctuation: Literal["keep", "remove"] = "keep"

    def __post_init__(self) -> None:
        if self.words and self.space == "remove":
            raise RecordError("space: `remove` leaves no words apart, so it needs `words: false`")


DEFAULT_EXACT, DEFAULT_CONTAINS = ExactOptions(), ContainsOptions()


@bounded
def contains(sample: Sample, generation: Generation, options: ContainsOptions = DEFAULT_CONTAINS) -> Verdict:
    """Right if one spelling of the target stands in the answer as whole words, or all or none of them.

    Word boundaries matter: 4711 is neither in 14711 nor in 4711.5, and "art" is not in "start".
    """
    return _contains(sample, generation, answer_of(generation), options)


@bounded
def needle(sample: Sample, generation: Generation, _options: object = None) -> Verdict:
    """Like ``contains``, and a number may have thousands separators: 48,213 and 48'213 are the needle 48213."""
    answer = _GROUPED.sub(lambda found: re.sub(r"\D", "", found[0]), answer_of(generation))
    return _contains(sample, generation, answer, DEFAULT_CONTAINS)


@bounded
def exact(sample: Sample, generation: Generation, options: ExactOptions = DEFAULT_EXACT) -> Verdict:
    """Right if the whole answer is one spelling of the target, up to what the options let differ: as a rule case,
    spacing, quotes and a final full stop."""
    answer = answer_of(generation)
    if not answer:
        return no_answer()
    if _compared(answer, options) in {_compared(text, options) for text in spellings(sample)}:
        return Verdict(value=1.0, answer=answer, explanation="the answer is the expected text")
    return Verdict(value=0.0, answer=answer, explanation=f"expected {_told(sample)}")


def check(sample: Sample, options: Record = DEFAULT_EXACT) -> None:
    """Raise UsageError for a sample without a target, or with one of which the options leave nothing."""
    for text in spellings(sample):
        if isinstance(options, ExactOptions | ContainsOptions) and not _compared(text, options):
            raise bad_sample(sample, f"nothing is left of the target {text!r:.80} without its punctuation")


def _contains(sample: Sample, generation: Generation, text: str, options: ContainsOptions) -> Verdict:
    if not text:
        return no_answer()
    answer, compared = answer_of(generation), _compared(text, options)
    there = {target: _is_in(_compared(target, options), compared, options.words) for target in spellings(sample)}
    inside = [target for target, found in there.items() if found]
    right = {"any": bool(inside), "all": len(inside) == len(there), "none": not inside}[options.of]
    outside = [target for target, found in there.items() if not found]
    if options.of == "any":
        told = f"{inside[0]!r} is in the answer" if inside else f"{_told(sample)} is not in the answer"
    else:
        told = "; ".join(
            f"in the answer {what}: {', '.join(map(repr, texts))}"
            for what, texts in (("is", inside), ("is not", outside))
            if texts
        )
    return Verdict(value=float(right), answer=answer, explanation=f"{told:.600}")


def _is_in(target: str, text: str, words: bool) -> bool:
    if not words or target not in text:  # to compile a pattern of a million letters takes twenty seconds
        return target in text
    # A full stop may end the sentence, but a digit on its other side makes it part of a number.
    return bool(re.search(rf"(?<!\w)(?<!\d[.,]){re.escape(target)}(?!\w)(?![.,]\d)", text))


def _compared(text: str, options: ExactOptions | ContainsOptions) -> str:
    text = _without_punctuation(text) if options.punctuation == "remove" else text
    text = plain_text(text, ignore_case=options.ignore_case, space=options.space)
    return text.strip(_EDGES) or text if options.punctuation == "edges" else text


def plain_text(text: str, *, ignore_case: bool = True, space: Space = "collapse") -> str:
    """A text without what does not matter when it is compared: width, and as a rule case and amount of space."""
    text = unicodedata.normalize("NFKC", text)
    if ignore_case:
        text = text.casefold()
    return text if space == "keep" else (" " if space == "collapse" else "").join(text.split())


def _without_punctuation(text: str) -> str:
    kept = {found.start() for found in _IN_NUMBERS.finditer(text)}
    return "".join(
        letter
        if place in kept or not (kind := unicodedata.category(letter)).startswith("P")
        else " " * (kind == "Pd")  # well-known is well known
        for place, letter in enumerate(text)
    )


def _told(sample: Sample) -> str:
    return " or ".join(repr(text) for text in spellings(sample))


def _spelled(sample: Sample, options: object) -> tuple[str, ...]:
    texts = spellings(sample)
    of = getattr(options, "of", "any")
    return texts if of == "any" else (" ".join(texts),) if of == "all" else ()


EXACT = Rule(judge=exact, options=ExactOptions, check=check, right=_spelled)
CONTAINS = Rule(judge=contains, options=ContainsOptions, check=check, right=_spelled)
NEEDLE = Rule(judge=needle, check=check, right=_spelled)
