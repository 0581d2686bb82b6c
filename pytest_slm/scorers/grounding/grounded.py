"""Answers that rest on their passages: no sentence that the check takes for one that says more than they do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.types import Generation, Sample, Verdict
from pytest_slm.scorers import Rule
from pytest_slm.scorers.answer import bounded, no_answer, target_as
from pytest_slm.scorers.grounding.claims import Sources, spans
from pytest_slm.scorers.grounding.reading import abstention, clean
from pytest_slm.scorers.grounding.support import model, unsupported

ITEMS = ("numbers", "dates", "names", "quotes")
_TOLD = 5


@dataclass(frozen=True, kw_only=True)
class GivenPassages(Record):
    """The target: the text of the passages, and the question."""

    passages: str
    question: str = ""

    def __post_init__(self) -> None:
        if not self.passages.strip():
            raise RecordError("passages: there are none; an answer must have something to rest on")


@bounded
def grounded(sample: Sample, generation: Generation, _options: object = None) -> Verdict:
    """Right if the answer answers, has a word in common with passages or question, and no sentence of it says what
    they do not, as far as the check can see (``support``; the report has its measured errors).

    The values are 1 or 0, or None where the model abstains or is silent: ``supported`` (no sentence is flagged), and
    ``numbers``, ``dates``, ``names`` and ``quotes``: whether all of them stand in the passages. ``answers`` is there
    for every answer: 0 where the model abstains.
    """
    target = target_as(GivenPassages, sample)
    answer = clean(generation.text)
    if not any(letter.isalnum() for letter in answer):
        return _valued(no_answer(), None, {"answers": 1.0})
    if abstention(answer) == "yes":
        return _valued(Verdict(value=0.0, answer=answer[:500], explanation="abstains"), None, {"answers": 0.0})
    found = unsupported(answer, Sources(target.passages, target.question))
    if all(len(one.content) == len(one.missing) for one, _ in found):
        nothing = Verdict(value=0.0, answer=answer[:500], explanation="no word of it stands in passages or question")
        return _valued(nothing, 0.0, {"answers": 1.0})
    limit = float(model()["threshold"])
    flagged = [one for one, probability in found if probability >= limit]
    items = {kind: [text for one, _ in found for text in getattr(one, kind)] for kind in ITEMS}
    told = [f"{kind}: {', '.join(map(repr, texts[:_TOLD]))}" for kind, texts in items.items() if texts]
    first = f"flagged: {flagged[0].text.strip()!r:.160}" if flagged else "every sentence rests on the passages"
    surest = max((probability for _, probability in found), default=0.0)
    return Verdict(
        value=float(not flagged),
        answer=answer[:500],
        explanation=f"{first}; in no passage: {'; '.join(told)}"[:900] if told else first,
        values={
            "supported": float(not flagged),
            **{kind: float(not texts) for kind, texts in items.items()},
            "answers": 1.0,
        },
        details={"flagged": len(flagged), "sentences": len(found), "probability": round(surest, 4)},
    )


def check(sample: Sample, _options: object = None) -> None:
    """Raise UsageError for a sample without passages."""
    target_as(GivenPassages, sample)


def _valued(verdict: Verdict, value: float | None, more: Mapping[str, float]) -> Verdict:
    return Verdict(
        value=verdict.value,
        answer=verdict.answer,
        explanation=verdict.explanation,
        values={"supported": value, **dict.fromkeys(ITEMS, value), **more},
    )


def _right(sample: Sample, _options: object = None) -> Sequence[str]:
    """A sentence of the passages themselves, the first that the check has nothing against."""
    target = target_as(GivenPassages, sample)
    limit, sources = float(model()["threshold"]), Sources(target.passages, target.question)
    for start, end in spans(target.passages):
        text = target.passages[start:end].partition(":")[2].strip() or target.passages[start:end].strip()
        whole = text[-1:] in (".", "!") and len(text.split()) > 3 and abstention(clean(text)) == "no"
        if whole and all(probability < limit for _, probability in unsupported(text, sources)):
            return (text,)
    return ()


def _identity(_options: object = None) -> Mapping[str, Any]:
    """The check's version, and how wrong it is: its precision, recall and F1 against RAGTruth's human labels."""
    known = model()
    errors: dict[str, Any] = dict(known["error"])
    return {
        "check": f"grounding {known['version']}",
        "scorer_error": {
            "against": "human labels of RAGTruth, QA, test",
            "measured": known["fitted"],
            **{level: errors[level] for level in ("response", "span")},
        },
    }


GROUNDED = Rule(judge=grounded, check=check, right=_right, identity=_identity)
