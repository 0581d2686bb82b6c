"""Which one of some names stands in the answer? Names are those of classes or functions, and no words of a sentence."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.types import Generation, Sample, Verdict
from pytest_slm.scorers import Rule
from pytest_slm.scorers.answer import answer_of, bad_sample, bounded, no_answer


@dataclass(frozen=True, kw_only=True)
class LabelOptions(Record):
    """``labels`` are the names; ``otherwise`` is the label of an answer that has none of them."""

    labels: tuple[str, ...]
    otherwise: str | None = None

    def __post_init__(self) -> None:
        if len(set(self.labels)) < 2 or not all(label.strip() == label != "" for label in self.labels):
            raise RecordError("labels: expected two different names or more, without space around them")
        if len(set(self.labels)) < len(self.labels) or self.otherwise in self.labels:
            raise RecordError("labels: a name is there twice")


@bounded
def label(sample: Sample, generation: Generation, options: LabelOptions) -> Verdict:
    """Right if the only name in the answer is the target. Names are looked for as whole words, with the letters that
    they have; an answer with several of them has chosen none, and is wrong everywhere."""
    answer = answer_of(generation)
    if not answer:
        return no_answer()
    found = [name for name in options.labels if name in answer and _word(name).search(answer)]
    if len(found) > 1:
        told = f"{len(found)} names, {', '.join(found[:5])}; expected {sample.target}"
        return Verdict(value=0.0, answer=answer, explanation=told)
    chosen = found[0] if found else options.otherwise
    right = chosen is not None and chosen == sample.target
    told = f"{chosen or 'no name'}, expected {sample.target}" if not right else f"{chosen}, as expected"
    return Verdict(value=float(right), answer=answer, explanation=told, label=chosen)


def _word(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")


def check(sample: Sample, options: LabelOptions) -> None:
    """Raise UsageError for a target that is no label."""
    if sample.target not in (*options.labels, options.otherwise):
        raise bad_sample(sample, f"the target {sample.target!r:.80} is none of the labels")


LABEL = Rule(judge=label, options=LabelOptions, check=check, right=lambda sample, _options: (str(sample.target),))
