"""BFCL's memory from the first conversation to the verdicts, with a scripted model and a class of the test's own."""

import contextlib
import dataclasses
import functools

import pytest
from slm_surroundings import calling

from pytest_slm.backends.protocol import CAPABILITIES, TOOLS
from pytest_slm.core.request import GenerationSettings
from pytest_slm.errors import BackendError, NotAvailableError, ScoringError, UsageError
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.checking import check_task, make_kind
from pytest_slm.run.drive import drive, first_round
from pytest_slm.run.recorded import RecordedAnswers
from pytest_slm.sandbox import Limits, Worlds


@pytest.fixture(scope="session")
def one_sandbox(sandbox_there):
    with Worlds() as worlds:
        yield worlds


@pytest.fixture(autouse=True)
def shared_sandbox(one_sandbox, monkeypatch):
    """Starting an interpreter takes longer than these tests."""
    monkeypatch.setattr("pytest_slm.run.rounds.Worlds", lambda: contextlib.nullcontext(one_sandbox))


@pytest.fixture
def small(rows):
    """Two scenarios: two conversations and two questions, one conversation and one question."""
    return (
        [
            rows.question("q1", "shop", "My name?", "Ada"),
            rows.question("q2", "school", "My teacher?", "Mr. Hill"),
            rows.question("q3", "shop", "My town?", "Bath", "bath"),
        ],
        [
            rows.conversation("shop", 1, "I live in Bath."),
            rows.conversation("shop", 0, "I am Ada.", "Thanks."),
            rows.conversation("school", 0, "Mr. Hill teaches me."),
        ],
    )


RULES = {
    "am Ada": calling("keep", text="Ada"),
    "in Bath": calling("keep", text="Bath"),
    "Hill teaches": calling("keep", text="Hill"),
    "name?": "You are Ada.",
    "town?": calling("read"),
    '"notes"': "Is it Bath?",
    "teacher?": "I do not know.",
}


@pytest.fixture
def run(fake, context, records, notes_task, notes_data, watched):
    """``run(data, rules, ...)``: the result with a model that answers by these rules."""

    def go(data, rules, *, variant="notes", capabilities=CAPABILITIES, given=None, config=None, **options):
        said = [{"contains": asked, "text": text} for asked, text in rules.items()]
        go.backend = fake(watched, rules=said, text="Hm.", capabilities=sorted(capabilities), **(given or {}))
        go.context = context(go.backend, data=notes_data(*data), **(config or {}))
        return drive(make_kind(notes_task(**options), variant, go.context))

    go.lines = records
    return go


def test_what_was_kept_in_earlier_conversations_is_there_when_questions_come(run, small):
    result = run(small, RULES)
    lines = {line.doc_id: line for line in run.lines}
    assert [lines[name].score for name in ("q1", "q2", "q3")] == [1.0, 0.0, 1.0]
    metric = result.metric("accuracy")
    assert (metric.value, metric.n, result.clusters) == (pytest.approx(2 / 3), 3, 2)
    assert result.metric("accuracy[scenario=shop]").value == 1.0
    assert (lines["q2"].metadata["ending"], lines["q2"].cluster) == ("answer_not_found", "school")
    assert lines["q2"].explanation == "none of 'Mr. Hill' in the last message"
    # the line of a scenario's first question has its conversations too: three turns of two answers, and its own
    assert [lines[name].turns for name in ("q1", "q2", "q3")] == [6, 3, 2]
    assert (lines["q1"].metadata["memory_calls"], lines["q1"].metadata["conversations"]) == (2, ["whole", "whole"])
    assert result.provenance["endings"] == {"answer_not_found": 1, "valid": 2}
    assert result.provenance["conversations"] == {"whole": 3}
    assert result.provenance["empty_memories"] == 0


def test_scenarios_go_on_side_by_side_and_their_questions_are_asked_together(run, small):
    run(small, RULES)
    assert [[one.messages[-1].content for one in asked] for asked in run.backend.calls] == [
        ["I am Ada.", "Mr. Hill teaches me."],
        ['{"kept": 1}', '{"kept": 1}'],
        ["Thanks.", "My teacher?"],
        ["I live in Bath."],  # conversations are in the order of their numbers, not of their rows
        ['{"kept": 2}'],
        ["My name?", "My town?"],
        ['{"notes": ["Ada", "Bath"]}'],
    ]
    systems = [asked[0].messages[0].content for asked in run.backend.calls]
    assert systems[0] == "You serve a shop. You remember: NOTHING"
    assert systems[2] == systems[0]  # within a conversation it is what was there at its beginning
    assert systems[3] == "You serve a shop. You remember: Ada"
    assert systems[5] == "You serve a shop. You remember: Ada; Bath\n\nAnswer briefly."


