"""A model that writes no text is named as what it is, before an engine is started on it."""

import json

import pytest

from pytest_slm.errors import UsageError
from pytest_slm.models import check_writes, detect

U32, BOOL, STRING = 4, 7, 8


@pytest.mark.parametrize(
    ("pairs", "use"),
    [
        ({"general.architecture": (STRING, "bert")}, "an encoder or embedding model (bert)"),
        ({"general.architecture": (STRING, "nomic-bert-moe")}, "an encoder or embedding model (nomic-bert-moe)"),
        # an embedding model that is made of a decoder: only its pooling tells
        ({"llama.pooling_type": (U32, 3)}, "an encoder or embedding model (llama)"),
        ({"llama.pooling_type": (U32, 4)}, "a reranker (llama)"),
        ({"llama.pooling_type": (U32, 0)}, None),
        ({"llama.attention.causal": (BOOL, False)}, "a model that reads a text in both directions (llama)"),
        ({"llama.attention.causal": (BOOL, True)}, None),
        ({"general.type": (STRING, "adapter")}, "an adapter for another model"),
        ({"general.type": (STRING, "mmproj")}, "the part of a model that sees pictures"),
        ({"general.type": (STRING, "model")}, None),
        ({"general.architecture": (STRING, "t5")}, "an encoder-decoder (t5)"),
        ({}, None),
    ],
)
def test_of_a_gguf(tmp_path, make_gguf, pairs, use):
    path = tmp_path / "m.gguf"
    path.write_bytes(make_gguf(pairs))
    assert detect(path).other_use == use


@pytest.mark.parametrize(
    ("config", "use"),
    [
        ({"architectures": ["BertModel"]}, "an encoder (BertModel)"),
        ({"architectures": ["XLMRobertaModel"]}, "an encoder (XLMRobertaModel)"),
        (
            {"architectures": ["ModernBertForMaskedLM"]},
            "an encoder with a head for masked words (ModernBertForMaskedLM)",
        ),
        (
            {"architectures": ["Qwen3ForSequenceClassification"]},
            "a classifier or reranker (Qwen3ForSequenceClassification)",
        ),
        ({"architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": True}, "an encoder-decoder (T5For"),
        ({"architectures": ["LlamaForCausalLM"]}, None),
        ({"architectures": ["GPT2LMHeadModel"]}, None),
        ({"architectures": ["Gemma3ForConditionalGeneration"]}, None),  # it sees pictures too, and writes
        ({"architectures": ["LlamaModel"]}, None),  # not known: the engine has the last word
        ({"architectures": [3]}, None),
        ({"architectures": "BertModel"}, None),
        ({}, None),
    ],
)
def test_of_a_folder(hf_folder, config, use):
    path = hf_folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    found = detect(hf_folder).other_use
    assert found == use or found.startswith(use)


def test_what_sentence_transformers_saved_is_an_embedding_model(hf_folder):
    (hf_folder / "modules.json").write_text("[]")
    assert detect(hf_folder).other_use == "an embedding model (modules.json of sentence-transformers)"


def test_it_is_refused_in_one_line(hf_folder):
    (hf_folder / "modules.json").write_text("[]")
    with pytest.raises(UsageError, match=r"Tiny-Llama: an embedding model .* which writes no text; choose") as caught:
        check_writes(str(hf_folder), detect(hf_folder))
    assert caught.value.slug == "writes-no-text"
