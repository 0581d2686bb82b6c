"""Samples from several configurations of one data set, such as the subjects of an exam: the rows of one after those of
the other. Those that cannot be had are left out, and the report says which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_slm.core.record import RecordError
from pytest_slm.core.types import Dataset, Sample
from pytest_slm.errors import BackendError, NotAvailableError
from pytest_slm.generators import Generator, GeneratorContext, Row
from pytest_slm.generators.rows import RowsOptions, count_unlabelled, samples_of

MISSING, CONFIGURATIONS, REPEATED = "configurations_missing", "configurations", "rows_with_repeated_values"


@dataclass(frozen=True, kw_only=True)
class ConfigurationsOptions(RowsOptions):
    """As those of ``rows``, of each of the ``configs`` of the data set; ``{config}`` is the name of a row's own, and
    ``{row}`` its number there. ``distinct`` is a column with a list: rows in which a value of it stands twice are left
    out, and counted."""

    configs: tuple[str, ...]
    distinct: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dataset.config is not None:
            raise RecordError("dataset: its configurations are those of `configs`; leave `config` out")
        if not self.configs or len(set(self.configs)) < len(self.configs) or not all(map(str.strip, self.configs)):
            raise RecordError("configs: the names of configurations are needed, each once")

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """Each configuration as a data set of its own."""
        return tuple(replace(self.dataset, config=config) for config in self.configs)


def generate(context: GeneratorContext) -> Iterator[Sample]:
    """A sample of each row of the configurations that are there. Raises what their reader does where none is, and
    BackendError (``data-broken``) for a row of which no sample can be made."""
    options = context.own(ConfigurationsOptions)
    tables: dict[Dataset, Sequence[Row]] = {}
    missing: dict[str, NotAvailableError] = {}
    for dataset in options.datasets:
        try:
            tables[dataset] = context.rows(dataset)
        except NotAvailableError as error:
            missing[str(dataset.config)] = error
    if not tables:
        raise next(iter(missing.values()))
    context.facts[CONFIGURATIONS] = len(options.configs)
    context.facts[MISSING] = sorted(missing)
    count_unlabelled(context, tables, dict.fromkeys(tables, options.where))
    repeated = 0
    for dataset, rows in tables.items():
        numbered = [{"row": number, "config": dataset.config, **row} for number, row in enumerate(rows)]
        wanted = [row for number, row in enumerate(numbered) if not _repeats(options, dataset, number, row)]
        repeated += len(numbered) - len(wanted)
        yield from samples_of(options, wanted)
    if options.distinct is not None:
        context.facts[REPEATED] = repeated


def _repeats(options: ConfigurationsOptions, dataset: Dataset, number: int, row: Row) -> bool:
    """Whether a value stands twice in the row's column of distinct ones, spaces and case aside."""
    if options.distinct is None:
        return False
    values = row.get(options.distinct)
    if not isinstance(values, list | tuple):
        where = f"{dataset.path} ({dataset.config}), row {number}"
        raise BackendError(f"{where}: {options.distinct} is no list; get the data again", slug="data-broken")
    return len({" ".join(str(value).split()).casefold() for value in values}) < len(values)


def _datasets(options: Mapping[str, Any]) -> Sequence[Dataset]:
    dataset = Dataset.from_json(options["dataset"])
    return [replace(dataset, config=str(config)) for config in options["configs"]]


CONFIGURATIONS_OF = Generator(
    make=generate, options=ConfigurationsOptions, datasets=_datasets, finite=True, partial=True
)
