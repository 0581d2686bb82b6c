"""Tasks of multiple choice, and models whose likelihoods are told by a function."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.backends.protocol import Delivery, Progress, ignored, silent
from pytest_slm.core.request import LogLikelihood
from pytest_slm.core.types import MetricSpec, Result, Task

Tasks = Callable[..., Task]

ALL = (MetricSpec(name="acc"), MetricSpec(name="acc_norm"), MetricSpec(name="acc_letters"))


@pytest.fixture
def task(tmp_path: Path) -> Tasks:
    """``task([line(), ...], metrics=..., sha256=...)`` writes the questions, each a mapping or a line as it is."""

    def make(lines: Sequence[Mapping[str, Any] | str], **given: Any) -> Task:
        written = (text if isinstance(text, str) else json.dumps(text) for text in lines)
        (tmp_path / "questions.jsonl").write_text("".join(text + "\n" for text in written), "utf-8")
        options = {"samples": "questions.jsonl", **given.pop("options", {})}
        fields: dict[str, Any] = {
            "name": "task",
            "suite": "suite",
            "kind": "choices",
            "description": "",
            "primary": "acc_norm",
            "metrics": ALL,
            "requires": ("loglikelihood",),
            "path": str(tmp_path / "task.yaml"),
            **given,
        }
        return Task(**fields, options=options)

    return make


class Told(Fake):
    """A model whose likelihoods are told by a function of (context, continuation); it answers in the given order."""

    told: Callable[[str, str], float] = staticmethod(lambda context, continuation: 0.0)
    order: Callable[[list[int]], list[int]] = staticmethod(lambda places: places)
    asked: list[tuple[str, str]]

    def loglikelihood(
        self,
        pairs: Sequence[tuple[str, str]],
        progress: Progress = silent,
        finished: Delivery[LogLikelihood] = ignored,
    ) -> list[LogLikelihood]:
        self.asked = list(pairs)
        found = [LogLikelihood(logprob=self.told(*pair), is_greedy=False, n_tokens=1) for pair in pairs]
        for place in self.order(list(range(len(pairs)))):
            finished(place, found[place])
        return found


@pytest.fixture
def told(fake: Callable[..., Any]) -> Callable[..., Told]:
    def make(function: Callable[[str, str], float], order: Callable[[list[int]], list[int]] | None = None) -> Told:
        model: Told = fake(Told)
        model.told = function  # type: ignore[method-assign]
        if order is not None:
            model.order = order  # type: ignore[method-assign]
        return model

    return make


@pytest.fixture
def line() -> Callable[..., dict[str, Any]]:
    """``line(number, answer, **changed)``: a question as it stands in a file."""

    def make(number: int = 0, answer: str = "A", **changed: Any) -> dict[str, Any]:
        return {
            "id": f"q{number}",
            "category": "any",
            "question": f"What is number {number}?",
            "options": ["one", "three", "eleven", "seventeen"],
            "answer": answer,
            "rationale": "Because.",
            **changed,
        }

    return make


@pytest.fixture
def values() -> Callable[[Result], dict[str, float]]:
    """The values of a result by their metrics."""
    return lambda result: {metric.name: metric.value for metric in result.metrics}
