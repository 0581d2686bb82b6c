"""What BFCL's checker of conversations says: are states and results those of the gold calls after each turn?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_slm.core.worlds import TurnComparison, WorldCall

Turns = Sequence[Sequence[WorldCall]]


@dataclass(frozen=True, kw_only=True)
class WorldVerdict:
    """Whether a conversation is right; if not, what is wrong first, by BFCL's word, and in which turn (from 0)."""

    valid: bool
    error: str = ""
    turn: int | None = None
    explanation: str = "states and results are those of the gold calls after each turn"


def check(made: Turns, gold: Turns, compared: Sequence[TurnComparison]) -> WorldVerdict:
    """The verdict on calls that were made in so many turns; ``compared`` is what the sandbox has found after each.

    In a turn with gold calls at least one call must be made, all public attributes must then be equal, and each result
    of a gold call of this turn must be among the model's of all turns until now, as often as it is there. A turn
    without gold calls is not judged, as in BFCL's runner (its check of such turns is not called): what is called there
    shows in the state of the next one.
    """
    results: Counter[str] = Counter()
    for turn, (calls, wanted, found) in enumerate(zip(made, gold, compared, strict=True)):
        results.update(found.results)
        if not wanted:
            continue
        if not calls:
            return WorldVerdict(
                valid=False, error="empty_turn_model_response", turn=turn, explanation=f"turn {turn + 1}: no call"
            )
        if found.differing:
            told = ", ".join(found.differing[:5])
            return WorldVerdict(
                valid=False,
                error="instance_state_mismatch",
                turn=turn,
                explanation=f"turn {turn + 1}: {told} not as after the gold calls",
            )
        missing = Counter(found.gold_results) - results
        if missing:
            told = next(iter(missing))
            return WorldVerdict(
                valid=False,
                error="execution_response_mismatch",
                turn=turn,
                explanation=f"turn {turn + 1}: no call had the result {told!r:.200}",
            )
    return WorldVerdict(valid=True)


def needless_turns(made: Turns, gold: Turns) -> int:
    """Turns in which calls were made and none was right: shown, not judged."""
    return sum(bool(calls) and not wanted for calls, wanted in zip(made, gold, strict=False))
