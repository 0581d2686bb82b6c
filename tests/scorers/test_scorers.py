"""The registry: scorers by name, built-in and added."""

from __future__ import annotations

import pytest

from pytest_slm.core.types import Generation, Sample, Verdict
from pytest_slm.errors import UsageError
from pytest_slm.extensions import Extensions
from pytest_slm.extensions.catalogue import Catalogue
from pytest_slm.scorers import SCORERS, Rule, Scorer


def scorers_() -> Catalogue[Scorer | Rule]:
    return Extensions().scorers


def always_right(sample: Sample, generation: Generation) -> Verdict:
    return Verdict(value=1.0, answer=generation.text, explanation="always")


@pytest.mark.parametrize("name", sorted(SCORERS))
def test_every_built_in_scorer_can_be_imported(name: str) -> None:
    assert isinstance(scorers_().lookup(name), Rule)


def test_an_unknown_name_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match=r"unknown scorer 'numbr'\. Did you mean 'number'\?  \[extension-unknown\]"):
        scorers_().lookup("numbr")


def test_a_function_can_be_registered() -> None:
    scorers = scorers_()
    scorers.register("always_right", always_right)
    assert scorers.lookup("always_right") is always_right


def test_a_path_can_be_registered_and_is_imported_at_use() -> None:
    scorers = scorers_()
    scorers.register("same_as_number", "pytest_slm.scorers.number:NUMBER")
    assert scorers.lookup("same_as_number") is scorers.lookup("number")


@pytest.mark.parametrize(
    "where", ["no_such_package:f", "pytest_slm.scorers.number:no_such", "pytest_slm.scorers", ":f"]
)
def test_a_path_that_leads_nowhere_is_named(where: str) -> None:
    scorers = scorers_()
    scorers.register("lost", where)
    with pytest.raises(UsageError, match=r"'lost' cannot be imported.*\[extension-import\]"):
        scorers.lookup("lost")


def test_a_name_is_given_only_once() -> None:
    # Otherwise an installed package could change what a published number means.
    with pytest.raises(UsageError, match=r"registered already.*\[extension-twice\]"):
        scorers_().register("number", always_right)


def test_one_registry_does_not_change_another() -> None:
    scorers_().register("mine", always_right)
    with pytest.raises(UsageError):
        scorers_().lookup("mine")
