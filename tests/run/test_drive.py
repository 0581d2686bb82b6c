"""Conversations of one turn and of several: what is asked together, recorded, counted and kept."""

import json
from dataclasses import replace

import pytest

from pytest_slm.answers import Keeper
from pytest_slm.backends.fake import Fake
from pytest_slm.backends.protocol import ModelSpec, ignored, silent
from pytest_slm.core.request import Grading, Likelihoods, RollingLikelihood, Together, Trial
from pytest_slm.core.types import Generation, Message, Request, Sample, ToolCall, Verdict
from pytest_slm.errors import BackendError, ScoringError
from pytest_slm.extensions import Extensions
from pytest_slm.grading import GraderInfo
from pytest_slm.run.drive import drive, first_round
from pytest_slm.run.records import restored


class Echo(Fake):
    """Answers with the prompt in capitals, and keeps the prompts of each call."""

    def __init__(self, spec=None):
        super().__init__(spec or ModelSpec(path=None, format="fake"))
        self.calls = []

    def describe(self):
        return replace(super().describe(), weights_sha256="0" * 64)

    def generate(self, requests, progress=silent, finished=ignored):
        self.calls.append([request.prompt for request in requests])
        made = []
        for number, request in enumerate(requests):
            finish = "length" if "long" in request.prompt else "stop"
            made.append(Generation(text=request.prompt.upper(), n_prompt=1, n_output=2, finish=finish))
            finished(number, made[-1])
        return made


def samples(*names):
    return [Sample(id=name, input=name, target=name.upper()) for name in names]


def right(sample, text):
    return Verdict(value=float(text == sample.target), answer=text, explanation="compared")


def two_turns(sample):
    first = yield Request(prompt=sample.id)
    second = yield Request(prompt=f"{first.text} again")
    return right(sample, second.text.removesuffix(" AGAIN"))


def test_all_open_conversations_are_asked_in_one_call_a_round(written):
    backend = Echo()

    def talk(sample):
        answer = yield Request(prompt=sample.id)
        for turn in range(int(sample.id[-1])):
            answer = yield Request(prompt=f"{sample.id} {turn}")
        return Verdict(value=1.0, answer=answer.text, explanation="")

    drive(written(backend, samples("a0", "b2", "c1"), talk))
    assert backend.calls == [["a0", "b2", "c1"], ["b2 0", "c1 0"], ["b2 1"]]


def test_what_a_conversation_asks_next_depends_on_what_was_answered(written, lines):
    result = drive(written(Echo(), samples("a", "b"), two_turns))
    assert (result.metric().value, result.n_scored) == (1.0, 2)
    assert [line.turns for line in lines] == [2, 2]
    assert [[one["text"] for turn in line.response for one in turn] for line in lines] == [
        ["A", "A AGAIN"],
        ["B", "B AGAIN"],
    ]
    assert (lines[0].n_prompt, lines[0].n_output) == (2, 4)  # of both turns


def test_a_run_that_goes_on_finds_the_turns_that_were_answered(written, tmp_path):
    class Breaking(Echo):
        def generate(self, requests, progress=silent, finished=ignored):
            if len(self.calls) == 1:
                raise BackendError("killed")
            return super().generate(requests, progress, finished)

    def keeper(*, resume):
        return Keeper(tmp_path / "answers.jsonl", {"task": "s/t"}, resume=resume)

    with pytest.raises(BackendError, match="killed"):
        drive(written(keeper(resume=False).watch(Breaking()), samples("a", "b"), two_turns))
    backend = Echo()
    result = drive(written(keeper(resume=True).watch(backend), samples("a", "b"), two_turns))
    assert backend.calls == [["A again", "B again"]]  # the first turn was not asked a second time
    assert result.metric().value == 1.0


def test_several_questions_at_once_are_answered_in_their_order(written, lines):
    def talk(sample):
        text, likely, whole = yield Together(
            asks=(
                Request(prompt="x"),
                Likelihoods(pairs=(("q", " one"), ("q", " two words"))),
                RollingLikelihood(text="a b c"),
            )
        )
        assert [one.logprob for one in likely] == [-1.0, -2.0]
        return Verdict(value=1.0, answer=f"{text.text} {whole.logprob}", explanation="")

    drive(written(Echo(), samples("a"), talk))
    assert lines[0].answer == "X -3.0"
    assert [sorted(one) for one in lines[0].response] == [
        ["finish", "n_output", "n_prompt", "n_reasoning", "n_unshown", "reasoning", "text"],
        ["choice", "is_greedy", "logprob", "n_prompt", "n_tokens", "n_unshown"],
        ["choice", "is_greedy", "logprob", "n_prompt", "n_tokens", "n_unshown"],
        ["is_greedy", "logprob", "n_prompt", "n_tokens", "n_unshown"],
    ]


