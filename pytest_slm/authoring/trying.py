"""A task's scorer tries answers whose worth is known: the right ones of each sample, its wrong ones, silence, and the
question itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_slm.core.types import Generation, Sample, Task, Verdict
from pytest_slm.errors import NotAvailableError, SlmError
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.checks import ChecksOptions, Scorings
from pytest_slm.kinds.questions import beside, read_questions
from pytest_slm.scorers import Scoring

FEW = 30
"""Samples below which an interval is so wide that few models can be told apart."""
MOST_TOLD = 10
"""Problems of one task that are written out."""


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """What came of the answers: ``told`` counts them."""

    problems: Sequence[str]
    notes: Sequence[str]
    told: str


def try_samples(task: Task, options: ChecksOptions, extensions: Extensions, *, run_code: bool) -> TrialResult:
    """Try the answers that are known for the samples of a task's file."""
    path = beside(task, str(options.samples))
    samples = read_questions(path, Sample, "sample", options.sha256)
    notes = _few_or_twice(task, samples)
    scorings = Scorings(task, extensions)
    why = _why_not(options, [scorings.of(sample.scoring) for sample in samples] if not options.grader else [], run_code)
    if why:
        return TrialResult(
            problems=(), notes=[*notes, f"{task.path}: not tried: {why}"], told=f"{len(samples)} samples"
        )
    problems: list[str] = []
    counts: Counter[str] = Counter()
    without, silent, echoed = 0, 0, 0
    for sample in samples:
        scoring = scorings.of(sample.scoring)
        right = sample.right_answers or tuple(scoring.rule.right(sample, scoring.options))
        without += not right
        wanted = [(text, True) for text in right] + [(text, False) for text in sample.wrong_answers]
        for text, is_right in wanted:
            verdict = _verdict(scoring, sample, text)
            word = "right" if is_right else "wrong"
            counts[word] += 1
            if (verdict.value == 1) != is_right:
                problems.append(
                    f"{path}: sample {sample.id!r:.80}: the {word} answer {text!r:.80} gets {_value(verdict)} "
                    f"({verdict.explanation:.200})"
                )
        silent += _verdict(scoring, sample, "").value == 1
        echoed += _verdict(scoring, sample, sample.messages()[-1].content).value == 1
    if len(problems) > MOST_TOLD:
        problems[MOST_TOLD:] = [f"{path}: and {len(problems) - MOST_TOLD} more answers"]
    notes += _traps(task, len(samples), without, silent, echoed)
    told = f"{len(samples)} samples; {counts['right']} right and {counts['wrong']} wrong answers tried"
    return TrialResult(problems=problems, notes=notes, told=told)


def _few_or_twice(task: Task, samples: Sequence[Sample]) -> list[str]:
    inputs = Counter(str(sample.input) for sample in samples)
    twice = [f"{text:.60}" for text, n in inputs.items() if n > 1]
    return [*few(task, len(samples)), *(f"{task.path}: the question {text!r} is there twice" for text in twice[:3])]


def _why_not(options: ChecksOptions, scorings: Sequence[Scoring], run_code: bool) -> str:
    if options.grader:
        return f"the grader {options.grader!r:.80} judges"
    if any(scoring.name == "latency" for scoring in scorings):
        return "times are measured while a model answers"
    if not run_code and any(scoring.rule.own_code(scoring.options) for scoring in scorings):
        return "its scorer is Python of the suite's folder; --run-code runs it"
    try:
        for scoring in scorings:
            scoring.rule.ready(scoring.options)
    except NotAvailableError as error:
        return str(error)
    return ""


def _verdict(scoring: Scoring, sample: Sample, text: str) -> Verdict:
    generation = Generation(text=text, n_prompt=1, n_output=len(text.split()), finish="stop")
    try:
        return scoring.judge(sample, generation)
    except SlmError:
        raise
    except Exception as error:  # of the user's own function: it is told as what the answer gets
        return Verdict(value=None, answer=text, explanation=f"{type(error).__name__}: {error}")


def _value(verdict: Verdict) -> str:
    return "no score" if verdict.value is None else f"{verdict.value:g}"


def _traps(task: Task, n: int, without: int, silent: int, echoed: int) -> Iterator[str]:
    if without:
        yield f"{task.path}: {without} of {n} samples have no answer that must be right; give them `right_answers`"
    if silent:
        yield f"{task.path}: an empty answer is right in {silent} of {n} samples"
    if echoed:
        yield f"{task.path}: the question itself, said again, is right in {echoed} of {n} samples"


def few(task: Task, n: int) -> list[str]:
    """What is to be said of a small number of samples."""
    if n >= FEW:
        return []
    return [f"{task.path}: {n} samples; with fewer than {FEW} hardly two models can be told apart"]
