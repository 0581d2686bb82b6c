"""From a folder of run reports to the registry and the site, as a session does at its end."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from pytest_slm.core.record import utc
from pytest_slm.errors import ReportError
from pytest_slm.registry import build_what_can_be, find_reports, read_samples, write_json
from pytest_slm.registry.merge import model_id
from pytest_slm.registry.store import StoredReport
from pytest_slm.site.build import build_site
from pytest_slm.site.samples.pages import SampledRun, sample_pages


def publish(reports: Path, *, registry: Path | None, site: Path | None) -> list[str]:
    """Make the registry of all reports below a folder, and the site of it, each where it is wanted; returns lines about
    what was made and what was left out. Raises ReportError where there is nothing to make them of, or no room."""
    found, errors = find_reports(reports)
    mine = [stored for stored in found if not _is_scripted(stored)]
    made, odd = build_what_can_be(mine)
    lines = [f"left out: {error}" for error in (*errors, *odd)]
    scripted = len(found) - len(mine)
    if scripted:
        lines.append(f"left out: {scripted} reports of scripted models, which are no models")
    if not made.models:
        raise ReportError(f"{reports}: no registry, since no report of a model is in it", slug="report-missing")
    with tempfile.TemporaryDirectory(prefix="slm-registry-") as folder:
        path = registry or Path(folder) / "registry.json"
        write_json(path, made)
        if registry is not None:
            lines.append(f"{path}: {made.metadata.total_models} models from {len(mine) - len(odd)} reports")
        if site is not None:
            build_site(path, site, public_samples(reports, mine))
            lines.append(str(site / "index.html"))
    return lines


def public_samples(folder: Path, found: Sequence[StoredReport]) -> Iterator[tuple[str, str]]:
    """The pages of samples of every model, ``samples/<id>.html``: of each quantization the newest run, full runs first,
    and of each task what may stand in public. Reports were read from below ``folder``, where their samples are."""
    models: dict[str, dict[str, StoredReport]] = {}
    real = (stored for stored in found if not _is_scripted(stored))
    for stored in sorted(real, key=lambda one: (one.run.standard, utc(one.run.finished), one.path)):
        models.setdefault(model_id(stored.run), {})[stored.run.quantization] = stored
    for name, quantizations in sorted(models.items()):
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
