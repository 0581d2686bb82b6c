"""The 13 tasks, and contexts for them over tokenizers that are none."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_slm.core.types import Dataset, Message, Sample, Task
from pytest_slm.errors import NotAvailableError
from pytest_slm.generators import GeneratorContext
from pytest_slm.generators.ruler import RULER
from pytest_slm.load import load_suite, load_task

RAG = Path(__file__).parents[3] / "suites" / "rag"
TEMPLATE = 11
"""Tokens that the chat template of the stand-in tokenizers adds."""
SQUAD = [
    {
        "id": f"q{number}",
        "title": f"Article {number // 8}",
        "context": f"The river of town {number // 2} is {90 + number // 2} miles long, and "
        + "it is cold. " * (9 + number),
        "question": f"How long is the river of town {number // 2}?",
        "answers": {"text": [f"{90 + number // 2} miles", f"{90 + number // 2}"] if number % 4 else []},
    }
    for number in range(48)
]
HOTPOT = [
    {
        "id": f"h{number}",
        "question": f"Who wrote book {number}?",
        "answer": f"Author {number}",
        "context": {
            "title": [f"Book {number + place}" for place in range(10)],
            "sentences": [
                [f"Book {number + place} is old.", f" Author {number + place} wrote it."] for place in range(10)
            ],
        },
    }
    for number in range(200)
]
ROWS: Mapping[str, Sequence[Mapping[str, Any]]] = {"lighteval/squad_v2": SQUAD, "hotpotqa/hotpot_qa": HOTPOT}


def words(text: str) -> int:
    return len(text.split())


def quarters(text: str) -> int:
    """As byte pairs have it: whole pieces up to four letters, cut before a space."""
    return sum(math.ceil(len(piece) / 4) for piece in re.findall(r"\n+| ?\w+| ?[^\w\s]+|\s+", text))


def characters(text: str) -> int:
    return len(text)


def merging(text: str) -> int:
    """A tokenizer that is not the sum of its pieces: what follows a full stop costs more the longer the text is."""
    return words(text) + text.count(".") * len(text) // 20_000


COUNTS: Mapping[str, Callable[[str], int]] = {
    "words": words,
    "quarters": quarters,
    "characters": characters,
    "merging": merging,
}


def load(name: str) -> Task:
    return load_task(RAG / f"ruler_{name}.yaml", load_suite(RAG / "suite.yaml"))


NAMES = sorted(path.stem.removeprefix("ruler_") for path in RAG.glob("ruler_*.yaml"))


@pytest.fixture(scope="session")
def task() -> Callable[[str], Task]:
    """The task of that name, without ``ruler_``."""
    return load


@pytest.fixture(scope="session")
def names() -> Sequence[str]:
    return NAMES


@pytest.fixture(scope="session")
def counts() -> Mapping[str, Callable[[str], int]]:
    return COUNTS


@pytest.fixture
def context() -> Callable[..., GeneratorContext]:
    """A context for a task; ``rows`` replaces the questions, ``mirror`` is a folder with essays."""

    def make(name: str, tokens: Any, limit: int | None = 5, *, seed: int = 0, count: str = "words", **more: Any) -> Any:
        one = COUNTS[count]

        def rows(dataset: Dataset) -> Any:
            found = more.get("rows", ROWS)
            if dataset.path not in found:
                raise NotAvailableError(f"data set {dataset.path} cannot be reached", slug="data-unreachable")
            return found[dataset.path]

        def whole(messages: tuple[Message, ...]) -> int:
            return TEMPLATE + one("".join(message.content for message in messages))

        mirror = more.get("mirror")
        return GeneratorContext(
            options={**load(name).options, **more.get("options", {})},
            variant=more.get("variant", {"max_seq_length": tokens}),
            limit=limit,
            seed=seed,
            count_tokens=whole,
            count_texts=lambda texts: [one(text) for text in texts],
            folder=more.get("folder", RAG),
            rows=rows,
            mirror_file=lambda file: mirror / file if mirror and (mirror / file).is_file() else None,
        )

    return make


@pytest.fixture
def made(context: Callable[..., GeneratorContext]) -> Callable[..., list[Sample]]:
    """The samples of a task."""

    def make(name: str, tokens: Any, limit: int | None = 5, **more: Any) -> list[Sample]:
        samples: Iterator[Sample] = RULER.make(context(name, tokens, limit, **more))
        return list(samples)

    return make


@pytest.fixture(scope="session")
def length() -> Callable[[Sample, str, int], int]:
    """What a sample takes of the context: its prompt, and the tokens that may be written."""

    def of(sample: Sample, count: str, to_generate: int) -> int:
        return TEMPLATE + COUNTS[count]("".join(message.content for message in sample.messages())) + to_generate

    return of
