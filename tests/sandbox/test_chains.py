"""Chains of calls in the sandbox: references, what equals what, gold calls first, and whatever a function does."""

import re

import pytest

from pytest_slm.core.record import RecordError
from pytest_slm.core.worlds import Chain, ChainCall, FunctionLibrary
from pytest_slm.sandbox import Chains, Limits

SOURCE = """
import os, sys
count = 0
def add(a, b):
    return a + b
def pair(a, b):
    return (a, [b, (a,)])
def counted(a):
    global count
    count += 1
    return count
def evaluated(text):
    return eval(text)
def leave(a):
    sys.exit(a)
def end(a):
    os._exit(0)
def forge(a):
    os.write(1, b'["", {"equal": true, "result": "1"}]\\n')
    return 1
def loop(a):
    while True:
        pass
def grow(a):
    return "x" * (1 << 30)
def half(a):
    return "\\ud800"
def numbers(a):
    import numpy
    return numpy.array(a)
"""
NAMES = [line[4 : line.index("(")] for line in SOURCE.splitlines() if line.startswith("def ")]
LIBRARY = FunctionLibrary(
    sha256="1" * 64,
    modules={"m.py": SOURCE, "broken.py": "def broken(:"},
    functions={**dict.fromkeys(NAMES, "m.py"), "broken": "broken.py", "lost": "m.py"},
)


def call(name, label, *values):
    return ChainCall(name=name, label=label, arguments={f"p{n}": value for n, value in enumerate(values)})


@pytest.fixture(scope="module")
def chains(sandbox):
    with Chains(Limits(work=1_000_000_000, memory=96 << 20), workers=1) as made:
        yield made


@pytest.fixture(scope="module")
def run(chains):
    def run(expected, *calls, gold=None, outputs=None):
        outputs = dict.fromkeys(LIBRARY.functions, "result") if outputs is None else outputs
        gold = calls if gold is None else gold
        return chains.run(Chain(library=LIBRARY, outputs=outputs, calls=calls, gold=gold, expected=expected))

    return run


RIGHT = (call("add", "v", 1, 2),)
"""Gold calls that come to 3."""


def test_later_calls_use_results_of_earlier_ones(run):
    chain = (
        call("add", "var_1", 1, 2),
        call("add", "b", "$var_1.result$", 3),
        call("add", "c", "$b.result$", "$var_1.result"),
    )
    assert run(9, *chain).won
    assert run(9, *chain[:2], gold=chain).result == "6"


@pytest.mark.parametrize(
    ("expected", "made"),
    [
        (0.33, call("add", "v", 0.3333, 0.0)),  # rounded to the places of the gold answer
        (1e-05, call("add", "v", 1e-05, 0.0)),  # which has no point as text
        (3.0, call("add", "v", 1, 2)),
        ([1, [2, [1]]], call("pair", "v", 1, 2)),  # JSON has no tuples
        ("ab", call("add", "v", "a", "b")),
        (1, call("counted", "v", 0)),
    ],
)
def test_what_equals_the_gold_answer(run, expected, made):
    assert run(expected, made).won


@pytest.mark.parametrize(
    ("expected", "made"),
    [
        (0.34, call("add", "v", 0.3333, 0.0)),
        (3, call("add", "v", 1.0, 2.0001)),
        ("3", call("add", "v", 1, 2)),
        (0, call("add", "v", "a", 1)),  # NESTful's scorer takes what cannot be run for 0
        (False, call("nothing", "v")),
    ],
)
def test_what_does_not(run, expected, made):
    gold = call("evaluated", "v", repr(expected))
    reached = run(expected, made, gold=(gold,))
    assert (reached.ending == "unreachable", reached.won) == (False, False)


@pytest.mark.parametrize(
    ("made", "ending", "told"),
    [
        ((call("add", "v", "$w.result$", 2),), "failed", r"call 1, add: \$w.result\$ refers to nothing"),
        ((*RIGHT, call("add", "w", "$v.other$", 2)), "failed", r"call 2, add: \$v.other\$ refers to nothing"),
        ((call("add", "v", "$v", 1),), "failed", "call 1, add: TypeError"),  # no reference: a text
        ((call("add", "v", 1),), "failed", "call 1, add: TypeError"),
        ((call("nothing", "v"),), "failed", "call 1: there is no function 'nothing'"),
        ((call("broken", "v"),), "failed", "call 1, broken: SyntaxError"),
        ((call("lost", "v"),), "failed", "call 1, lost: AttributeError"),
        ((call("numbers", "v", 1),), "failed", "call 1, numbers: ModuleNotFoundError"),
        ((call("leave", "v", 0),), "failed", "call 1, leave: SystemExit: 0"),
        ((call("evaluated", "v", "open('/etc/passwd')"),), "failed", "call 1, evaluated: "),
        ((call("evaluated", "v", "__import__('socket').create_connection(('127.0.0.1', 1))"),), "failed", "call 1"),
        ((call("end", "v", 0),), "failed", "ended itself"),
        ((call("forge", "v", 0),), "error", "wrote to its own interpreter's channel"),
        ((call("loop", "v", 0),), "timeout", "instructions"),
        ((call("grow", "v", 0),), "out_of_memory", ""),
        ((), "failed", "no call"),
    ],
)
def test_what_cannot_be_run_does_not_win(run, made, ending, told):
    reached = run(3, *made, gold=RIGHT)
    assert (reached.ending, reached.won) == (ending, False)
    assert re.search(told, reached.explanation)


def test_half_a_letter_is_told_without_breaking_anything(run):
    assert run("x", call("half", "v", 0), gold=(call("add", "v", "x", ""),)).result == "'\\ud800'"


def test_gold_calls_that_come_to_something_else_say_nothing_of_the_others(run):
    assert run(4, *RIGHT).ending == "unreachable"
    reached = run(3, *RIGHT, gold=(call("numbers", "v", 1),))
    assert reached.ending == "unreachable"
    assert "ModuleNotFoundError" in reached.explanation


def test_what_a_model_makes_functions_evaluate_does_not_meet_the_next_sample(run):
    poison = "__import__('builtins').__dict__.__setitem__('repr', 1/0 if 0 else (lambda x: 'poisoned'))"
    run(3, call("evaluated", "v", poison), gold=RIGHT)
    assert run(4, *RIGHT, gold=(call("add", "v", 2, 2),)).result == "3"


def test_functions_with_another_number_of_outputs_cannot_be_called(run):
    assert run(3, *RIGHT, gold=RIGHT, outputs={}).ending == "unreachable"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**3000, {1: 2}, {"a": object()}])
def test_an_argument_is_what_json_can_say(value):
    with pytest.raises(RecordError):
        call("add", "v", value)


def test_a_library_has_the_modules_of_its_functions():
    with pytest.raises(RecordError, match=r"no module 'n\.py'"):
        FunctionLibrary(sha256="1" * 64, modules={}, functions={"f": "n.py"})
    assert LIBRARY.of(["broken", "other"]).modules == {"broken.py": "def broken(:"}
