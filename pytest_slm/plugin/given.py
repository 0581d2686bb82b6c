"""What no value of an option may be, whichever option it is: given twice, empty, or longer than any system takes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_slm.core.record import LONGEST_PATH
from pytest_slm.errors import UsageError
from pytest_slm.files import name_problem

PATHS = ("model", "data", "reports", "run_id", "rescore")
"""Options whose value is a path, or becomes a part of one."""
REPEATABLE = ("task", "gate")
LISTS = ("suite", "quant", "task")


def check_given(arguments: Sequence[object], given: Mapping[str, Any]) -> None:
    """Raise UsageError for an option that stands twice in the command line, and for one without a value (mostly a
    variable of a shell that nobody has set). What an ini file or PYTEST_ADDOPTS says the command line may replace."""
    words = list(itertools.takewhile(lambda word: word != "--", map(str, arguments)))
    for name, value in given.items():
        option = f"--slm-{name.replace('_', '-')}"
        if name not in REPEATABLE and sum(word == option or word.startswith(f"{option}=") for word in words) > 1:
            raise UsageError(
                f"{option} is given twice, and only one can be meant: leave out the other", slug="option-value"
            )
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str):
                _check_length(name, text)
            parts = text.split(",") if isinstance(text, str) and name in LISTS else [text]
            if any(isinstance(part, str) and not part.strip() for part in parts):
                raise UsageError(
                    f"{option}={text}: an empty name; say a value, or leave the option out", slug="option-value"
                )


def _check_length(name: str, text: str) -> None:
    problem = name_problem(text) if name in PATHS or len(text) > LONGEST_PATH else ""
    if problem:
        raise UsageError(
            f"--slm-{name.replace('_', '-')}={text:.40}…: {problem}; choose a shorter one", slug="option-value"
        )
