"""Data sets of which a full run had a part only, in words."""

from __future__ import annotations

from pytest_slm.registry.entry import UseCase
from pytest_slm.site import numbers
from pytest_slm.site.titles.definitions import task_title


def part_note(part: tuple[int, int] | None) -> str:
    """``586 of the 1 172 questions of a full run``; empty where there were all."""
    return f"{_of(part, 'of the')} questions of a full run" if part else ""


def parts_note(case: UseCase) -> str:
    """What follows the other remarks on a score: the tasks that were asked in part."""
    told = ", ".join(f"{task_title(case.suite, one.task)} {_of(one.part)}" for one in case.benchmarks if one.part)
    return f"; part of the questions: {told}" if told else ""


def _of(part: tuple[int, int], word: str = "of") -> str:
    asked, of = (numbers.number(count, 0) for count in part)
    return f"{asked} {word} {of}"
