"""Registry and site at the end of a session: made of all reports, by the same functions as on the command line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_slm.errors import ReportError
from pytest_slm.registry import read_registry
from pytest_slm.registry.store import REPORT_NAME
from pytest_slm.site.publish import publish


@pytest.fixture
def reports(factory, tmp_path):
    """A folder with two quantizations of a model, of which one task is public."""
    folder = tmp_path / "reports"
    for name in ("Q8_0", "Q4_0"):
        run = factory.make_run(name)
        first, *others = run.results
        run = replace(run, results=(replace(first, public=True), *others))
        factory.store_run(folder, run, factory.make_samples(run, 5))
    return folder


def test_registry_and_site_are_made_of_all_reports(reports, tmp_path):
    lines = publish(reports, registry=tmp_path / "registry", site=tmp_path / "site")
    assert [entry.id for entry in read_registry(tmp_path / "registry").models] == [
        "huggingfacetb--smollm2-135m-instruct"
    ]
    assert lines[-1] == str(tmp_path / "site" / "index.html")
    page = (tmp_path / "site" / "samples" / "huggingfacetb--smollm2-135m-instruct.html").read_text("utf-8")
    assert "not ours to publish" in page
    pieces = sorted(path.name for path in (tmp_path / "site" / "samples").rglob("*.js"))
    assert pieces == ["0-0-0.js", "0-0.js", "1-0-0.js", "1-0.js"]


def test_a_site_needs_no_registry_of_ones_own(reports, tmp_path):
    publish(reports, registry=None, site=tmp_path / "site")
    assert (tmp_path / "site" / "index.html").is_file()
    assert not list(tmp_path.glob("registry*"))


def test_what_cannot_be_read_is_named_and_the_rest_is_made(reports, tmp_path):
    broken = next(reports.rglob(REPORT_NAME))
    broken.write_text("{", "utf-8")
    lines = publish(reports, registry=tmp_path / "registry", site=None)
    assert any(line.startswith(f"left out: {broken}") for line in lines)
    assert "1 model from 1 report" in lines[-1]


def test_scripted_models_are_no_models(factory, tmp_path):
    run = factory.make_run()
    factory.store_run(tmp_path, replace(run, backend=replace(run.backend, name="fake")))
    with pytest.raises(ReportError, match="report"):
        publish(tmp_path, registry=tmp_path / "registry", site=None)
    assert not (tmp_path / "registry").exists()
