"""Several checks on one answer, each by another scorer, with weights: the share that is right counts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.types import Generation, Sample, Verdict
from pytest_slm.errors import UsageError
from pytest_slm.scorers import Rule, Scoring, Setting
from pytest_slm.scorers.answer import UNREAD, answer_of, bad_sample, no_answer, too_long


@dataclass(frozen=True, kw_only=True)
class RubricCheck(Record):
    """One check: a ``scorer`` with its options (``scoring``), and what it is worth beside the others.

    ``target`` stands for the sample's, which is for checks that compare: not for a pattern without groups, nor beside a
    JSON Schema. ``invert``: what the scorer takes for right is wrong. ``name`` is what it is
    called in explanations, and in ``values`` for metrics of its own; the scorer's name, if left out.
    """

    scorer: str
    weight: float = 1.0
    name: str = ""
    target: Any = None
    invert: bool = False
    scoring: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.weight <= 0:
            raise RecordError(f"weight: expected a number above 0, not {self.weight}")
        if self.scorer == "rubric":
            raise RecordError("scorer: a rubric in a rubric; write its checks beside the others")


@dataclass(frozen=True, kw_only=True)
class RubricOptions(Record):
    """The ``checks``; with a ``threshold`` an answer is right from that share on, and wrong below."""

    checks: tuple[RubricCheck, ...]
    threshold: float | None = None

    def __post_init__(self) -> None:
        if not self.checks:
            raise RecordError("checks: at least one is needed, as in [{scorer: contains}]")
        if self.threshold is not None and not 0 < self.threshold <= 1:
            raise RecordError(f"threshold: expected a share above 0 and up to 1, not {self.threshold}")


@dataclass(frozen=True, kw_only=True)
class RubricPart:
    """A check that is set up. ``weight`` is 0 of what is told beside the score: times."""

    name: str
    check: RubricCheck
    scoring: Scoring
    weight: float

    def sample(self, sample: Sample) -> Sample:
        """The sample as this check sees it."""
        theirs = sample.target if self.scoring.rule.compares(self.scoring.options) else None
        target = theirs if self.check.target is None else self.check.target
        return replace(sample, target=target, scoring={})

    def judge(self, sample: Sample, generation: Generation) -> Verdict:
        """The check's own verdict, turned round where it is inverted."""
        verdict = self.scoring.judge(self.sample(sample), generation)
        if self.check.invert and verdict.value is not None and UNREAD not in verdict.details:
            return replace(verdict, value=1 - verdict.value)
        return verdict


@dataclass(frozen=True, kw_only=True)
class Rubric:
    """The checks that are set up."""

    parts: Sequence[RubricPart]
    threshold: float | None


def prepare(options: RubricOptions, setting: Setting) -> Rubric:
    """Set up the scorer of every check. Raises RecordError with the check whose options are wrong."""
    parts: list[RubricPart] = []
    for place, check in enumerate(options.checks):
        where, name = f"checks[{place}]", check.name or check.scorer
        if name in (part.name for part in parts):
            raise RecordError(f"{where}: {name!r:.80} is there twice; give one of them another `name`")
        try:
            scoring = setting.bind(check.scorer, check.scoring)
        except UsageError as error:
            raise RecordError(f"{where}.scorer: {error.args[0]}") from None
        except ValueError as error:
            raise RecordError(f"{where}.scoring: {error}") from None
        if scoring.timed and check.weight != 1:
            raise RecordError(f"{where}.weight: time is told beside the score, not in it; leave the weight out")
        parts.append(RubricPart(name=name, check=check, scoring=scoring, weight=0.0 if scoring.timed else check.weight))
    if not any(part.weight for part in parts):
        raise RecordError("checks: only times, which make no score; take the scorer `latency` itself")
    return Rubric(parts=parts, threshold=options.threshold)


def rubric(sample: Sample, generation: Generation, options: Rubric) -> Verdict:
    """The weighted share of checks that the answer passes. Nothing is scored where one of them has no score; times
    are told apart, in ``values`` by their name."""
    answer = answer_of(generation)
    if odd := too_long(generation):
        return odd
    if not answer:
        return no_answer()
    verdicts = [(part, part.judge(sample, generation)) for part in options.parts]
    told = "; ".join(_told(part, verdict) for part, verdict in verdicts)
    values = {part.name: verdict.value for part, verdict in verdicts if verdict.value is not None}
    counted = [(part.weight, verdict.value) for part, verdict in verdicts if part.weight]
    if any(value is None for _, value in counted):
        return Verdict(value=None, answer=answer, explanation=f"not scored: {told}", values=values)
    # The greatest weight is 1, so that no sum of weights leaves a float's range.
    most = max(weight for weight, _ in counted)
    weights = [weight / most for weight, _ in counted]
    share = math.fsum(weight * (value or 0.0) for weight, (_, value) in zip(weights, counted, strict=True))
    share = min(1.0, share / math.fsum(weights))
    if options.threshold is not None:
        told = f"{share:.3g} of 1, threshold {options.threshold:g}: {told}"
        share = float(share >= options.threshold)
    return Verdict(value=share, answer=answer, explanation=told, values=values)


def _told(part: RubricPart, verdict: Verdict) -> str:
    value = "no score" if verdict.value is None else f"{verdict.value:g}"
    weight = f" x {part.weight:g}" if part.weight else " (time)"
    return f"{part.name:.40} {value}{weight}: {'not ' if part.check.invert else ''}({verdict.explanation:.160})"


def check(sample: Sample, options: Rubric) -> None:
    """Raise UsageError for a sample that one of the checks cannot judge."""
    for part in options.parts:
        try:
            part.scoring.check(part.sample(sample))
        except UsageError as error:
            problem = str(error.args[0]).removeprefix(f"sample {sample.id!r}: ")
            raise bad_sample(sample, f"check {part.name!r:.40}: {problem}") from None


def ready(options: Rubric) -> None:
    """Get what the checks need."""
    for part in options.parts:
        part.scoring.rule.ready(part.scoring.options)


def identity(options: Rubric) -> Mapping[str, Any]:
    """What the checks depend on besides their options."""
    found = {part.name: part.scoring.rule.identity(part.scoring.options) for part in options.parts}
    return {"checks": told} if (told := {name: one for name, one in found.items() if one}) else {}


RUBRIC = Rule(
    judge=rubric,
    options=RubricOptions,
    prepare=prepare,
    check=check,
    ready=ready,
    identity=identity,
    own_code=lambda options: any(part.scoring.rule.own_code(part.scoring.options) for part in options.parts),
    timed=lambda options: any(part.scoring.timed for part in options.parts),
)
