"""Short ways to write a sample and an answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_slm.core.types import Generation, Sample, Verdict
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.options import bind_scorer
from pytest_slm.scorers import Scoring


@pytest.fixture
def answer() -> Callable[[str], Generation]:
    return lambda text: Generation(text=text, n_prompt=1, n_output=len(text.split()), finish="stop")


@pytest.fixture
def score(answer: Callable[[str], Generation]) -> Callable[..., Verdict]:
    """``score(scorer, target, text)``: what the scorer says of that answer."""

    def run(scorer: Callable[[Sample, Generation], Verdict], target: Any, text: str, **sample: Any) -> Verdict:
        return scorer(Sample(id="s", input="?", target=target, **sample), answer(text))

    return run


@pytest.fixture
def set_up(tmp_path: Path) -> Callable[..., Scoring]:
    """``set_up("number", tolerance=1)``: the scorer with these options, in a suite whose folder is ``tmp_path``."""

    def bind(name: str, **scoring: Any) -> Scoring:
        return bind_scorer(Extensions().scorers, tmp_path, name, scoring)

    return bind
