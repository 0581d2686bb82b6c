"""What a model writes, token by token: thinking that has its own limit, and an answer that stop strings may end."""

from __future__ import annotations

import functools
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_slm.core.record import Record
from pytest_slm.core.request import Request, Thinking
from pytest_slm.prompts.switches import Switch, variables_of
from pytest_slm.prompts.text import GrowingText
from pytest_slm.prompts.thinking import COMMON, QUOTES, Marks, close_of, marks_of, opens_line, parts_of


@dataclass(frozen=True, kw_only=True)
class ThinkingRules:
    """How a model thinks: the marks that it may use, whether its chat template has any (``declared``), whether a
    closing mark ends a thinking that nothing has opened (``alone``; not for a model whose template knows no thinking at
    all), the most tokens that it may think (None: no limit of its own), and what ends its thinking, as tokens."""

    known: tuple[Marks, ...] = COMMON
    declared: bool = False
    alone: bool = True
    budget: int | None = None
    closing: Callable[[Marks], Sequence[int]] = lambda _: ()

    @classmethod
    def of(
        cls,
        template: str | None,
        thinking: Thinking,
        tokenize: Callable[[str], Sequence[int]] = lambda _: (),
        switch: Switch | None = None,
    ) -> ThinkingRules:
        """The rules of a model with this chat template, and with this switch in its system message."""
        declared = marks_of(template or "")
        told = bool(declared or switch or variables_of(template or "", "on"))
        return cls(
            known=tuple(dict.fromkeys((*declared, *COMMON))),
            declared=bool(declared),
            alone=template is None or told,
            budget=None if isinstance(thinking, str) else thinking,
            closing=lambda marks: tokenize(marks.closing),
        )

    def most(self, request: Request) -> int:
        """Tokens that may come: the answer's, and those that may be thought, with the marks before and behind them."""
        if self.budget is None or request.forced_length:
            return request.max_tokens
        return request.max_tokens + self.budget + 2 * self._longest_closing

    @functools.cached_property
    def openings(self) -> tuple[re.Pattern[str], int]:
        """What finds an opening mark, and the length of the longest. Every token of every text is looked at with it."""
        opens = sorted((marks.open for marks in self.known), key=len, reverse=True)
        return re.compile("|".join(map(re.escape, opens))), len(opens[0])

    @functools.cached_property
    def _longest_closing(self) -> int:
        return max(len(self.closing(marks)) for marks in self.known)


DEFAULT_RULES = ThinkingRules()
"""Of a model of which nothing is known: the marks that all models are known to use."""


@dataclass(frozen=True, kw_only=True)
class WrittenText(Record):
    """A text as answer and thinking, with the tokens of the thinking, its marks included."""

    text: str
    reasoning: str
    n_reasoning: int


def written(
    text: str,
    known: Sequence[Marks] = COMMON,
    opened: Marks | None = None,
    ends: Sequence[int] = (),
    *,
    alone: bool = True,
) -> WrittenText:
    """A text cut into answer and thinking (``parts_of``); ``ends`` are the lengths that it had after each token."""
    parts = parts_of(text, known, opened, alone=alone)
    thoughts = [part.strip() for kind, part in parts if kind == "thinking"]
    n, place = 0, -1  # a token that is no whole character yet has no length: it belongs to what it begins
    last = max((number for number, (kind, _) in enumerate(parts) if kind == "thinking"), default=-2) + 1
    for number, (kind, part) in enumerate(parts):
        before, place = place, max(place, 0) + len(part)
        if kind != "answer" and number <= last:
            n += bisect_right(ends, place) - bisect_right(ends, before)
    return WrittenText(
        text="".join(part for kind, part in parts if kind == "answer"),
        reasoning="\n\n".join(filter(None, thoughts)),
        n_reasoning=n,
    )