def test_one_text_is_kept_as_it_is_also_where_it_was_asked_for_as_one_of_one(written, lines):
    def talk(sample):
        (text,) = yield Together(asks=(Request(prompt="x"),))
        return Verdict(value=1.0, answer=text.text, explanation="")

    drive(written(Echo(), samples("a"), talk))
    assert (lines[0].response, lines[0].finish) == ("X", "stop")
    (again,) = restored(lines[0].to_json(), 0, Together(asks=(Request(prompt="x"),)))
    assert again.text == "X"


def test_answers_that_were_cut_off_are_counted_once_a_conversation(written):
    def talk(sample):
        yield Request(prompt=sample.id)
        yield Request(prompt=sample.id)
        return Verdict(value=0.0, answer="", explanation="")

    assert drive(written(Echo(), samples("long", "short"), talk)).answers_cut == 1


def test_a_program_is_tried_while_the_model_goes_on(written):
    pytest.importorskip("wasmtime", reason="needs pip install 'pytest-slm[sandbox]'")

    def talk(sample):
        yield Request(prompt=sample.id)
        outcome = yield Trial(program="x = 1\n", tests=f"assert x == {1 if sample.id == 'a' else 2}\n")
        answer = yield Request(prompt="and then?")
        return Verdict(value=float(outcome.passed), answer=answer.text, explanation=outcome.explanation)

    result = drive(written(Echo(), samples("a", "b"), talk))
    assert (result.metric().value, result.metric().n) == (0.5, 2)


class Strict:
    """A grader that likes short answers."""

    info = GraderInfo(name="strict", version="1")

    def __init__(self):
        self.batches = []

    def grade(self, answers):
        self.batches.append(len(answers))
        return [Verdict(value=float(len(g.text) < 3), answer=g.text, explanation="length") for _, g in answers]


def graded(sample):
    generation = yield Request(prompt=sample.id)
    return (yield Grading(grader="strict", sample=sample, generation=generation))


def test_graders_judge_in_one_batch_after_all_answers_and_stand_in_the_result(written):
    extensions, strict = Extensions(), Strict()
    extensions.graders.register("strict", strict)
    result = drive(written(Echo(), samples("a", "bbb"), graded, extensions=extensions))
    assert strict.batches == [2]
    assert result.metric().value == 0.5
    assert result.provenance["graders"] == {"strict": {"name": "strict", "version": "1", "sha256": None}}


class Lazy(Strict):
    def grade(self, answers):
        return super().grade(answers)[:1]


class Broken(Strict):
    def grade(self, answers):
        return {}["no such word"]


@pytest.mark.parametrize(
    ("grader", "told"),
    [(Lazy(), "1 verdicts on 2 answers"), (Broken(), r"KeyError: 'no such word' \(.*test_drive.py:\d+, in grade\)")],
)
def test_a_grader_that_fails_is_an_error_and_loses_no_answer(written, lines, grader, told):
    extensions = Extensions()
    extensions.graders.register("strict", grader)
    with pytest.raises(ScoringError, match=told):
        drive(written(Echo(), samples("a", "b"), graded, extensions=extensions))
    assert [(line.response, line.score) for line in lines] == [("A", None), ("B", None)]


def test_a_scorer_that_raises_is_one_line_with_its_frame_and_all_answers_are_recorded(written, lines):
    def talk(sample):
        answer = yield Request(prompt=sample.id)
        return Verdict(value=1.0 / len(answer.text.strip("B")), answer="", explanation="")

    with pytest.raises(ScoringError) as caught:
        drive(written(Echo(), samples("a", "b", "c"), talk))
    told = str(caught.value)
    assert "\n" not in told
    assert "s/t: the answer to 'b' cannot be scored: ZeroDivisionError" in told
    assert "test_drive.py:" in told
    assert "in talk" in told
    assert [(line.doc_id, line.response, line.score) for line in lines] == [
        ("a", "A", 1.0),
        ("b", "B", None),
        ("c", "C", 1.0),
    ]


