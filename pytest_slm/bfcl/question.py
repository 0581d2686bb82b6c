"""One question of a single-turn category: the conversation, the functions, and the calls that are right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_slm.bfcl.categories import CALLS, Language, language_of
from pytest_slm.bfcl.rows import Row, broken
from pytest_slm.core.record import Record
from pytest_slm.core.types import Message


@dataclass(frozen=True, kw_only=True)
class BfclQuestion(Record):
    """``functions`` are as BFCL writes them: name, description, and parameters with its own names of types.

    ``answers`` has the calls that are right, each ``{function: {parameter: [acceptable values]}}``, where ``""`` among
    the values says that the parameter may be left out; it is empty where no call is right, or any.
    """

    id: str
    category: str
    messages: tuple[Message, ...]
    functions: tuple[Mapping[str, Any], ...]
    answers: tuple[Mapping[str, Any], ...] = ()

    @property
    def language(self) -> Language:
        """The language that its functions are written in."""
        return language_of(self.category)

    @property
    def parallel(self) -> bool:
        """Whether several calls may come, in any order."""
        return "parallel" in self.category

    def function(self, name: str) -> Mapping[str, Any]:
        """The function of that name, which is one of them."""
        return next(function for function in self.functions if function["name"] == name)


def questions(category: str, rows: Sequence[Row]) -> list[BfclQuestion]:
    """The questions of a category. Raises BackendError (``data-broken``) for a row that is none."""
    return [_question(category, row) for row in rows]


def _question(category: str, row: Row) -> BfclQuestion:
    turns: Any = row.get("question")
    functions, answers = row.get("function"), row.get("ground_truth") or []
    try:
        _check(category, turns, functions, answers)
        messages = tuple(Message(role=one["role"], content=one["content"]) for one in turns[0])
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise broken(f"{category}: {row['id']!r:.80} is no question ({type(error).__name__}: {error!s:.120})") from None
    return BfclQuestion(
        id=row["id"], category=category, messages=messages, functions=tuple(functions or ()), answers=tuple(answers)
    )


def _check(category: str, turns: Any, functions: Any, answers: Any) -> None:
    """Raise ValueError and its like for what no answer could be compared with."""
    if len(turns) != 1 or not turns[0]:
        raise ValueError(f"{len(turns)} turns instead of one")
    names = [function["name"] for function in functions]
    for function in functions:
        required, properties = function["parameters"].get("required", []), function["parameters"]["properties"]
        if not all(isinstance(one, Mapping) for one in properties.values()) or not isinstance(required, list):
            raise ValueError(f"the parameters of {function['name']!r:.80} are no schema")
    if bool(answers) != (category in CALLS):
        raise ValueError(f"{len(answers)} calls are right")
    for answer in answers:
        ((name, parameters),) = answer.items()
        if name not in names or not all(isinstance(values, list) for values in parameters.values()):
            raise ValueError(f"the right call of {name!r:.80} is none of its functions, or has no lists of values")
