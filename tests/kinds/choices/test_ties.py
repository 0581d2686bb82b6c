"""Options that are equally likely share the first place, wherever the right one stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_slm.core.types import MetricSpec, Result, Task
from pytest_slm.kinds.context import RunContext
from pytest_slm.run.drive import measure
from pytest_slm.run.records import SampleRecord

Contexts = Callable[..., RunContext]
Tasks = Callable[..., Task]
Lines = Callable[..., dict[str, Any]]
Values = Callable[[Result], dict[str, float]]


@pytest.mark.parametrize("answers", ["ABCD", "A", "D"])
def test_of_equal_options_each_has_its_share_so_that_no_opinion_is_chance_wherever_the_right_one_stands(
    answers: str,
    task: Tasks,
    context: Contexts,
    told: Callable[..., Any],
    records: list[SampleRecord],
    line: Lines,
    values: Values,
) -> None:
    lines = [line(number, answers[number % len(answers)]) for number in range(40)]
    result = measure(task(lines, primary="acc"), "", context(told(lambda *_: -1.0)))
    assert values(result)["acc"] == values(result)["acc_letters"] == 0.25
    assert "as likely as 3 more" in str(records[0].explanation)


def test_of_two_equal_options_the_right_one_is_half(
    task: Tasks, context: Contexts, told: Callable[..., Any], line: Lines, values: Values
) -> None:
    lines = [line(number, answer) for number, answer in enumerate("ABCD")]
    model = told(lambda _, continuation: -1.0 if continuation.strip() in "BD" else -2.0)
    made = task(lines, primary="acc_letters", metrics=(MetricSpec(name="acc_letters"),))
    assert values(measure(made, "", context(model))) == {"acc_letters": 0.25}  # B and D are half right, A and C wrong