class Writing:
    """The text of one generation so far. Stop strings end the answer, wherever tokens are cut, and are not looked for
    in the thinking; where a budget is spent, ``forced`` says the tokens that end the thinking."""

    def __init__(self, request: Request, rules: ThinkingRules, opened: Marks | None = None) -> None:
        self._rules, self._opened = rules, opened
        self._plain = request.forced_length  # for timing: every token counts as one, whatever it says
        self._stops = [] if self._plain else [stop for stop in request.stop if stop]
        self._longest = max(map(len, self._stops), default=0)
        self._most = request.max_tokens
        self._growing = GrowingText()
        self._state: Literal["start", "thinking", "behind", "answer"] = "start" if opened is None else "thinking"
        self._marks = opened
        self._place = 0
        """Where in the text the state began."""
        self._searched = 0
        self._ends: list[int] = []
        self._thought = 0
        self._forced: list[int] = []

    @property
    def thinking(self) -> bool:
        """Whether the model is thinking."""
        return self._state == "thinking" and not self._plain

    @property
    def full(self) -> bool:
        """Whether the answer has as many tokens as it may have, beside a thinking that has a limit of its own."""
        return self._rules.budget is not None and len(self._ends) - self._thought >= self._most

    def forced(self) -> int | None:
        """The token that comes next, whatever the model would say; None if the model has the choice."""
        budget = self._rules.budget
        spent = self.thinking and budget is not None and self._thought >= budget
        if spent and self._marks is not None and not self._forced:
            self._forced = list(self._rules.closing(self._marks))
        return self._forced.pop(0) if self._forced else None

    def add(self, piece: bytes | str) -> bool:
        """Whether a stop string is complete now; the text then ends before it."""
        before, state = len(self._growing.text), self._state
        self._growing.add(piece)
        text = self._growing.text
        self._ends.append(len(text))
        if self._plain:
            return False
        while self._follow(text, before):
            pass
        if state == "start" and self._state in ("thinking", "behind"):
            self._thought = len(self._ends)  # with the white space before it
        elif self._state in ("thinking", "behind"):
            self._thought += 1
        return self._stopped(text)

    def closes(self, spelled: str) -> bool:
        """Whether a token that is spelled so ends the thinking, and so does not end the turn."""
        return self.thinking and self._marks is not None and spelled == self._marks.close

    def finish(self, rest: bytes = b"") -> WrittenText:
        """What was written, and the ``rest`` of a character; one that was cut in half becomes U+FFFD."""
        self._growing.add(rest)
        text = self._growing.finish()
        if self._plain:
            return WrittenText(text=text, reasoning="", n_reasoning=0)
        return written(text, self._rules.known, self._opened, self._ends, alone=self._rules.alone)

    # -- where in the text it is -----------------------------------------------------------------------------------

    def _follow(self, text: str, before: int) -> bool:
        """Go on to the next state, if the text has reached it."""
        if self._state == "thinking":
            assert self._marks is not None
            close = close_of(text, max(self._place, before - len(self._marks.close)), self._marks)
            end = 0 if close is None else close + len(self._marks.close)
            if close is None or (end == len(text) and text[close - 1] in QUOTES):  # perhaps it is quoted
                return False
            return self._enter("behind", end)
        if self._state == "answer":
            return self._think_again(text, before)
        rest = text[self._place :].lstrip()
        there = len(text) - len(rest)
        if not rest:
            return False
        headers = [header for marks in self._rules.known for header in marks.headers]
        for marks in self._rules.known:
            if rest.startswith(marks.open):
                self._marks = marks
                return self._enter("thinking", there + len(marks.open))
        for header in headers:
            if rest.startswith(header):
                return self._enter("behind", there + len(header))
        if any(mark.startswith(rest) for mark in (*headers, *(marks.open for marks in self._rules.known))):
            return False
        return self._enter("answer", there if self._state == "behind" else self._place)

    def _think_again(self, text: str, before: int) -> bool:
        """Behind an answer a thinking begins with a line only: what is closed later is not known yet."""
        pattern, longest = self._rules.openings
        for found in pattern.finditer(text, max(self._place, before - longest)):
            if opens_line(text, self._place, found.start()):
                self._marks = next(marks for marks in self._rules.known if marks.open == found[0])
                return self._enter("thinking", found.end())
        return False

    def _enter(self, state: Literal["thinking", "behind", "answer"], place: int) -> bool:
        self._state, self._place = state, place
        self._searched = max(self._searched, place)
        return True

    def _stopped(self, text: str) -> bool:
        if not self._stops or self._state in ("thinking", "behind"):
            return False
        if self._state == "start" and (self._rules.declared or text[self._place :].strip()):
            return False  # it may still become an opening mark
        start = max(self._place, self._searched - self._longest)
        self._searched = len(text)
        ends = [end for stop in self._stops if (end := text.find(stop, start)) >= 0]
        if ends:
            self._growing.end(min(ends))
        return bool(ends)