def test_without_a_template_for_tools_functions_stand_before_what_is_remembered(run, small):
    rules = {**RULES, "am Ada": "[keep(text='Ada')]"}
    result = run(small, rules, capabilities=CAPABILITIES - {TOOLS})
    first = run.backend.calls[0][0]
    assert (first.tools, result.provenance["tools"]) == ((), "prompt")
    assert first.messages[0].content.startswith('Call these:\n[\n    {\n        "name": "keep"')
    assert first.messages[0].content.endswith("]\n\nYou serve a shop. You remember: NOTHING")
    with pytest.raises(NotAvailableError, match="requires 'tools'"):
        run(small, RULES, prompting="template", capabilities=CAPABILITIES - {TOOLS})


def test_a_model_that_keeps_nothing_and_says_nothing_has_nothing(run, small):
    result = run(small, {"": ""})
    assert (result.metric("accuracy").value, result.provenance["empty_memories"]) == (0.0, 2)
    assert result.provenance["endings"] == {"no_last_message": 3}
    assert {line.metadata["memory_letters"] for line in run.lines} == {0}


def test_a_run_is_scored_again_from_its_lines(run, small, notes_task, records):
    before = run(small, RULES)
    lines, records[:] = [line.to_json() for line in records], []
    run.backend.generate = lambda *_: pytest.fail("a model was asked")
    again = dataclasses.replace(run.context, recorded=RecordedAnswers("here", lines))
    after = drive(make_kind(notes_task(), "notes", again))
    assert after.metric("accuracy") == before.metric("accuracy")
    assert {line.doc_id: line.to_json() for line in records} == {line["doc_id"]: line for line in lines}


def test_each_repeat_has_a_memory_of_its_own(run, small):
    result = run(small, RULES, config={"generation": GenerationSettings(repeats=2)})
    assert [len(asked) for asked in run.backend.calls[:3]] == [4, 4, 4]
    assert (result.n_scored, result.metric("accuracy").value) == (6, pytest.approx(2 / 3))
    assert {(line.doc_id, line.repeat, line.turns) for line in run.lines} >= {("q1", 0, 6), ("q1", 1, 6), ("q3", 1, 2)}


def test_unknown_functions_and_those_that_raise_are_told_and_nothing_else_happens(run, small):
    calls = [calling("fail"), calling("_dump_core_memory_to_context"), calling("fly", x=2**70), calling("keep", a=1)]
    run(small, {**RULES, "am Ada": "".join(calls)})
    assert [message.content for message in run.backend.calls[1][0].messages[-4:]] == [
        "Error during execution: no such luck",
        "Error during execution: name '_dump_core_memory_to_context' is not defined",
        "Error during execution: name 'fly' is not defined",
        "Error during execution: Notes.keep() got an unexpected keyword argument 'a'",
    ]
    assert run.backend.calls[3][0].messages[0].content == "You serve a shop. You remember: NOTHING"


def test_a_conversation_that_outgrows_the_context_leaves_no_trace(run, small, rows):
    questions, conversations = small
    long = rows.conversation("shop", 2, "I am Ada. Again.", "word " * 200)
    result = run((questions, [*conversations, long]), RULES, given={"context_length": 100})
    lines = {line.doc_id: line for line in run.lines}
    assert lines["q1"].metadata["conversations"] == ["whole", "whole", "context_exceeded"]
    assert lines["q1"].metadata["memory_calls"] == 2  # what was kept in the third is gone with it
    assert lines["q1"].score == 1.0
    assert result.reason == (
        "1 of 4 conversations before them grew longer than the context, and nothing was kept of these"
    )
    asked = rows.question("q4", "shop", f"My name? {'word ' * 200}", "Ada")
    result = run(([*questions, asked], conversations), RULES, given={"context_length": 100})
    assert result.provenance["endings"]["context_exceeded"] == 1
    assert result.reason == "1 of 4 questions grew longer than the context, which counts as wrong"


def test_twenty_one_answers_with_calls_end_a_conversation_and_what_they_kept_is_kept(run, small):
    rules = {"My ": "Ada", "teaches": calling("keep", text="a"), '"kept"': calling("keep", text="a")}
    run(small, rules)
    lines = {line.doc_id: line for line in run.lines}
    assert lines["q2"].metadata["conversations"] == ["force_terminated"]
    assert lines["q2"].metadata["memory_calls"] == 21  # BFCL makes the calls of the last one, too
    run(small, {**RULES, "name?": calling("read"), '"notes"': calling("read")})
    assert run.lines[-1].metadata["ending"] == "force_terminated"


