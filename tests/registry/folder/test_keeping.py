"""``registry build --keep``: what reports do not tell stays, whatever happened to them, and so does the registry."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pytest_slm.registry import build_folder, read_registry, write_registry
from pytest_slm.registry.folder import building, check_registry, import_registry, read_index

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SUITES = ("coding",)
FIRST = "2026-11-01"


def claim(folder, name, hf_repo=None):
    """Give a model of a registry a number of somebody else's, as ``registry import`` does."""
    told = {"name": name, "hf_repo": hf_repo, "use_cases": {"rag": {"score": 50}}, "quantizations": {}}
    path = folder.parent / f"of {name}.json"  # what one file said before goes
    path.write_text(json.dumps({"metadata": {"schema_version": "2.0.0"}, "models": [told]}))
    registry, count, errors = import_registry(path, read_registry(folder))
    assert (count, errors) == (1, ())
    write_registry(folder, registry, read_index(folder).refused)


def told(folder):
    return [(entry.id, len(entry.claims), entry.date_added) for entry in read_registry(folder).models]


@pytest.fixture(params=[False, True], ids=["alone", "with samples"])
def run_report(tmp_path, factory, request):
    """The one report of a model."""
    run = factory.make_run(suites=SUITES, slug="a", name="a", hf_repo=None)
    return factory.store_run(tmp_path / "reports", run, factory.make_samples(run) if request.param else None)


@pytest.fixture
def registry(tmp_path, run_report):
    """A registry of that model, with one claim."""
    build_folder(tmp_path / "reports", tmp_path / "registry", now=NOW)
    claim(tmp_path / "registry", "a")
    assert told(tmp_path / "registry") == [("a", 1, FIRST)]
    return tmp_path / "registry"


def nothing(path, factory):
    pass


def one_more(path, factory):
    factory.store_run(path.parents[3], factory.make_run(suites=SUITES, slug="a", name="a", hf_repo=None, day=3))


def a_newer_one(path, factory):
    shutil.rmtree(path.parents[3])
    one_more(path, factory)


def another_blank(path, factory):
    path.write_text(path.read_text() + " ")


def other_samples(path, factory):
    samples = path.parent / "samples" / "more.jsonl"
    samples.parent.mkdir(exist_ok=True)
    samples.write_text("{}\n")


def broken(path, factory):
    path.write_text("{")
    factory.store_run(path.parents[3], factory.make_run(suites=SUITES, slug="b", hf_repo=None))


def twice(path, factory):
    copy = path.parents[3] / "z" / "report.json"
    copy.parent.mkdir()
    copy.write_text(path.read_text().replace('"seed": 0', '"seed": 1', 1))


CHANGES = [nothing, one_more, a_newer_one, another_blank, other_samples, broken, twice]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_claims_and_the_first_day_stay_whatever_happens_to_reports(tmp_path, registry, run_report, factory, change):
    change(run_report, factory)
    for _ in range(2):
        build_folder(tmp_path / "reports", registry, now=NOW, keep=True)
        assert ("a", 1, FIRST) in told(registry)
        assert check_registry(registry) == ()


def test_claims_stay_where_another_version_made_the_registry(tmp_path, registry, monkeypatch):
    monkeypatch.setattr(building, "__version__", "9.9")
    build_folder(tmp_path / "reports", registry, now=NOW, keep=True)
    assert told(registry) == [("a", 1, FIRST)]


def test_a_model_whose_report_is_refused_goes_unless_it_is_kept(tmp_path, registry, run_report, factory):
    broken(run_report, factory)
    build_folder(tmp_path / "reports", registry, now=NOW)
    assert [name for name, _, _ in told(registry)] == ["b"]


def test_an_import_changes_no_more_than_it_says(tmp_path, registry):
    before = [model.sample_bytes for model in read_index(registry).models]
    build_folder(tmp_path / "reports", tmp_path / "anew", now=NOW)
    assert before == [model.sample_bytes for model in read_index(tmp_path / "anew").models]


