"""Scorers decide whether one answer is right. They are pure: no model, no clock, no network, no pytest.

A scorer is a function ``(Sample, Generation) -> Verdict``, or a `Rule` where tasks can set it up. Other packages add
theirs through the hook ``pytest_slm_register_scorers``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_slm.core.record import Record
from pytest_slm.core.types import Generation, Sample, Verdict

Scorer = Callable[[Sample, Generation], Verdict]

SCORERS: Mapping[str, str] = {
    "bleu": "pytest_slm.scorers.rules.overlap:BLEU",
    "citation": "pytest_slm.scorers.grounding.citation:CITATION",
    "call_sequence": "pytest_slm.scorers.rules.call_sequence:CALL_SEQUENCE",
    "contains": "pytest_slm.scorers.match:CONTAINS",
    "exact": "pytest_slm.scorers.match:EXACT",
    "grounded": "pytest_slm.scorers.grounding.grounded:GROUNDED",
    "harm": "pytest_slm.scorers.guard.harm:HARM",
    "injection": "pytest_slm.scorers.guard.injection:INJECTION",
    "json_schema": "pytest_slm.scorers.rules.json_schema:JSON_SCHEMA",
    "label": "pytest_slm.scorers.rules.label:LABEL",
    "latency": "pytest_slm.scorers.rules.latency:LATENCY",
    "leak": "pytest_slm.scorers.guard.leak:LEAK",
    "needle": "pytest_slm.scorers.match:NEEDLE",
    "number": "pytest_slm.scorers.number:NUMBER",
    "python": "pytest_slm.scorers.rules.python:PYTHON",
    "refusal": "pytest_slm.scorers.guard.refusal:REFUSAL",
    "regex": "pytest_slm.scorers.rules.regex:REGEX",
    "rouge": "pytest_slm.scorers.rules.overlap:ROUGE",
    "rubric": "pytest_slm.scorers.rules.rubric:RUBRIC",
    "short_answer": "pytest_slm.scorers.grounding.short_answer:SHORT_ANSWER",
    "similarity": "pytest_slm.scorers.rules.overlap:SIMILARITY",
    "string_match": "pytest_slm.scorers.rules.string_match:STRING_MATCH",
    "toxicity": "pytest_slm.scorers.toxicity.toxicity:TOXICITY",
    "tool_calls": "pytest_slm.scorers.tool_calls:TOOL_CALLS",
}
DEFAULT_SCORER = "exact"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where a scorer is set up: the folder of its suite, and how another one is set up there by its name and options
    (raises ValueError for wrong ones)."""

    folder: Path
    bind: Callable[[str, Mapping[str, Any]], Scoring]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A scorer that reads options, the ``scoring`` of a task and of its samples.

    ``options`` is their record and ``judge(sample, generation, options)`` the scorer. ``check(sample, options)`` raises
    UsageError for a sample that cannot be judged, before a model is there. ``prepare(options, setting)`` makes of the
    options what ``judge`` and the others get in their place, such as the text of a file; what it raises as RecordError
    (``key: problem``) is told with the line of the key. ``ready`` gets what else is needed, before a model is asked,
    and raises NotAvailableError. ``right(sample, options)`` are answers that follow from the target, for
    ``pytest-slm suite check``. ``identity(options)`` is what a number depends on besides the options. ``compares``:
    whether the target of a sample that has several checks is for this one too. ``own_code``:
    whether it runs code of the suite's folder. ``timed``:
    whether the answers are asked one by one, so that their times are their own.
    """

    judge: Callable[[Sample, Generation, Any], Verdict]
    options: type[Record] = Record
    check: Callable[[Sample, Any], None] = lambda _sample, _options: None
    prepare: Callable[[Any, Setting], Any] = lambda options, _setting: options
    ready: Callable[[Any], None] = lambda _options: None
    right: Callable[[Sample, Any], Sequence[str]] = lambda _sample, _options: ()
    identity: Callable[[Any], Mapping[str, Any]] = lambda _options: {}
    compares: Callable[[Any], bool] = lambda _options: True
    own_code: Callable[[Any], bool] = lambda _options: False
    timed: Callable[[Any], bool] = lambda _options: False


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """A scorer that is set up: its rule, and what its options have become."""

    name: str
    rule: Rule
    options: Any

    @property
    def timed(self) -> bool:
        """Whether it judges times."""
        return self.rule.timed(self.options)

    def judge(self, sample: Sample, generation: Generation) -> Verdict:
        """What an answer is worth."""
        return self.rule.judge(sample, generation, self.options)

    def check(self, sample: Sample) -> None:
        """Raise UsageError for a sample that cannot be judged."""
        self.rule.check(sample, self.options)