def test_a_conversation_that_returns_no_verdict_is_told(written):
    def talk(sample):
        yield Request(prompt=sample.id)
        return 0.5

    with pytest.raises(ScoringError, match="float was returned, not a Verdict"):
        drive(written(Echo(), samples("a"), talk))


def test_thinking_is_no_part_of_an_answer_and_is_kept_apart(written, lines):
    class Thinking(Echo):
        def generate(self, requests, progress=silent, finished=ignored):
            return [Generation(text="<think>Is it A?</think> A", n_prompt=1, n_output=1, finish="stop")] * len(requests)

    def talk(sample):
        answer = yield Request(prompt=sample.id)
        return right(sample, answer.text.strip())

    assert drive(written(Thinking(), samples("a"), talk)).metric().value == 1.0
    assert (lines[0].response.strip(), lines[0].reasoning) == ("A", "Is it A?")


def test_calls_are_read_where_functions_were_shown(written):
    class Calling(Echo):
        def generate(self, requests, progress=silent, finished=ignored):
            text = '<tool_call>{"name": "f", "arguments": {"x": 1}}</tool_call>'
            return [Generation(text=text, n_prompt=1, n_output=1, finish="stop")] * len(requests)

    seen = []

    def talk(sample):
        answer = yield Request(messages=sample.messages())
        seen.append(answer.tool_calls)
        return Verdict(value=1.0, answer="", explanation="")

    with_tools = Sample(id="a", input="?", tools=({"name": "f"},))
    drive(written(Calling(), [with_tools, Sample(id="b", input="?")], talk))
    assert seen == [(ToolCall(name="f", arguments={"x": 1}),), None]


def test_a_plan_finds_the_first_round_and_asks_nothing(written):
    backend = Echo()

    def talk(sample):
        if sample.id == "b":
            yield Likelihoods(pairs=(("q", " one"), ("q", " two")))
        else:
            yield Request(prompt=sample.id)
        return Verdict(value=1.0, answer="", explanation="")

    found = first_round(written(backend, samples("a", "b"), talk), 256)
    assert ([request.prompt for request in found.requests], len(found.pairs), found.samples) == (["a"], 2, 2)
    assert backend.calls == []


@pytest.mark.parametrize("name", ["two", "one"])
def test_recorded_answers_are_the_answers_to_the_bit(written, lines, name):
    def one_turn(sample):
        answer = yield Request(prompt=sample.id)
        return right(sample, answer.text)

    talk = {"two": two_turns, "one": one_turn}[name]
    first = drive(written(Echo(), samples("a", "b"), talk))
    by_id = {line.doc_id: json.loads(json.dumps(line.to_json())) for line in lines}

    def recorded(conversation, ask):
        return restored(by_id[conversation.sample.id], len(conversation.model_turns), ask)

    silent_model = Echo()
    again = drive(written(silent_model, samples("a", "b"), talk, recorded=recorded))
    assert silent_model.calls == []
    assert again.metrics == first.metrics
    assert [line.to_json() for line in lines[2:]] == [line.to_json() for line in lines[:2]]


def test_an_answer_to_another_question_is_not_taken(written, lines):
    drive(written(Echo(), samples("a"), two_turns))
    with pytest.raises(LookupError, match="another question"):
        restored(lines[0].to_json(), 0, Request(prompt="b"))
    with pytest.raises(LookupError, match="no such answer"):
        restored({**lines[0].to_json(), "response": [[]]}, 0, Request(prompt="a"))


def test_every_field_of_a_message_changes_the_hash_of_what_was_asked(written, lines):
    call = ToolCall(name="f", arguments={"x": 1}, id="1")
    conversations = [
        (Message(role="user", content="a"),),
        (Message(role="user", content="a"), Message(role="assistant", content="")),
        (Message(role="user", content="a"), Message(role="assistant", content="", tool_calls=(call,))),
        (Message(role="user", content="a"), Message(role="tool", content="", tool_call_id="1")),
        (Message(role="user", content="a"), Message(role="tool", content="", tool_call_id="1", name="f")),
    ]

    class Quiet(Echo):
        def generate(self, requests, progress=silent, finished=ignored):
            return [Generation(text="", n_prompt=1, n_output=1, finish="stop")] * len(requests)

    def talk(sample):
        yield Request(messages=sample.messages())
        return Verdict(value=1.0, answer="", explanation="")

    asked = [Sample(id=str(number), input=turns) for number, turns in enumerate(conversations)]
    drive(written(Quiet(), asked, talk))
    assert len({line.prompt_sha256 for line in lines}) == len(conversations)
