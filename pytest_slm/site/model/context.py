"""How much memory does a longer context take? The measured peak, with the KV cache of another length in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_slm.registry.speeds import QuantizationSpeed
from pytest_slm.site import numbers

LENGTHS = (512, 2048, 4096, 8192, 16384, 32768, 131072)
CLOSE = 0.02
"""A formula that is off by more than that from what was measured is not believed."""


@dataclass(frozen=True, kw_only=True)
class ContextRow:
    """Memory of a quantization by length; ``checked`` says how the formula compares with the measured cache."""

    quantization: str
    per_token: str
    cells: tuple[tuple[str, str, bool], ...]
    """(length, memory, whether it was measured)."""
    checked: str


@dataclass(frozen=True, kw_only=True)
class ContextTable:
    """The table; ``doubted`` are quantizations whose cache was measured, and is not what the formula says."""

    columns: tuple[str, ...]
    rows: tuple[ContextRow, ...]
    doubted: tuple[str, ...]


def kv_bytes(per_token: int, tokens: int) -> int:
    """Bytes of the KV cache of ``tokens``: per token layers x heads of keys and values x their sizes x the bytes of a
    number, which the engine reads from the weights' header."""
    return per_token * tokens


def context_table(rows: Mapping[str, QuantizationSpeed], longest: int | None) -> ContextTable | None:
    """The memory of each quantization by context length, up to the model's own; None where the formula cannot be
    checked against a measured cache."""
    lengths = [length for length in LENGTHS if longest is None or length <= longest]
    if longest is not None and longest not in lengths:
        lengths.append(longest)
    told, doubted = [], []
    for name, row in rows.items():
        cache, peak = row.memory.get("kv_cache"), row.memory.get("peak_rss_2k")
        of = re.match(r"\d+", cache.of) if cache else None
        if cache is None or peak is None or of is None or row.kv_bytes_per_token is None:
            continue
        at = int(of.group())
        formula = kv_bytes(row.kv_bytes_per_token, at)
        if abs(formula - cache.value) > CLOSE * cache.value:
            doubted.append(f"{name}: {numbers.size(cache.value)} measured, {numbers.size(formula)} by the formula")
            continue
        told.append(
            ContextRow(
                quantization=name,
                per_token=f"{numbers.size(row.kv_bytes_per_token)}" + (f" in {row.kv_type}" if row.kv_type else ""),
                cells=tuple(
                    (
                        numbers.number(length, 0),
                        numbers.size(peak.value - cache.value + kv_bytes(row.kv_bytes_per_token, length)),
                        length == at,
                    )
                    for length in lengths
                ),
                checked=f"{numbers.size(cache.value)} measured with {numbers.number(at, 0)} tokens, "
                f"{numbers.size(formula)} by the formula",
            )
        )
    if not told and not doubted:
        return None
    columns = tuple(numbers.number(length, 0) for length in lengths)
    return ContextTable(columns=columns, rows=tuple(told), doubted=tuple(doubted))
