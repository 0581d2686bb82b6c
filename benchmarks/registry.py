"""How long a registry of many files takes: anew, when nothing changed, and when one report did.

    python -m benchmarks.registry REPORT.json --files 10000

Copies one report as that of many models of four quantizations each, in a temporary folder, and counts processor time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_slm.registry import build_folder

QUANTIZATIONS = ("F16", "Q8_0", "Q4_K_M", "Q4_0")


def copies(report: dict[str, Any], folder: Path, files: int) -> list[Path]:
    """So many reports that differ in model, quantization, weights and run id."""
    paths = []
    for number in range(files):
        model, quantization = f"model-{number // 4:05}", QUANTIZATIONS[number % 4]
        text = json.dumps(report["slm"]).replace(json.dumps(report["slm"]["quantization"]), json.dumps(quantization))
        slm = json.loads(text)
        slm["submission"] |= {"slug": model, "name": model, "hf_repo": f"org/{model}"}
        if slm["backend"]:
            slm["backend"]["weights_sha256"] = hashlib.sha256(f"{model} {quantization}".encode()).hexdigest()
        path = folder / model / quantization / slm["run_id"] / "report.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({**report, "slm": slm}), "utf-8")
        paths.append(path)
    return paths


def timed(what: str, do: Callable[[], object]) -> None:
    """Do it, and print what it took."""
    began, wall = time.process_time(), time.perf_counter()
    do()
    print(f"{what:<28} {time.process_time() - began:8.1f} s of processor time {time.perf_counter() - wall:8.1f} s")


def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path, help="a report.json of a real run")
    parser.add_argument("--files", type=int, default=1_000, help="reports in all (default: 1,000)")
    arguments = parser.parse_args()
    report = json.loads(arguments.report.read_text("utf-8"))
    with tempfile.TemporaryDirectory() as name:
        reports, registry = Path(name) / "reports", Path(name) / "registry"
        paths = copies(report, reports, arguments.files)
        now = datetime.now(UTC)

        def build() -> None:
            build_folder(reports, registry, now=now)

        print(f"{arguments.files} reports of {paths[0].stat().st_size / 1e3:.0f} kB")
        timed("anew", build)
        timed("nothing changed", build)
        paths[0].write_text(paths[0].read_text("utf-8").replace('"seed": 0', '"seed": 1', 1), "utf-8")
        timed("one report changed", build)
        sizes = [path.stat().st_size for path in (registry / "models").iterdir()]
        print(
            f"index {(registry / 'index.json').stat().st_size / 1e6:.2f} MB, models {max(sizes) / 1e3:.0f} kB at most"
        )


if __name__ == "__main__":
    main()
