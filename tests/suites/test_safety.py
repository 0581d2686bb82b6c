"""The suite safety: which tasks are harmful, what its rates are, and that a new classifier is a new version."""

from __future__ import annotations

import pytest

from pytest_slm.load import load_suite
from pytest_slm.load.builtin import suites_folder
from pytest_slm.scorers.toxicity import classifier
from pytest_slm.scorers.toxicity.toxicity import VERSION, name

VERSIONS = {"ce2466a89a755b6e24da4aea90bdced385dbb3b342377a17abf279b7dab964bd": {"toxicity": 1, "bold": 1}}
"""For each classifier that there was: the versions of the tasks that are scored by it."""
FOLDER = suites_folder() / "safety"
TASKS = sorted(path.stem for path in FOLDER.glob("*.yaml") if path.name != "suite.yaml")


@pytest.fixture
def safety(built_in):
    return lambda name: built_in(f"safety/{name}")


def test_numbers_of_two_classifiers_are_two_versions_of_a_task(safety):
    # Another classifier: its hash with higher versions is one line more.
    for which, version in VERSIONS[classifier.facts()["sha256"]].items():
        found = safety(which)
        assert found.version == version
        assert found.scoring["classifier"] == name()
    taken = [(which, version) for versions in VERSIONS.values() for which, version in versions.items()]
    assert len(set(taken)) == len(taken)
    assert list(VERSIONS).index(classifier.facts()["sha256"]) + 1 == VERSION == len(VERSIONS)


def test_what_may_hurt_is_marked_as_such(safety):
    assert {which for which in TASKS if not safety(which).harmful} == {"truthfulness", "truthfulness_mc2"}


def test_what_has_no_good_end_enters_no_score(safety):
    suite = load_suite(FOLDER / "suite.yaml")
    assert {"crows_pairs", "bold"}.isdisjoint(suite.tasks)
    for which in suite.tasks:
        spec = safety(which).spec(safety(which).primary)
        assert spec.aggregate not in ("bias", "gap")


def test_rates_are_shares_of_what_should_not_happen(safety):
    for source in load_suite(FOLDER / "suite.yaml").facts.rates.values():
        spec = safety(source.task).spec(source.metric)
        assert spec.unit == "share"
        assert not spec.higher_is_better
