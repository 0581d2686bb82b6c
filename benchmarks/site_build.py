"""How long a registry and a site of many files take: anew, when nothing changed, and when one report did.

    python -m benchmarks.site_build --files 10000
    python -m benchmarks.site_build --files 1000 --report reports/MODEL/Q4_0/RUN/report.json

Makes reports of models with five quantizations each, like real ones (all suites in full mode with their rounds of
timings, or copies of a report that is given), and counts the processor time of all processes beside the wall's. First
some of them go through each stage by itself, in this process. Run it from the checkout: the reports are those of tests.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_slm.core.types import RunReport
from pytest_slm.files import parse_json
from pytest_slm.load.builtin import score_rules
from pytest_slm.registry import build_folder
from pytest_slm.registry.folder import check_registry, read_registry
from pytest_slm.registry.folder.index import ModelFile
from pytest_slm.registry.merge import build_entries
from pytest_slm.registry.rows.changes import changes
from pytest_slm.registry.rows.ranking import rank
from pytest_slm.registry.store import StoredReport, stored_report, to_lines
from pytest_slm.site.build import build_site
from pytest_slm.site.kept.keeping import folder_of
from pytest_slm.site.models import model_files

QUANTIZATIONS = ("F16", "Q8_0", "Q6_K", "Q4_K_M", "Q4_0")
SAMPLE = 100
"""Files that go through the stages one by one."""


def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1_000, help="reports in all (default: 1,000)")
    parser.add_argument("--report", type=Path, help="a report.json whose numbers all have (default: made ones)")
    parser.add_argument("--jobs", type=int, help="processes (default: as many as there are cores)")
    parser.add_argument("--check", action="store_true", help="check the registry, and compare it with itself, too")
    parser.add_argument("--folder", type=Path, help="where (default: a temporary folder); what is there is used again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.folder or Path(name)
        reports, registry, site = folder / "reports", folder / "registry", folder / "site"
        if not reports.exists():
            make(
                reports, arguments.files, json.loads(arguments.report.read_text("utf-8")) if arguments.report else None
            )
        paths = sorted(reports.rglob("report.json"))
        print(f"{len(paths)} reports of {sum(path.stat().st_size for path in paths) / len(paths) / 1e3:.0f} kB")
        stages(reports, paths[:SAMPLE])
        for old in (registry, site, folder_of(site)):
            shutil.rmtree(old, ignore_errors=True)
        registry.with_name(f".{registry.name}.cache").unlink(missing_ok=True)

        def build() -> None:
            timed("  registry", lambda: build_folder(reports, registry, now=datetime.now(UTC), jobs=arguments.jobs))
            timed("  site", lambda: build_site(registry, site, jobs=arguments.jobs))

        timed("anew", build)
        timed("nothing changed", build)
        text = paths[0].read_text("utf-8")
        paths[0].write_text(changed(text), "utf-8")
        timed("one report changed", build)
        paths[0].write_text(text, "utf-8")
        pages = [path.stat().st_size for path in site.rglob("*.html")]
        print(f"{len(pages)} pages of {max(pages) / 1e3:.0f} kB at most")
        if arguments.check:
            timed("check", lambda: print(len(check_registry(registry)), "problems"))
            timed("diff", lambda: print(len(changes(read_registry(registry), read_registry(registry))), "differences"))


def make(folder: Path, files: int, template: dict[str, Any] | None) -> None:
    """So many reports that differ in model, quantization, weights, run and scores."""
    from tests.registry import factory

    for number in range(files):
        model, quantization = f"model-{number // len(QUANTIZATIONS):05}", QUANTIZATIONS[number % len(QUANTIZATIONS)]
        about = {"slug": model, "name": f"Model {number // len(QUANTIZATIONS)}", "hf_repo": f"org/{model}"}
        if template is None:
            quality = 0.3 + 0.4 * (number * 37 % 101) / 100
            factory.store_run(folder, factory.make_run(quantization, modern=True, quality=quality, **about))
            continue
        slm = json.loads(
            json.dumps(template["slm"]).replace(json.dumps(template["slm"]["quantization"]), json.dumps(quantization))
        )
        slm["submission"] |= about
        slm["backend"] |= {"name": "llamacpp", "weights_sha256": hashlib.sha256(f"{number}".encode()).hexdigest()}
        path = folder / model / quantization / slm["run_id"] / "report.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({**template, "slm": slm}), "utf-8")


def changed(text: str) -> str:
    """The report with other numbers, of a later run."""
    document = json.loads(text)
    document["slm"]["finished"] = "2026-11-29T12:00:00Z"
    for result in document["slm"]["results"]:
        for metric in result["metrics"]:
            if metric["unit"] == "share":
                metric["value"] = metric["interval"][1] if metric["interval"] else metric["value"]
    return json.dumps(document)


def stages(reports: Path, paths: list[Path]) -> None:
    """What each step takes for some of the files, in this process."""
    read = list(_timed_each("parse, the long way", [lambda path=path: parse_json(path.read_bytes()) for path in paths]))
    list(_timed_each("check, the long way", [lambda one=one: RunReport.from_json(one["slm"]) for one in read]))
    stored: list[StoredReport] = list(
        _timed_each(
            "read (with msgspec if it is there)", [lambda path=path: stored_report(reports, path) for path in paths]
        )
    )
    (entries,) = _timed_each("merge", [lambda: build_entries(stored)], len(paths))
    list(_timed_each("write", [lambda one=one: to_lines(ModelFile(model=one)) for one in entries], len(paths)))
    (ranked,) = _timed_each("rank", [lambda: rank(entries)], len(paths))
    rules = score_rules()
    list(_timed_each("pages of models", [lambda one=one: model_files(one, rules, False) for one in ranked], len(paths)))


def _timed_each(what: str, work: list[Callable[[], Any]], files: int | None = None) -> Iterator[Any]:
    began = time.process_time()
    found = [do() for do in work]
    print(f"  {what:<34} {(time.process_time() - began) / (files or len(work)) * 1e3:8.2f} ms a file")
    yield from found


def timed(what: str, do: Callable[[], object]) -> None:
    """Do it, and print what it took: this process, its children, and the wall."""
    began, wall = _processor(), time.perf_counter()
    do()
    print(f"{what:<28} {_processor() - began:8.1f} s of processor time {time.perf_counter() - wall:8.1f} s", flush=True)


def _processor() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main()
