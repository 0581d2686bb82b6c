"""Samples from two data sets that share a column, as answers and what they are about: the task's YAML says which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.types import Dataset, Sample
from pytest_slm.errors import BackendError
from pytest_slm.generators import Generator, GeneratorContext, Row
from pytest_slm.generators.rows import RowsOptions, samples_of


@dataclass(frozen=True, kw_only=True)
class Presence(Record):
    """A class for each row: whether there is anything in ``column``, a list of marks say. A row without that column, or
    with no value in it, has no class."""

    column: str
    some: str
    none: str

    def of(self, row: Row) -> str:
        """The class of a row. Raises RecordError where nothing is known of it."""
        value = row.get(self.column)
        if not isinstance(value, list | tuple | str):
            raise RecordError(f"{self.column}: no list and no text, so that nobody has said whether there is something")
        return self.some if value else self.none


@dataclass(frozen=True, kw_only=True)
class JoinedOptions(RowsOptions):
    """As those of ``rows``; each row also has the columns of the one row of ``join`` with the same value of ``on``
    (columns that both have are the first one's), and, if ``presence`` is given, its class as ``{class}``."""

    join: Dataset
    on: str
    presence: Presence | None = None


def generate(context: GeneratorContext) -> Iterator[Sample]:
    """A sample of each row with its partner. Raises BackendError (``data-broken``) for a row that has none or several,
    or of which no sample can be made."""
    options = context.own(JoinedOptions)
    partners: dict[Any, Row] = {}
    for number, row in enumerate(context.rows(options.join)):
        key = row.get(options.on)
        if key is None or key in partners:
            raise _broken(options.join, number, f"{options.on} {'is missing' if key is None else 'is there twice'}")
        partners[key] = row
    yield from samples_of(
        options, [_joined(options, partners, *one) for one in enumerate(context.rows(options.dataset))]
    )


def _joined(options: JoinedOptions, partners: Mapping[Any, Row], number: int, row: Row) -> Row:
    key = row.get(options.on)
    if key not in partners:
        told = f"{options.on} {key!r:.80} is in no row of {options.join.config or options.join.path}"
        raise _broken(options.dataset, number, told)
    try:
        known = {} if options.presence is None else {"class": options.presence.of(row)}
    except RecordError as error:
        raise _broken(options.dataset, number, str(error)) from None
    return {**partners[key], **row, **known}


def _broken(dataset: Dataset, number: int, problem: str) -> BackendError:
    return BackendError(f"{dataset.path}, row {number}: {problem}; get the data again", slug="data-broken")


JOINED = Generator(
    make=generate,
    options=JoinedOptions,
    datasets=lambda options: [Dataset.from_json(options[key]) for key in ("dataset", "join")],
    finite=True,
)
