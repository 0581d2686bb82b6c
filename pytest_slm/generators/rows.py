"""Samples from the rows of a data set: the task's YAML says which column becomes what.

Wherever a text of ``sample`` has ``{column}``, the row's value comes in its place; a text that is one placeholder and
nothing else is that value itself, whatever its type. Rows are data: they are never formatted, evaluated or executed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.types import Dataset, Sample
from pytest_slm.errors import BackendError
from pytest_slm.generators import Generator, GeneratorContext, Row

PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]+)\}")
SAMPLE = tuple(field.name for field in fields(Sample))


@dataclass(frozen=True, kw_only=True)
class RowsOptions(Record):
    """Which rows (``dataset``, of them those that have the values of ``where``), and what each becomes (``sample``).

    The columns ``json`` hold JSON as text, those of ``split`` several values with a mark between them. ``{row}`` is the
    row's number, from 0, where no column is called that. ``names`` has for a column of numbers what they stand for, 0
    first.
    """

    dataset: Dataset
    sample: Mapping[str, Any]
    where: Mapping[str, Any] = field(default_factory=dict)
    json: tuple[str, ...] = ()
    split: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in self.sample:
            if key not in SAMPLE:
                raise RecordError(f"sample: {key!r:.80} is no part of a sample; known: {', '.join(SAMPLE)}")
        for key in ("id", "input"):
            if not self.sample.get(key):
                raise RecordError(f"sample: {key} is missing; say which column it is, as in `{key}: '{{column}}'`")
        if not all(self.split.values()):
            raise RecordError("split: a column is split at a mark, as in `split: {kinds: ' | '}`")


def generate(context: GeneratorContext) -> Iterator[Sample]:
    """A sample of each row. Raises BackendError (``data-broken``) with the row's number where none can be made."""
    options = context.own(RowsOptions)
    rows = context.rows(options.dataset)
    count_unlabelled(context, {options.dataset: rows}, {options.dataset: options.where})
    yield from samples_of(options, rows)


def count_unlabelled(
    context: GeneratorContext, rows: Mapping[Dataset, Sequence[Row]], where: Mapping[Dataset, Iterable[str]]
) -> None:
    """Tell the report how many rows say nothing in a column by which rows are chosen (``rows_without_label``): nobody
    knows where they belong, so they are not asked, and not silently."""
    lacking = sum(any(_lacks(row, column) for column in where[dataset]) for dataset, its in rows.items() for row in its)
    if lacking:
        context.facts["rows_without_label"] = lacking


def _lacks(row: Row, column: str) -> bool:
    try:
        return _value(row, column) in (None, "")
    except RecordError:  # no row has it, which whoever makes samples of them tells
        return False


def samples_of(
    options: RowsOptions, rows: Sequence[Row], make: Callable[[Any, Row], Iterator[Sample]] | None = None
) -> Iterator[Sample]:
    """A sample of each row that is wanted, or those that ``make`` makes of it."""
    for number, row in enumerate(rows):
        try:
            full = read_row(options, number, row)
            if all(_wanted(_value(full, column), values) for column, values in options.where.items()):
                yield from (make or _one)(options, full)
        except (ValueError, RecursionError) as error:
            where = f"{options.dataset.path}, row {number}"
            raise BackendError(f"{where}: no sample can be made of it ({error})", slug="data-broken") from None


def _one(options: RowsOptions, row: Row) -> Iterator[Sample]:
    yield make_sample(fill(options.sample, row))


def make_sample(made: Mapping[str, Any]) -> Sample:
    """A sample of its parts, with its id as text. Raises RecordError where they are none."""
    return Sample.from_json({**made, "id": _id(made["id"])})


def read_row(options: RowsOptions, number: int, row: Row) -> Row:
    """A row with its number, and with what the options say of its columns. Raises RecordError where it is not so."""
    parts = {column: _split(row, column, mark) for column, mark in options.split.items()}
    named = {column: _named(row, column, names) for column, names in options.names.items()}
    return {"row": number, **row, **{column: _parsed(row, column) for column in options.json}, **parts, **named}


def fill(template: Any, row: Row) -> Any:
    """A text, list or mapping with the row's values in place of its placeholders; ``{{`` and ``}}`` are braces.

    Raises RecordError for a column that the row does not have.
    """
    if isinstance(template, Mapping):
        return {key: fill(value, row) for key, value in template.items()}
    if isinstance(template, list | tuple):
        return [fill(value, row) for value in template]
    if not isinstance(template, str):
        return template
    if (whole := PLACEHOLDER.fullmatch(template)) is not None and whole[1]:
        return _value(row, whole[1])
    return PLACEHOLDER.sub(lambda found: _text(_value(row, found[1])) if found[1] else found[0][0], template)


def _value(row: Row, name: str) -> Any:
    """A column, or what stands deeper in one: ``answers.text.0``."""
    if name in row:
        return row[name]
    value: Any = row
    for part in name.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list | tuple) and part.isascii() and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise RecordError(f"there is no {name!r:.80}; columns: {', '.join(map(str, row))}")
    return value


def _text(value: Any) -> str:
    """A value in the middle of a text: nothing where there is none, JSON where it is no text."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _parsed(row: Row, column: str) -> Any:
    value = _value(row, column)
    try:
        return None if value is None else json.loads(value)
    except (TypeError, ValueError) as error:
        raise RecordError(f"{column}: no JSON ({error})") from None


def _split(row: Row, column: str, mark: str) -> list[str]:
    value = _value(row, column)
    return [] if value is None else [part.strip() for part in str(value).split(mark) if part.strip()]


def _named(row: Row, column: str, names: Sequence[str]) -> str:
    value = _value(row, column)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < len(names):
        raise RecordError(f"{column}: {value!r:.80} is none of the numbers of {', '.join(names):.80}")
    return names[value]


def _wanted(value: Any, values: Any) -> bool:
    return value in values if isinstance(values, Sequence) and not isinstance(values, str) else bool(value == values)


def _id(value: Any) -> str:
    """The id as text; a row without one gets none, for the kind to refuse."""
    return "" if value is None else str(value).strip()


ROWS = Generator(
    make=generate,
    options=RowsOptions,
    datasets=lambda options: [Dataset.from_json(options["dataset"])],
    finite=True,
)
