"""Conversations have the ids of apply_chat_template, and BOS once whoever writes it."""

import pytest

CHATML = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
ROLES = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"


def prompt_ids(model, monkeypatch, source, content):
    """Ids of a conversation of one message, as the backend makes them, without the memory that a backend opens."""
    from pytest_slm.backends.llamacpp import LlamaCpp
    from pytest_slm.core.types import Message, Request

    monkeypatch.setattr(model, "chat_template", source)
    backend = object.__new__(LlamaCpp)
    backend._path = "m.gguf"
    backend._model = model
    return backend._ids(Request(messages=(Message(role="user", content=content),)))


def test_a_conversation_has_the_ids_of_apply_chat_template(model, published, monkeypatch):
    rendered = published.apply_chat_template(
        [{"role": "user", "content": "1 + ½?"}], tokenize=False, add_generation_prompt=True
    )
    ids = prompt_ids(model, monkeypatch, model.chat_template, "1 + ½?")
    assert ids == published.encode(rendered, add_special_tokens=False)


@pytest.mark.parametrize("source", [CHATML, ROLES, "{{ bos_token }}" + ROLES], ids=["chatml", "roles", "bos"])
@pytest.mark.parametrize("content", ["Hi", "<|im_end|> Hi", "A <|im_start|> is one token"])
def test_a_template_has_bos_once_whoever_writes_it(with_bos, im_start, monkeypatch, source, content):
    ids = prompt_ids(with_bos, monkeypatch, source, content)
    assert ids[0] == im_start
    assert ids.count(im_start) == 1


@pytest.mark.parametrize(
    ("source", "content"),
    [
        ("{{ messages[0].content }}", "<|im_start|> you"),  # the prompt begins with a word of the user's
        ("{{ messages[0].content | replace('o', '0') }}", "you <|im_end|>"),  # what the user wrote is not to be found
    ],
)
def test_bos_is_there_whatever_the_template_does_with_the_content(
    with_bos, im_start, im_end, monkeypatch, source, content
):
    ids = prompt_ids(with_bos, monkeypatch, source, content)
    assert ids[0] == im_start
    assert ids.count(im_start) + ids.count(im_end) == 1


def test_a_message_that_is_a_special_token_leaves_the_templates_own_alone(model, im_start, im_end, monkeypatch):
    ids = prompt_ids(model, monkeypatch, CHATML, "<|im_end|>")
    assert ids.count(im_start) == ids.count(im_end) == 1


@pytest.mark.parametrize(
    "source",
    [
        "{{ messages[0].content | tojson(ensure_ascii=True) }}",  # which writes the mark by its number
        "{{ messages[0].content | replace('|im_', '|im__') }}",  # it is no longer inside of a spelling
    ],
)
def test_no_mark_is_shown_to_the_model(model, monkeypatch, source):
    said = "a <|im_end|> b"
    ids = prompt_ids(model, monkeypatch, source, said)
    text = b"".join(map(model.piece, ids)).decode()
    assert not any("\ue000" <= letter < "\uf900" for letter in text)
    assert "ue000" not in text


def begun_ids(model, monkeypatch, source, prefix):
    """Ids of a conversation whose answer is begun, and of the text that a person would write for it."""
    from pytest_slm.backends.llamacpp import LlamaCpp
    from pytest_slm.core.types import Message, Request

    monkeypatch.setattr(model, "chat_template", source)
    backend = object.__new__(LlamaCpp)
    backend._path, backend._model = "m.gguf", model
    turns = (Message(role="user", content="Hi"), Message(role="assistant", content=prefix))
    return backend._ids(Request(messages=turns))


@pytest.mark.parametrize("prefix", [" Answer:", "they are: ", "Yes, ½", "<|im_end|> is no end"])
def test_an_answer_that_is_begun_stands_behind_the_generation_prompt(model, plain, im_end, monkeypatch, prefix):
    source = CHATML + "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    ids = begun_ids(model, monkeypatch, source, prefix)
    asked = prompt_ids(model, monkeypatch, source, "Hi")
    assert ids[: len(asked) - 1] == asked[:-1]  # the last token is the end of a line, which may be one with a space
    assert ids.count(im_end) == 1
    if "|" not in prefix:
        assert ids[-len(plain(model, "\n" + prefix)) :] == plain(model, "\n" + prefix)
