"""What the model is asked: greedily, with the task's own texts and tools."""

import json

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.core.record import RecordError
from pytest_slm.core.types import Message, Request, Sample
from pytest_slm.errors import UsageError
from pytest_slm.kinds.checks import ChecksOptions
from pytest_slm.kinds.options import read_options
from pytest_slm.run.drive import measure

TOOL = {"name": "get", "parameters": {"type": "object", "properties": {"città": {"type": "string"}}}}


def asked(sample, seed=0, **options):
    """The request that a task with these options makes of a sample."""
    return read_options(ChecksOptions, {"samples": "x.jsonl", **options}).request(sample, seed)


def test_a_request_is_greedy_and_cut_where_the_task_says():
    request = asked(Sample(id="1", input="?"), seed=5, max_tokens=7, stop=["\n\n", "END"])
    assert (request.temperature, request.max_tokens, request.stop, request.seed) == (0.0, 7, ("\n\n", "END"), 5)
    assert not request.forced_length


def test_one_stop_text_is_one_stop_text():
    # a tuple of the text would be its letters, and every answer would end at its first E
    assert asked(Sample(id="1", input="?"), stop="END").stop == ("END",)


def test_a_conversation_is_shown_as_it_is():
    turns = (
        Message(role="user", content="a"),
        Message(role="assistant", content="b"),
        Message(role="user", content="c"),
    )
    assert asked(Sample(id="1", input=turns)).messages == turns


def test_a_system_text_stands_before_the_question():
    request = asked(Sample(id="1", input="?"), system="Be brief.")
    assert [(message.role, message.content) for message in request.messages] == [("system", "Be brief."), ("user", "?")]


def test_tools_in_the_prompt_keep_the_braces_of_their_json():
    # str.format would take {"name": ...} for a placeholder
    sample = Sample(id="1", input="?", tools=(TOOL, {"name": "{tools}"}))
    request = asked(sample, tools_in_prompt=True, tools_prompt='Tools:\n{tools}\nReply {"name": "f"}.')
    system = request.messages[0]
    assert system.role == "system"
    head, one, two, tail = system.content.split("\n")
    assert (head, tail) == ("Tools:", 'Reply {"name": "f"}.')
    assert [json.loads(one), json.loads(two)] == [TOOL, {"name": "{tools}"}]
    assert "città" in one
    assert request.tools == ()  # not twice


def test_tools_in_the_prompt_need_a_text_to_stand_in(checks_task, context, fake):
    samples = [{"id": "1", "input": "?", "target": "x", "tools": [TOOL]}]
    with pytest.raises(UsageError, match="tools_prompt") as caught:
        measure(checks_task(samples, tools_in_prompt=True), "", context(fake()))
    assert caught.value.slug == "task-option"


def test_otherwise_tools_go_through_the_models_own_template():
    request = asked(Sample(id="1", input="?", tools=(TOOL,)))
    assert [message.role for message in request.messages] == ["user"]
    assert request.tools == (TOOL,)


def test_the_text_of_the_tools_stands_behind_the_tasks_own():
    sample = Sample(id="1", input="?", tools=(TOOL,))
    request = asked(sample, system="Be brief.", tools_in_prompt=True, tools_prompt="Tools: {tools}")
    assert request.messages[0].content.startswith('Be brief.\n\nTools: {"name"')


@pytest.mark.parametrize(("capabilities", "told"), [(["chat", "tools"], "template"), (["chat"], "prompt")])
def test_tools_are_described_to_models_whose_template_writes_none(checks_task, context, fake, capabilities, told):
    samples = [{"id": "1", "input": "?", "target": "x", "tools": [TOOL]}]
    backend = fake(Asked, capabilities=capabilities)
    result = measure(checks_task(samples, tools_prompt="Tools: {tools}"), "", context(backend))
    assert result.provenance["tools"] == told
    (request,) = backend.requests
    assert bool(request.tools) == (told == "template")
    assert ("Tools:" in request.messages[0].content) == (told == "prompt")


class Asked(Fake):
    """Keeps what it is asked."""

    def generate(self, requests, *told):
        self.requests = requests
        return super().generate(requests, *told)


BEGUN = (Message(role="user", content="One, two,"), Message(role="assistant", content=" three,"))


def test_an_answer_is_begun_by_the_last_words_of_the_assistant():
    request = asked(Sample(id="1", input=BEGUN))
    assert (request.answer_prefix, request.turns) == (" three,", BEGUN[:1])
    assert asked(Sample(id="1", input=BEGUN[:1])).answer_prefix == ""


def test_nobody_answers_before_being_asked():
    with pytest.raises(RecordError, match="nobody has asked"):
        Request(messages=BEGUN[1:])


def test_bare_text_is_the_conversation_without_anything_between(checks_task, context, fake):
    rows = [{"id": "1", "input": [message.to_json() for message in BEGUN], "target": "four"}]
    rules = [{"contains": "One, two, three,", "text": "four"}]
    chat, bare = fake(text="five", rules=rules), fake(text="five", rules=rules, capabilities=["generate", "tokens"])
    results = [
        measure(checks_task(rows, requires=["generate"], bare_text=True, scorer="contains"), "", context(model))
        for model in (chat, bare)
    ]
    assert [result.metric().value for result in results] == [0, 1]
    assert [result.provenance["asked_as"] for result in results] == ["conversation", "bare text"]
