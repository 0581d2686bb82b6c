"""Tasks whose samples are made, not stored: a generator turns a seed into questions with known answers.

Its function is ``make(context) -> Iterator[Sample]``. It is deterministic by ``context.seed``, and the
first k samples for a greater limit are the samples for limit k, so that quick is a prefix of full.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from pytest_slm.core.record import Record
from pytest_slm.core.types import Dataset, Message, Sample
from pytest_slm.errors import UsageError

GENERATORS: Mapping[str, str] = {
    "arithmetic": "pytest_slm.generators.arithmetic:ARITHMETIC",
    "articles": "pytest_slm.generators.articles:ARTICLES",
    "configurations": "pytest_slm.generators.several.configurations:CONFIGURATIONS_OF",
    "injections": "pytest_slm.generators.attacks.injections:INJECTIONS",
    "joined": "pytest_slm.generators.several.joined:JOINED",
    "mathematics": "pytest_slm.generators.mathematics:MATHEMATICS",
    "nestful": "pytest_slm.generators.nestful:NESTFUL",
    "niah": "pytest_slm.generators.niah:NIAH",
    "requests": "pytest_slm.generators.attacks.requests:REQUESTS",
    "ruler": "pytest_slm.generators.ruler:RULER",
    "rows": "pytest_slm.generators.rows:ROWS",
    "turns": "pytest_slm.generators.dialogues.turns:TURNS",
}

R = TypeVar("R", bound=Record)

Row = Mapping[str, Any]
"""A row of a data set: its values by column."""


def no_rows(dataset: Dataset) -> Sequence[Row]:
    """What reads rows where nothing can. Raises UsageError."""
    raise UsageError(f"nothing reads the rows of {dataset.path} here", slug="generator-rows")


def own_options(kind: type[R], options: Mapping[str, Any]) -> R:
    """The record of the options that only a generator reads, out of all options of a task."""
    known = {field.name for field in fields(kind)}
    return kind.from_json({key: value for key, value in options.items() if key in known})


@dataclass(frozen=True, kw_only=True)
class GeneratorContext:
    """What a generator may know: the task's options, one variant's parameters, limit, seed, and how to count tokens.

    ``count_tokens`` returns the length of a whole prompt in tokens of the model under test, chat template included;
    each call is a round trip to the model's process. ``count_texts`` does the same for plain texts, all in one round
    trip. ``folder`` is the suite's folder: data paths in the options are relative to it. ``rows`` reads the rows of a
    data set, from a mirror or the Hub; it raises SlmError where they cannot be had. ``mirror_file`` is the place of a
    file in the mirror, None where there is none; ``article`` is the title and the text of a Wikipedia article in it, by
    its address, None where it is not there. What a generator puts into ``facts`` stands in the report: where its
    samples are from.
    """

    options: Mapping[str, Any]
    variant: Mapping[str, Any]
    limit: int | None
    seed: int
    count_tokens: Callable[[tuple[Message, ...]], int]
    count_texts: Callable[[Sequence[str]], Sequence[int]] = lambda texts: [len(text.split()) for text in texts]
    folder: Path = Path()
    rows: Callable[[Dataset], Sequence[Row]] = no_rows
    mirror_file: Callable[[str], Path | None] = lambda _name: None
    article: Callable[[str], tuple[str, str] | None] = lambda _address: None
    facts: dict[str, Any] = field(default_factory=dict)

    def own(self, kind: type[R]) -> R:
        """The options that only this generator reads, as their record."""
        return own_options(kind, self.options)

    @property
    def n_samples(self) -> int:
        """How many samples to make. Raises UsageError without a limit, because generated questions have no end."""
        if self.limit is None:
            raise UsageError(
                "a generated task has no last sample: give every mode of it a limit, as in `full: {limit: 500}`",
                slug="generator-limit",
            )
        return self.limit


@dataclass(frozen=True, kw_only=True)
class NoOptions(Record):
    """What a generator reads besides the options of all tasks, where that is nothing."""


@dataclass(frozen=True, kw_only=True)
class Generator:
    """What makes the samples of a task, and the record of the options that only it reads.

    ``datasets`` says of a task's options which data sets it will read: they are had before a model is opened, and
    ``pytest-slm data pull`` knows of them. ``links`` says, with what reads rows, which articles of Wikipedia it will
    show, by their addresses: ``pytest-slm data pull`` fetches them. ``finite``: it makes the same samples for every
    seed and without a limit, and the kind takes those that a limit leaves. ``partial``: it can do without some of its
    data sets, and says so in ``facts`` (``configurations``, and which are missing).
    """

    make: Callable[[GeneratorContext], Iterator[Sample]]
    options: type[Record] = NoOptions
    datasets: Callable[[Mapping[str, Any]], Sequence[Dataset]] = lambda _options: ()
    links: Callable[[Mapping[str, Any], Callable[[Dataset], Sequence[Row]]], Sequence[str]] | None = None
    finite: bool = False
    partial: bool = False
