"""What a measurement leaves behind: rounds as they were, ratios with their spread, a table, a plot."""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_slm.machine.hardware import describe_machine, installed_versions

PACKAGES = ("pytest-slm", "llama-cpp-python", "lm-eval", "torch", "transformers", "numpy", "Evalution")


def spread(values: Sequence[float]) -> dict[str, float | int | None]:
    """Median, least, greatest and number of the values; None for what was not measured."""
    if not values:
        return {"median": None, "min": None, "max": None, "n": 0}
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "n": len(values)}


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float | int | None]:
    """How many times as fast: ours/theirs of each round, because both of a round saw the same machine."""
    return spread([mine / other for mine, other in zip(ours, theirs, strict=False)])


@contextmanager
def recorded(folder: Path, name: str, about: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A document that is written to ``folder/name.json`` whatever happens: Ctrl-C keeps the rounds that are done."""
    document: dict[str, Any] = {
        "benchmark": name,
        "command": " ".join(sys.argv),
        "created": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "machine": describe_machine(),
        "load_average": os.getloadavg(),
        "versions": installed_versions(PACKAGES),
        **about,
        "rounds": [],
    }
    try:
        yield document
    finally:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(document, indent=2, sort_keys=True, default=str) + "\n")


class Progress:
    """A line on standard error for every step, with the time that is left at the pace so far."""

    def __init__(self, steps: int) -> None:
        self._steps, self._done, self._began = steps, 0, time.monotonic()

    def step(self, what: str) -> None:
        """One more step is done."""
        self._done += 1
        passed = time.monotonic() - self._began
        left = passed / self._done * (self._steps - self._done)
        print(f"[{self._done}/{self._steps}, {left:4.0f} s left] {what}", file=sys.stderr, flush=True)


def table(rows: Sequence[Sequence[object]], head: Sequence[str]) -> str:
    """Rows as aligned text."""
    cells = [list(map(str, row)) for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def bars(path: Path, title: str, unit: str, values: Mapping[str, Sequence[float]]) -> None:
    """A bar for each name at its median, every round as a dot, on a logarithmic scale."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    names = [name for name in values if values[name]]
    figure, axes = pyplot.subplots(figsize=(8, 1.2 + 0.5 * len(names)), layout="constrained")
    for place, name in enumerate(reversed(names)):
        median = statistics.median(values[name])
        axes.barh(place, median, color="#2b6cb0" if name.startswith("pytest-slm") else "#a0aec0", height=0.6)
        axes.plot(values[name], [place] * len(values[name]), "k.", markersize=4)
        axes.annotate(f" {median:.3g}", (max(values[name]), place), va="center", fontsize=9)
    axes.set_yticks(range(len(names)), list(reversed(names)))
    axes.set_xscale("log")
    axes.set_xlabel(f"{unit} (logarithmic; dots are rounds)")
    axes.set_title(title, fontsize=11, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.12)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)