def test_calls_that_never_end_or_remember_too_much_are_the_models_fault(run, small, monkeypatch):
    limited = functools.partial(Worlds, Limits(work=2_000_000_000, seconds=60.0))
    monkeypatch.setattr("pytest_slm.run.rounds.Worlds", limited)
    result = run(small, {**RULES, "am Ada": calling("loop"), "Hill teaches": calling("burst")})
    lines = {line.doc_id: line for line in run.lines}
    assert lines["q1"].metadata["conversations"] == ["tools_timeout", "whole"]
    assert (lines["q1"].metadata["memory_calls"], lines["q3"].score) == (1, 1.0)
    assert (lines["q2"].metadata["ending"], lines["q2"].score) == ("tools_output_limit", 0.0)
    assert result.n_scored == 3


def test_a_class_that_cannot_be_made_leaves_questions_unscored(run, small, notes_task, monkeypatch):
    monkeypatch.setattr("pytest_slm.run.rounds.Worlds", Worlds)  # no interpreter that has the class already
    tools = {**notes_task().options["tools"], "stand_ins": []}
    with pytest.raises(BackendError, match="no sample could be scored"):
        run(small, RULES, tools=tools)
    assert {line.metadata["ending"] for line in run.lines} == {"tools_unmade"}
    assert {line.score for line in run.lines} == {None}


def test_who_waits_for_a_conversation_that_came_to_nothing_is_told_so(run, small, monkeypatch):
    def failing(*_):
        raise RuntimeError("broken")

    monkeypatch.setattr("pytest_slm.bfcl.memory.kind.BfclMemory._shown", failing)
    with pytest.raises(ScoringError):
        run(small, RULES)
    (told,) = [line.explanation for line in run.lines if line.doc_id == "q3"]
    assert told.startswith("the conversation that this one goes on from has come to nothing")


def test_a_limit_takes_the_questions_before_which_least_is_said(small, context, fake, notes_task, notes_data):
    for limit, names in ((1, ["q2"]), (2, ["q1", "q2"]), (9, ["q1", "q2", "q3"])):
        kind = make_kind(notes_task(), "notes", context(fake(), data=notes_data(*small), limit=limit))
        kind.ready()
        assert [one.id for one in kind.samples()] == names
        assert kind.total() == 3
    plan = first_round(make_kind(notes_task(), "notes", context(fake(), data=notes_data(*small))), 9)
    assert (plan.samples, len(plan.requests)) == (3, 2)  # one for each scenario: the others wait


def test_a_memory_that_cannot_be_had_is_a_skip_with_its_reason(run, small):
    with pytest.raises(NotAvailableError, match="needs what nobody has") as caught:
        run(small, RULES, variant="none")
    assert caught.value.slug == "memory-absent"


def test_data_that_are_no_questions_or_conversations_are_told_with_their_row(run, small, rows):
    questions, conversations = small
    first, heard = questions[0], conversations[0]
    for change, told in (
        ({"question": "[]"}, "not enough values"),
        ({"question": "[[]]"}, "expected a question"),
        ({"ground_truth": "[]"}, "expected a question"),
        ({"ground_truth": "[5]"}, "expected a question"),
        ({"scenario": '"zoo"'}, "no conversations of the scenario 'zoo'"),
        ({"scenario": "[]"}, "TypeError"),
    ):
        with pytest.raises(BackendError, match=told) as caught:
            run(([{**first, **change}], conversations), {})
        assert caught.value.slug == "data-broken"
    for change, told in (
        ({"question": [[]]}, "a turn in which nobody says anything"),
        ({"id": "one"}, "invalid literal"),
        ({"id": "x-0"}, "another conversation has the same place"),
        ({"question": 5}, "TypeError"),
    ):
        with pytest.raises(BackendError, match=told):
            run((questions, [{**heard, **change}, *conversations[1:]]), {})


def test_mistakes_in_a_task_are_found_before_a_model_is_there(notes_task):
    check_task(notes_task(), Extensions())
    memory = notes_task().options["memory"]
    for wrong, told in (
        ({"prompting": "loud"}, "prompting"),
        ({"max_tokens": 0}, "max_tokens: expected a whole number from 1"),
        ({"memory": {**memory, "empty": {}}}, r"memory\.empty must know the class 'Notes'"),
        ({"memory": {}}, "missing key"),
    ):
        with pytest.raises(UsageError, match=told):
            check_task(notes_task(**wrong), Extensions())
    for variant in ({}, {"tool": "Notes", "absent": "x"}, {"tool": "Other"}):
        with pytest.raises(UsageError, match=r"variants\.notes"):
            check_task(dataclasses.replace(notes_task(), variants={"notes": variant}), Extensions())
