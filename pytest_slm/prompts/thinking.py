"""What a model thinks before it answers: the marks around it, and a text cut into thinking and answer.

The marks are read from the chat template where it has them; beside those, the marks that models are known to use are
looked for in every text. A mark that is quoted is spoken of, and is none.
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What stands before a thinking and behind it. ``headers`` may begin the answer that follows, and ``tail`` end it,
    and are no part of it. ``alone``: ``close`` says that all before it is thinking, even where nothing opened it."""

    open: str
    close: str
    headers: tuple[str, ...] = ()
    tail: str = ""
    alone: bool = True

    @property
    def closing(self) -> str:
        """What is written to end a thinking, as templates write it for a model that shall not think."""
        spaced = self.close.startswith("</")
        return f"\n{self.close}\n\n" if spaced else self.close + "".join(self.headers[:1])


def _tags(*names: str) -> tuple[Marks, ...]:
    return tuple(Marks(open=f"<{name}>", close=f"</{name}>") for name in names)


COMMON = (
    *_tags("think", "thinking", "thought", "thoughts", "Thought", "reasoning", "seed:think", "reflection"),
    Marks(open="[THINK]", close="[/THINK]"),
    Marks(
        open="<|START_THINKING|>", close="<|END_THINKING|>", headers=("<|START_RESPONSE|>",), tail="<|END_RESPONSE|>"
    ),
    Marks(
        open="<|begin_of_thought|>",
        close="<|end_of_thought|>",
        headers=("<|begin_of_solution|>",),
        tail="<|end_of_solution|>",
    ),
    Marks(open="<|inner_prefix|>", close="<|inner_suffix|>"),
    Marks(open="<|channel>thought", close="<channel|>"),
    Marks(open="<unused94>thought", close="<unused95>"),
    Marks(open="◁think▷", close="◁/think▷"),
    Marks(
        open="<|channel|>analysis<|message|>",
        close="<|end|>",
        headers=("<|start|>assistant<|channel|>final<|message|>", "<|channel|>final<|message|>"),
        alone=False,
    ),
)
"""Marks that are looked for in every text: those of the models that are known to think."""

PROSE = (Marks(open="Here is my thought process:", close="Here is my response:", alone=False),)
"""Marks that are plain words: only where the template has them."""

_WORD = r"[\w:.-]*(?:think|thought|reason|reflect|scratchpad)[\w:.-]*"
_TAG = re.compile(rf"</?({_WORD})>|\[/?({_WORD})\]", re.IGNORECASE)
_BAR = re.compile(r"<\|(\w*(?:think|thought|reason)\w*)\|>", re.IGNORECASE)
_SIDES = (("start", "end"), ("begin", "end"), ("START", "END"), ("BEGIN", "END"), ("open", "close"))
QUOTES = frozenset("\"'`")
FENCE = "```"
_LINE = re.compile(r"^[^\S\n]*", re.MULTILINE)
_ANY_SPACE = re.compile(r"\s*")
_SPACE = re.compile(r"\s*\n|[^\S\n]+")
"""Behind a closing mark: empty lines, or blanks; not the indentation of the first line."""


@functools.lru_cache(maxsize=8)
def marks_of(template: str) -> tuple[Marks, ...]:
    """The marks in the source of a chat template, in the order of ``COMMON``, then those that are not known yet."""
    there = ((marks, marks.open in template, marks.close in template) for marks in (*COMMON, *PROSE))
    found = [marks for marks, opens, closes in there if opens or (closes and marks.alone)]
    pairs = [
        (f"<{tag}>", f"</{tag}>") if tag else (f"[{bracket}]", f"[/{bracket}]")
        for tag, bracket in _TAG.findall(template)
    ]
    for name in _BAR.findall(template):
        pairs += [(f"<|{name}|>", f"<|{name.replace(one, other)}|>") for one, other in _SIDES if one in name]
    known = {marks.open for marks in found}
    for opening, closing in dict.fromkeys(pairs):
        if opening not in known and opening in template and closing in template:
            found.append(Marks(open=opening, close=closing))
    return tuple(found)


def opened_by(prompt: str, known: Sequence[Marks]) -> Marks | None:
    """The marks of the thinking that a prompt has opened at its end; None if it has opened none."""
    end = prompt[-200:].rstrip()
    return next((marks for marks in known if end.endswith(marks.open)), None)


def answered_with(prompt: str, beginning: str, known: Sequence[Marks]) -> str:
    """The prompt with the beginning of its answer, before which nothing is thought: a thinking that the prompt has
    opened ends there."""
    opened = opened_by(prompt, known) if beginning else None
    return f"{prompt}{opened.close}\n\n{beginning}" if opened else prompt + beginning


# -- a text cut into its parts -----------------------------------------------------------------------------------------

Kind = Literal["thinking", "mark", "answer"]
Part = tuple[Kind, str]


