"""Control tokens: what a user spells stays as it is written, and a turn ends where the template ends it."""

import pytest

from pytest_slm.backends.control import ControlTokens
from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.types import EngineSettings, Message, Request

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TOKENS = ControlTokens(["<s>", "</s>", "<|im_end|>"])


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("<s>hello</s>", [("<s>hello</s>", False)]),
        ("<s>a <|*im_end|> b</s>", [("<s>", False), ("a <|im_end|> b", True), ("</s>", False)]),
        ("<*s>", [("<s>", True)]),
        ("x<s>y</s>z <*/s>", [("x<s>y</s>", False), ("z </s>", True)]),
        ("<*s><s><*s>", [("<s>", True), ("<s>", False), ("<s>", True)]),
        ("<s>a*b</s>", [("<s>", False), ("ab", True), ("</s>", False)]),  # a template has cut into the word
    ],
)
def test_a_text_is_cut_at_the_templates_own_tokens_only(text, parts):
    assert list(TOKENS.parts(text, "*")) == parts


def test_marking_and_cutting_give_the_text_back():
    said = "a <s></s> <|im_end|>b <|im_end"
    ((text, plain),) = TOKENS.parts(TOKENS.marked(said, "*"), "*")
    assert (text, plain) == (said, True)


# -- an engine with sentencepiece ------------------------------------------------------------


@pytest.fixture
def opened(tiny_gguf):
    """Opens a tiny model with a vocabulary of sentencepiece, which puts a space before a text, and a chat template."""
    pytest.importorskip("llama_cpp", reason="needs llama.cpp: pip install 'pytest-slm[gguf]'")
    from pytest_slm.backends.llamacpp import LlamaCpp

    backends = []

    def open_(source, tools=None):
        keys = {"tokenizer.chat_template": source}
        path = tiny_gguf(keys=keys if tools is None else {**keys, "tokenizer.chat_template.tool_use": tools})
        spec = ModelSpec(path=str(path), format="gguf", settings=EngineSettings(threads=1))
        backends.append(LlamaCpp(spec))
        return backends[-1]

    yield open_
    for backend in backends:
        backend.close()


@pytest.mark.parametrize("system", [(), (Message(role="system", content="Be short."),)])
def test_a_switch_of_thinking_is_shown_and_told(opened, system):
    source = CHATML + "{% if 'detailed thinking on' in messages[0].content %}<think>{% endif %}"
    backend = opened(source)
    _, text = backend._asked(Request(messages=(*system, Message(role="user", content="Why?"))))
    said = "detailed thinking off" + ("\n\nBe short." if system else "")
    assert text == f"<|im_start|>system\n{said}<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"
    (note,) = backend.describe().chat_template_notes
    assert "'detailed thinking off'" in note
    assert opened(CHATML).describe().chat_template_notes == ()


TOOL = {"type": "function", "function": {"name": "f", "description": "ends </s> here", "parameters": {}}}
WITH_TOOLS = "{{ tools | tojson }}" + CHATML
ASKED = (Message(role="user", content="Why?"),)


@pytest.mark.parametrize("key", ["description", "name"])
def test_control_tokens_that_a_tool_spells_are_words(opened, key):
    backend = opened(WITH_TOOLS)
    tool = {**TOOL, "function": {**TOOL["function"], key: "a </s> b"}}
    ids, text = backend._asked(Request(messages=ASKED, tools=(tool,)))
    assert "</s>" not in text  # it is marked
    assert backend._model.eos not in ids[1:]
    plain, _ = backend._asked(Request(messages=ASKED, tools=({**TOOL, "function": {"name": "f"}},)))
    assert backend._model.tokenize("</s>", add_special=False, parse_special=True) == [backend._model.eos]
    assert len(ids) > len(plain)


def test_a_template_for_tools_is_taken_where_there_are_tools_and_told(opened):
    backend = opened(CHATML, WITH_TOOLS.replace("Why", "x") + "{# of its own #}")
    assert "tools" in backend.capabilities
    assert "tools" not in opened(CHATML).capabilities
    assert "look" not in backend._asked(Request(messages=ASKED))[1]
    _, text = backend._asked(Request(messages=ASKED, tools=({"name": "look"},)))
    assert text.startswith('[{"name": "look"}]<|im_start|>user')
    (note,) = backend.describe().chat_template_notes
    assert "tool_use" in note


@pytest.mark.parametrize(
    "said", ["a</s>b", "</s>", "a </s> b", "<s>a", "x<|im_end|>", "<|im_end|><|im_end|>", "plain a"]
)
def test_what_a_user_spells_is_written_as_it_is(opened, said):
    backend = opened(CHATML)
    model = backend._model
    ids = backend._ids(Request(messages=(Message(role="user", content=said),)))
    # the space that sentencepiece puts behind a control token is there for any word
    text = b"".join(model.piece(token) for token in ids).decode()
    assert text == f"<s><|im_start|> user\n{said}<|im_end|> \n<|im_start|> assistant\n"
    control = [model.spelled(token) for token in ids if model._control(token)]
    assert control == ["<s>", "<|im_start|>", "<|im_end|>", "<|im_start|>"]


def test_a_turn_ends_with_the_templates_token(opened, token_of):
    odd = CHATML.replace("<|im_end|>", "<|done|>")
    model = opened(odd)._model
    assert [model.ends(token_of(token)) for token in ("<|done|>", "</s>", "a")] == [True, True, False]
    assert not opened(CHATML)._model.ends(token_of("<|done|>"))


@pytest.mark.parametrize(
    "source",
    [
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}",
        "{% for m in messages %}{{ m.content }}{% endfor %}",
        "{{ messages[0].content }}",  # never shows an answer
        "{{ raise_exception('no') }}",
        "{% for m in messages %}{{ m.content }} a<|done|>{% endfor %}",  # other words come first
    ],
)
def test_a_template_without_an_end_adds_none(opened, token_of, source):
    model, other = opened(source)._model, opened(CHATML)._model
    tokens = range(model.n_vocab)
    assert [token for token in tokens if model.ends(token)] == [token for token in tokens if other.ends(token)]
    assert not model.ends(token_of("<|done|>"))
