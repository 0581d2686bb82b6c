"""The pages of one run, made from report.json and the samples beside it: report.html, a single file without scripts,
and samples.html, which shows every sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_slm.core.types import RunReport
from pytest_slm.files import inside
from pytest_slm.registry.store import REPORT_NAME, read_report, read_samples, write_text
from pytest_slm.site.render import single_page
from pytest_slm.site.report_view import report_view
from pytest_slm.site.samples.pages import SampledRun, sample_pages

PAGE_NAME = "report.html"
SAMPLES_NAME, SAMPLES_DATA = "samples.html", "samples/page"

Samples = Mapping[str, Sequence[Mapping[str, Any]]]


def render_report(run: RunReport, samples: Samples) -> str:
    """The HTML page of a run. ``samples`` holds the lines of samples by ``Result.samples``; some may be missing."""
    page = SAMPLES_NAME if any(samples.values()) else ""
    return single_page("report.html", view=report_view(run, samples, page))


def run_pages(run: RunReport, samples: Samples) -> Iterator[tuple[str, str]]:
    """Path in the run folder and text of every page of a run."""
    sampled = [SampledRun(run=run, samples=samples)]
    yield from sample_pages(sampled, page=SAMPLES_NAME, data=SAMPLES_DATA, back=PAGE_NAME, back_title="Report")
    yield PAGE_NAME, render_report(run, samples)


def write_report(folder: Path) -> Path:
    """Write the pages of a run folder from its report.json and samples; returns the path of ``report.html``. Raises
    ReportError."""
    path = folder if folder.name == REPORT_NAME else folder / REPORT_NAME
    run = read_report(path)
    for name, text in run_pages(run, read_samples(path.parent, run)):
        write_text(path.parent / name, text)
    return path.with_name(PAGE_NAME)


def write_samples(folders: Sequence[Path], output: Path) -> Path:
    """Write the samples of several runs into a folder, for two side by side; returns the page. Raises ReportError."""
    runs = []
    for folder in folders:
        path = folder if folder.name == REPORT_NAME else folder / REPORT_NAME
        run = read_report(path)
        runs.append(SampledRun(run=run, samples=read_samples(path.parent, run)))
    for name, text in sample_pages(runs, page=SAMPLES_NAME, data=SAMPLES_DATA):
        write_text(inside(output, name), text)
    return output / SAMPLES_NAME