def parts_of(
    text: str, known: Sequence[Marks] = COMMON, opened: Marks | None = None, *, alone: bool = True
) -> list[Part]:
    """A text as thinking, marks and answers, in their order; together they are the text.

    A thinking begins where the prompt has opened one (``opened``), with an opening mark at the beginning of a line or
    one that is closed later, or before a closing mark that nothing has opened (without ``alone`` only in a text that
    has such an opening mark somewhere). One that is never closed goes to the end of the text. White space between a
    mark and the answer is the mark's.
    """
    cuts: list[tuple[Kind, int]] = []
    """What each part is, and where it ends."""
    places = _Places(text, known if opened is None else (*known, opened), alone=alone or opened is not None)
    place, marks = 0, opened
    if marks is None:
        place = _header_end(text, 0, known)
        cuts.append(("mark", place))
    while True:
        if marks is None:
            found = places.opening(place)
            if found is None:
                break
            start, end, marks = found
            cuts += [("answer" if text[place:start].strip() else "mark", start), ("mark", end)]
            place = end
        close = places.close(place, marks)
        if close is None:
            cuts.append(("thinking", len(text)))
            return _cut(text, cuts)
        place = _header_end(text, _blank_end(text, close + len(marks.close)), (marks,))
        cuts += [("thinking", close), ("mark", place)]
        marks = None
    if place:
        end = len(text.rstrip())
        tails = (tail for one in known for tail in (one.tail, one.close if one.alone else "") if tail)
        ended = (tail for tail in tails if text.endswith(tail, place, end) and not quoted(text, end - len(tail), tail))
        tail = next(ended, "")
        cuts += [("answer", end - len(tail)), ("mark", len(text))] if tail else []
    return _cut(text, [*cuts, ("answer", len(text))])


def _cut(text: str, cuts: Sequence[tuple[Kind, int]]) -> list[Part]:
    starts = [0, *(end for _, end in cuts)]
    return [(kind, text[start:end]) for start, (kind, end) in zip(starts, cuts, strict=False) if end > start]


class _Places:
    """Where the marks of a text are, found once: an answer may be thousands of marks."""

    def __init__(self, text: str, known: Sequence[Marks], *, alone: bool) -> None:
        self._text, self._end = text, len(text.rstrip())
        self._trusting = alone
        self._known = [marks for marks in dict.fromkeys(known) if marks.open in text or marks.close in text]
        self._opens = {marks.open: list(_places(text, marks.open)) for marks in self._known}
        self._closes = {
            marks.close: [place for place in _places(text, marks.close) if not quoted(text, place, marks.close)]
            for marks in self._known
        }
        self._fences = list(_places(text, FENCE))
        self._blanks = [(found.start(), found.end()) for found in _LINE.finditer(text)] if self._known else []

    def close(self, start: int, marks: Marks) -> int | None:
        """Where the closing mark is, from ``start`` on; None if there is none."""
        return _next(self._closes.get(marks.close, ()), start)

    def opening(self, start: int) -> tuple[int, int, Marks] | None:
        """Where the next thinking begins: (place of its opening mark, its end, the marks)."""
        for marks in self._known:
            if marks.alone and self._alone(start, marks):
                return start, start, marks
        found: tuple[int, int, Marks] | None = None
        for marks in self._known:
            opens = self._opens[marks.open]
            for number in range(bisect_left(opens, start), len(opens)):
                place = opens[number]
                if found is not None and place >= found[0]:
                    break
                if self._begins(start, place, marks):
                    found = place, place + len(marks.open), marks
        return found

    def _begins(self, start: int, place: int, marks: Marks) -> bool:
        if (bisect_left(self._fences, place) - bisect_left(self._fences, start)) % 2:
            return False
        line, blank = self._blanks[bisect_right(self._blanks, (place, len(self._text))) - 1]
        if line <= place <= blank:
            return True
        closed = self.close(place + len(marks.open), marks) is not None
        return closed and not quoted(self._text, place, marks.open, either=True)

    def _alone(self, start: int, marks: Marks) -> bool:
        """Whether the text goes on with a thinking that only its end is marked of. Behind another thinking such an end
        must have an answer behind it, or there would be none."""
        close = self.close(start, marks)
        opened = _next(self._opens[marks.open], start)
        if not self._trusting and not self._opens[marks.open]:
            return False
        if close is None or (opened is not None and opened < close):
            return False
        return start == 0 or close + len(marks.close) < self._end


def _next(places: Sequence[int], start: int) -> int | None:
    number = bisect_left(places, start)
    return places[number] if number < len(places) else None


def quoted(text: str, place: int, mark: str, *, either: bool = False) -> bool:
    """Whether the mark at ``place`` stands in quotes: on both sides, or on ``either`` of them."""
    before, after = text[place - 1 : place], text[place + len(mark) : place + len(mark) + 1]
    left, right = before in QUOTES, after in QUOTES or after == "\\"
    return left or right if either else left and right


def opens_line(text: str, start: int, place: int) -> bool:
    """Whether an opening mark at ``place`` begins a line outside of code, in an answer that begins at ``start``."""
    return not text[text.rfind("\n", 0, place) + 1 : place].strip() and text.count(FENCE, start, place) % 2 == 0


def close_of(text: str, start: int, marks: Marks) -> int | None:
    """Where the closing mark is, from ``start`` on; None if there is none."""
    return next((place for place in _places(text, marks.close, start) if not quoted(text, place, marks.close)), None)


def _places(text: str, mark: str, start: int = 0) -> Iterator[int]:
    place = text.find(mark, start)
    while place >= 0:
        yield place
        place = text.find(mark, place + 1)


def _blank_end(text: str, place: int) -> int:
    blank = _SPACE.match(text, place)
    return place if blank is None else blank.end()


def _header_end(text: str, place: int, known: Sequence[Marks]) -> int:
    """Where the answer begins that may have a header at ``place``."""
    blank = _ANY_SPACE.match(text, place)
    there = blank.end() if blank else place
    headers = (header for marks in known for header in marks.headers if text.startswith(header, there))
    header = next(headers, None)
    return place if header is None else _blank_end(text, there + len(header))
