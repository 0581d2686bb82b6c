"""The headers of a Hugging Face folder are read exactly, or refused with path and remedy."""

import contextlib
import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.errors import UsageError
from pytest_slm.models import detect
from pytest_slm.models.safetensors import read_table

Make = Callable[..., bytes]


def configure(folder: Path, **changes: Any) -> None:
    """Change config.json."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_headers_say_what_the_model_is(hf_folder: Path, template: str) -> None:
    detected = detect(hf_folder)
    assert (detected.format, detected.architecture, detected.quantization) == ("safetensors", "llama", "BF16")
    assert (detected.context_length, detected.vocab_size, detected.hidden_size) == (4096, 10, 8)
    assert (detected.num_layers, detected.kv_heads) == (2, 2)
    assert detected.parameters == 10 * 8 + 8
    assert detected.bits_per_weight == (80 * 16 + 8 * 32) / 88
    assert detected.chat_template == template
    assert detected.chat_template_sha256 == hashlib.sha256(template.encode()).hexdigest()


def test_tied_embeddings_are_counted_once_and_untied_ones_twice(hf_folder: Path, make_safetensors: Make) -> None:
    both = {"model.embed_tokens.weight": ("BF16", (10, 8)), "lm_head.weight": ("BF16", (10, 8))}
    (hf_folder / "model.safetensors").write_bytes(make_safetensors(both))
    assert detect(hf_folder).parameters == 80
    configure(hf_folder, tie_word_embeddings=False)
    assert detect(hf_folder).parameters == 160


def test_buffers_are_no_parameters(hf_folder: Path, make_safetensors: Make) -> None:
    # GPT-2 stores its causal masks: 12 million floats that nobody has learned.
    tensors = {
        "h.0.attn.c_attn.weight": ("F32", (4, 4)),
        "h.0.attn.bias": ("F32", (1, 1, 8, 8)),
        "h.0.attn.masked_bias": ("F32", ()),
        "layers.0.rotary_emb.inv_freq": ("F32", (4,)),
        "embeddings.position_ids": ("I64", (1, 8)),
        "h.0.attn.c_attn.bias": ("F32", (4,)),
    }
    (hf_folder / "model.safetensors").write_bytes(make_safetensors(tensors))
    assert detect(hf_folder).parameters == 16 + 4


def test_packed_weights_are_not_counted(hf_folder: Path, make_safetensors: Make) -> None:
    (hf_folder / "model.safetensors").write_bytes(make_safetensors({"a.qweight": ("I32", (4, 4))}))
    configure(hf_folder, quantization_config={"quant_method": "gptq", "bits": 4})
    detected = detect(hf_folder)
    assert (detected.parameters, detected.bits_per_weight, detected.quantization) == (None, None, "gptq")


def test_shards_are_counted_together(hf_folder: Path, make_safetensors: Make) -> None:
    (hf_folder / "model.safetensors").unlink()
    shards = {"model-00001-of-00002.safetensors": "a", "model-00002-of-00002.safetensors": "b"}
    for shard, name in shards.items():
        (hf_folder / shard).write_bytes(make_safetensors({name: ("F16", (3,))}))
    # Another set of the same weights must not be counted again.
    (hf_folder / "consolidated.safetensors").write_bytes(make_safetensors({"a": ("F16", (3,)), "b": ("F16", (3,))}))
    assert detect(hf_folder).parameters == 6
    index = {"weight_map": {name: shard for shard, name in shards.items()}}
    (hf_folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert detect(hf_folder).parameters == 6
    (hf_folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(UsageError, match=r"model-00002-of-00002\.safetensors: missing") as caught:
        detect(hf_folder)
    assert caught.value.slug == "safetensors-truncated"


@pytest.mark.parametrize("shard", ["../model.safetensors", "/etc/passwd", "a\\b", 1])
def test_an_index_names_files_of_its_folder_only(hf_folder: Path, shard: object) -> None:
    (hf_folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": shard}}))
    with pytest.raises(UsageError, match="files of this folder"):
        detect(hf_folder)


def test_a_template_file_wins_over_the_tokenizer(hf_folder: Path) -> None:
    (hf_folder / "chat_template.jinja").write_text("from the file")
    assert detect(hf_folder).chat_template == "from the file"


def test_of_several_templates_the_default_is_taken(hf_folder: Path) -> None:
    several = [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "plain"}]
    (hf_folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": several}))
    assert detect(hf_folder).chat_template == "plain"


def test_rope_scaling_is_noted(hf_folder: Path) -> None:
    configure(hf_folder, rope_scaling={"rope_type": "llama3", "factor": 32.0})
    assert detect(hf_folder).rope_scaling == "llama3 x32"


def test_the_text_part_of_a_larger_model_is_meant(hf_folder: Path) -> None:
    configure(hf_folder, model_type="wrapper", text_config={"max_position_embeddings": 77})
    assert detect(hf_folder).context_length == 77


@pytest.mark.parametrize(
    ("data", "slug"),
    [
        (b"", "safetensors-truncated"),
        (b"\0" * 8, "safetensors-corrupt"),
        (b"\xff" * 8, "safetensors-corrupt"),
        (struct.pack("<Q", 50) + b"{}", "safetensors-truncated"),
        (struct.pack("<Q", 2) + b"[]", "safetensors-corrupt"),
        (struct.pack("<Q", 3) + b"{a}", "safetensors-corrupt"),
        (struct.pack("<Q", 100_000) + b"[" * 100_000, "safetensors-corrupt"),  # deeper than the JSON parser goes
    ],
)
def test_damaged_headers_are_refused(tmp_path: Path, data: bytes, slug: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    with pytest.raises(UsageError) as caught:
        read_table(path)
    assert caught.value.slug == slug
    assert str(path) in str(caught.value)


def test_a_file_without_its_last_byte_is_truncated(hf_folder: Path) -> None:
    path = hf_folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UsageError, match="safetensors-truncated"):
        detect(hf_folder)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [2**32, 2**32], "data_offsets": [0, 0]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]},
        {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]},
        {"dtype": "F32", "shape": [1], "data_offsets": [0]},
        {"dtype": ["F32"], "shape": [1], "data_offsets": [0, 4]},
        {"shape": [1]},
        1,
    ],
)
def test_impossible_tensors_are_refused(tmp_path: Path, entry: object) -> None:
    header = json.dumps({"t": entry}).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(64))
    with pytest.raises(UsageError, match="safetensors-corrupt"):
        read_table(path)


@pytest.mark.parametrize("text", ["", "[]", "{", '"\ud800"', "[" * 100_000, "1" * 10_000])
def test_a_damaged_config_is_refused(hf_folder: Path, text: str) -> None:
    (hf_folder / "config.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(UsageError, match=r"config\.json"):
        detect(hf_folder)


@pytest.mark.parametrize(
    ("factor", "told"),
    [
        ("9" * 4_000, "an integer of 4000 digits"),
        ("1e999", "1e999 is too large a number"),
        ('{"a": ' * 200 + "1" + "}" * 200, "nested deeper than 100 levels"),
        ("9" * 300, None),
        ("1e308", None),
        ("[1]", None),
    ],
    ids=lambda value: str(value)[:12],
)
def test_a_factor_of_any_size_is_read_or_refused(hf_folder: Path, factor: str, told: str | None) -> None:
    config = json.loads((hf_folder / "config.json").read_text())
    text = json.dumps({**config, "rope_scaling": {"rope_type": "linear", "factor": "FACTOR"}})
    (hf_folder / "config.json").write_text(text.replace('"FACTOR"', factor))
    if told is None:
        scaling = detect(hf_folder).rope_scaling
        assert scaling is not None
        assert scaling.startswith("linear")
        assert len(scaling) < 20
        return
    with pytest.raises(UsageError, match=told) as caught:
        detect(hf_folder)
    assert caught.value.slug == "safetensors-corrupt"
    assert len(str(caught.value)) < 500


def test_half_a_character_enters_no_report(hf_folder: Path) -> None:
    # JSON may escape a lone surrogate; UTF-8 cannot say it, so the report could not be written.
    configure(hf_folder, model_type="\ud800")
    assert detect(hf_folder).architecture is None
    (hf_folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "\ud800"}))
    with pytest.raises(UsageError, match="half a character"):
        detect(hf_folder)


@given(
    config=st.dictionaries(
        st.sampled_from(["model_type", "vocab_size", "rope_scaling", "text_config", "quantization_config"]),
        st.none()
        | st.integers()
        | st.text(max_size=3)
        | st.lists(st.integers(), max_size=2)
        | st.fixed_dictionaries(
            {"rope_type": st.integers() | st.text(max_size=3), "factor": st.floats() | st.text(max_size=3)}
        ),
    ),
    tensors=st.dictionaries(
        st.text(max_size=5),
        st.fixed_dictionaries(
            {
                "dtype": st.sampled_from(["F32", "BF16", "X", 1]),
                "shape": st.lists(st.integers(-1, 4), max_size=3) | st.none(),
                "data_offsets": st.lists(st.integers(-1, 40), max_size=3) | st.none(),
            }
        ),
        max_size=3,
    ),
)
def test_any_headers_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, config: dict[str, Any], tensors: dict[str, Any]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "any-folder"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    header = json.dumps(tensors).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(40))
    with contextlib.suppress(UsageError):
        detect(folder).to_json()
