"""Artifacts of a run: downloaded, checked against what they shall be, and put together."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_slm.cells.merging import merge, problem_of
from pytest_slm.cells.store import read_all
from pytest_slm.ci.artifacts import LARGEST_ZIP, Kind, Origin, unpack
from pytest_slm.ci.github.client import GitHub, field
from pytest_slm.ci.job import Job
from pytest_slm.ci.measuring import ENERGY, JobEnergy
from pytest_slm.core.types import MEASURED, RunReport, Submission
from pytest_slm.errors import SlmError
from pytest_slm.files import MIB, read_json
from pytest_slm.markdown import escaped, table
from pytest_slm.registry import read_report
from pytest_slm.registry.store import REPORT_NAME
from pytest_slm.terminal.matrix import shown_metric
from pytest_slm.terminal.words import name_of, told

WORKFLOW = ".github/workflows/benchmark.yml"
MOST_ARTIFACTS = 300
NAME = re.compile(r"slm-(cells|report)-(\d{1,3})(?:-(\d{1,3}))?", re.ASCII)
"""Artifacts by the number of their quantization, and of their shard: names of models stand in no name of a file."""


@dataclass(frozen=True, kw_only=True)
class RunSource:
    """The run whose artifacts are taken, and what they shall be about."""

    run: int
    pull: int
    head: str
    submission: Submission
    mode: str


@dataclass(frozen=True, kw_only=True)
class CollectedRun:
    """A report that was measured for a quantization, the folder that it is in, and the energy of its job."""

    report: RunReport
    folder: Path
    energy: JobEnergy | None = None


def check_run(github: GitHub, job: Job, source: RunSource, *, finished: bool) -> None:
    """Raise SlmError (ci-artifact) unless the run is one of our workflow, by a comment, with the code of the default
    branch, in this repository."""
    run = github.get(f"actions/runs/{source.run}")
    facts = {
        "workflow": (field(run, "path", str).partition("@")[0], WORKFLOW),
        "event": (field(run, "event", str), "issue_comment"),
        "branch": (run.get("head_branch"), job.default_branch),
        "repository": (field(run, "repository.full_name", str).lower(), job.repo.lower()),
        "source": (field(run, "head_repository.full_name", str).lower(), job.repo.lower()),
    }
    if finished:
        facts["conclusion"] = (run.get("conclusion"), "success")
    for what, (found, expected) in facts.items():
        if found != expected:
            raise SlmError(f"run {source.run}: its {what} is {found!s:.80}, not {expected}", slug="ci-artifact")


def collect_reports(github: GitHub, job: Job, source: RunSource, target: Path) -> list[CollectedRun]:
    """The report of every quantization that a run has measured, below ``target``. Raises SlmError (ci-artifact) for the
    first artifact that is not what it shall be."""
    found = []
    for number, quantization in enumerate(source.submission.quantizations):
        for _, folder in _fetched(github, job, source, "report", number, quantization.name, target):
            found.append(_report(folder, source, quantization.name))
    if not found:
        raise SlmError(f"run {source.run}: it has no reports, or they are no longer kept", slug="ci-artifact")
    return found


def collect_cells(
    github: GitHub, job: Job, source: RunSource, quantization: str, target: Path, *, shards: int
) -> tuple[int, Sequence[str]]:
    """The store of all shards of one quantization: how many cells it has, and what is missing of it. A shard that
    failed is no error: its cells are measured by who goes on."""
    names = [one.name for one in source.submission.quantizations]
    if quantization not in names:
        raise SlmError(f"{quantization:.80}: no quantization of the submission", slug="ci-artifact")
    stores, seen = [], set()
    with tempfile.TemporaryDirectory() as scratch:
        for shard, folder in _fetched(
            github, job, source, "cells", names.index(quantization), quantization, Path(scratch)
        ):
            store = folder / "cells"
            store.mkdir(exist_ok=True)  # a shard that had nothing to do
            cells, errors = read_all(store)
            foreign = [one.cell for one in cells if one.cell.quantization != quantization]
            if errors or foreign:
                raise SlmError(
                    f"cells of {quantization}: {errors[0] if errors else foreign[0]} does not belong to them",
                    slug="ci-artifact",
                )
            stores.append(store)
            seen.add(shard)
        merged = merge(stores, target)
    problem = problem_of(merged)
    if problem is not None:
        raise problem
    missing = [f"shard {number + 1} of {shards} brought nothing" for number in range(shards) if number not in seen]
    return merged.cells, missing


def _fetched(
    github: GitHub, job: Job, source: RunSource, kind: Kind, number: int, quantization: str, target: Path
) -> Iterator[tuple[int, Path]]:
    """The unpacked artifacts of one kind of a quantization, with the number of their shard."""
    seen: set[int] = set()
    for artifact in github.pages(f"actions/runs/{source.run}/artifacts", "artifacts", most=MOST_ARTIFACTS):
        name = field(artifact, "name", str)
        match = NAME.fullmatch(name)
        if match is None or match[1] != kind or int(match[2]) != number:
            continue
        shard = int(match[3] or 0)
        if shard in seen:
            raise SlmError(f"artifact {name}: there are two of this name", slug="ci-artifact")
        seen.add(shard)
        _check_artifact(artifact, source)
        origin = Origin(
            repo=job.repo,
            run=source.run,
            pull=source.pull,
            head=source.head,
            kind=kind,
            quantization=quantization,
            shard=shard,
        )
        folder = target / name
        folder.mkdir(parents=True)
        with tempfile.TemporaryDirectory() as scratch:
            archive = Path(scratch) / f"{name}.zip"
            limit = min(LARGEST_ZIP, field(artifact, "size_in_bytes", int))
            digest = github.download(f"actions/artifacts/{field(artifact, 'id', int)}/zip", archive, limit)
            if artifact.get("digest") != f"sha256:{digest}":
                raise SlmError(f"artifact {name}: not the bytes that were uploaded", slug="ci-artifact")
            unpack(archive, folder, origin)
        yield shard, folder


def _check_artifact(artifact: Mapping[str, Any], source: RunSource) -> None:
    name = field(artifact, "name", str)
    size = field(artifact, "size_in_bytes", int)
    if field(artifact, "workflow_run.id", int) != source.run:
        raise SlmError(f"artifact {name}: of another run", slug="ci-artifact")
    if artifact.get("expired") is not False:
        raise SlmError(f"artifact {name}: no longer kept; measure again", slug="ci-artifact")
    if size > LARGEST_ZIP:
        raise SlmError(f"artifact {name}: {size} bytes, and at most {LARGEST_ZIP} are read", slug="ci-artifact")


def _report(folder: Path, source: RunSource, quantization: str) -> CollectedRun:
    """The only report of an artifact, which is about the file that it shall be about."""
    paths = sorted(folder.rglob(REPORT_NAME))
    if len(paths) != 1:
        raise SlmError(f"{folder.name}: {len(paths)} reports, and a job makes one", slug="ci-artifact")
    report = read_report(paths[0])
    place = paths[0].parent.relative_to(folder).as_posix()
    facts = {
        "place": (place, f"reports/{report.submission.slug}/{quantization}/{report.run_id}"),
        "quantization": (report.quantization, quantization),
        "mode": (report.mode, source.mode),
        "submission": (report.submission.slug, source.submission.slug),
        "repository": (report.submission.hf_repo, source.submission.hf_repo),
    }
    for what, (found, expected) in facts.items():
        if found != expected:
            raise SlmError(f"{folder.name}: its {what} is {found!s:.80}, not {expected!s:.80}", slug="ci-artifact")
    return CollectedRun(report=report, folder=paths[0].parent, energy=_energy(folder))


def _energy(folder: Path) -> JobEnergy | None:
    path = folder / ENERGY
    if not path.exists():
        return None
    try:
        return JobEnergy.from_json(read_json(path, MIB))
    except (OSError, ValueError) as error:
        raise SlmError(f"{folder.name}: {ENERGY} is damaged ({error})", slug="ci-artifact") from None


def keep_reports(
    found: Sequence[CollectedRun], target: Path, names: Collection[str] = ("report.json", "samples")
) -> None:
    """Copy what the registry reads of reports, and no page or log, below a folder: slug, quantization, run."""
    for one in found:
        place = target / one.report.submission.slug / one.report.quantization / one.report.run_id
        for name in sorted(names):
            inner = one.folder / name
            if inner.is_dir():
                shutil.copytree(inner, place / name, dirs_exist_ok=True)
            elif inner.exists():
                place.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(inner, place / name)


def markdown(found: Sequence[CollectedRun], source: RunSource) -> str:
    """The results of a run for the comment."""
    return "\n".join(_lines(found, source))


def _lines(found: Sequence[CollectedRun], source: RunSource) -> Iterator[str]:
    yield f"### {escaped(source.submission.name)}: {escaped(source.mode)} run of `{source.head[:12]}`"
    for one in found:
        results = one.report.results
        measured = [result for result in results if result.outcome in MEASURED]
        yield ""
        yield f"**{escaped(one.report.quantization)}**: {len(measured)} of {len(results)} items measured"
        yield ""
        yield from table(("item", "metric", "value", "95 % interval", "n"), _rows(measured[:100]))
        left = [result for result in results if result.outcome not in MEASURED]
        if left:
            yield ""
            yield "<details><summary>What was not measured</summary>"
            yield ""
            yield from (f"- {escaped(f'{name_of(one)}: {one.outcome}: {one.reason:.200}')}" for one in left[:50])
            yield ""
            yield "</details>"
        if one.energy is not None:
            yield ""
            yield escaped(str(one.energy))
    if source.mode == "quick":
        yield ""
        yield "A quick run is never ranked nor published; `/full-benchmark` measures everything."


def _rows(results: Sequence[Any]) -> Iterator[tuple[object, ...]]:
    for result in results:
        metric = shown_metric(result)
        if metric is not None:
            value, interval = told(metric)
            yield name_of(result), metric.name, value, interval, metric.n
