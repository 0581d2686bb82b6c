"""Answers that cite the passage that they are from, or say that no passage has one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.types import Generation, Sample, Verdict
from pytest_slm.scorers import Rule
from pytest_slm.scorers.answer import bounded, target_as
from pytest_slm.scorers.grounding.reading import abstention, citations, clean, states

ABSTAINED = "I don't know"


@dataclass(frozen=True, kw_only=True)
class GroundedTarget(Record):
    """The target: what the answer says (of each part one of its spellings), and the passages that have it, by their
    numbers from 1; both empty where none has it. ``other`` stands there too and is another answer."""

    answer: tuple[tuple[str, ...], ...]
    passages: tuple[int, ...]
    other: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.answer) != bool(self.passages):
            raise RecordError("answer and passages are both given, or both empty where no passage has an answer")
        if not all(part and all(text.strip() for text in part) for part in self.answer):
            raise RecordError("answer: a list of parts, each a list of spellings, none of them empty")
        if len(set(self.passages)) != len(self.passages) or not all(number > 0 for number in self.passages):
            raise RecordError("passages: numbers from 1, each of them once")


@bounded
def citation(sample: Sample, generation: Generation, _options: object = None) -> Verdict:
    """Right if the answer is the target's and cites exactly its passages, or abstains where there are none.

    Who says "I don't know" and answers all the same has done neither. The values are 1, 0, or None where they do not
    apply: ``answer_accuracy`` (citations aside) and ``citation_recall`` of questions that have an answer,
    ``citation_precision`` of answers that cite, ``abstention_precision`` of those that abstain, ``abstention_recall``
    of questions without an answer, and ``decision``: whether it abstains where it should and only there.
    """
    target = target_as(GroundedTarget, sample)
    cited, said = citations(clean(generation.text))
    unique = set(cited)
    gold = set(target.passages)
    abstains = abstention(said)
    found = [next((one for one in part if states(said, one)), None) for part in target.answer]
    others = [one for one in target.other if states(said, one)]
    answered = bool(gold) and None not in found and not others and abstains == "no"
    right = answered and unique == gold if gold else abstains == "yes"
    wordless = not said and not cited
    decided = not wordless and abstains == ("no" if gold else "yes")
    values = {
        "answer_accuracy": float(answered) if gold else None,
        "citation_precision": len(unique & gold) / len(unique) if unique else None,
        "citation_recall": len(unique & gold) / len(gold) if gold else None,
        "abstention_precision": float(not gold) if abstains == "yes" else None,
        "abstention_recall": None if gold else float(abstains == "yes"),
        "decision": float(decided),
    }
    told = [
        "no answer" if wordless else {"no": "answers", "yes": "abstains", "both": "abstains and answers"}[abstains],
        f"cites {_listed(sorted(unique))}" if unique else "cites nothing",
        f"expected {_expected(target)}" if not right else "",
        f"says also {others[0]!r:.80}" if others else "",
    ]
    return Verdict(
        value=float(right),
        answer=said[:500],
        explanation="; ".join(filter(None, told)),
        values=values,
        details={"cited": sorted(unique)[:50], "citations": len(cited)},
        label={"no": "answered", "yes": "abstained", "both": "both"}[abstains],
    )


def check(sample: Sample, _options: object = None) -> None:
    """Raise UsageError for a target that is none."""
    target_as(GroundedTarget, sample)


def _right(sample: Sample, _options: object = None) -> Sequence[str]:
    target = target_as(GroundedTarget, sample)
    if not target.passages:
        return (ABSTAINED,)
    return (f"{' and '.join(part[0] for part in target.answer)} {''.join(f'[{n}]' for n in target.passages)}",)


def _expected(target: GroundedTarget) -> str:
    if not target.passages:
        return ABSTAINED
    return f"{' and '.join(part[0] for part in target.answer)!r:.120} of {_listed(target.passages)}"


def _listed(numbers: Sequence[int]) -> str:
    return "".join(f"[{number}]" for number in numbers[:8]) + ("…" if len(numbers) > 8 else "")


CITATION = Rule(judge=citation, check=check, right=_right)
