"""The columns of a table of files: what stands in a cell, in plain form for the page's script and as people read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_slm.registry.performance import STANDARD_CONTEXT, STANDARD_DECODE
from pytest_slm.registry.rows import Row
from pytest_slm.registry.speeds import Quantity, QuantizationSpeed
from pytest_slm.site import numbers

if TYPE_CHECKING:
    from pytest_slm.site.facts.files import FileFacts

Plain = str | int | None
"""A quantity as text without spaces between its thousands; bytes, in whole kB, and counts as numbers."""


@dataclass(frozen=True, kw_only=True)
class TableCell:
    """A number as people read it, and what belongs to it."""

    text: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Column:
    """``form`` says how the script writes a value: a ``quantity`` in ``unit``, ``kB``, a ``count`` or ``text``.
    ``anchor`` is its section of the methodology page, ``rising`` whether less is better, ``local`` whether its numbers
    depend on machine and engine; ``value`` is what is known of a row, and what belongs to it; ``series`` has the same
    at every length that it was measured at, where the length matters."""

    key: str
    label: str
    form: str
    anchor: str
    value: Callable[[Row], tuple[Plain, str]]
    unit: str = ""
    rising: bool = False
    local: bool = False
    series: Callable[[QuantizationSpeed], Sequence[Quantity]] | None = None
    standard: int = 0
    """The length, in tokens, that this is told at wherever it can be."""

    def by_length(self, row: Row) -> Mapping[str, tuple[Plain, str]]:
        """What stands in the column for each length that was timed; empty where the length does not matter."""
        if self.series is None or row.speed is None:
            return {}
        return {one.of: _quantity(one) for one in self.series(row.speed)}

    def told(self, file: FileFacts) -> tuple[Plain, str]:
        """What ``value`` said of the row of a file, and what belongs to it."""
        place = PLACES[self.key]
        return file.values[place], file.notes[place]

    def cell(self, file: FileFacts) -> TableCell:
        """What stands in the cell of a file."""
        value, note = self.told(file)
        return TableCell(text=written(self.form, value, self.unit), note=note)


def written(form: str, value: Plain, unit: str = "") -> str:
    """A plain value as people read it. ``home.js`` writes the same."""
    if value is None:
        return numbers.MISSING
    if form == "kB":
        return numbers.size(float(value) * 1e3)
    if form == "count":
        return numbers.number(float(value), 0)
    if form == "parameters":
        return numbers.parameters(int(value))
    if form == "quantity":
        whole, dot, rest = str(value).partition(".")
        return f"{numbers.number(float(whole), 0)}{dot}{rest}{numbers.NBSP}{unit}"
    return str(value)


def _quantity(found: Quantity | None) -> tuple[Plain, str]:
    if found is None:
        return None, ""
    text = numbers.estimate(found.value, found.interval)[0].replace(numbers.THIN, "")
    return text, ", ".join(filter(None, ("noisy" if found.verdict == "noisy" else "", length(found.of))))


def length(of: str) -> str:
    """``2048 tokens`` -> ``2 048 tokens``, which no line tears apart."""
    count, _, rest = of.partition(" ")
    plain = count.isdecimal() and len(count) < 12
    return f"{numbers.number(float(count), 0)}{numbers.NBSP}{rest}" if plain else of


def license_of(row: Row) -> str:
    """The license, empty where it is not known: blanks around it make no other one."""
    return " ".join((row.license or "").split())


def _every(chosen: Quantity | None, series: Sequence[Quantity]) -> Sequence[Quantity]:
    """A quantity at all lengths; registries of long ago have only the one that was chosen."""
    return series or tuple(filter(None, (chosen,)))


def _kilobytes(count: float | None) -> int | None:
    """Rounded up, so that what does not fit never seems to."""
    return -int(-count // 1000) if count is not None else None


def _peak(row: Row) -> tuple[Plain, str]:
    peak = row.peak
    return (_kilobytes(peak.value), length(peak.of)) if peak else (None, "")


COLUMNS: Sequence[Column] = (
    Column(
        key="tps", label="Speed", form="quantity", unit="tok/s", anchor="speed", local=True,
        value=lambda row: _quantity(row.tps), series=lambda speed: _every(speed.tps_output, speed.decode),
        standard=STANDARD_DECODE,
    ),
    Column(
        key="ttft", label="Time to first token", form="quantity", unit="ms", anchor="first-token",
        rising=True, local=True, value=lambda row: _quantity(row.ttft),
        series=lambda speed: _every(speed.ttft_ms, speed.ttft), standard=STANDARD_CONTEXT,
    ),
    Column(
        key="pp", label="Prompt processing (pp512)", form="quantity", unit="tok/s", anchor="engine-alone", local=True,
        value=lambda row: _quantity(row.prompt_processing), series=lambda speed: _every(speed.prefill_tps, ()),
    ),
    Column(
        key="tg", label="Generation (tg128)", form="quantity", unit="tok/s", anchor="engine-alone", local=True,
        value=lambda row: _quantity(row.generation), series=lambda speed: _every(speed.generate_tps, ()),
    ),
    Column(
        key="energy", label="Energy", form="quantity", unit="J/token", anchor="energy", rising=True, local=True,
        value=lambda row: _quantity(row.speed.energy_per_token if row.speed else None),
    ),
    Column(key="peak", label="Memory", form="kB", anchor="memory", rising=True, value=_peak),
    Column(
        key="size", label="File size", form="kB", anchor="memory", rising=True,
        value=lambda row: (_kilobytes(row.size_bytes), ""),
    ),
    Column(
        key="bits", label="Bits per weight", form="text", anchor="quantizations",
        value=lambda row: (f"{row.bits_per_weight:.3g}" if row.bits_per_weight else None, ""),
    ),
    Column(
        key="params", label="Parameters", form="parameters", anchor="quantizations",
        value=lambda row: (row.parameters, ""),
    ),
    Column(key="ctx", label="Context", form="count", anchor="memory", value=lambda row: (row.context_length, "")),
    Column(
        key="license", label="License", form="text", anchor="license",
        value=lambda row: (license_of(row) or None, ""),
    ),
    Column(
        key="machine", label="Machine", form="text", anchor="machines",
        value=lambda row: (row.machine_title or None, ""),
    ),
)  # fmt: skip
SHOWN = ("tps", "ttft", "peak", "size")
"""The columns that stand there at first."""
TIMED = tuple(column for column in COLUMNS if column.series is not None)
"""Those in which only numbers of one length can be put in an order."""
BY_KEY = {column.key: column for column in COLUMNS}
PLACES = {column.key: place for place, column in enumerate(COLUMNS)}
