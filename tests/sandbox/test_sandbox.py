"""Honest programs: what they return arrives, and every value keeps its type."""

import contextlib
import random
import runpy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.sandbox.guest import values, wire

ODD = runpy.run_path(str(Path(__file__).parent / "odd.py"))["ODD"]
TAGS = [
    "l",
    "t",
    "s",
    "z",
    "d",
    "i",
    "f",
    "c",
    "r",
    "b",
    "a",
    "T",
    "o",
    "=",
    "named",
    "keys",
    "items",
    "Counter",
    "deque",
]

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


def refuse(*what):
    raise AssertionError(what)


def pack(value):
    return values.Packer(refuse).pack(value)


def unpack(message):
    return values.Unpacker(refuse).unpack(message)


@given(plain)
def test_plain_data_come_back_as_they_were(value):
    back = unpack(pack(value))
    assert back == value
    assert repr(back) == repr(value)


def test_what_holds_itself_comes_back_so():
    ring = [1, {}]
    ring[1]["all"] = ring
    back = unpack(pack((ring, ring)))
    assert back[0] is back[1] is back[0][1]["all"]


def test_what_was_done_to_an_argument_is_told():
    mine = [[1], {2}]
    packer = values.Packer(refuse)
    message = packer.pack(mine)
    unpacker = values.Unpacker(refuse)
    theirs = unpacker.unpack(message)
    before = [values.snapshot(one) for one in unpacker.made]
    theirs[0].append(theirs[1])
    changes = [values.changed(one, now) for one, now in zip(before, unpacker.made, strict=True)]
    assert changes == [False, True, False]
    contents = values.Packer(refuse, unpacker.made).contents(theirs[0])
    values.Unpacker(refuse, packer.kept).refill(packer.kept[1], contents)
    assert mine[0] == [1, {2}]
    assert mine[0][1] is mine[1]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(TAGS) | st.text(),
    lambda inner: st.lists(inner),
)


@given(anything)
def test_any_message_is_a_value_or_unfit(message):
    # it comes from a hostile program
    def opaque(tag, rest):
        raise wire.Unfit(tag)

    with contextlib.suppress(wire.Unfit):
        values.Unpacker(opaque).unpack(message)


def test_a_subclass_arrives_as_what_it_holds():
    class Sly(int):
        def __eq__(self, other):
            return True

        __hash__ = None

    assert type(unpack(pack(Sly(7)))) is int


@pytest.mark.parametrize("share", [0.15, pytest.param(1, marks=pytest.mark.nightly)])
def test_every_odd_but_right_program_passes(sandbox, share):
    assert len(ODD) >= 120
    names = random.Random(0).sample(sorted(ODD), int(share * len(ODD)))
    waiting = {name: sandbox.submit(*ODD[name]) for name in names}
    outcomes = {name: future.result() for name, future in waiting.items()}
    assert not {name: outcome for name, outcome in outcomes.items() if not outcome.passed}


def test_the_same_program_does_the_same_work(sandbox):
    program = "import random\ndef f(): return [hash('x'), random.random()]"
    first, second = (sandbox.run(program, "assert 0, f()") for _ in range(2))
    assert first.explanation == second.explanation
    # not to the instruction: how long the numbers in their messages are differs
    assert first.work == pytest.approx(second.work, rel=0.02)


def test_what_the_last_call_did_is_part_of_the_work(sandbox):
    program = "def f(n):\n    for _ in range(n): pass"
    little, much = (sandbox.run(program, f"f({n})").work for n in (1, 10**5))
    assert much - little > 10**6


def test_a_failed_test_is_named(sandbox):
    outcome = sandbox.run("def f(x): return x", "assert f(1) == 1\nassert f(1) == 2, 'off by one'")
    assert outcome.explanation == "a test failed: assert f(1) == 2, 'off by one' (off by one)"
