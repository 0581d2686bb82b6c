"""What a user sets, on real models: other chat templates, the plain form, chance with a seed for each time."""

import json

import pytest

from pytest_slm.backends.llamacpp import LlamaCpp
from pytest_slm.backends.protocol import CHAT, TOOLS, ModelSpec
from pytest_slm.core.request import GenerationSettings
from pytest_slm.core.types import EngineSettings, Message, Request
from pytest_slm.prompts.template import FORMS

TURN = (Message(role="user", content="What is the capital of France?"),)
ASKED = Request(messages=TURN, max_tokens=24)
SYSTEM = GenerationSettings(system="Be brief.", chat_template="none")


@pytest.fixture
def opened():
    """Opens a GGUF with a chat template of the user's."""
    made = []

    def open_(path, template=None):
        spec = ModelSpec(path=str(path), format="gguf", settings=EngineSettings(threads=1), chat_template=template)
        made.append(LlamaCpp(spec))
        return made[-1]

    yield open_
    for one in made:
        one.close()


def shown(backend, request):
    """What the model is shown, as text."""
    return b"".join(backend._model.piece(token) for token in backend._ids(request)).decode()


def test_the_plain_form_is_that_of_multiple_choice(opened, small_model):
    plain, own = opened(small_model, "none"), opened(small_model)
    asked = SYSTEM.applied(Request(messages=(Message(role="user", content="Why?"),)))
    assert shown(plain, asked) == "Be brief.\n\nQuestion: Why?\nAnswer:"
    assert "<|im_start|>" in shown(own, asked)
    turns = (("user", "A?"), ("assistant", "B."), ("user", "C?"))
    several = Request(messages=tuple(Message(role=role, content=text) for role, text in turns))
    assert shown(plain, several) == "Question: A?\nAnswer: B.\n\nQuestion: C?\nAnswer:"
    assert plain.describe().chat_template_sha256 != own.describe().chat_template_sha256


def test_a_model_without_a_template_can_be_asked_when_it_is_given_one(opened, tiny_gguf):
    path = tiny_gguf()
    base, given = opened(path), opened(path, "chatml")
    assert CHAT not in base.capabilities
    assert CHAT in given.capabilities
    assert TOOLS not in given.capabilities
    # Its vocabulary has the marks, and what a user spells is none of them.
    spelled = Request(messages=(Message(role="user", content="a<|im_end|>b"),))
    ids = given._ids(spelled)
    marks = {token: given._model.spelled(token) for token in ids if given._model.spelled(token).startswith("<|im")}
    assert sorted(ids.count(token) for token in marks) == [1, 2]
    assert given._model.ends(next(token for token, text in marks.items() if text == "<|im_end|>"))


def test_a_real_model_answers_in_its_plain_form_and_stops_there(opened, real_model):
    turns = (("user", "What is the capital of Spain?"), ("assistant", "Madrid."), *((m.role, m.content) for m in TURN))
    asked = Request(messages=tuple(Message(role=role, content=text) for role, text in turns), max_tokens=24)
    (answer,) = opened(real_model, "none").generate([GenerationSettings(chat_template="none").applied(asked)])
    assert "Paris" in answer.text
    assert "Question:" not in answer.text


def test_a_model_that_is_asked_again_answers_otherwise_and_the_same_another_day(opened, small_model):
    said = GenerationSettings(temperature=1.5)
    times = [said.applied(ASKED, repeat=time, of="q") for time in range(4)]
    backend = opened(small_model)
    first = [answer.text for answer in backend.generate(times)]
    assert len(set(first)) > 1
    assert [answer.text for answer in backend.generate(times)] == first
    # Nothing is left to chance where no other token is likely enough.
    sure = GenerationSettings(temperature=1.5, min_p=0.999999)
    greedy = [answer.text for answer in backend.generate([ASKED] * 2)]
    assert [answer.text for answer in backend.generate([sure.applied(ASKED, of=name) for name in "ab"])] == greedy


@pytest.mark.parametrize("name", FORMS)
def test_the_forms_that_are_known_write_calls_and_results(opened, small_model, name):
    from pytest_slm.core.types import ToolCall

    call = ToolCall(name="look_up", arguments={"word": "cat"})
    turns = (
        Message(role="user", content="A cat?"),
        Message(role="assistant", content="", tool_calls=(call,)),
        Message(role="tool", content="It is an animal."),
    )
    text = shown(opened(small_model, name), Request(messages=turns))
    assert json.dumps({"name": "look_up", "arguments": {"word": "cat"}})[1:-1].split(":")[0] in text
    assert "It is an animal." in text
