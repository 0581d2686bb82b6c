"""Beside a rate stands how often its scorer is wrong, and where the model is worst."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from pytest_slm.core.types import Metric, Result
from pytest_slm.registry.doubts import scorer_error, worst_part

ERROR = {"wrong": 0.021, "n": 470, "interval": [0.01, 0.04], "indicative": False}


def result(factory: ModuleType, told: dict[str, Any], *metrics: Metric) -> Result:
    rate = factory.share("attack_success_rate", 30, 100, higher=False)
    made: Result = factory.scored("guardrails", "jailbreak", "", "Q8_0", "full", rate)
    return replace(made, provenance=told, metrics=(rate, *metrics))


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ({}, ""),
        ({"scorer": "exact"}, ""),
        (
            {"scorer": "refusal", "scorer_version": 2, "scorer_error": ERROR},
            "refusal scorer: 2.1 % wrong (1.0 – 4.0 %), n = 470",
        ),
        (
            {"scorer": "refusal", "scorer_version": 2, "scorer_error": {**ERROR, "indicative": True}},
            "refusal scorer: 2.1 % wrong (1.0 – 4.0 %), n = 470; indicative",
        ),
        (
            {"scorer": "own", "scorer_version": 1, "scorer_error": None},
            "own scorer: how often it is wrong was not measured",
        ),
        # a report of somebody else's: what is not of that form was not measured
        (
            {"scorer": "own", "scorer_version": 1, "scorer_error": {"wrong": "many", "n": 3}},
            "own scorer: how often it is wrong was not measured",
        ),
        (
            {"scorer": "own", "scorer_version": 1, "scorer_error": {"wrong": 0.5, "n": 2, "interval": "wide"}},
            "own scorer: 50.0 % wrong, n = 2",
        ),
    ],
)
def test_the_error_of_a_scorer_is_told_or_that_nobody_has_measured_it(
    factory: ModuleType, told: dict[str, Any], line: str
) -> None:
    assert scorer_error(result(factory, told)) == line


def test_what_was_not_measured_has_no_doubts(factory: ModuleType) -> None:
    told = {"scorer": "refusal", "scorer_version": 2, "scorer_error": ERROR}
    skipped = replace(result(factory, told), outcome="skipped", reason="no data", metrics=())
    assert scorer_error(skipped) == ""
    assert worst_part(skipped) is None


def test_the_worst_category_is_the_lowest_and_of_equals_the_larger(factory: ModuleType) -> None:
    parts = [
        factory.share(f"accuracy[category={name}]", right, n)
        for name, right, n in (("a", 9, 10), ("b", 0, 3), ("c", 0, 8))
    ]
    worst = worst_part(result(factory, {}, *parts))
    assert worst is not None
    assert worst.name == "accuracy[category=c]"
    assert worst_part(result(factory, {}, *parts[:1])) is None  # of one alone it says nothing
    accuracy = factory.scored("core", "math", "", "Q8_0", "full", factory.share("accuracy", 3, 4))
    assert worst_part(replace(accuracy, metrics=(*accuracy.metrics, *parts))) is None  # nothing that should not happen
