"""A kind whose conversations a test writes itself, and what it needs around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_slm.core.config import RunConfig
from pytest_slm.core.record import Record
from pytest_slm.core.request import Talk
from pytest_slm.core.types import MetricSpec, Quantization, Request, Sample, Submission, Task
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.context import RunContext
from pytest_slm.kinds.kind import Kind


@dataclass(frozen=True, kw_only=True)
class NoOptions(Record):
    """A task that has none."""


class Written(Kind[NoOptions, Sample]):
    """Conversations as a function of the sample."""

    name = "written"
    options_type = NoOptions
    asked: Sequence[Sample] = ()
    talk: Callable[[Sample], Talk]

    def samples(self) -> Sequence[Sample]:
        return self.asked

    def converse(self, sample: Sample) -> Talk:
        return (yield from self.talk(sample))


@pytest.fixture
def lines() -> list[Any]:
    """The lines of samples that were recorded."""
    return []


@pytest.fixture
def written(lines: list[Any]) -> Callable[..., Written]:
    """``written(backend, samples, talk)``: an item whose conversations are ``talk(sample)``."""

    def make(backend: Any, samples: Sequence[Sample], talk: Callable[[Sample], Talk], **given: Any) -> Written:
        quantization = Quantization(name="Q8_0", format="fake")
        context = RunContext(
            config=RunConfig(model="fake"),
            submission=Submission(slug="fake", name="Fake", quantizations=(quantization,)),
            quantization=quantization,
            detect=lambda: None,
            open=lambda: backend,
            record=lines.append,
            extensions=given.pop("extensions", None) or Extensions(),
            **given,
        )
        metric = MetricSpec(name="right")
        task = Task(name="t", suite="s", kind="written", description="", primary="right", metrics=(metric,))
        kind = Written(task, NoOptions(), "", context)
        kind.asked, kind.talk = samples, talk
        return kind

    return make


@pytest.fixture(scope="session")
def said() -> Callable[[str], Request]:
    """A request that says this."""
    return lambda text: Request(prompt=text)
