"""Where a turn ends, and what a user spells, with the tokenizers of transformers."""

import json
import shutil

import pytest

from pytest_slm.core.types import Message, Request

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)


@pytest.fixture
def tuned(folder, tokenizer, tmp_path):
    """A model that learned to chat and kept the EOS of its base model, as many do."""
    path = shutil.copytree(folder("llama"), tmp_path / "Tuned")
    for name in ("config.json", "generation_config.json"):
        told = json.loads((path / name).read_text("utf-8")) | {"eos_token_id": 0}
        (path / name).write_text(json.dumps(told), "utf-8")
    for name, value in {"eos_token": "<|endoftext|>", "chat_template": CHATML}.items():
        told = json.loads((path / "tokenizer_config.json").read_text("utf-8")) | {name: value}
        (path / "tokenizer_config.json").write_text(json.dumps(told), "utf-8")
    (path / "chat_template.jinja").unlink(missing_ok=True)
    return path


def test_a_turn_ends_with_the_templates_token_beside_eos(tuned, open_folder, monkeypatch):
    backend = open_folder(tuned, device="cpu")
    model = backend._model
    assert model.tokenizer.spelled(model.tokenizer.eos) == "<|endoftext|>"
    assert {model.tokenizer.spelled(token) for token in model.ends} == {"<|endoftext|>", "<|im_end|>"}
    (end,) = model.tokenizer.tokenize("<|im_end|>", add_special=False, parse_special=True)
    monkeypatch.setattr(model, "favourite", lambda logits, after: end)
    (answer,) = backend.generate([Request(messages=(Message(role="user", content="Hi"),), max_tokens=9)])
    assert (answer.text, answer.finish, answer.n_output) == ("", "stop", 0)


TOOL = {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object"}}}
WITH_TOOLS = "{{ tools | tojson }}" + CHATML


def told_in_the_configuration(path):
    pairs = [{"name": "default", "template": CHATML}, {"name": "tool_use", "template": WITH_TOOLS}]
    told = json.loads((path / "tokenizer_config.json").read_text("utf-8")) | {"chat_template": pairs}
    (path / "tokenizer_config.json").write_text(json.dumps(told), "utf-8")


def told_in_files(path):
    (path / "chat_template.jinja").write_text(CHATML, "utf-8")
    (path / "additional_chat_templates").mkdir()
    (path / "additional_chat_templates" / "tool_use.jinja").write_text(WITH_TOOLS, "utf-8")


@pytest.mark.parametrize("told", [told_in_the_configuration, told_in_files])
def test_a_template_for_tools_is_taken_where_there_are_tools(tuned, open_folder, transformers, told):
    told(tuned)
    backend = open_folder(tuned, device="cpu")
    assert "tools" in backend.capabilities
    (note,) = backend.describe().chat_template_notes
    assert "tool_use" in note
    theirs = transformers.AutoTokenizer.from_pretrained(tuned)
    asked = [{"role": "user", "content": "Hi"}]
    for tools in ((), (TOOL,)):
        shown = theirs.apply_chat_template(asked, tools=list(tools) or None, tokenize=False, add_generation_prompt=True)
        ids, text = backend._asked(Request(messages=(Message(role="user", content="Hi"),), tools=tools))
        assert text == shown
        assert list(ids) == theirs(shown, add_special_tokens=False)["input_ids"]


def test_without_a_template_that_writes_them_tools_are_not_offered(tuned, open_folder):
    assert "tools" not in open_folder(tuned, device="cpu").capabilities


@pytest.mark.parametrize("scheme", ["always", "first", "never"])
@pytest.mark.parametrize("said", ["a</s>b", "a b </s>c", "</s>"])
def test_what_is_spelled_behind_a_control_token_has_the_space_that_plain_words_have(transformers, scheme, said):
    from tokenizers import Tokenizer as Fast
    from tokenizers import decoders, models, pre_tokenizers

    from pytest_slm.backends.hf.tokenizer import TransformersTokenizer

    pieces = ["<unk>", "<s>", "</s>", *"▁abc</>s\n"]
    fast = Fast(models.BPE({piece: number for number, piece in enumerate(pieces)}, [], unk_token="<unk>"))
    fast.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    fast.decoder = decoders.Metaspace(prepend_scheme=scheme)
    source = transformers.PreTrainedTokenizerFast(
        tokenizer_object=fast, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )
    tokenizer = TransformersTokenizer(source)
    mark = "\ue000"
    text = "<s>" + tokenizer.control.marked(said, mark) + "</s>"
    ids = []
    for part, plain in tokenizer.control.parts(text, mark):
        more = tokenizer.continued(part) if plain else tokenizer.tokenize(part, add_special=False, parse_special=True)
        ids += more
    # the same letters with one that is no part of a control token: where the space goes does not depend on that
    other = tokenizer.tokenize("<s>" + said.replace("<", "c") + "</s>", add_special=False, parse_special=True)
    names = [source.convert_ids_to_tokens(token) for token in ids]
    assert [name if name != "<" else "c" for name in names] == source.convert_ids_to_tokens(other)
