"""A question about earlier conversations, and these: all that one user has said to one assistant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_slm.bfcl.rows import Row, broken
from pytest_slm.core.types import Message

Turns = tuple[tuple[Message, ...], ...]
"""What the user says in each turn of a conversation."""


@dataclass(frozen=True, kw_only=True)
class MemoryQuestion:
    """Asked when the conversations of its scenario are over. ``answers``: one of them must be in what is said last."""

    id: str
    scenario: str
    said: tuple[Message, ...]
    answers: tuple[str, ...]


def question_of(row: Row, scenarios: Mapping[str, object]) -> MemoryQuestion:
    """The question of a row. Raises BackendError (``data-broken``) for a row that is none, or has no scenario."""
    try:
        (said,) = _turns(row["question"])
        answers = row["ground_truth"]
        if row["scenario"] not in scenarios:
            raise ValueError(f"no conversations of the scenario {row['scenario']!r:.80}")
        if not said or not answers or not all(isinstance(one, str) for one in answers):
            raise ValueError("expected a question, and the texts that answer it")
        return MemoryQuestion(id=row["id"], scenario=row["scenario"], said=said, answers=tuple(answers))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        told = f"{type(error).__name__}: {str(error)[:160]}"
        raise broken(f"BFCL's row {row.get('id')!r:.80} is no question about a memory ({told})") from None


def conversations_of(rows: Sequence[Row]) -> dict[str, tuple[Turns, ...]]:
    """The conversations of each scenario, in their order. Raises BackendError (``data-broken``) for a row that is
    none."""
    found: dict[str, dict[int, Turns]] = {}
    for row in rows:
        try:
            place, turns = int(row["id"].rpartition("-")[2]), _turns(row["question"])
            if not turns or not all(turns):
                raise ValueError("a turn in which nobody says anything")
            if place in (mine := found.setdefault(row["scenario"], {})):
                raise ValueError("another conversation has the same place")
            mine[place] = turns
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            told = f"{type(error).__name__}: {str(error)[:160]}"
            raise broken(f"BFCL's row {row.get('id')!r:.80} is no conversation before a question ({told})") from None
    return {scenario: tuple(turns for _, turns in sorted(mine.items())) for scenario, mine in found.items()}


def _turns(question: Sequence[Sequence[Mapping[str, object]]]) -> Turns:
    return tuple(tuple(Message.from_json(one) for one in turn) for turn in question)
