"""Where only likely letters are known, as of servers: the question is decided by them, or unscored."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.backends.protocol import Delivery, Progress, ignored, silent
from pytest_slm.core.request import LogLikelihood
from pytest_slm.core.types import MetricSpec, Result, Task
from pytest_slm.errors import BackendError, NotAvailableError
from pytest_slm.kinds.context import RunContext
from pytest_slm.run.drive import measure
from pytest_slm.run.recorded import RecordedAnswers
from pytest_slm.run.records import SampleRecord

Contexts = Callable[..., RunContext]
Tasks = Callable[..., Task]
Lines = Callable[..., dict[str, Any]]
Values = Callable[[Result], dict[str, float]]

ALL = (MetricSpec(name="acc"), MetricSpec(name="acc_norm"), MetricSpec(name="acc_letters"))


class Lettered(Fake):
    """A model behind a server that tells how likely some letters are, and nothing of texts."""

    asked: list[tuple[str, str]]

    def loglikelihood(
        self,
        pairs: Sequence[tuple[str, str]],
        progress: Progress = silent,
        finished: Delivery[LogLikelihood] = ignored,
    ) -> list[LogLikelihood]:
        self.asked = list(pairs)
        known = {"0": {"A": -1.0, "B": -2.0}, "1": {"C": -3.0}, "2": {}}
        found = []
        for place, (asked, letter) in enumerate(pairs):
            logprob = known[asked.split("number ")[1][0]].get(letter.strip())
            found.append(LogLikelihood(logprob=logprob, is_greedy=False, n_tokens=1))
            finished(place, found[-1])
        return found


@pytest.fixture
def lettered(fake: Callable[..., Any]) -> Lettered:
    model: Lettered = fake(Lettered)
    model.capabilities = frozenset({"generate", "letters"})
    return model


def test_a_question_of_which_no_letter_is_told_is_unscored_and_counted(
    task: Tasks, context: Contexts, lettered: Lettered, records: list[SampleRecord], line: Lines, values: Values
) -> None:
    # A letter that is not told is less likely than those that are, so one is enough to know which the model takes.
    lines = [line(0, "A"), line(1, "A"), line(2, "A")]
    result = measure(task(lines, primary="acc_letters", metrics=ALL[2:], requires=("letters",)), "", context(lettered))
    assert (values(result), result.n_scored, result.n_unscored) == ({"acc_letters": 0.5}, 2, 1)
    assert (result.primary, result.reason) == ("acc_letters", "")
    last = records[-1]
    assert (last.score, "no letter" in last.explanation) == (None, True)
    again = SampleRecord.from_json(json.loads(json.dumps(last.to_json())))
    assert [one["logprob"] for one in again.response] == [None] * 4
    made = task(lines[2:], primary="acc_letters", metrics=ALL[2:], requires=("letters",))
    with pytest.raises(BackendError, match="nothing-scored"):
        measure(made, "", context(lettered))


def test_metrics_that_need_more_than_letters_are_left_out_by_name(
    task: Tasks, context: Contexts, lettered: Lettered, line: Lines, values: Values
) -> None:
    result = measure(task([line(0, "A")], requires=("letters",)), "", context(lettered))
    assert (values(result), result.primary) == ({"acc_letters": 1.0}, None)
    assert "acc, acc_norm could not be measured" in result.reason
    assert [continuation for _, continuation in lettered.asked] == [" A", " B", " C", " D"]
    with pytest.raises(NotAvailableError, match="missing-capability"):
        measure(task([line(0)], primary="acc", metrics=ALL[:2], requires=()), "", context(lettered))


def test_what_was_asked_of_letters_alone_is_scored_again(
    task: Tasks, context: Contexts, lettered: Lettered, records: list[SampleRecord], line: Lines, values: Values
) -> None:
    made = task([line(0, "A"), line(2, "B")], requires=("letters",))
    first = measure(made, "", context(lettered))
    kept = RecordedAnswers("run", [record.to_json() for record in records])
    again = measure(made, "", replace(context(lettered), recorded=kept))
    assert again.metrics == first.metrics
    assert (again.n_scored, again.n_unscored) == (1, 1)
