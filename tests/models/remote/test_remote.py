"""Headers by HTTP ranges, with the real client against a Hub on this machine: as of the file, for kilobytes."""

import json
import struct
import threading

import pytest

pytest.importorskip("huggingface_hub", reason="needs `pip install 'pytest-slm[hub]'`")

from pytest_slm import hub as the_hub
from pytest_slm.errors import UsageError
from pytest_slm.models import detect, resolve, select
from pytest_slm.models.remote import HeaderReader
from pytest_slm.models.remote.ranges import FIRST

COMMIT = "0123456789abcdef0123456789abcdef01234567"
STRING, ARRAY, U32 = 8, 9, 4


def read(reference, names="all"):
    """What is read of each quantization, and the reader."""
    submission, reader = resolve(reference), HeaderReader()
    return {one.name: reader.read(submission, one) for one in select(submission, names)}, reader


def refused(reference="org/tiny"):
    """The error of one line."""
    with pytest.raises(UsageError) as caught:
        read(reference, "Q8_0")
    assert "\n" not in str(caught.value)
    assert "org/tiny" in str(caught.value)
    return caught.value


def of_file(tmp_path, data, name="model.gguf"):
    """What is read of the same bytes on disk."""
    (tmp_path / name).write_bytes(data)
    return detect(tmp_path / name)


def alike(remote, local):
    """Whether both say the same, but for what only the Hub knows."""
    only_there = ("revision", "gated")
    return {k: v for k, v in remote.to_json().items() if k not in only_there} == {
        k: v for k, v in local.to_json().items() if k not in only_there
    }


def vocabulary(n, mark="t"):
    """Key-values with ``n`` tokens of different lengths, and as many merges."""
    words = [f"{mark}{'x' * (index % 9)}{index}" for index in range(n)]
    return {
        "tokenizer.ggml.tokens": (ARRAY, (STRING, words)),
        "tokenizer.ggml.merges": (ARRAY, (STRING, [f"{word} {word}" for word in words])),
    }


# -- what is read ------------------------------------------------------------------------------------------------------


def test_a_header_is_read_at_the_listed_commit_as_from_the_file(hub, make_gguf, tmp_path):
    found, reader = read(f"org/tiny@{COMMIT}")
    assert alike(found["Q8_0"], of_file(tmp_path, make_gguf()))
    assert (found["Q8_0"].revision, found["Q8_0"].gated) == (COMMIT, False)
    assert {line for line in hub.log if "resolve" in line} == {
        f"GET /org/tiny/resolve/{COMMIT}/tiny-{name}.gguf" for name in ("Q8_0", "F16")
    }
    assert reader.total.ranges == 2
    assert not (tmp_path / "cache").exists()


def test_the_vocabulary_is_fetched_once_for_all_quantizations_of_a_model(hub, make_gguf, tmp_path):
    tensors = [(f"blk.{index}.weight", (32, 64), 8) for index in range(40)]
    files = {
        f"m-{name}.gguf": make_gguf(vocabulary(9_000) | {"general.file_type": (U32, kind)}, tensors)
        for name, kind in (("F16", 1), ("Q4_0", 2), ("Q8_0", 7))
    }
    hub.add("org/many", files)
    found, reader = read("org/many")
    assert all(alike(found[name], of_file(tmp_path, files[f"m-{name}.gguf"])) for name in found)
    assert {name: header.quantization for name, header in found.items()} == {name: name for name in found}
    first, *others = (reader.fetched[name].bytes for name in ("F16", "Q4_0", "Q8_0"))
    assert first > 5 * FIRST
    assert max(others) <= 3 * FIRST


def test_another_vocabulary_of_as_many_tokens_is_noticed(hub, make_gguf, tmp_path):
    files = {
        "m-F16.gguf": make_gguf(vocabulary(2_000)),
        "m-Q8_0.gguf": make_gguf(vocabulary(2_000, "longer")),
        "m-Q4_0.gguf": make_gguf(vocabulary(1_999)),
    }
    hub.add("org/many", files)
    found, _ = read("org/many")
    assert all(alike(found[name], of_file(tmp_path, files[f"m-{name}.gguf"])) for name in found)


def test_a_split_gguf_is_read_from_the_headers_of_all_parts(hub, make_gguf):
    split = {"split.count": (U32, 2)}
    parts = {
        f"m-Q8_0-0000{part}-of-00002.gguf": make_gguf(split, [(f"blk.{part}.weight", (32, 3), 8)]) for part in (1, 2)
    }
    hub.add("org/split", parts)
    found, reader = read("org/split")
    assert found["Q8_0"].parameters == 2 * 32 * 3
    assert found["Q8_0"].file_size == sum(map(len, parts.values()))
    assert reader.fetched["Q8_0"].ranges == 2


