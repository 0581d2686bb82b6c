"""Tool classes in the sandbox: fresh instances, BFCL's words for what goes wrong, and limits that hold."""

import json

import pytest

from pytest_slm.core.record import RecordError
from pytest_slm.core.worlds import ClassLibrary, Execution, World, WorldCall
from pytest_slm.sandbox import Limits, Worlds

TOOLS = '''
import os, sys
from copy import deepcopy
from tools.shared import GREETING

class Point:
    def __init__(self, x):
        self.x = x
    def __eq__(self, other):
        return self.x == other.x

class Box:
    """A box of things."""
    shelf = []
    def __init__(self):
        self.things = ["box"]
        self.point = Point(1)
        self._calls = 0
    def _load_scenario(self, scenario, long_context=False):
        if scenario.get("broken"):
            raise ValueError("no such box")
        self.things += scenario.get("things", [])
        self.long = long_context
    def put(self, thing):
        self._calls += 1
        self.things.append(thing)
        return {"put": thing, "n": len(self.things)}
    def move(self, x):
        self.point = Point(x)
    def greet(self):
        return GREETING
    def _secret(self):
        return "secret"
    def number(self):
        return 0.5
    def odd(self):
        return {"one": {1, }}
    def fail(self, text=""):
        raise ValueError(f"failed: {text}")
    def leave(self):
        sys.exit(3)
    def end(self):
        os._exit(0)
    def talk(self):
        print("hello")
        return "talked"
    def shout(self, times):
        for _ in range(times):
            print("x" * 1000)
        return "shouted"
    def loop(self):
        while True:
            pass
    def grow(self):
        self.things = "x" * (1 << 30)
    def forge(self):
        os.write(1, b'{"results": ["forged"]}\\n')
        return "true"
    def half(self):
        return "\\ud800!"
    run = kill = leave
'''
LIBRARY = ClassLibrary(
    name="tools",
    sha256="1" * 64,
    modules={"tools.shared": "GREETING = 'good day'", "tools.box": TOOLS, "tools.bad": "def broken(:"},
    classes={"Box": "tools.box", "Bad": "tools.bad"},
)
BOX = World(library=LIBRARY, classes=("Box",))


@pytest.fixture(scope="module")
def worlds(sandbox):
    with Worlds(Limits(work=1_500_000_000, memory=96 << 20, output=100_000, seconds=60), workers=1) as made:
        yield made


def call(name, *positional, **arguments):
    return WorldCall(name=name, arguments=arguments, positional=positional)


def results(worlds, *calls, world=BOX):
    executed = worlds.run(Execution(world=world, turns=(calls,), new=len(calls)))
    assert executed.ending == "done", executed
    return list(executed.results)


def test_results_are_told_as_bfcl_tells_them(worlds):
    assert results(
        worlds, call("put", "a"), call("put", thing="b"), call("greet"), call("number"), call("move", x=2), call("odd")
    ) == ['{"put": "a", "n": 2}', '{"put": "b", "n": 3}', "good day", "0.5", "None", "{'one': {1}}"]
    assert results(worlds, call("half")) == ["?!"]  # half a letter goes into no file and no prompt


def test_two_libraries_of_one_package_share_no_interpreter(worlds):
    # as BFCL's conversations and its memory, out of one wheel
    other = ClassLibrary(
        name="tools",
        sha256=LIBRARY.sha256,
        modules={"tools.lid": "class Lid:\n    def shut(self):\n        return 'shut'"},
        classes={"Lid": "tools.lid"},
    )
    lid = World(library=other, classes=("Lid",))
    for _ in range(2):
        assert results(worlds, call("greet")) == ["good day"]
        assert results(worlds, call("shut"), world=lid) == ["shut"]


def test_an_execution_begins_anew_and_shares_no_more_than_the_interpreter(worlds):
    began = worlds.started
    put = call("put", "a")
    full = World(library=LIBRARY, classes=("Box",), config={"Box": {"things": ["x", "y"]}})
    assert results(worlds, put, put)[-1] == '{"put": "a", "n": 3}'
    assert results(worlds, put, world=full) == ['{"put": "a", "n": 4}']
    assert results(worlds, put) == ['{"put": "a", "n": 2}']
    # what was called before is called again: only the newest results come back
    executed = worlds.run(Execution(world=BOX, turns=((put, put), (put,)), new=1))
    assert executed.results == ('{"put": "a", "n": 4}',)
    assert worlds.started <= began + 1


def test_only_public_methods_of_the_world_can_be_called(worlds):
    names = (
        "_secret",
        "__init__",
        "__class__",
        "_load_scenario",
        "things",
        "shelf",
        "Box.put",
        "print",
        "eval",
        "",
        "f(",
    )
    for told, name in zip(results(worlds, *map(call, names)), names, strict=True):
        assert told == f"Error during execution: name {name!r} is not defined"
    assert results(worlds, call("kill"), call("run")) == [
        "Error during execution: Function call kill is not allowed.",
        "Error during execution: Function call run is not allowed.",
    ]


