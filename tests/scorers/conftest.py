"""Short ways to write a sample and an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_slm.core.types import Generation, Sample, Verdict


@pytest.fixture
def answer() -> Callable[[str], Generation]:
    return lambda text: Generation(text=text, n_prompt=1, n_output=len(text.split()), finish="stop")


@pytest.fixture
def score(answer: Callable[[str], Generation]) -> Callable[..., Verdict]:
    """``score(scorer, target, text)``: what the scorer says of that answer."""

    def run(scorer: Callable[[Sample, Generation], Verdict], target: Any, text: str, **sample: Any) -> Verdict:
        return scorer(Sample(id="s", input="?", target=target, **sample), answer(text))

    return run
