"""From a folder of run reports to the registry and the site, as a session does at its end."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pytest_slm.core.record import utc
from pytest_slm.registry import build_folder, find_reports, read_samples
from pytest_slm.registry.identity import by_model
from pytest_slm.registry.store import StoredReport
from pytest_slm.site.build import build_site
from pytest_slm.site.samples.pages import SampledRun, sample_pages


def publish(reports: Path, *, registry: Path | None, site: Path | None) -> list[str]:
    """Make the registry of all reports below a folder, and the site of it, each where it is wanted; returns lines about
    what was made and what was left out. Raises ReportError where there is nothing to make them of, or no room."""
    with tempfile.TemporaryDirectory(prefix="slm-registry-") as folder:
        path = registry or Path(folder) / "registry"
        index = build_folder(reports, path, now=datetime.now(UTC))
        scripted = sum(one.slug == "report-scripted" for one in index.refused)
        lines = [
            f"left out: {reports / one.path}: {one.reason}" for one in index.refused if one.slug != "report-scripted"
        ]
        if scripted:
            lines.append(f"left out: {scripted} reports of scripted models, which are no models")
        if registry is not None:
            used = sum(len(model.reports) for model in index.models)
            lines.append(f"{path}: {index.metadata.total_models} models from {used} reports")
        if site is not None:
            build_site(path, site, public_samples(reports, find_reports(reports)[0]))
            lines.append(str(site / "index.html"))
    return lines


def public_samples(folder: Path, found: Sequence[StoredReport]) -> Iterator[tuple[str, str]]:
    """The pages of samples of every model, ``samples/<id>.html``: of each quantization the newest run, full runs first,
    and of each task what may stand in public. Reports were read from below ``folder``, where their samples are."""
    real = [stored for stored in found if not _is_scripted(stored)]
    for name, reports in sorted(by_model(real).items()):
        quantizations: dict[str, StoredReport] = {}
        for stored in sorted(reports, key=lambda one: (one.run.standard, utc(one.run.finished), one.path)):
            quantizations[stored.run.quantization] = stored
        runs = [
            SampledRun(run=stored.run, samples=read_samples((folder / stored.path).parent, stored.run))
            for _, stored in sorted(quantizations.items())
        ]
        yield from sample_pages(
            runs,
            page=f"samples/{name}.html",
            data=f"samples/{name}",
            back=f"../models/{name}.html",
            back_title=runs[0].run.submission.name,
            public=True,
        )


def _is_scripted(stored: StoredReport) -> bool:
    """Whether nothing but a script has answered, which is no model."""
    return stored.run.backend is not None and stored.run.backend.name == "fake"
