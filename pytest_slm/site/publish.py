"""From a folder of run reports to the registry and the site, as a session does at its end."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_slm.core.record import utc
from pytest_slm.core.types import ItemId, Result, RunReport
from pytest_slm.errors import ReportError
from pytest_slm.registry import build_folder, read_report
from pytest_slm.registry.folder import read_index
from pytest_slm.registry.store import read_lines
from pytest_slm.site.build import build_site
from pytest_slm.site.left_out import ODD, why
from pytest_slm.site.samples.pages import SampledRun, sample_pages


def publish(reports: Path, *, registry: Path | None, site: Path | None) -> list[str]:
    """Make the registry of all reports below a folder, and the site of it, each where it is wanted; returns lines about
    what was made and what was left out. Raises ReportError where there is nothing to make them of, or no room."""
    with tempfile.TemporaryDirectory(prefix="slm-registry-") as place:
        folder = registry or Path(place) / "registry"
        index = build_folder(reports, folder, now=datetime.now(UTC))
        lines = [f"left out: {reports / one.path}: {one.reason}  [{one.slug}]" for one in index.refused]
        if registry is not None:
            lines.append(f"{registry}: {index}")
        if site is not None:
            built = build_site(folder, site, samples=public_samples(folder, reports, lines.append))
            lines += [f"left out: {line}" for line in built.left_out.values()]
            lines.append(str(site / "index.html"))
    return lines


def public_samples(registry: Path, reports: Path, tell: Callable[[str], object]) -> Iterator[tuple[str, str]]:
    """The pages of samples of every model of a registry, ``samples/<id>.html``: of each quantization and item the
    newest run, full runs first, and of these what may stand in public. Its reports are below the folder ``reports``,
    with their samples beside them; of what cannot be read of them a line is told, and the rest is made."""
    for model in read_index(registry).models:
        runs: dict[str, list[tuple[Path, RunReport]]] = {}
        stored = [(path, run) for path in sorted(model.reports) if (run := _report(reports / path, tell))]
        for path, run in sorted(stored, key=lambda one: (one[1].standard, utc(one[1].finished), one[0])):
            runs.setdefault(run.quantization, []).append(((reports / path).parent, run))
        page, data = f"samples/{model.id}.html", f"samples/{model.id}"
        back = f"../models/{model.id}.html"
        try:
            sampled = [_together(mine, tell) for _, mine in sorted(runs.items())]
            if sampled:  # all of a model, or nothing
                yield from list(
                    sample_pages(sampled, page=page, data=data, back=back, back_title=model.name, public=True)
                )
        except ODD as error:
            folders = ", ".join(sorted(f"{reports / path}" for path in model.reports))
            tell(f"samples of {model.id} left out: no page can be made of them ({why(error)}), see those of {folders}")


def _report(path: Path, tell: Callable[[str], object]) -> RunReport | None:
    """The report there; None where there is none, or none that can be read."""
    try:
        return read_report(path) if path.is_file() else None
    except ReportError as error:
        tell(f"samples left out: {error}")
        return None


def _together(runs: Sequence[tuple[Path, RunReport]], tell: Callable[[str], object]) -> SampledRun:
    """The runs of one quantization as one: each item of the last of them that has samples of it, if it can be with the
    texts of what was asked."""
    chosen: dict[ItemId, tuple[Result, Sequence[Mapping[str, Any]]]] = {}
    for folder, run in runs:
        for result in run.results:
            if not result.samples or not (folder / result.samples).is_file():
                continue
            # What may not stand in public is not read: it may be long.
            try:
                lines = read_lines(folder, result.samples) if result.public and not result.harmful else None
            except ReportError as error:
                tell(f"samples left out: {error}")
                continue
            before = chosen.get(result.id)
            if before is None or _with_texts(lines or ()) or not _with_texts(before[1]):
                chosen[result.id] = result, lines or ()
    _, newest = runs[-1]
    return SampledRun(
        run=replace(newest, results=tuple(result for result, _ in chosen.values())),
        samples={result.samples or "": lines for result, lines in chosen.values()},
    )


def _with_texts(lines: Sequence[Mapping[str, Any]]) -> bool:
    return any(line.get("prompt") for line in lines)
