"""Programs a second in the sandbox, and whether the data sets' own solutions pass in it.

python -m benchmarks.sandbox --data DIR
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.common import arguments
from benchmarks.common.outcome import Progress, recorded, table
from pytest_slm.sandbox import Sandbox


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="data sets, laid out as the Hub is")
    options = arguments.checked(arguments.with_out(parser), ["wasmtime", "pyarrow"])
    for files, _, _ in SETS.values():
        if len(list(options.data.glob(files))) != 1:
            parser.error(f"argument --data: {options.data}: expected one file {files}")
    progress = Progress(len(SETS))
    with recorded(options.out, "sandbox", {}) as document:
        for name, (files, program, tests) in SETS.items():
            found = sweep(_rows(options.data, files), program, tests)
            document["rounds"].append({"data": name, **found})
            progress.step(f"{name}: {found['programs'] / found['seconds']:.1f} programs/s, {found['endings']}")
        rows = [
            (found["data"], found["programs"], f"{found['programs'] / found['seconds']:.1f}", found["endings"])
            for found in document["rounds"]
        ]
        print(table(rows, ("", "programs", "a second", "endings")))


def sweep(rows: list[dict[str, Any]], program: Callable[..., str], tests: Callable[..., str]) -> dict[str, Any]:
    """Run the solution of every row against its tests; what did not pass is told by name."""
    with Sandbox() as sandbox:
        sandbox.run("def f(): return 1", "assert f() == 1")  # the interpreter is loaded once
        began = time.perf_counter()
        given = [(row["prompt"], row["entry_point"]) if "entry_point" in row else () for row in rows]
        waiting = [
            (row["task_id"], sandbox.submit(program(row), tests(row), *problem))
            for row, problem in zip(rows, given, strict=True)
        ]
        ended = [(name, future.result()) for name, future in waiting]
        seconds = time.perf_counter() - began
    return {
        "programs": len(rows),
        "seconds": seconds,
        "endings": dict(Counter(outcome.ending for _, outcome in ended)),
        "most_work": max(outcome.work for _, outcome in ended),
        "not_passed": {str(name): outcome.explanation for name, outcome in ended if not outcome.passed},
    }


def _rows(folder: Path, files: str) -> list[dict[str, Any]]:
    import pyarrow.parquet

    (path,) = folder.glob(files)
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
    return rows


SETS: dict[str, tuple[str, Callable[..., str], Callable[..., str]]] = {
    "HumanEval": (
        "openai/openai_humaneval/*/test*.parquet",
        lambda row: row["prompt"] + row["canonical_solution"],
        lambda row: f"{row['test']}\ncheck({row['entry_point']})",
    ),
    "MBPP": (
        "google-research-datasets/mbpp/full/test*.parquet",
        lambda row: row["code"],
        lambda row: "\n".join(row["test_list"]),
    ),
}
"""Name: (files, how a row becomes a program, how it becomes the tests)."""


if __name__ == "__main__":
    main()
