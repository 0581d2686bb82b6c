"""What the tools compute with, as scripts: a page that is a file may read no JSON, but scripts of its own site."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_slm.core.footprint import KV_TYPES
from pytest_slm.machine.devices import device_table
from pytest_slm.registry.rows import Row
from pytest_slm.registry.speeds import Quantity, QuantizationSpeed
from pytest_slm.site import numbers
from pytest_slm.site.titles.definitions import definitions
from pytest_slm.site.titles.wording import words
from pytest_slm.site.tools.prices import price_table

NAMES = ("model", "name", "quantization", "machine")
COLUMNS = (
    *NAMES,
    *("context", "weights", "buffers", "besides", "kv_bytes", "kv_type", "tps", "rate", "prompt_rate"),
)
"""What ``tool_row`` says of a file, in its order."""
KINDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "memory": (("context", "weights", "buffers", "besides", "kv_bytes", "kv_type", "tps"), ("weights", "kv_bytes")),
    "speeds": (("rate", "prompt_rate"), ("rate", "prompt_rate")),
}
"""What tools compute from measured files: the columns that they read, and those that must be known."""
PART = 100
"""Files whose numbers lie in one script: a few kilobytes, which are asked for when one of them is chosen."""


@dataclass(frozen=True, kw_only=True)
class ToolData:
    """The measured files that a tool offers: ``listed`` names them, for the tool's own script, ``parts`` are the
    scripts with their numbers by name."""

    listed: Mapping[str, Any]
    parts: Mapping[str, str]


def script(name: str, value: Any) -> str:
    """A script that gives ``value`` to a name or a place."""
    return f"{name} = {json.dumps(value, sort_keys=True, separators=(',', ':'), allow_nan=False)};\n"


def common() -> dict[str, Any]:
    """What there is to say beside files, by its name."""
    return {
        "devices": [
            {"title": one.title, "usable": one.usable_bytes, "basis": one.basis, "reasoning": one.reasoning}
            for one in device_table()
        ],
        "prices": [{**one.to_json(), "told": one.told} for one in price_table()],
        "suites": [(name, words(one.suite.facts.title) or name) for name, one in sorted(definitions().items())],
    }


def measured(kind: str, rows: Iterable[Sequence[Any]]) -> ToolData:
    """The files of ``tool_row`` that have what is needed, those of a model together."""
    columns, needed = KINDS[kind]
    models: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        known = dict(zip(COLUMNS, row, strict=True))
        if all(known[name] is not None for name in needed):
            models.setdefault(known["model"], []).append(known)
    files = [one for some in models.values() for one in some]
    quantizations, machines = (_places(one[name] for one in files) for name in ("quantization", "machine"))
    listed = []
    for some in models.values():
        # Each name once, and behind it quantization and machine of each of its files: pages wait for this list.
        pairs = [(quantizations[one["quantization"]], machines[one["machine"]]) for one in some]
        listed.append([some[0]["name"], *(place for pair in pairs for place in pair)])
    values = [[one[name] for name in columns] for one in files]
    parts = {
        f"{kind}-{start // PART}.js": script(f"slmTools.files.rows[{start // PART}]", values[start : start + PART])
        for start in range(0, len(values), PART)
    }
    about = {"kind": kind, "part": PART, "columns": columns, "rows": {}}
    listing = {**about, "models": listed, "quantizations": list(quantizations), "machines": list(machines)}
    return ToolData(listed=listing, parts=parts)


def _places(names: Iterable[str]) -> dict[str, int]:
    return {name: place for place, name in enumerate(dict.fromkeys(names))}


def tool_row(row: Row) -> list[Any] | None:
    """What is known of a file's memory and speed, in the order of ``COLUMNS``; None where nothing was timed."""
    speed = row.speed
    if speed is None:
        return None
    # What a user waits for, where it was timed: the engine alone is faster by what everything around it takes.
    rate, what = (row.tps, "Speed") if row.tps else (row.generation, "Generation (tg128)")
    return [
        row.model,
        row.name,
        row.quantization,
        row.machine_title,
        row.context_length,
        _size(speed.memory.get("weights")) or row.size_bytes,
        _size(speed.memory.get("compute_buffers")) or 0,
        _size(speed.memory.get("other")),
        _kv_bytes(speed),
        speed.kv_type,
        None if rate is None else f"{what}: {numbers.estimate(rate.value, rate.interval)[0]} {rate.unit}{_noisy(rate)}",
        _rate(rate),
        _prompt_rate(row.ttft) or _rate(row.prompt_processing),
    ]


def _noisy(quantity: Quantity) -> str:
    return " (noisy)" if quantity.verdict == "noisy" else ""


def _prompt_rate(ttft: Quantity | None) -> float | None:
    """Tokens of a prompt by the seconds to the first token of its answer; None where nobody knows how long it was."""
    tokens = re.match(r"\d+", ttft.of) if ttft is not None and ttft.value else None
    return float(f"{1000 * int(tokens.group()) / ttft.value:.5g}") if tokens and ttft else None


def _size(quantity: Quantity | None) -> int | None:
    return None if quantity is None else round(quantity.value)


def _rate(quantity: Quantity | None) -> float | None:
    """With five digits; None where there is none, or one that nothing can be divided by."""
    return None if quantity is None or not quantity.value else float(f"{quantity.value:.5g}")


def _kv_bytes(speed: QuantizationSpeed) -> float | None:
    """Bytes of a token in the KV cache: as the engine said, or by the cache that was measured; None where nobody knows
    what it would be in another number format."""
    if speed.kv_type is not None and speed.kv_type not in KV_TYPES:
        return None
    cache = speed.memory.get("kv_cache")
    measured_at = re.match(r"\d+", cache.of) if cache else None
    if speed.kv_bytes_per_token is not None or cache is None or measured_at is None:
        return speed.kv_bytes_per_token
    return cache.value / int(measured_at.group())
