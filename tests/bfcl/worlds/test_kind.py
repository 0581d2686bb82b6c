"""BFCL's conversations from the first question to the verdict, with a scripted model and a class of the test's own."""

import dataclasses
import json

import pytest
from slm_surroundings import calling

from pytest_slm.backends.protocol import CAPABILITIES, TOOLS
from pytest_slm.errors import BackendError, NotAvailableError, UsageError
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.checking import check_task, make_kind
from pytest_slm.run.drive import drive
from pytest_slm.run.recorded import RecordedAnswers

pytestmark = pytest.mark.usefixtures("sandbox_there")


@pytest.fixture
def run(fake, context, records, box_task, box_data, watched):
    """``run(rows, rules, ...)``: the result of conversations with a model that answers by these rules."""

    def go(rows, rules, *, variant="base", backend=None, capabilities=CAPABILITIES, given=None, **options):
        said = [{"contains": asked, "text": text} for asked, text in rules.items()]
        go.backend = backend or fake(
            watched, rules=said, text="That is all.", capabilities=sorted(capabilities), **(given or {})
        )
        surroundings = context(go.backend, data=box_data(rows))
        return drive(make_kind(box_task(**options), variant, surroundings))

    go.lines = records
    return go


def test_calls_are_executed_and_the_state_decides(run, make_row):
    rows = [
        make_row("one", "Put a b.", "Look.", gold=[["put(thing='b')"], ["look()"]]),
        make_row("two", "Put a c.", "Look.", gold=[["put('b')"], []]),
        make_row("three", "Nothing.", gold=[["look()"]]),
    ]
    result = run(rows, {"a b": calling("put", thing="b"), "a c": calling("put", thing="c"), "Look.": calling("look")})
    lines = {line.doc_id: line for line in run.lines}
    assert result.metric("accuracy").value == pytest.approx(1 / 3)
    assert [lines[name].score for name in ("one", "two", "three")] == [1.0, 0.0, 0.0]
    assert [lines[name].metadata["ending"] for name in ("two", "three")] == [
        "instance_state_mismatch",
        "empty_turn_model_response",
    ]
    assert lines["two"].explanation == "turn 1: Box.things not as after the gold calls"
    assert lines["two"].metadata["needless_turns"] == 1
    # a round asks all that are open: two turns of a call and an answer to its result each
    assert [len(one) for one in run.backend.calls] == [3, 2, 2, 2]
    last = run.backend.calls[-1][0].messages
    assert [message.role for message in last] == ["user", "assistant", "tool", "assistant", "user", "assistant", "tool"]
    assert (last[2].content, last[6].content) == ('{"n": 2}', "['a', 'b']")
    assert result.provenance["tool_classes"] == "toys==1.0"
    assert result.provenance["endings"] == {
        "empty_turn_model_response": 1,
        "instance_state_mismatch": 1,
        "valid": 1,
    }


def test_a_run_is_scored_again_from_its_lines(run, make_row, context, records, box_task, box_data, watched):
    rows = [make_row("one", "Put a b.", "Look.", gold=[["put(thing='b')"], ["look()"]])]
    before = run(rows, {"a b": calling("put", thing="b"), "Look.": calling("look")})
    lines, records[:] = [line.to_json() for line in records], []

    class Silent(watched):
        def generate(self, *_):
            raise AssertionError("a model was asked")

    again = context(run.backend, data=box_data(rows))
    again = dataclasses.replace(again, recorded=RecordedAnswers("here", lines))
    run.backend.generate = Silent.generate.__get__(run.backend)
    after = drive(make_kind(box_task(), "base", again))
    assert (after.metric("accuracy").value, before.metric("accuracy").value) == (1.0, 1.0)
    assert records[0].to_json() == lines[0]


def test_a_function_that_was_held_back_comes_in_its_turn(run, make_row):
    rows = [make_row("one", "Put a b.", "", gold=[[], ["put(thing='b')"]], missed={"1": ["put"]})]
    rules = {"There are more.": calling("put", thing="b")}
    assert run(rows, rules).metric("accuracy").value == 1.0
    first, second = run.backend.calls[0][0], run.backend.calls[1][0]
    assert [one["function"]["name"] for one in first.tools] == ["look", "loop"]
    assert [one["function"]["name"] for one in second.tools] == ["look", "loop", "put"]
    assert first.tools[0]["function"]["description"] == "look it. In Python."
    assert second.tools[2]["function"]["parameters"]["type"] == "object"  # JSON Schema's word for BFCL's dict
    assert second.messages[-1].content == "There are more."


def test_without_a_template_for_tools_functions_and_results_are_text(run, make_row):
    rows = [make_row("one", "Put a b.", "", gold=[["look()"], ["put(thing='b')"]], missed={"1": ["put"]})]
    rules = {"are more.": "[put(thing='b')]", "Put a b.": "[look()]"}
    result = run(rows, rules, capabilities=CAPABILITIES - {TOOLS})
    assert (result.metric("accuracy").value, result.provenance["tools"]) == (1.0, "prompt")
    first, second, third = (one[0] for one in run.backend.calls[:3])
    assert first.tools == ()
    assert first.messages[0].content.startswith('Call these:\n[\n    {\n        "name": "look"')
    assert second.messages[-1].content == """[{'role': 'tool', 'name': 'look()', 'content': "['a']"}]"""
    assert third.messages[-1].content.startswith("[{'name': 'put'")
    result = run(rows, rules, prompting="text")
    assert result.provenance["tools"] == "prompt"
    with pytest.raises(NotAvailableError, match="requires 'tools'"):
        run(rows, rules, prompting="template", capabilities=CAPABILITIES - {TOOLS})


