"""Reports that are left out of a registry stand in its index with the reason."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from pytest_slm.errors import ReportError
from pytest_slm.registry import build_folder, read_registry
from pytest_slm.registry.folder import check_registry, pieces

NOW = datetime(2026, 12, 1, tzinfo=UTC)


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(index):
    return [(one.path, one.slug) for one in index.refused]


def test_refused_reports_stand_in_the_index_with_their_reason(registry, reports, factory, monkeypatch):
    path = factory.store_run(reports, factory.make_run(slug="c", name="C", hf_repo="org/c"))
    path.write_text("{")
    index = build_folder(reports, registry, now=NOW)
    name = path.relative_to(reports).as_posix()
    assert refused(index) == [(name, "report-broken")]
    assert "not valid JSON" in index.refused[0].reason
    assert str(reports) not in (registry / "index.json").read_text("utf-8")
    monkeypatch.setattr(pieces, "stored_report", None)  # the same bytes are refused without a look at them
    assert build_folder(reports, registry, now=NOW) == index
    with pytest.raises(ReportError, match=r"nothing written.*report-broken"):
        build_folder(reports, registry, now=NOW, strict=True)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("spoiled", ['{"broken\n', "[1, 2]\n", "a folder"])
def test_a_report_with_samples_that_cannot_be_read_is_taken_once_they_can(
    tmp_path, registry, reports, factory, spoiled, jobs
):
    run = factory.make_run(slug="c", name="C", hf_repo="org/c")
    path = factory.store_run(reports, run)
    samples = path.parent / run.results[0].samples
    samples.parent.mkdir()
    if spoiled == "a folder":
        samples.mkdir()
    else:
        samples.write_text(spoiled)
    index = build_folder(reports, registry, now=NOW, jobs=jobs)
    (one,) = index.refused
    assert one.slug == ("report-path" if spoiled == "a folder" else "samples-broken")
    assert run.results[0].samples in one.reason
    assert str(tmp_path) not in (registry / "index.json").read_text("utf-8")  # which folder it was is nobody's business
    shutil.rmtree(samples.parent)
    assert refused(build_folder(reports, registry, now=NOW)) == []
    build_folder(reports, tmp_path / "anew", now=NOW)
    assert content(tmp_path / "anew") == content(registry)


def deep(run):
    value = 1
    for _ in range(90):
        value = [value]
    run["machine"]["model"] = value


def a_sum_beyond_64_bits(run):
    for metric in (metric for result in run["results"] for metric in result["metrics"]):
        metric["n"] = 2**63 - 1


def fewer_than_no_cut_answers(run):
    for result in run["results"]:
        result["answers_cut"] = -1


def a_share_beyond_all(run):
    metric = run["results"][0]["metrics"][0]
    metric["value"], metric["interval"] = 1e308, None


def a_number_of_forty_digits(run):
    (item,) = (one for one in run["results"] if one["task"] == "decode")
    item.update(task="depth", variant="9" * 40)


@pytest.mark.parametrize(
    ("spoil", "slug"),
    [
        (deep, "report-broken"),
        (a_sum_beyond_64_bits, "report-invalid"),
        (fewer_than_no_cut_answers, "report-invalid"),
        (a_share_beyond_all, "report-invalid"),
        (a_number_of_forty_digits, None),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_one_report_leaves_no_registry_that_nobody_can_read(registry, reports, factory, spoil, slug):
    path = factory.store_run(reports, factory.make_run(slug="c", name="C", hf_repo="org/c"))
    document = json.loads(path.read_text())
    results = {(one["suite"], one["task"]): one for one in document["slm"]["results"]}
    document["slm"]["results"] = list(results.values())  # one variant of each
    spoil(document["slm"])
    path.write_text(json.dumps(document))
    index = build_folder(reports, registry, now=NOW)
    assert [found for _, found in refused(index)] == ([slug] if slug else [])
    assert len(read_registry(registry).models) == (2 if slug else 3)
    assert check_registry(registry) == ()


def test_two_reports_of_one_run_with_other_contents_are_both_refused(registry, reports, factory):
    path = factory.store_run(reports, factory.make_run(slug="c", name="C", hf_repo="org/c"))
    copy = reports / "copy" / "report.json"
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes())
    # A copy is counted once.
    assert refused(build_folder(reports, registry, now=NOW)) == []
    copy.write_text(path.read_text().replace('"seed": 0', '"seed": 1', 1))
    index = build_folder(reports, registry, now=NOW)
    assert {slug for _, slug in refused(index)} == {"report-twice"}
    assert len(index.refused) == 2
    assert "org--c" not in [model.id for model in index.models]


def test_a_report_from_the_future_is_refused_until_then(registry, reports, factory):
    factory.store_run(reports, factory.make_run(slug="c", name="C", hf_repo="org/c", finished="2027-01-01T00:00:00Z"))
    assert [slug for _, slug in refused(build_folder(reports, registry, now=NOW))] == ["report-future"]
    assert refused(build_folder(reports, registry, now=NOW + timedelta(days=40))) == []


def test_scripted_models_are_no_models(registry, reports, factory):
    factory.store_run(reports, factory.make_run(slug="fake", hf_repo=None, backend={"name": "fake"}))
    assert [slug for _, slug in refused(build_folder(reports, registry, now=NOW, strict=True))] == ["report-scripted"]
