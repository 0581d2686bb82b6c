"""Contexts for generators, and counters that stand in for a tokenizer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_slm.core.types import Message
from pytest_slm.generators import GeneratorContext

RAG = Path(__file__).parents[2] / "suites" / "rag"
TEMPLATE = 11
"""Tokens that the chat template of the stand-in tokenizers adds."""


@pytest.fixture(scope="session")
def counters() -> Mapping[str, Callable[[tuple[Message, ...]], int]]:
    """Tokens per word: one, one per four letters begun (as BPE roughly has it), one per two, one per byte."""

    def by(cost: Callable[[str], int]) -> Callable[[tuple[Message, ...]], int]:
        return lambda messages: TEMPLATE + sum(cost(word) for m in messages for word in m.content.split())

    return {
        "words": by(lambda word: 1),
        "quarters": by(lambda word: math.ceil(len(word) / 4)),
        "pairs": by(lambda word: math.ceil(len(word) / 2)),
        "bytes": by(lambda word: len(word.encode()) + 1),
    }


@pytest.fixture(scope="session")
def context() -> Callable[..., GeneratorContext]:
    """A context with the given limit and seed; ``tokens`` and ``count`` are for the needle in the haystack."""

    def make(
        limit: int | None,
        *,
        seed: int = 0,
        tokens: Any = 1024,
        count: Callable[[tuple[Message, ...]], int] | None = None,
        **more: Any,
    ) -> GeneratorContext:
        return GeneratorContext(
            options=more.pop("options", {}),
            variant=more.pop("variant", {"context_tokens": tokens}),
            limit=limit,
            seed=seed,
            count_tokens=count or (lambda messages: TEMPLATE + sum(len(m.content.split()) for m in messages)),
            folder=more.pop("folder", RAG),
        )

    return make
