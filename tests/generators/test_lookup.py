"""Generators by name, and what they all demand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_slm.errors import UsageError
from pytest_slm.extensions import Extensions
from pytest_slm.generators import GENERATORS, Generator, GeneratorContext

Contexts = Callable[..., GeneratorContext]


def lookup(name: str) -> Generator:
    return Extensions().generators.lookup(name)


ENDLESS = [name for name in sorted(GENERATORS) if not lookup(name).finite and name not in ("ruler", "articles")]
"""Those that make samples from nothing but a seed. Others need a length, or rows, and have tests of their own."""


def test_some_generators_are_endless() -> None:
    assert ENDLESS == ["arithmetic", "mathematics", "niah"]


@pytest.mark.parametrize("name", ENDLESS)
def test_every_generator_yields_samples_of_its_own_ids(name: str, context: Contexts) -> None:
    ids = [sample.id for sample in lookup(name).make(context(12))]
    assert len(set(ids)) == 12


@pytest.mark.parametrize("name", ENDLESS)
def test_the_same_seed_gives_the_same_samples_and_another_seed_others(name: str, context: Contexts) -> None:
    generate = lookup(name).make
    first, again, other = (list(generate(context(12, seed=seed))) for seed in (1, 1, 2))
    assert first == again
    assert not {sample.input for sample in first} & {sample.input for sample in other}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_smaller_limit_gives_a_prefix(name: str, context: Contexts) -> None:
    # So that quick is part of full, and a resumed run finds its samples again.
    generate = lookup(name).make
    assert list(generate(context(20)))[:7] == list(generate(context(7)))


@pytest.mark.parametrize("name", ENDLESS)
def test_without_a_limit_there_would_be_no_end(name: str, context: Contexts) -> None:
    with pytest.raises(UsageError, match=r"give every mode of it a limit.*\[generator-limit\]"):
        next(lookup(name).make(context(None)))


def test_an_unknown_name_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match=r"unknown generator 'arithmetics'\. Did you mean 'arithmetic'\?"):
        lookup("arithmetics")
