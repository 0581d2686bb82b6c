"""Tasks whose samples are made, not stored: a generator turns a seed into questions with known answers.

A generator is a function ``generate(context) -> Iterator[Sample]``. It is deterministic by ``context.seed``, and the
first k samples for a greater limit are the samples for limit k, so that quick is a prefix of full.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pytest_slm.core.types import Message, Sample
from pytest_slm.errors import UsageError, did_you_mean

GENERATORS: Mapping[str, str] = {
    "arithmetic": "pytest_slm.runners.generators.arithmetic:generate",
    "mathematics": "pytest_slm.runners.generators.mathematics:generate",
    "niah": "pytest_slm.runners.generators.niah:generate",
}

OPTIONS: Mapping[str, frozenset[str]] = {"niah": frozenset({"depths", "haystack"})}
"""Options of a task that only this generator reads."""


@dataclass(frozen=True, kw_only=True)
class GeneratorContext:
    """What a generator may know: the task's options, one variant's parameters, limit, seed, and how to count tokens.

    ``count_tokens`` returns the length of a whole prompt in tokens of the model under test, chat template included;
    each call is a round trip to the model's process. ``folder`` is the suite's folder: data paths in the options are
    relative to it.
    """

    options: Mapping[str, Any]
    variant: Mapping[str, Any]
    limit: int | None
    seed: int
    count_tokens: Callable[[tuple[Message, ...]], int]
    folder: Path = Path()

    @property
    def n_samples(self) -> int:
        """How many samples to make. Raises UsageError without a limit, because generated questions have no end."""
        if self.limit is None:
            raise UsageError(
                "a generated task has no last sample: give every mode of it a limit, as in `full: {limit: 500}`",
                slug="generator-limit",
            )
        return self.limit


Generator = Callable[[GeneratorContext], Iterator[Sample]]


def options_of(name: str) -> frozenset[str]:
    """The options that a generator reads besides those of all. Raises UsageError with the nearest known name."""
    if name not in GENERATORS:
        raise UsageError(f"unknown generator {name!r}. {did_you_mean(name, GENERATORS)}", slug="generator-unknown")
    return OPTIONS.get(name, frozenset())


def lookup(name: str) -> Generator:
    """The generator of that name, imported now. Raises UsageError with the nearest known name."""
    options_of(name)
    module, _, function = GENERATORS[name].partition(":")
    return cast(Generator, getattr(importlib.import_module(module), function))
