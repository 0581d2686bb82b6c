"""Honest programs: what they return arrives, and every value keeps its type."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.sandbox.guest import wire

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


@given(plain)
def test_plain_data_come_back_as_they_were(value):
    back = wire.unpack(wire.pack(value, refuse), refuse)
    assert back == value
    assert repr(back) == repr(value)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from("lsztdifcbarTo") | st.text(),
    lambda inner: st.lists(inner),
)


@given(anything)
def test_any_message_is_a_value_or_unfit(message):
    # it comes from a hostile program
    def opaque(tag, rest):
        raise wire.Unfit(tag)

    with contextlib.suppress(wire.Unfit):
        wire.unpack(message, opaque)


def test_a_subclass_arrives_as_what_it_holds():
    class Sly(int):
        def __eq__(self, other):
            return True

        __hash__ = None

    assert type(wire.unpack(wire.pack(Sly(7), refuse), refuse)) is int


@pytest.mark.parametrize(
    ("program", "tests"),
    [
        ("def f(x): return x + 1", "assert f(1) == 2"),
        ("def f(x): x.sort()", "x = [3, 1]\nf(x)\nassert x == [1, 3]"),
        ("def f(n): return 0 if n == 0 else 1 + f(n - 1)", "assert f(900) == 900"),
        ("import time\ntime.sleep(10 ** 6)\ndef f(): return 3", "assert f() == 3"),
        ("def f(x): raise ValueError(x)", "try:\n    f('no')\nexcept ValueError:\n    pass\nelse:\n    assert 0"),
        ("class Node:\n    def __init__(self, v): self.v = v", "a = Node(3)\na.next = Node(4)\nassert a.next.v == 4"),
        ("def f(x):\n    for i in x: yield i * i", "assert list(f([1, 2])) == [1, 4]"),
        ("def f(g, x): return g(x)", "assert f(lambda a: a + 1, 2) == 3"),
        ("import math", "assert math.sqrt(4) == 2"),
        ("from collections import Counter\ndef f(x): return Counter(x)", "assert f('aab') == {'a': 2, 'b': 1}"),
    ],
)
def test_an_honest_program_passes(sandbox, program, tests):
    outcome = sandbox.run(program, tests)
    assert outcome.passed, outcome


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