def test_a_model_that_calls_on_and_on_has_failed_after_twenty_steps(run, make_row):
    rows = [make_row("one", "Look.", gold=[["look()"]])]
    result = run(rows, {"": calling("look")})
    (line,) = run.lines
    assert (result.metric("accuracy").value, line.turns) == (0.0, 21)
    assert (line.metadata["ending"], line.metadata["steps"]) == ("force_terminated", 20)


def test_what_does_not_fit_the_context_counts_as_wrong_and_is_told(run, make_row):
    rows = [
        make_row("short", "Look.", gold=[["look()"]]),
        make_row("long", f"Look. {'word ' * 100}", gold=[["look()"]]),
    ]
    result = run(rows, {"Look.": calling("look")}, given={"context_length": 60})
    lines = {line.doc_id: line for line in run.lines}
    assert (lines["short"].score, lines["long"].score) == (1.0, 0.0)
    assert lines["long"].metadata["ending"] == "context_exceeded"
    assert result.reason == "1 of 2 conversations grew longer than the context, which counts as wrong"


@pytest.mark.parametrize("text", ["<tool_call>{broken", '<tool_call>{"name": "look", "arguments": [1]}</tool_call>'])
def test_an_answer_whose_calls_cannot_be_read_ends_the_turn(run, make_row, text):
    run([make_row("one", "Look.", gold=[["look()"]])], {"Look.": f"{calling('look')}{text}"})
    assert [(line.score, line.turns) for line in run.lines] == [(0.0, 1)]


def test_calls_that_no_tool_has_are_told_so_and_the_conversation_goes_on(run, make_row):
    rows = [make_row("one", "Look.", gold=[["look()"]])]
    rules = {"Look.": calling("__class__", x=2**70) + calling("fly"), "is not defined": calling("look")}
    assert run(rows, rules).metric("accuracy").value == 1.0
    told = run.backend.calls[1][0].messages
    assert [message.content for message in told[-2:]] == [
        "Error during execution: name '__class__' is not defined",
        "Error during execution: name 'fly' is not defined",
    ]


def test_tools_that_cannot_be_made_leave_a_sample_unscored(run, make_row):
    whole = make_row("two", "Look.", gold=[["look()"]])
    broken = {**make_row("one", "Look.", gold=[["look()"]]), "initial_config": json.dumps({"Box": {}})}
    result = run([broken, whole], {"Look.": calling("look")})
    assert (result.n_scored, result.n_unscored) == (1, 1)
    line = next(line for line in run.lines if line.doc_id == "one")
    assert line.explanation == "the tools ended with unmade: KeyError: 'things'"


def test_data_that_are_no_scenarios_are_told_with_their_row(run, make_row):
    good = make_row("one", "Look.", gold=[["look()"]])
    for change, told in (
        ({"ground_truth": "[]"}, "1 turns and gold calls for 0"),
        ({"ground_truth": '[["look("]]'}, "no call: 'look('"),
        ({"ground_truth": '[["look(a=b)"]]'}, "a call whose arguments are no plain values"),
        ({"involved_classes": '["Bag"]'}, "KeyError: 'Bag'"),
        ({"missed_function": '{"0": ["look"]}'}, "functions are added in a turn that is not empty"),
        ({"missed_function": '{"9": ["look"]}'}, "functions are added in a turn that is not empty"),
        ({"missed_function": '{"0": ["fly"]}'}, "no function 'fly'"),
        ({"question": "[[]]"}, "a turn in which nobody says anything"),
        ({"question": "[[5]]"}, "expected an object"),
    ):
        with pytest.raises(BackendError) as caught:
            run([{**good, **change}], {})
        assert caught.value.slug == "data-broken"
        assert told in str(caught.value)
    with pytest.raises(BackendError, match="the id 'one' is there twice"):
        run([good, good], {})


def test_a_limit_takes_what_is_short_and_a_seed_chooses_among_equals(run, make_row, context, fake, box_task, box_data):
    rows = [make_row(f"r{n}", *["Look."] * (1 + n % 2), gold=[["look()"]] * (1 + n % 2)) for n in range(8)]
    kinds = [make_kind(box_task(), "base", context(fake(), data=box_data(rows), limit=3, seed=n)) for n in range(3)]
    chosen = []
    for kind in kinds:
        kind.ready()
        chosen.append([one.id for one in kind.samples()])
    assert all(set(names) < {"r0", "r2", "r4", "r6"} and names == sorted(names) for names in chosen)
    assert len({tuple(names) for names in chosen}) > 1
    assert kinds[0].total() == 8


def test_mistakes_in_a_task_are_found_before_a_model_is_there(box_task):
    check_task(box_task(), Extensions())
    for wrong, told in (
        ({"prompting": "loud"}, "prompting"),
        ({"max_tokens": 0}, "max_tokens: expected a whole number from 1"),
        ({"prompts": {"system": "x", "added_text": "{functions}", "added_template": ""}}, "expected a text with"),
        ({"tools": {}}, "missing key"),
    ):
        with pytest.raises(UsageError, match=told):
            check_task(box_task(**wrong), Extensions())
    with pytest.raises(UsageError, match=r"variants\.base"):
        check_task(dataclasses.replace(box_task(), variants={"base": {"categories": "x"}}), Extensions())
