"""What is wrong with a registry is told: by its files, its index and its ranking."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime

import pytest

from pytest_slm.registry import build_folder, read_registry
from pytest_slm.registry.folder import check_registry, differences
from pytest_slm.registry.rows.changes import changes

NOW = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize("what", ["score", "rank", "unranked", "versions"])
def test_a_ranking_that_is_not_that_of_the_scores_is_told(registry, what):
    path = registry / "index.json"
    index = json.loads(path.read_text("utf-8"))
    first = index["ranking"]["marketplace"][0]
    first[what] = {"score": 99.5, "rank": 2, "unranked": "because", "versions": -1}[what]
    path.write_text(json.dumps(index), "utf-8")
    (problem,) = check_registry(registry)
    assert "the ranking is not what the scores make it" in str(problem)


WRONG = {
    "name": "Evil",
    "files": 77,
    "reports": {},
    "machines": {},
    "finished": None,
    "claims": 9,
    "names": ["other"],
    "weights": [],
}


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("name", WRONG)
def test_a_fact_in_the_index_that_is_not_that_of_the_file_is_told(registry, name, jobs):
    path = registry / "index.json"
    index = json.loads(path.read_text("utf-8"))
    assert index["models"][1][name] != WRONG[name]
    index["models"][1][name] = WRONG[name]
    path.write_text(json.dumps(index), "utf-8")
    assert f"{name} of org--b is not what its file says" in str(check_registry(registry, jobs)[0])


@pytest.mark.parametrize(
    ("name", "wrong"), [("last_updated", "1999-01-01T00:00:00Z"), ("total_models", 500), ("platform", "Cray")]
)
def test_metadata_that_are_not_those_of_the_models_are_told(registry, name, wrong):
    path = registry / "index.json"
    index = json.loads(path.read_text("utf-8"))
    index["metadata"][name] = wrong
    path.write_text(json.dumps(index), "utf-8")
    (problem,) = check_registry(registry)
    assert "metadata is not that of its models" in str(problem)


def test_a_file_of_no_model_is_told(registry):
    (registry / "models" / ".org--b.json.0123abcd.new").write_text("{")  # of a build that goes on
    assert check_registry(registry) == ()
    (registry / "models" / "stray.json").write_text("{}")
    (problem,) = check_registry(registry)
    assert "stray.json: is of no model" in str(problem)


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_model_is_checked_whoever_does_it(registry, jobs):
    for path in (registry / "models").iterdir():
        path.write_text("{")
    assert [problem.slug for problem in check_registry(registry, jobs)] == ["registry-torn"] * 2


def test_what_differs_is_the_same_whether_all_models_are_read_or_not(tmp_path, registry, reports, factory):
    shutil.copytree(registry, tmp_path / "old")
    factory.store_run(reports, factory.make_run(slug="c", name="C", hf_repo="org/c", quality=0.9))
    factory.store_run(reports, factory.make_run(slug="b", name="B", hf_repo="org/b", day=2, quality=0.1))
    build_folder(reports, registry, now=NOW)
    found = differences(tmp_path / "old", registry)
    assert found == changes(read_registry(tmp_path / "old"), read_registry(registry))
    assert {change.kind for change in found} == {"added", "changed"}
    # One model is as it was, and only its ranks are others.
    same = [change.what for change in found if change.row.startswith("hugg")]
    assert same
    assert {what.partition(" in ")[0] for what in same} == {"rank"}
    assert differences(registry, registry) == ()
