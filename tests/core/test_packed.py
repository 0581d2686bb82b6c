"""Records as lists: what comes out is what went in, as far as it was to be kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from pytest_slm.core.record import Record
from pytest_slm.core.record.packed import Packer


@dataclass(frozen=True, kw_only=True)
class Inner(Record):
    """Part of the others."""

    value: float
    pair: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Outer(Record):
    """All forms that a field can have."""

    name: str
    inner: Inner | None = None
    many: tuple[Inner, ...] = ()
    named: Mapping[str, Inner] = field(default_factory=dict)
    mixed: tuple[tuple[str, Inner], ...] = ()
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    note: str = "nothing"
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Either(Record):
    """Of a list nobody could say which it is."""

    one: Inner | Outer


WHOLE = Outer(
    name="a",
    inner=Inner(value=1.5, pair=(0.0, 2.0)),
    many=(Inner(value=1.0), Inner(value=2.0)),
    named={"b": Inner(value=3.0)},
    mixed=(("c", Inner(value=4.0)),),
    words={"d": ("e", "f")},
    note="something",
    more={"g": "h"},
)


def through(packer, record):
    return packer.unpacker(type(record))(json.loads(json.dumps(packer.pack(record))))


@pytest.mark.parametrize("record", [WHOLE, Outer(name="a")])
def test_a_record_comes_back(record):
    assert through(Packer({}), record) == record


def test_what_is_not_kept_comes_back_as_its_default():
    found = through(Packer({Outer: ("name", "many")}), WHOLE)
    assert found == Outer(name="a", many=WHOLE.many)
    assert found.more is not through(Packer({Outer: ("name",)}), WHOLE).more


def test_what_has_no_default_has_to_be_kept():
    with pytest.raises(TypeError, match="Outer: what has no default"):
        through(Packer({Outer: ("note",)}), WHOLE)


def test_what_could_be_two_things_is_refused():
    with pytest.raises(TypeError, match="which of them"):
        through(Packer({}), Either(one=WHOLE))


@pytest.mark.parametrize("data", [[], ["a"], ["a"] * 9, None, 1])
def test_a_list_of_another_length_is_no_record(data):
    with pytest.raises((TypeError, ValueError)):
        Packer({}).unpacker(Outer)(data)