def test_an_import_leaves_what_an_older_version_made_to_be_made_anew(registry):
    path = registry / "index.json"
    index = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**index, "made_by": "0.0.1"}), "utf-8")
    claim(registry, "b")
    assert read_index(registry).made_by == "0.0.1"
    rules = {**index["rules"], "recommended": 1.0}
    path.write_text(json.dumps({**index, "rules": rules}), "utf-8")
    write_registry(registry, replace(read_registry(registry), rules=building.score_rules()))
    assert read_index(registry).made_by == ""


def test_a_registry_that_cannot_be_read_is_written_over(tmp_path, registry):
    kept = read_registry(registry)
    (registry / "index.json").write_text("{")
    write_registry(registry, kept)
    assert read_registry(registry) == kept


def test_a_first_look_at_some_reports_never_takes_the_place_of_what_is_kept(tmp_path, factory, monkeypatch):
    """Of two reports of one run with other contents, each alone makes a model, and both together none."""
    monkeypatch.setattr(building, "PORTION", 1)

    def run(**changes):
        return factory.make_run(suites=SUITES, slug="a", name="a", hf_repo=None, **changes)

    old, new, registry = tmp_path / "old", tmp_path / "new", tmp_path / "registry"
    factory.store_run(old, run())
    build_folder(old, registry, now=NOW)
    before = (registry / "models" / "a.json").read_bytes()
    newer = run(day=5)
    factory.store_run(new / "alice", newer)
    factory.store_run(new / "zoe", replace(newer, results=newer.results[:-1], planned=newer.planned[:-1]))
    factory.store_run(new / "mike", factory.make_run(suites=SUITES, slug="m", hf_repo=None))
    for _ in range(2):
        index = build_folder(new, registry, now=NOW, keep=True)
        assert {one.slug for one in index.refused} == {"report-twice"}
        assert [model.id for model in index.models] == ["a", "m"]
        assert (registry / "models" / "a.json").read_bytes() == before
        assert check_registry(registry) == ()
    assert {path.name for path in (registry / "models").iterdir()} == {"a.json", "m.json"}


def by_path(factory, **changes):
    """A run of the file of ``published``, which was named by its path."""
    weights = {"weights_sha256": published(factory).backend.weights_sha256}
    return factory.make_run(suites=SUITES, slug="a", name="a", hf_repo=None, backend=weights, **changes)


def published(factory):
    return factory.make_run(suites=SUITES, slug="b", name="b", hf_repo="org/b", day=4)


def test_claims_go_with_the_reports_where_a_model_gets_another_name(tmp_path, factory):
    """A file by its path is the model of the Hub that has the same weights, as soon as one is known."""
    reports, registry = tmp_path / "reports", tmp_path / "registry"
    factory.store_run(reports, by_path(factory))
    build_folder(reports, registry, now=NOW)
    claim(registry, "a")
    path = factory.store_run(reports, published(factory))
    build_folder(reports, registry, now=NOW, keep=True)
    assert told(registry) == [("org--b", 1, FIRST)]
    path.unlink()
    build_folder(reports, registry, now=NOW, keep=True)
    assert told(registry) == [("a", 1, FIRST)]
    assert check_registry(registry) == ()


def test_claims_of_two_models_that_are_one_are_all_kept_once(tmp_path, factory):
    reports, registry = tmp_path / "reports", tmp_path / "registry"
    factory.store_run(reports / "a", by_path(factory))
    build_folder(reports, registry, now=NOW)
    claim(registry, "a")
    claim(registry, "b", "org/b")
    factory.store_run(reports / "b", published(factory))
    build_folder(reports, registry, now=NOW, keep=True)
    assert told(registry) == [("org--b", 2, FIRST)]


def test_a_model_whose_report_gave_way_to_one_of_another_model_stays(tmp_path, registry, run_report, factory):
    other = factory.store_run(tmp_path / "other", factory.make_run(suites=SUITES, slug="b", name="b", hf_repo=None))
    run_report.write_bytes(other.read_bytes())
    build_folder(tmp_path / "reports", registry, now=NOW, keep=True)
    assert [(name, claims) for name, claims, _ in told(registry)] == [("a", 1), ("b", 0)]
