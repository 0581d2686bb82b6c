"""``--slm-set KEY=VALUE``: the words of a command line as values of the right types, or one line that says why not."""

import dataclasses
from pathlib import Path

import pytest

from pytest_slm.core.submission import ENGINE_KEYS
from pytest_slm.core.types import EngineSettings
from pytest_slm.errors import UsageError
from pytest_slm.load.settings import keys, read_settings, table

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"


def test_values_have_the_types_of_the_fields_that_they_are_for():
    texts = [
        *("n_batch=64", "kv_type=q8_0", "flash_attention=off", "dtype=FLOAT32", "threads = 2"),
        *("top_k=40", "min_p=.05"),
    ]
    engine, sampling = read_settings(texts, {})
    assert engine == EngineSettings(n_batch=64, kv_type="Q8_0", flash_attention=False, dtype="float32", threads=2)
    assert sampling == {"top_k": 40, "min_p": 0.05}
    assert read_settings([], {}) == (EngineSettings(), {})


def test_files_are_found_where_the_command_was_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "law.gguf").write_bytes(b"")
    (tmp_path / "c:1").write_bytes(b"")
    for text, path, scale in (("law.gguf", "law.gguf", 1.0), ("law.gguf:.5", "law.gguf", 0.5), ("c:1:-2", "c:1", -2.0)):
        engine, _ = read_settings([f"lora={text}"], {})
        assert engine.adapter == (str(tmp_path / path), scale)
    engine, _ = read_settings(["draft_model=law.gguf", "tensor_split=3,1.5", "gpu_layers=0"], {})
    assert engine == EngineSettings(draft_model=str(tmp_path / "law.gguf"), tensor_split=(3.0, 1.5), gpu_layers=0)


@pytest.mark.parametrize(
    ("texts", "line", "slug"),
    [
        (["n_bach=1"], "--slm-set n_bach=1: unknown setting 'n_bach'. Did you mean 'n_batch'?", "unknown-setting"),
        (["temperature=1"], "temperature has an option of its own, --slm-temperature", "unknown-setting"),
        (["chat_template=x"], "chat_template has an option of its own, --slm-chat-template", "unknown-setting"),
        (["=4"], "--slm-set =4: unknown setting ''", "unknown-setting"),
        (["n_batch"], "--slm-set n_batch: expected KEY=VALUE, as in n_batch=512", "option-value"),
        (["n_batch="], "expected KEY=VALUE", "option-value"),
        (["n_batch=many"], "--slm-set n_batch=many: n_batch is a whole number", "option-value"),
        (["n_batch=1.5"], "n_batch is a whole number", "option-value"),
        (["n_batch=" + "9" * 30], "n_batch is a whole number", "option-value"),
        (["n_batch=0"], "--slm-set: n_batch must be at least 1, not 0; see docs/settings.md", "option-value"),
        (["n_batch=16385"], "n_batch must be at most 16384, not 16385", "option-value"),
        (["n_seq=256"], "n_seq must be at most 255, not 256", "option-value"),
        (["kv_cells=2147483648"], "kv_cells must be at most 2147483647", "option-value"),
        (["main_gpu=256"], "main_gpu must be at most 255", "option-value"),
        (["top_k=2147483648"], "top_k must be at most 2147483647", "option-value"),
        (["kv_type=Q3"], "kv_type is one of F32, F16, BF16, Q8_0", "option-value"),
        (["flash_attention=maybe"], "flash_attention is on or off", "option-value"),
        (["min_p=nan"], "min_p is a number", "option-value"),
        (["min_p=1"], "min_p must be at least 0 and below 1, not 1", "option-value"),
        (["top_k=-1"], "top_k must be at least 0, not -1", "option-value"),
        (["lora=nowhere.gguf"], "--slm-set lora=nowhere.gguf: no such file", "option-value"),
        (["lora=nowhere.gguf:0.5"], "no such file", "option-value"),
        (["lora=nowhere.gguf:nan"], "lora is a file, or FILE:SCALE", "option-value"),
        (["draft_model=nowhere.gguf"], "no such file", "option-value"),
        (["tensor_split=a,b"], "tensor_split is numbers with commas", "option-value"),
        (["tensor_split=0,0"], "tensor_split has a number for each GPU", "option-value"),
        (["tensor_split=1,-1"], "tensor_split has a number for each GPU", "option-value"),
        (["gpu_layers=-1"], "gpu_layers must be at least 0, not -1", "option-value"),
        (["n_batch=1", "n_batch=1"], "--slm-set says n_batch already", "option-value"),
        (["threads=2"], "--slm-threads says threads already, and only one can be meant", "option-value"),
    ],
)
def test_what_cannot_be_meant_is_one_line(texts, line, slug):
    with pytest.raises(UsageError) as caught:
        read_settings(texts, {"threads": 4, "n_ctx": None})
    assert line in str(caught.value)
    assert caught.value.slug == slug
    assert "\n" not in str(caught.value)


def test_the_docs_have_the_table_that_is_made_of_the_fields():
    assert table() in DOCS.read_text("utf-8")
    assert all(f"`{key}`" in table() for key in keys())


def test_the_help_lists_the_same_keys():
    from pytest_slm.load.settings import keys
    from pytest_slm.plugin.given import SET_KEYS

    assert keys() == SET_KEYS


def test_a_submission_names_no_file_and_no_gpu_of_whoever_measures_it():
    settings = {field.name for field in dataclasses.fields(EngineSettings)}
    theirs_alone = {"draft_model", "engine_lib", "gpu_layers", "lora", "main_gpu", "tensor_split"}
    assert settings - set(ENGINE_KEYS) == theirs_alone
