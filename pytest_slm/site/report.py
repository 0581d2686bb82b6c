"""report.html of one run: a single file without scripts, made from report.json and the samples beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_slm.core.types import RunReport
from pytest_slm.registry.store import REPORT_NAME, read_report, read_samples, write_text
from pytest_slm.site.render import single_page
from pytest_slm.site.report_view import report_view

PAGE_NAME = "report.html"


def render_report(run: RunReport, samples: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The HTML page of a run. ``samples`` holds the lines of samples by ``Result.samples``; some may be missing."""
    return single_page("report.html", view=report_view(run, samples))


def write_report(folder: Path) -> Path:
    """Write ``report.html`` of a run folder from its report.json and samples; returns its path. Raises ReportError."""
    path = folder if folder.name == REPORT_NAME else folder / REPORT_NAME
    run = read_report(path)
    target = path.with_name(PAGE_NAME)
    write_text(target, render_report(run, read_samples(path.parent, run)))
    return target
