"""One conversation of BFCL: what the user says in each turn, the world it is about, and the calls that are right."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_slm.bfcl.rows import Row
from pytest_slm.core.record import RecordError
from pytest_slm.core.types import Message
from pytest_slm.core.worlds import ClassLibrary, World, WorldCall
from pytest_slm.errors import BackendError
from pytest_slm.scorers.call_values import UNREADABLE, expression, literal

Docs = Mapping[str, Sequence[Mapping[str, Any]]]
"""What models are told of the methods of a class, by the class."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """``functions`` are known from the beginning, ``added`` from their turn on, where the user says nothing.
    ``gold`` are the calls of each turn."""

    id: str
    category: str
    turns: tuple[tuple[Message, ...], ...]
    world: World
    functions: tuple[Mapping[str, Any], ...]
    added: Mapping[int, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    gold: tuple[tuple[WorldCall, ...], ...]


def scenario_of(row: Row, category: str, library: ClassLibrary, docs: Docs, *, long_context: bool) -> Scenario:
    """The scenario of a row. Raises BackendError (``data-broken``) for a row that is none."""
    try:
        classes = tuple(row["involved_classes"])
        turns = tuple(tuple(Message.from_json(one) for one in turn) for turn in row["question"])
        gold = tuple(tuple(map(gold_call, turn)) for turn in row["ground_truth"])
        if len(turns) != len(gold):
            raise ValueError(f"{len(turns)} turns and gold calls for {len(gold)}")
        functions = [doc for name in classes for doc in docs[name]]
        added = {int(turn): _taken(functions, names) for turn, names in (row.get("missed_function") or {}).items()}
        if any(not 0 <= turn < len(turns) or turns[turn] for turn in added):
            raise ValueError("functions are added in a turn that is not empty")
        if any(not turn and place not in added for place, turn in enumerate(turns)):
            raise ValueError("a turn in which nobody says anything")
        return Scenario(
            id=row["id"],
            category=category,
            turns=turns,
            world=World(
                library=library, classes=classes, config=row.get("initial_config") or {}, long_context=long_context
            ),
            functions=tuple(functions),
            added=added,
            gold=gold,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BackendError(
            f"BFCL's row {row.get('id')!r:.80} is no scenario ({type(error).__name__}: {str(error)[:160]}); "
            "`pytest-slm data pull` gets the data again",
            slug="data-broken",
        ) from None


def gold_call(text: str) -> WorldCall:
    """A call as BFCL writes it, ``name(a=1)``: read from its syntax tree. Raises ValueError for what is none."""
    node = expression(text)
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise ValueError(f"no call: {text!r:.80}")
    positional = [literal(one) for one in node.args]
    named = {one.arg: literal(one.value) for one in node.keywords}
    if UNREADABLE in positional or any(value is UNREADABLE for value in named.values()) or None in named:
        raise ValueError(f"a call whose arguments are no plain values: {text!r:.80}")
    try:
        return WorldCall(name=node.func.id, arguments={str(k): v for k, v in named.items()}, positional=(*positional,))
    except RecordError as error:
        raise ValueError(f"{error}: {text!r:.80}") from None


def _taken(functions: list[Mapping[str, Any]], names: Iterable[str]) -> tuple[Mapping[str, Any], ...]:
    """The functions of these names, which are then not in the list any more."""
    found = []
    for name in names:
        place = next((place for place, one in enumerate(functions) if one["name"] == name), None)
        if place is None:
            raise ValueError(f"no function {name!r:.80} that could be held back")
        found.append(functions.pop(place))
    return tuple(found)
