"""How long the pages of many models take, how large they are, and how often the Hub is asked for their facts.

    python -m benchmarks.hub --models 500 --asked 100

A Hub on this machine answers the real client with made-up models of four quantizations, whose cards report ten scores
each. The goals are 500 pages in 10 s, the same bytes twice, 100 kB a page, and 300 questions for 100 models.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pytest_slm.handbook.featured import FeaturedList, FeaturedModel
from pytest_slm.handbook.pages import build_pages
from pytest_slm.handbook.sync import SyncResult, sync

NOW = datetime(2026, 11, 30, tzinfo=UTC)
QUANTIZATIONS = ("F16", "Q8_0", "Q4_K_M", "Q4_0")
T = TypeVar("T")


def loopback() -> Any:
    """The Hub of the tests: a class."""
    path = Path(__file__).parents[1] / "tests/handbook/conftest.py"
    spec = importlib.util.spec_from_file_location("slm_loopback_hub", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.Hub()


def add(hub: Any, repo: str) -> None:
    """A model of four quantizations that reports ten scores."""
    files = {"config.json": 700, "model.safetensors": 270_000_000, "README.md": 9_000}
    files |= {f"model-{name}.gguf": 10**8 * (n + 1) for n, name in enumerate(QUANTIZATIONS)}
    metrics = [{"type": f"metric {n}", "value": 10.0 * n} for n in range(10)]
    results = [{"task": {"type": "t"}, "dataset": {"name": "MMLU", "type": "m"}, "metrics": metrics}]
    siblings = [{"rfilename": name, "size": size} for name, size in files.items()]
    hub.add(repo, siblings=siblings, **{"model-index": [{"name": repo, "results": results}]})
    derived = [{"id": f"other{n}/{repo.partition('/')[2]}-GGUF", "downloads": n} for n in range(20)]
    hub.lists[f"base_model:quantized:{repo}"] = derived


def timed(what: str, do: Callable[[], T]) -> T:
    """Do it, and print what it took."""
    began, wall = time.process_time(), time.perf_counter()
    found = do()
    print(f"{what:<34} {time.process_time() - began:7.1f} s of processor time {time.perf_counter() - wall:7.1f} s")
    return found


def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=500, help="models with a page (default: 500)")
    parser.add_argument("--asked", type=int, default=100, help="models of the counted sync (default: 100)")
    parser.add_argument("--registry", type=Path, help="a registry whose numbers are on the pages, too")
    arguments = parser.parse_args()
    hub = loopback()
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    # The client reads them when it is imported, which is at the first sync.
    os.environ |= {"HF_ENDPOINT": hub.url, "NO_PROXY": "*", "HF_HUB_DISABLE_TELEMETRY": "1"}
    os.environ.pop("HF_TOKEN", None)
    names = [f"org/model-{n:04}" for n in range(max(arguments.models, arguments.asked))]
    for name in names:
        add(hub, name)

    def synced(place: Path, n: int, questions: int, day: int) -> SyncResult:
        models = tuple(FeaturedModel(repo=name, tasks=("chat",)) for name in names[:n])
        return sync(FeaturedList(models=models), place, now=NOW + timedelta(days=day), requests=questions)

    with tempfile.TemporaryDirectory() as name:
        few, data, output = Path(name) / "few", Path(name) / "hub/data", Path(name) / "hub/models"
        for day in range(2):
            what = f"sync of {arguments.asked}, day {day + 1}"
            done = timed(what, partial(synced, few, arguments.asked, 300, day))
            print(f"  {done.asked} questions, {done.read} read, {done.waiting} with questions left")
        done = timed(f"sync of {arguments.models}, all at once", lambda: synced(data, arguments.models, 10**6, 0))
        print(f"  {done.asked} questions")
        (data / "featured.yaml").write_text("tasks: {chat: Chat}\n", "utf-8")
        folders = []
        for time_ in ("first", "second"):
            n = timed(f"pages, the {time_} time", lambda: build_pages(data, output, registry=arguments.registry))
            folders.append({path.relative_to(output): path.read_bytes() for path in output.rglob("*.md")})
        sizes = sorted(len(content) for content in folders[0].values())
        same = "the same" if folders[0] == folders[1] else "OTHER"
        middle, most = sizes[len(sizes) // 2] / 1e3, sizes[-1] / 1e3
        print(f"  {n} pages, {same} bytes, {middle:.1f} kB in the middle, {most:.1f} at most")
    hub.shutdown()


if __name__ == "__main__":
    main()
