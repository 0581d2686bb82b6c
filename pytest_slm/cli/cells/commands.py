"""``pytest-slm matrix`` and ``merge``: what there is to measure, and the stores of several machines as one."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_slm.cli.say import say, warn
from pytest_slm.core.statistics import figures
from pytest_slm.terminal.table import aligned

if TYPE_CHECKING:
    from pytest_slm.planning.plan import PlannedItem


def add_command(commands: Any, taught: Callable[[str], dict[str, Any]]) -> None:
    """Put ``matrix`` and ``merge`` among the commands."""
    matrix = commands.add_parser(
        "matrix", help="the cells of some models, with the seconds and the memory of each", **taught("matrix")
    )
    matrix.add_argument("references", nargs="+", metavar="SUBMISSION", help="submissions, or what --slm-model takes")
    matrix.add_argument("--suite", metavar="S", help="suites or suite/task, with commas (default: all)")
    matrix.add_argument("--mode", choices=("quick", "full"), default="quick", help="default: quick")
    matrix.add_argument("--quant", metavar="Q", default="all", help="quantizations, with commas (default: all)")
    matrix.add_argument("--limit", metavar="N", type=int, help="at most N samples per item")
    matrix.add_argument("--data", type=Path, metavar="DIR", help="a mirror of the Hub's data sets")
    matrix.add_argument("--path", action="append", default=[], metavar="DIR", help="suites of your own; repeat")
    matrix.add_argument("--offline", action="store_true", help="never use the network")
    matrix.add_argument("--json", action="store_true", help="`cells`, and `jobs`: one for each model and quantization")
    matrix.set_defaults(run=_matrix)
    merge = commands.add_parser(
        "merge", help="the stores of several machines (--slm-store) as one, and what contradicts", **taught("merge")
    )
    merge.add_argument("stores", type=Path, nargs="+", metavar="STORE", help="folders of cells")
    merge.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="the store of all of them")
    merge.add_argument("--json", action="store_true", help="what came of it, as JSON")
    merge.set_defaults(run=_merge)


def _matrix(arguments: argparse.Namespace) -> int:
    from pytest_slm.api import plan

    cells: list[dict[str, Any]] = []
    jobs: list[dict[str, Any]] = []
    for reference in arguments.references:
        found = plan(
            reference,
            suites=arguments.suite.split(",") if arguments.suite else (),
            paths=arguments.path,
            mode=arguments.mode,
            quant=arguments.quant,
            limit=arguments.limit,
            data=None if arguments.data is None else str(arguments.data),
            offline=arguments.offline,
        )
        for problem in found.problems:
            warn(f"{reference}: does not fit on this machine: {problem}")
        mine = [{"model": reference, **_cell(item)} for item in found.items]
        cells += mine
        jobs += _jobs(mine)
    if arguments.json:
        say(json.dumps({"cells": cells, "jobs": jobs}, indent=2, sort_keys=True))
        return 0
    rows = [
        (one["model"], one["item"], _told(one["samples"], ""), _told(one["seconds"], " s"), _told(one["mb"], " MB"))
        for one in cells
    ]
    for line in aligned([("model", "cell", "samples", "seconds", "memory"), *rows], right=(2, 3, 4)):
        say(line)
    for one in cells:
        if one["reason"]:
            say(f"{one['model']} {one['item']}: {one['reason']}")
    for job in jobs:
        open_ = f", {job['unknown']} of unknown length" if job["unknown"] else ""
        say(f"{job['model']} {job['quantization']}: {job['cells']} cells, {job['seconds']:.0f} s{open_}")
    return 0


def _cell(item: PlannedItem) -> dict[str, Any]:
    return {
        **item.item.to_json(),
        "item": str(item.item),
        "samples": item.samples,
        "seconds": None if item.seconds is None else round(item.seconds, 1),
        "mb": None if item.peak_bytes is None else round(item.peak_bytes / 1e6),
        "reason": item.reason,
    }


def _jobs(cells: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A job for each model and quantization: the matrix of a workflow."""
    return [
        {
            "model": model,
            "quantization": quantization,
            "cells": len(mine),
            "seconds": round(sum(one["seconds"] or 0.0 for one in mine), 1),
            "unknown": sum(one["seconds"] is None for one in mine),
            "mb": max((one["mb"] for one in mine if one["mb"] is not None), default=None),
        }
        for model, quantization in dict.fromkeys((one["model"], one["quantization"]) for one in cells)
        for mine in [[one for one in cells if one["quantization"] == quantization]]
    ]


def _told(value: float | None, unit: str) -> str:
    return "?" if value is None else f"{figures(value, 6)}{unit}"


def _merge(arguments: argparse.Namespace) -> int:
    from pytest_slm.cells.merging import merge, problem_of

    merged = merge(arguments.stores, arguments.output)
    for kind in ("broken", "versions", "contradictions"):
        for line in getattr(merged, kind):
            warn(line)
    if arguments.json:
        say(json.dumps(asdict(merged), indent=2, sort_keys=True))
    else:
        left = f", {len(merged.broken)} files left out" if merged.broken else ""
        say(f"{arguments.output}: {merged.cells} cells, {merged.added} of them new{left}")
    problem = problem_of(merged)
    if problem is not None:
        raise problem
    return 1 if merged.broken else 0
