"""The pages of tools by their paths, and the data that they compute with."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_slm.machine.devices import device_table
from pytest_slm.registry.rows import Row
from pytest_slm.registry.speeds import Quantity
from pytest_slm.site.render import linked_page, static
from pytest_slm.site.titles.definitions import definitions
from pytest_slm.site.titles.wording import words
from pytest_slm.site.tools.prices import price_table

TOOLS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("memory", "Memory calculator", "Weights, KV cache and buffers at the context that you need.", ("gguf",)),
    ("hardware", "Hardware picker", "Which device holds a file with a context.", ("gguf",)),
    ("cost", "Cost calculator", "Own hardware, a rented GPU or an API, with prices that have a source, or yours.", ()),
    ("command", "Benchmark command", "The command that measures your model.", ()),
    ("tokenizer", "Tokenizer", "How a model cuts your text.", ("gguf", "bpe")),
    ("report", "Report viewer", "A report.json of a run, shown here.", ()),
)
"""Name, title, what it is for, and what it needs beside the common scripts."""
COMMON = ("footprint", "page")
WAYS = ("smollm", "gpt-2", "llama-bpe", "qwen2")
"""What ``bpe.js`` knows."""


def tools_pages(rows: Sequence[Row], guides: str = "") -> Mapping[str, str]:
    """Every file of the tools by its path in the site; ``guides`` is where those are, seen from the first page."""
    pages = {}
    for name, _, _, needed in TOOLS:
        scripts = ["data.js", f"{name}.js"]
        pages[f"tools/{name}.js"] = "".join(static(f"tools/{one}.js") for one in (*COMMON, *needed, name))
        pages[f"tools/{name}.html"] = linked_page(
            f"tools/{name}.html", root="../", script="data.js", scripts=scripts, ways=WAYS, prices=price_table()
        )
    listed = [(f"{name}.html", title, says) for name, title, says, _ in TOOLS]
    pages["tools/index.html"] = linked_page(
        "tools/index.html", root="../", tools=listed, guides=_seen_from_below(guides)
    )
    pages["tools/tools.css"] = static("tools/tools.css")
    pages["tools/data.js"] = _data(rows)
    return pages


def _seen_from_below(guides: str) -> str:
    return guides if not guides or re.match(r"https?://", guides) else f"../{guides}"


def _script(name: str, value: Any) -> str:
    """A script that gives ``value`` a name: a page from a folder may read no other file of data."""
    return f"const {name} = {json.dumps(value, sort_keys=True, separators=(',', ':'), allow_nan=False)};\n"


def _data(rows: Sequence[Row]) -> str:
    devices = [
        {"title": one.title, "usable": one.usable_bytes, "basis": one.basis, "reasoning": one.reasoning}
        for one in device_table()
    ]
    suites = [(name, words(one.suite.facts.title) or name) for name, one in sorted(definitions().items())]
    found = [_row(row) for row in rows if row.speed is not None]
    machines = list(dict.fromkeys(one["machine"] for one in found))
    places = {title: place for place, title in enumerate(machines)}
    # Without its keys, and with each machine once: pages wait for these rows.
    table = {
        "machines": machines,
        "columns": [*found[0]] if found else [],
        "rows": [[*{**one, "machine": places[one["machine"]]}.values()] for one in found],
    }
    prices = [{**one.to_json(), "told": one.told} for one in price_table()]
    return _script("slmTools", {"devices": devices, "prices": prices, "suites": suites, **table})


def _row(row: Row) -> dict[str, Any]:
    speed = row.speed
    assert speed is not None

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
    return {
        "file": f"{row.name} {row.quantization}",
        "machine": row.machine_title,
        "context": row.context_length,
        "weights": size(speed.memory.get("weights")) or row.size_bytes,
        "buffers": size(speed.memory.get("compute_buffers")) or 0,
        "besides": size(speed.memory.get("other")),
        "kv_bytes": kv_bytes,
        "kv_type": speed.kv_type,
        "tps": None if rate is None else f"{rate.value:.3g} {rate.unit}",
        "rate": speed_of(rate),
        "prompt_rate": speed_of(row.prompt_processing),
    }
