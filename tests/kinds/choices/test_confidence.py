"""How sure a model is of the option that it takes: the share of that option in the probability of all of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from pytest_slm.core.types import MetricSpec, Task
from pytest_slm.errors import UsageError
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.checking import check_task
from pytest_slm.run.drive import measure

ACC, LETTERS, NORM = (MetricSpec(name=name) for name in ("acc", "acc_letters", "acc_norm"))
Tasks = Callable[..., Task]


def brier(key: str) -> MetricSpec:
    return MetricSpec(name=f"brier_{key}", aggregate="brier", key=key)


def calibration(key: str) -> MetricSpec:
    return MetricSpec(name="calibration_error", aggregate="calibration_error", key=key)


def sure(context: str, continuation: str) -> float:
    """The letter A has 0.7 of the probability of the four, the text "one" 0.4 of that of the four texts."""
    letters, texts = {" A": 0.7, " B": 0.1, " C": 0.1, " D": 0.1}, {" one": 0.4}
    return math.log(0.01 * (letters if "A. " in context else texts).get(continuation, 0.2))


@pytest.mark.parametrize(("key", "confidence"), [("acc", 0.4), ("acc_letters", 0.7)])
def test_brier_and_calibration_are_those_of_the_form_that_is_named(
    task: Tasks, told: Any, line: Any, context: Any, key: str, confidence: float
) -> None:
    lines = [line(n, answer="A" if n < 3 else "B") for n in range(5)]
    made = task(lines, metrics=(ACC, LETTERS, brier(key), calibration(key)), primary="acc")
    result = measure(made, "", context(told(sure)))
    expected = (3 * (1 - confidence) ** 2 + 2 * confidence**2) / 5
    assert result.metric(f"brier_{key}").value == pytest.approx(expected)
    assert result.metric("calibration_error").value == pytest.approx(abs(0.6 - confidence))
    assert not result.metric("calibration_error").higher_is_better


@pytest.mark.parametrize(
    ("metrics", "problem"),
    [
        (
            (ACC, LETTERS, brier("acc"), calibration("acc_letters")),
            "one confidence, not one by acc and one by acc_letters",
        ),
        ((ACC, NORM, brier("acc_norm")), "likeliest per character is no probability"),
        ((ACC, MetricSpec(name="brier", aggregate="brier")), "unknown metric 'brier'"),
    ],
)
def test_a_confidence_that_cannot_be_is_told_while_collecting(
    task: Tasks, line: Any, metrics: Any, problem: str
) -> None:
    with pytest.raises(UsageError, match=problem):
        check_task(task([line()], metrics=metrics, primary="acc"), Extensions())


def test_an_error_is_no_share_that_guessing_gets(built_in: Any) -> None:
    # `chance: 0.25` is for what is right, and who guesses has no Brier score of 0.25
    chances = {spec.name: spec.chance for spec in built_in("core/language").metrics}
    assert chances == {"acc": 0.25, "acc_norm": 0.25, "acc_letters": 0.25, "brier": None, "calibration_error": None}