def test_an_error_of_a_call_is_its_result(worlds):
    told = results(
        worlds,
        call("fail", text="why"),
        call("put"),
        call("put", thing=1, other=2),
        call("put", self=1, thing=2),
        call("put", **{"__class__": 1}),
        call("put", **{"thing; import os": 1}),
        call("leave"),
        call("greet"),
    )
    assert told[0] == "Error during execution: failed: why"
    assert all(one.startswith("Error during execution: Box.put() ") for one in told[1:6])
    assert told[6:] == ["Error during execution: 3", "good day"]


def test_hostile_arguments_are_values_and_nothing_else(worlds):
    long = "x" * 1_000_000
    deep = json.loads("[" * 60 + "]" * 60)
    for value in (long, deep, 2**70, {"__class__": "x"}, "\ud800", "\x00\n", "__import__('os').system('true')"):
        (told,) = results(worlds, call("put", thing=value))
        assert json.loads(told)["put"] == (value if value != "\ud800" else "\ud800")
    for value in (float("nan"), float("inf"), 2**5000, json.loads("[" * 99 + "]" * 99), {1: 2}, b"x"):
        with pytest.raises(RecordError):
            call("put", thing=value)


@pytest.mark.parametrize(
    ("name", "arguments", "ending", "explanation"),
    [
        ("loop", {}, "timeout", "it did not end within 1,500,000,000 instructions"),
        ("shout", {"times": 1000}, "output_limit", "it printed more than 100000 bytes"),
        ("end", {}, "failed", "it ended itself with exit code 0"),
        ("grow", {}, "out_of_memory", "the world lacked memory"),
    ],
)
def test_what_breaks_an_interpreter_ends_one_execution(worlds, name, arguments, ending, explanation):
    executed = worlds.run(Execution(world=BOX, turns=((call(name, **arguments),),), new=1))
    assert (executed.ending, executed.results) == (ending, ())
    assert executed.explanation == explanation
    assert results(worlds, call("talk")) == ["talked"]  # the next one is not told; what is printed is no result


def test_a_class_that_writes_to_the_channel_says_nothing(worlds):
    executed = worlds.run(Execution(world=BOX, turns=((call("forge"),),), new=1))
    assert (executed.ending, executed.results) == ("error", ())
    assert results(worlds, call("greet")) == ["good day"]


def test_a_world_that_cannot_be_made_says_so(worlds):
    broken = World(library=LIBRARY, classes=("Box",), config={"Box": {"broken": True}})
    executed = worlds.run(Execution(world=broken, turns=((),)))
    assert (executed.ending, executed.explanation) == ("unmade", "ValueError: no such box")
    executed = worlds.run(Execution(world=World(library=LIBRARY, classes=("Bad",)), turns=((),)))
    assert executed.ending == "unmade"
    assert executed.explanation.startswith("SyntaxError: ")
    with pytest.raises(RecordError, match="has no class 'Bag'"):
        World(library=LIBRARY, classes=("Bag",))


def test_states_and_results_are_compared_after_each_turn(worlds):
    put, other = call("put", "a"), call("put", "b")
    turns = ((put,), (call("move", x=2),), (call("greet"), other))
    gold = ((put,), (call("move", x=2.0),), (other,))
    compared = worlds.run(Execution(world=BOX, turns=turns, gold=gold)).turns
    assert [one.differing for one in compared] == [(), (), ()]
    assert compared[2].results == ("good day", '{"put": "b", "n": 3}')
    assert compared[2].gold_results == ('{"put": "b", "n": 3}',)
    compared = worlds.run(Execution(world=BOX, turns=((other,), (), (call("move", x=3),)), gold=gold)).turns
    # by what the classes say of equality; private attributes are nobody's business
    assert [one.differing for one in compared] == [
        ("Box.things",),
        ("Box.things", "Box.point"),
        ("Box.things", "Box.point"),
    ]
    long = call("put", "x" * 9000)
    (compared,) = worlds.run(Execution(world=BOX, turns=((long,),), gold=((call("put", "x" * 9001),),))).turns
    assert len(compared.results[0]) < 3000
    assert compared.results != compared.gold_results


def test_several_at_once_do_not_meet(sandbox):
    with Worlds(workers=2) as pool:
        asked = [Execution(world=BOX, turns=((call("put", n), call("put", n)),), new=1) for n in range(40)]
        told = [future.result().results[0] for future in map(pool.submit, asked)]
        assert told == [json.dumps({"put": n, "n": 3}) for n in range(40)]
        assert 1 <= pool.started <= 2
