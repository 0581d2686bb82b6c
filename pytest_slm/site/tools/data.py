"""What the calculators know of files: a table without its keys, since pages wait for it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from pytest_slm.machine.devices import device_table
from pytest_slm.registry.rows import Row
from pytest_slm.registry.speeds import Quantity
from pytest_slm.site.titles.definitions import definitions
from pytest_slm.site.titles.wording import words
from pytest_slm.site.tools.prices import price_table

COLUMNS = (
    *("file", "machine", "context", "weights", "buffers", "besides", "kv_bytes", "kv_type"),
    *("tps", "rate", "prompt_rate"),
)
MACHINE = COLUMNS.index("machine")


def tools_data(rows: Iterable[Sequence[Any]]) -> str:
    """``data.js``: devices, prices, suites, and the rows that ``tool_row`` made, with each machine once."""
    devices = [
        {"title": one.title, "usable": one.usable_bytes, "basis": one.basis, "reasoning": one.reasoning}
        for one in device_table()
    ]
    suites = [(name, words(one.suite.facts.title) or name) for name, one in sorted(definitions().items())]
    found = list(rows)
    places = {title: place for place, title in enumerate(dict.fromkeys(one[MACHINE] for one in found))}
    table = {
        "machines": list(places),
        "columns": list(COLUMNS) if found else [],
        "rows": [[*one[:MACHINE], places[one[MACHINE]], *one[MACHINE + 1 :]] for one in found],
    }
    prices = [{**one.to_json(), "told": one.told} for one in price_table()]
    return _script("slmTools", {"devices": devices, "prices": prices, "suites": suites, **table})


def _script(name: str, value: Any) -> str:
    """A script that gives ``value`` a name: a page from a folder may read no other file of data."""
    return f"const {name} = {json.dumps(value, sort_keys=True, separators=(',', ':'), allow_nan=False)};\n"


def tool_row(row: Row) -> list[Any] | None:
    """What is known of a row's memory and speed, in the order of ``COLUMNS``; None where nothing was timed."""
    speed = row.speed
    if speed is None:
        return None

    def size(quantity: Quantity | None) -> int | None:
        return None if quantity is None else round(quantity.value)

    def speed_of(quantity: Quantity | None) -> float | None:
        return None if quantity is None else float(f"{quantity.value:.5g}")

    rate, cache = row.generation or row.tps, speed.memory.get("kv_cache")
    measured_at = re.match(r"\d+", cache.of) if cache else None
    if speed.kv_bytes_per_token is not None or cache is None or measured_at is None:
        kv_bytes: float | None = speed.kv_bytes_per_token
    else:
        kv_bytes = cache.value / int(measured_at.group())
    return [
        f"{row.name} {row.quantization}",
        row.machine_title,
        row.context_length,
        size(speed.memory.get("weights")) or row.size_bytes,
        size(speed.memory.get("compute_buffers")) or 0,
        size(speed.memory.get("other")),
        kv_bytes,
        speed.kv_type,
        None if rate is None else f"{rate.value:.3g} {rate.unit}",
        speed_of(rate),
        speed_of(row.prompt_processing),
    ]