def sharded(make_safetensors):
    """The files of a model in two shards of 1 MB, with an index."""
    tensors = {"model.embed_tokens.weight": ("BF16", (1000, 500)), "model.norm.weight": ("BF16", (500_000,))}
    names = [f"model-0000{part}-of-00002.safetensors" for part in (1, 2)]
    shards = {name: make_safetensors({key: tensors[key]}) for name, key in zip(names, tensors, strict=True)}
    index = {"weight_map": dict(zip(tensors, names, strict=True))}
    config = {"model_type": "llama", "max_position_embeddings": 4096}
    return shards | {
        "config.json": json.dumps(config).encode(),
        "model.safetensors.index.json": json.dumps(index).encode(),
        "tokenizer_config.json": b'{"chat_template": "{{ messages }}"}',
    }


def test_shards_of_safetensors_are_read_from_their_tables(hub, make_safetensors, tmp_path):
    files = sharded(make_safetensors)
    hub.add("org/shards", files, safetensors={"parameters": {"BF16": 1_000_000}, "total": 1_000_000})
    found, reader = read("org/shards")
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    assert alike(found["BF16"], detect(tmp_path))
    assert found["BF16"].parameters == 1_000_000
    assert reader.fetched["BF16"].bytes < 2 * FIRST + 1_000 < reader.fetched["BF16"].files_bytes


def test_what_is_wrong_in_a_folder_names_the_repo(hub, make_safetensors):
    files = sharded(make_safetensors)
    about = {"safetensors": {"parameters": {"BF16": 1_000_000}, "total": 1_000_000}}
    for name, change, slug in (
        ("config.json", b"{", "safetensors-corrupt"),
        ("model-00002-of-00002.safetensors", None, "safetensors-truncated"),
        ("model-00002-of-00002.safetensors", struct.pack("<Q", 1 << 60) + bytes(100), "safetensors-corrupt"),
    ):
        hub.add("org/wrong", {key: data for key, data in (files | {name: change}).items() if data is not None}, **about)
        with pytest.raises(UsageError, match=f"^org/wrong/{name}") as caught:
            read("org/wrong")
        assert caught.value.slug == slug


# -- how it is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "headers", "slug", "told"),
    [
        (403, {"X-Error-Code": "GatedRepo"}, "hub-gated", "accept the terms"),
        (401, {"X-Error-Code": "GatedRepo"}, "hub-gated", "accept the terms"),
        (404, {"X-Error-Code": "EntryNotFound"}, "hub-not-found", "a listed file is gone"),
        (429, {"Retry-After": "37"}, "hub-busy", "try again in 37 s"),
        (500, {}, "hub-unreachable", "it answered 500"),
    ],
)
def test_a_file_that_is_refused_is_one_line_with_a_remedy(hub, status, headers, slug, told):
    hub.repos["org/tiny"].of_files = (status, headers)
    error = refused()
    assert error.slug == slug
    assert told in str(error)


def test_a_connection_that_is_cut_is_told(hub):
    hub.repos["org/tiny"].cut = True
    assert refused().slug in ("hub-answer", "hub-unreachable")


def test_a_server_without_ranges_is_not_read_to_the_end(hub, make_gguf):
    hub.repos["org/tiny"].whole = True
    assert read("org/tiny", "Q8_0")[0]["Q8_0"].parameters == 128  # a small file may come as a whole
    hub.add("org/tiny", {"m-Q8_0.gguf": make_gguf(tensors=[("a", (32, 9_000), 8)])})
    hub.repos["org/tiny"].whole = True
    error = refused()
    assert error.slug == "hub-answer"
    assert "it sends the whole file" in str(error)


def test_a_server_that_says_nothing_is_given_up(hub, monkeypatch):
    monkeypatch.setattr(the_hub, "TIMEOUT_S", 0.2)
    submission = resolve("org/tiny")
    held = threading.Event()
    monkeypatch.setattr(hub.RequestHandlerClass, "answer", lambda *_, **__: held.wait(5))
    with pytest.raises(UsageError) as caught:
        HeaderReader().read(submission, submission.quantizations[0])
    held.set()
    assert caught.value.slug == "hub-unreachable"


def test_another_host_that_is_sent_on_to_does_not_see_the_token(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with type(hub)() as cdn:
        threading.Thread(target=cdn.serve_forever, daemon=True).start()
        cdn.repos = {"org/tiny": type(hub.repos["org/tiny"])(hub.repos["org/tiny"].files)}
        hub.repos["org/tiny"].cdn = cdn.url
        assert read("org/tiny", "Q8_0")[0]["Q8_0"].parameters == 128
        cdn.shutdown()
    assert set(hub.tokens) == {"Bearer hf_secret"}
    assert cdn.tokens == [None]
