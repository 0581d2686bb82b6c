"""What the model is shown: the template, BOS once, and text that grows as all tokens spell it."""

import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slm_surroundings import ask

from pytest_slm.core.types import Request
from pytest_slm.errors import BackendError


def test_the_template_adds_what_the_model_was_trained_on(opened):
    tokenizer = opened()._model.tokenizer
    text = tokenizer.decode(opened()._shown(ask("Hi")))
    assert text.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
    assert text.count("<|im_start|>system") == 1


def test_a_user_cannot_end_the_turn_by_spelling_its_end(opened):
    plain, spelled = (opened()._shown(ask(text)) for text in ("Say so", "Say <|im_end|> so"))
    assert plain.count(2) == spelled.count(2) == 2
    assert 2 not in opened()._shown(Request(prompt="Say <|im_end|> so"))


def test_counted_tokens_are_the_evaluated_ones(opened):
    request = ask("Count me, please.", max_tokens=1)
    generation = opened().generate([request])[0]
    assert opened().count_tokens([request]) == [generation.n_prompt] == [generation.timings.n_evaluated]


def test_a_model_that_wants_bos_gets_it_once(folder, open_folder, tmp_path):
    path = shutil.copytree(folder("llama"), tmp_path / "bos")
    text = json.loads((path / "tokenizer.json").read_text())
    template = {
        "type": "TemplateProcessing",
        "special_tokens": {"B": {"id": "B", "ids": [1], "tokens": ["<|im_start|>"]}},
    }
    template["single"] = [{"SpecialToken": {"id": "B", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    template["pair"] = [*template["single"], {"Sequence": {"id": "B", "type_id": 1}}]
    (path / "tokenizer.json").write_text(json.dumps({**text, "post_processor": template}))
    backend = open_folder(path)
    assert backend.describe().adds_bos is True
    assert backend._shown(Request(prompt="Hi"))[0] == 1
    assert backend._shown(Request(prompt="Hi")).count(1) == 1
    ids = backend._shown(ask("Hi"))  # the template begins with the same token
    assert ids[0] == 1
    assert ids[1] != 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=30), st.lists(st.integers(0, 49151), max_size=6))
def test_text_grows_into_what_all_tokens_spell(opened, text, noise):
    tokenizer = opened()._model.tokenizer
    ids = [*tokenizer.tokenize(text, add_special=False, parse_special=False), *noise]
    pieces = tokenizer.continuing([500])
    grown = "".join(pieces.add(token) for token in ids) + pieces.finish()
    assert tokenizer.decode([500]) + grown == tokenizer.decode([500, *ids])


def test_sentencepiece_keeps_leading_spaces_and_bytes_apart(transformers):
    # as Llama 2: spaces are part of words, decoding drops the first one, and what has no token is written in bytes
    from tokenizers import Tokenizer as Backend
    from tokenizers import decoders, models

    from pytest_slm.backends.hf.tokenizer import TransformersTokenizer

    words = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁Paris", "▁is", "▁", "a"]
    backend = Backend(models.BPE(vocab={word: n for n, word in enumerate(words)}, merges=[], byte_fallback=True))
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    source = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>")
    pieces = TransformersTokenizer(source).continuing([words.index("▁is")])
    emoji = [words.index(f"<0x{byte:02X}>") for byte in "🙂".encode()]
    added = [pieces.add(token) for token in [words.index("▁Paris"), *emoji, words.index("▁Paris"), emoji[0]]]
    assert added == [" Paris", "", "", "", "🙂", " Paris", ""]
    assert pieces.finish() == "\ufffd"


def test_ways_to_split_text_that_nobody_knows_are_refused(monkeypatch, tokenizer, tmp_path):
    from pytest_slm.backends.hf import gguf

    for name, known in (("qwen2", True), ("gpt-2", True), ("smollm", True), ("of-tomorrow", False)):
        described = ("llama", {"tokenizer_type": "gpt2", "pre_tokenizer_type": name}, {})
        monkeypatch.setattr(gguf.known, "get_gguf_tokenizer", lambda _, described=described: described)
        if known:
            gguf.split_as_trained(tmp_path, tokenizer)
        else:
            with pytest.raises(BackendError) as caught:
                gguf.split_as_trained(tmp_path, tokenizer)
            assert caught.value.slug == "tokenizer-unknown"
