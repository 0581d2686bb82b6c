"""Registry and site at the end of a session: made of all reports, by the same functions as on the command line."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pytest_slm.errors import ReportError
from pytest_slm.registry import build_folder, read_registry
from pytest_slm.registry.store import REPORT_NAME
from pytest_slm.site import models
from pytest_slm.site.build import build_site
from pytest_slm.site.publish import public_samples, publish
from pytest_slm.site.samples.pages import sample_pages


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
    assert "its texts are not published" in page
    pieces = sorted(path.name for path in (tmp_path / "site" / "samples").rglob("*.js"))
    assert pieces == ["0-0-0.js", "0-0.js", "1-0-0.js", "1-0.js"]


def test_a_site_needs_no_registry_of_ones_own(reports, tmp_path):
    publish(reports, registry=None, site=tmp_path / "site")
    assert (tmp_path / "site" / "index.html").is_file()
    assert not list(tmp_path.glob("registry*"))


def test_samples_are_those_of_all_runs_of_a_file_and_of_each_item_the_newest(factory, tmp_path):
    # Each suite was run by itself, and one of them twice: the newest run has nothing public.
    folder = tmp_path / "reports"
    suites = ("coding", "reasoning"), ("coding",), ("safety",)
    for day, names in enumerate(suites, 1):
        run = factory.make_run("Q8_0", suites=names, day=day)
        results = tuple(replace(one, public=one.suite == "coding") for one in run.results if one.suite in names)
        run = replace(run, results=results, planned=tuple(one.id for one in results))
        samples = factory.make_samples(run, 5)
        for lines in samples.values():
            for line in lines:
                line["explanation"] = f"said on day {day}"
        factory.store_run(folder, run, samples)
    publish(folder, registry=None, site=tmp_path / "site")
    page = (tmp_path / "site/samples/huggingfacetb--smollm2-135m-instruct.html").read_text("utf-8")
    said = "".join(path.read_text("utf-8") for path in (tmp_path / "site/samples").rglob("*.js"))
    assert "said on day 2" in said
    assert "said on day 1" not in said
    assert "said on day 3" not in said
    assert page.count("its texts are not published") >= 2  # reasoning and safety are named


def test_a_run_that_kept_its_texts_goes_before_a_newer_one_without(factory, tmp_path):
    for day, mode in ((1, "quick"), (2, "full")):
        run = factory.make_run("Q8_0", mode, suites=("coding",), day=day)
        run = replace(run, results=tuple(replace(one, public=True) for one in run.results if one.suite == "coding"))
        samples = factory.make_samples(run, 5)
        for lines in samples.values():
            for line in lines:
                line["explanation"] = f"said on day {day}"
                if mode == "quick":
                    line["prompt"] = "What comes behind 4?"
        factory.store_run(tmp_path / "reports", run, samples)
    publish(tmp_path / "reports", registry=None, site=tmp_path / "site")
    said = "".join(path.read_text("utf-8") for path in (tmp_path / "site/samples").rglob("*.js"))
    assert "said on day 1" in said
    assert "said on day 2" not in said


def test_files_that_are_not_there_are_no_samples(reports, tmp_path):
    for path in reports.rglob("samples/*.jsonl"):
        path.unlink()
    publish(reports, registry=None, site=tmp_path / "site")
    assert not (tmp_path / "site/samples").exists()


def two_models(factory, folder, tmp_path):
    """Two models with samples, and the registry of them."""
    for name in ("a", "b"):
        of_slug(factory, folder, name)
    build_folder(folder, tmp_path / "registry", now=datetime.now(UTC))
    return {path.parents[2].name: path for path in folder.rglob(REPORT_NAME)}


def sites_samples(tmp_path, folder):
    """The pages of samples of a site, by model, and what was told."""
    lines = []
    build_site(
        tmp_path / "registry", tmp_path / "site", samples=public_samples(tmp_path / "registry", folder, lines.append)
    )
    return {path.stem for path in (tmp_path / "site" / "samples").glob("*.html")}, lines


@pytest.mark.parametrize("how", ["a report that is none", "a link out of it", "no text"])
def test_samples_that_cannot_be_read_are_left_out_and_those_of_others_are_there(factory, tmp_path, how):
    folder = tmp_path / "reports"
    report = two_models(factory, folder, tmp_path)["b"]
    files = list(report.parent.glob("samples/*.jsonl"))
    public = next(path for path in files if "coding" in path.name)
    if how == "a report that is none":
        report.write_text("{}", "utf-8")
    elif how == "no text":
        public.write_bytes(b'{"doc_id": "\xff\n')
    else:
        public.rename(tmp_path / "outside.jsonl")
        public.symlink_to(tmp_path / "outside.jsonl")
    pages, (line,) = sites_samples(tmp_path, folder)
    assert line.startswith(f"samples left out: {report.parent}")
    assert "a" in pages
    told = (tmp_path / "site" / "models" / "b.html").read_text("utf-8")
    assert ("../samples/b.html" in told) == ("b" in pages)
    assert not list((tmp_path / "site" / "samples" / "b").glob("*"))


def test_an_older_run_stands_in_for_samples_that_cannot_be_read(factory, tmp_path):
    for day in (1, 2):
        run = factory.make_run("Q8_0", suites=("coding",), day=day)
        run = replace(run, results=tuple(replace(one, public=True) for one in run.results if one.suite == "coding"))
        samples = factory.make_samples(run, 5)
        for lines in samples.values():
            for line in lines:
                line["explanation"] = f"said on day {day}"
        path = factory.store_run(tmp_path / "reports", run, samples)
    build_folder(tmp_path / "reports", tmp_path / "registry", now=datetime.now(UTC))
    next(path.parent.glob("samples/*coding*")).write_text('{"cut')
    _, (line,) = sites_samples(tmp_path, tmp_path / "reports")
    assert line.startswith(f"samples left out: {path.parent}")
    said = "".join(path.read_text("utf-8") for path in (tmp_path / "site/samples").rglob("*.js"))
    assert "said on day 1" in said


def test_samples_of_which_no_page_can_be_made_are_left_out(factory, tmp_path, monkeypatch):
    def fails(runs, **places):
        made = sample_pages(runs, **places)
        yield next(made)
        if places["page"] == "samples/b.html":
            raise OverflowError("int too large")
        yield from made

    monkeypatch.setattr("pytest_slm.site.publish.sample_pages", fails)
    two_models(factory, tmp_path / "reports", tmp_path)
    pages, (line,) = sites_samples(tmp_path, tmp_path / "reports")
    assert pages == {"a"}
    assert not (tmp_path / "site" / "samples" / "b").exists()
    assert line.startswith("samples of b left out: no page can be made of them (OverflowError: int too large)")
    assert "../samples" not in (tmp_path / "site" / "models" / "b.html").read_text("utf-8")


def test_what_cannot_be_read_is_named_and_the_rest_is_made(reports, tmp_path):
    broken = next(reports.rglob(REPORT_NAME))
    broken.write_text("{", "utf-8")
    lines = publish(reports, registry=tmp_path / "registry", site=None)
    assert any(line.startswith(f"left out: {broken}") for line in lines)
    assert "1 model from 1 report" in lines[-1]


def test_a_model_of_which_no_page_can_be_made_is_named(reports, factory, tmp_path, monkeypatch):
    def facts(entry, rows):
        if entry.id == "other":
            raise ValueError("-1 successes out of 400")
        return make(entry, rows)

    make = models.model_facts
    monkeypatch.setattr(models, "model_facts", facts)
    of_slug(factory, reports, "other")
    lines = publish(reports, registry=None, site=tmp_path / "site")
    (line,) = [line for line in lines if line.startswith("left out: ")]
    assert "models/other.json: left out of the site" in line
    assert not list((tmp_path / "site").rglob("*other*"))
    assert list((tmp_path / "site" / "samples").glob("*.html"))


def test_scripted_models_are_no_models(factory, tmp_path):
    run = factory.make_run()
    factory.store_run(tmp_path, replace(run, backend=replace(run.backend, name="fake")))
    with pytest.raises(ReportError, match="report"):
        publish(tmp_path, registry=tmp_path / "registry", site=None)
    assert not (tmp_path / "registry").exists()


def of_slug(factory, folder, slug):
    """Put a run of a model that is called so into a folder, with samples of which one task's are public."""
    run = factory.make_run(suites=("coding",), slug=slug, name=slug, hf_repo=None)
    samples = factory.make_samples(run, 5)
    run = factory.agreeing(run, samples)
    run = replace(run, results=(replace(run.results[0], public=True), *run.results[1:]))
    factory.store_run(folder, run, samples)


def test_no_name_of_a_model_is_in_the_way_of_a_file_of_the_site(factory, tmp_path):
    of_slug(factory, tmp_path / "reports", "a")
    publish(tmp_path / "reports", registry=None, site=tmp_path / "first")
    there = [path.relative_to(tmp_path / "first") for path in (tmp_path / "first").rglob("*") if path.is_file()]
    names = {part for path in there for part in path.parts if not part.startswith(".")}
    assert {"index.js", "index.html", "a.html", "compare", "0-0.js"} <= names
    for name in names:
        of_slug(factory, tmp_path / "reports", name)
    publish(tmp_path / "reports", registry=tmp_path / "registry", site=tmp_path / "site")
    ids = [entry.id for entry in read_registry(tmp_path / "registry").models]
    assert len(ids) == len(names | {"a"})
    for name in ids:
        page = (tmp_path / "site" / "models" / f"{name}.html").read_text("utf-8")
        assert f'href="../samples/{name}.html"' in page
        assert (tmp_path / "site" / "samples" / f"{name}.html").is_file()
        assert list((tmp_path / "site" / "compare" / name).glob("*.js"))
    for path in there:
        assert (tmp_path / "site" / path).is_file()
