"""BFCL's own scenarios and classes: the gold calls are right, and nothing else is taken for them."""

import random

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.backends.protocol import ModelSpec, ignored, silent
from pytest_slm.bfcl.worlds.checking import check
from pytest_slm.core.types import Generation, ToolCall
from pytest_slm.core.worlds import Execution, WorldCall
from pytest_slm.kinds.checking import make_kind
from pytest_slm.run.drive import drive
from pytest_slm.sandbox import Worlds

VARIANTS = ("base", "miss_func", "miss_param", "long_context")


@pytest.fixture
def scenarios(official, mirror, context):
    """``scenarios("base")``: those of a variant."""
    pytest.importorskip("datasets")

    def read(variant):
        kind = make_kind(official, variant, context(data=str(mirror), mode="full"))
        kind.ready()
        return kind.samples()

    return read


def verdicts(asked):
    """What the checker says of (scenario, calls)."""
    with Worlds() as worlds:
        waiting = [worlds.submit(Execution(world=one.world, turns=tuple(turns), gold=one.gold)) for one, turns in asked]
        return [
            check(turns, one.gold, future.result().turns) for (one, turns), future in zip(asked, waiting, strict=True)
        ]


def gold_and_empty(scenarios):
    found = verdicts([(one, one.gold) for one in scenarios])
    assert [(one.id, finding) for one, finding in zip(scenarios, found, strict=True) if not finding.valid] == []
    found = verdicts([(one, [()] * len(one.gold)) for one in scenarios])
    assert {finding.error for finding in found} == {"empty_turn_model_response"}


def test_gold_calls_are_right_and_no_calls_are_wrong(scenarios):
    chance = random.Random(0)
    gold_and_empty([one for variant in VARIANTS for one in chance.sample(list(scenarios(variant)), 3)])


@pytest.mark.nightly
def test_all_gold_calls_are_right_and_no_calls_are_wrong(scenarios):
    for variant in VARIANTS:
        every = scenarios(variant)
        assert len(every) > 90
        gold_and_empty(every)


def test_a_call_too_many_is_seen_in_the_state_or_is_harmless(scenarios):
    files = [one for one in scenarios("base") if "GorillaFileSystem" in one.world.classes][:4]
    more = WorldCall(name="mkdir", arguments={"dir_name": "zzz"})
    look = WorldCall(name="pwd")
    worse = verdicts([(one, [*one.gold[:-1], (*one.gold[-1], more)]) for one in files])
    assert {finding.error for finding in worse} == {"instance_state_mismatch"}
    assert all(finding.valid for finding in verdicts([(one, [(look, *turn) for turn in one.gold]) for one in files]))


class Oracle(Fake):
    """Makes the gold calls, a turn at a time, and then says that it is done."""

    def __init__(self, scenarios):
        super().__init__(ModelSpec(path=None, format="fake"))
        self._context = 1 << 20
        self._gold = {one.turns[0][0].content: one for one in scenarios}

    def generate(self, requests, progress=silent, finished=ignored):
        made = [self._answer(request) for request in requests]
        for number, one in enumerate(made):
            finished(number, one)
        return made

    def _answer(self, request):
        said = [message for message in request.messages if message.role == "user"]
        scenario = self._gold[said[0].content]
        turn = scenario.gold[len(said) - 1]
        calls = tuple(ToolCall(name=one.name, arguments=_named(one, request.tools)) for one in turn)
        if request.messages[-1].role != "user":
            calls = ()
        return Generation(text="", n_prompt=1, n_output=1, n_reasoning=0, finish="stop", tool_calls=calls)


def _named(call, tools):
    """Gold calls name some arguments by their place."""
    names = next(
        [*one["function"]["parameters"]["properties"]] for one in tools if one["function"]["name"] == call.name
    )
    return {**dict(zip(names, call.positional, strict=False)), **call.arguments}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_model_that_makes_the_gold_calls_has_everything_right(scenarios, official, context, mirror, variant):
    oracle = Oracle(scenarios(variant))
    result = drive(make_kind(official, variant, context(oracle, data=str(mirror), limit=3, mode="full")))
    assert (result.metric("accuracy").value, result.n_scored) == (1.0, 3)
