"""Which plots a set of quantizations on one machine has: speed by depth, first token by context, memory by part."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from pytest_slm.registry.performance import STANDARD_CONTEXT
from pytest_slm.registry.speeds import Point, QuantizationSpeed
from pytest_slm.site import numbers
from pytest_slm.site.plots.lines import LinePlot, Series, Stacks, line_plot, stacks, values_of

Rows = Mapping[str, QuantizationSpeed]
"""Quantizations by name, in the order in which they are shown."""

TTFT_PARTS: Mapping[str, str] = {
    "tokenize": "Template and tokenizer",
    "prefill": "Prompt processing",
    "sample": "Sampling",
    "detokenize": "Detokenizer",
}
MEMORY_PARTS: Mapping[str, str] = {
    "weights": "Weights",
    "kv_cache": "KV cache",
    "compute_buffers": "Compute buffers",
    "other": "Other",
}
COPIED = 1.02
"""Weights that take so much more than their file were copied in part; the header of a file is less than that."""
MEDIANS = "Points are medians, the fine lines span the lowest and the highest round."


def curves(rows: Rows) -> tuple[LinePlot, ...]:
    """Lines over depth, prompt length and sequences; only those that were measured at two settings at least."""
    found = (
        line_plot(
            "Generation by depth",
            f"Tokens per second when that many tokens are in the context already. More is better. {MEDIANS}",
            _series(rows, lambda row: row.depth, "decode_tps"),
            of="tokens in the context",
        ),
        line_plot(
            "Prompt processing by depth",
            "Tokens per second of a prompt of 512 tokens when that many are in the context already. More is better. "
            + MEDIANS,
            _series(rows, lambda row: row.depth, "prefill_tps"),
            of="tokens in the context",
        ),
        line_plot(
            "Time to first token by prompt",
            f"Milliseconds from the prompt to the first token of the answer. Less is better. {MEDIANS}",
            _first_token(rows),
            of="tokens of the prompt",
        ),
        line_plot(
            "Generation, several answers at once",
            f"Tokens per second of all sequences together. More is better. {MEDIANS}",
            _series(rows, lambda row: row.parallel, "total_tps"),
            of="sequences at once",
        ),
    )
    return tuple(plot for plot in found if plot)


def first_token_parts(rows: Rows) -> Stacks | None:
    """What the time to the first token is made of: of one quantization by prompt, of several at the standard one."""
    bars: dict[str, Mapping[str, float]] = {}
    for name, row in rows.items():
        for point in row.ttft_parts:
            if len(rows) == 1:
                bars[f"{numbers.number(point.at, 0)} tokens"] = _parts(point)
            elif point.at == STANDARD_CONTEXT:
                bars[name] = _parts(point)
    of = "" if len(rows) == 1 else f", {numbers.number(STANDARD_CONTEXT, 0)} tokens"
    return stacks(f"Parts of the time to first token{of}", "Medians of the parts, in milliseconds.", bars, "ms")


def memory_split(rows: Rows) -> Stacks | None:
    """The peak of the model's process by what it is used for; only where the engine tells its buffers."""
    known = {name: row.memory for name, row in rows.items() if "kv_cache" in row.memory}
    parts = {
        name: {label: memory[part].value for part, label in MEMORY_PARTS.items() if part in memory}
        for name, memory in known.items()
    }
    largest = max((sum(one.values()) for one in parts.values()), default=0)
    unit, factor = ("GB", 1e-9) if largest >= 1e9 else ("MB", 1e-6)
    bars = {name: {label: value * factor for label, value in one.items()} for name, one in parts.items()}
    return stacks(
        "What the memory is used for",
        f"The peak of the model’s process, in {unit}. Other is what the engine does not tell.{_copies(rows)}",
        bars,
        unit,
    )


def _copies(rows: Rows) -> str:
    """Why weights take more memory than their file has; empty where none do, or where the engine is another one."""
    found = [
        f"{name} (a file of {numbers.size(1e9 * row.size_gb.value)})"
        for name, row in rows.items()
        if row.size_gb is not None
        and "llama" in row.engine_name
        and "weights" in row.memory
        and row.memory["weights"].value > COPIED * 1e9 * row.size_gb.value
    ]
    if not found:
        return ""
    return (
        f" Weights take more than the file where llama.cpp keeps a copy of some in another order: {', '.join(found)}."
    )


def _series(rows: Rows, points: Callable[[QuantizationSpeed], tuple[Point, ...]], name: str) -> Series:
    return {quantization: values_of(points(row), name) for quantization, row in rows.items()}


def _first_token(rows: Rows) -> Series:
    # Reports from before the parts were told have too few lengths for a line.
    return {
        name: [(int(found.group()), q) for q in row.ttft if (found := re.match(r"\d+", q.of))]
        for name, row in rows.items()
        if row.ttft_parts
    }


def _parts(point: Point) -> dict[str, float]:
    return {label: point.quantities[part].value for part, label in TTFT_PARTS.items() if part in point.quantities}
