"""A row is a conversation, and each of its questions a sample that shows the earlier ones with their right answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_slm.core.record import RecordError
from pytest_slm.core.types import Dataset, Sample
from pytest_slm.generators import Generator, GeneratorContext, Row
from pytest_slm.generators.rows import RowsOptions, fill, make_sample, samples_of


@dataclass(frozen=True, kw_only=True)
class TurnsOptions(RowsOptions):
    """As those of ``rows``; the columns ``questions``, ``answers`` and those of ``each`` are lists with one value for
    each turn.

    ``sample`` says what a turn becomes: ``{turn}`` is its number, from 1, and the columns of lists are its own value of
    them. ``opening`` stands before the first question. Turns that have the values of ``shown`` are part of the
    conversation, and no question of their own.
    """

    questions: str
    answers: str
    each: tuple[str, ...] = ()
    opening: str = ""
    shown: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def generate(context: GeneratorContext) -> Iterator[Sample]:
    """The samples of all rows. Raises BackendError (``data-broken``) with the row's number where none can be made."""
    options = context.own(TurnsOptions)
    yield from samples_of(options, context.rows(options.dataset), _turns)


def _turns(options: TurnsOptions, row: Row) -> Iterator[Sample]:
    lists = (options.questions, options.answers, *options.each)
    wrong = [name for name in lists if not isinstance(row.get(name), list | tuple)]
    if wrong:
        raise RecordError(f"{wrong[0]}: no list with a value for each turn")
    lengths = {len(row[name]) for name in lists}
    if len(lengths) > 1:
        raise RecordError(f"{', '.join(lists)}: lists of {' and of '.join(map(str, sorted(lengths)))} values")
    said: list[dict[str, Any]] = []
    for turn in range(lengths.pop()):
        own = {**row, "turn": turn + 1, **{name: row[name][turn] for name in lists}}
        made = fill(options.sample, own)
        said.append({"role": "user", "content": f"{'' if said else fill(options.opening, row)}{made['input']}"})
        if not any(str(own[name]) in values for name, values in options.shown.items()):
            yield make_sample({**made, "input": list(said)})
        said.append({"role": "assistant", "content": str(own[options.answers])})


TURNS = Generator(
    make=generate,
    options=TurnsOptions,
    datasets=lambda options: [Dataset.from_json(options["dataset"])],
    finite=True,
)
