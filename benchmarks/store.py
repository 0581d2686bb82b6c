"""What a store of cells costs, and what it saves.

python -m benchmarks.store --cells 200 --rounds 5

A suite of so many tasks of one question each is measured without a store, with an empty one, and with one in which
everything is, in turn. ``overhead`` is what a cell takes longer with an empty store than without one; ``second`` how
long the session takes in which nothing is measured, from the command to its end. Once with the scripted model, which
answers at once, and once with ``--model``. Where other programs compute meanwhile, look at ``cpu``: the same in
seconds of CPU of the session and of the process with its model.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.common import arguments
from benchmarks.common.outcome import recorded, spread, table

SUITE = "suite: many\ntitle: many\ntasks: [{tasks}]\n"
TASK = """\
kind: checks
description: One question.
requires: [chat]
scorer: contains
metrics: [exact_match]
options: {{samples: data/{name}.jsonl, max_tokens: 2}}
"""
WAYS = ("without", "empty", "full")


def main() -> None:
    """Measure what the command line names."""
    parser = arguments.parser(str(__doc__), rounds=5)
    parser.add_argument("--cells", type=arguments.count, default=200, metavar="N", help="tasks of one question")
    options = arguments.checked(parser)
    with (
        recorded(options.out, "store", {"cells": options.cells}) as document,
        tempfile.TemporaryDirectory() as place,
    ):
        folder = Path(place)
        _write(folder, options.cells)
        rows = []
        for model in (f"fake:{folder / 'script.json'}", options.model):
            name = "scripted" if model.startswith("fake:") else model
            rounds = [{"model": name, "store": way, **took} for way, took in _rounds(folder, model, options)]
            document["rounds"] += rounds
            for clock in ("wall", "cpu"):
                found = {way: [one[clock] for one in rounds if one["store"] == way] for way in WAYS}
                pairs = zip(found["empty"], found["without"], strict=True)
                overhead = spread([(empty - without) / options.cells * 1000 for empty, without in pairs])
                document[f"{name} {clock}"] = {"overhead_ms": overhead, "second_s": spread(found["full"])}
                medians = (f"{spread(found[way])['median']:.2f}" for way in WAYS)
                rows.append((name, clock, *medians, f"{overhead['median']:.1f}"))
        print(table(rows, ("model", "clock", *(f"{way} s" for way in WAYS), "overhead ms a cell")))


def _write(folder: Path, cells: int) -> None:
    names = [f"t{number}" for number in range(cells)]
    suite = folder / "suites" / "many"
    (suite / "data").mkdir(parents=True)
    (suite / "suite.yaml").write_text(SUITE.format(tasks=", ".join(names)), "utf-8")
    for name in names:
        (suite / f"{name}.yaml").write_text(TASK.format(name=name), "utf-8")
        question = {"id": "0", "input": f"Question {name}?", "target": "Paris"}
        (suite / "data" / f"{name}.jsonl").write_text(json.dumps(question), "utf-8")
    (folder / "script.json").write_text(json.dumps({"text": "Paris"}), "utf-8")


def _rounds(folder: Path, model: str, options: Any) -> Iterator[tuple[str, dict[str, float]]]:
    """The ways in turn, and the seconds of each."""
    for number in range(options.rounds):
        store = folder / "cells"
        shutil.rmtree(store, ignore_errors=True)
        for way in WAYS:
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--slm-model={model}", "suites"]
            command += [f"--slm-threads={options.threads}"] if not model.startswith("fake:") else []
            command += ["--slm-reports", str(folder / "reports" / f"{number}-{way}")]
            command += [] if way == "without" else ["--slm-store", str(store)]
            began, before = time.perf_counter(), _cpu()
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            took = {"wall": time.perf_counter() - began, "cpu": _cpu() - before}
            if way == "full" and f"{options.cells} of {options.cells} items taken over" not in done.stdout:
                raise SystemExit(f"not everything was taken over:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
            print(f"round {number + 1}, {way}: {took['wall']:.2f} s, of CPU {took['cpu']:.2f} s", flush=True)
            yield way, took


def _cpu() -> float:
    """Seconds of CPU of all processes that this one has started and that have ended."""
    times = os.times()
    return times.children_user + times.children_system


if __name__ == "__main__":
    main()
