"""Small weight files, written here byte by byte, so that each can be made wrong on purpose."""

import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_slm.models.ggml import TENSOR_TYPES

U32, F32, BOOL, STRING, ARRAY, U64 = 4, 6, 7, 8, 9, 10
Tensor = tuple[str, Sequence[int], int]

TEMPLATE = "{% for m in messages %}{{ m.content }}ä{% endfor %}"
PAIRS: Mapping[str, tuple[int, Any]] = {
    "general.architecture": (STRING, "llama"),
    "general.name": (STRING, "Tiny"),
    "general.license": (STRING, "apache-2.0"),
    "general.file_type": (U32, 7),
    "llama.context_length": (U32, 2048),
    "llama.embedding_length": (U32, 32),
    "llama.block_count": (U32, 2),
    "llama.attention.head_count": (U32, 4),
    "llama.attention.head_count_kv": (U32, 2),
    "llama.rope.scaling.type": (STRING, "yarn"),
    "llama.rope.scaling.factor": (F32, 4.0),
    "tokenizer.ggml.tokens": (ARRAY, (STRING, ["<s>", "</s>", "ä"])),
    "tokenizer.ggml.scores": (ARRAY, (F32, [0.0, -1.0, -2.0])),
    "tokenizer.chat_template": (STRING, TEMPLATE),
}
TENSORS: Sequence[Tensor] = (("token_embd.weight", (32, 3), 8), ("output_norm.weight", (32,), 0))


def value(kind: int, data: Any) -> bytes:
    """One metadata value as GGUF stores it."""
    if kind == STRING:
        text = data if isinstance(data, bytes) else data.encode()
        return struct.pack("<Q", len(text)) + text
    if kind == ARRAY:
        inner, items = data
        return struct.pack("<IQ", inner, len(items)) + b"".join(value(inner, item) for item in items)
    return struct.pack({U32: "<I", F32: "<f", BOOL: "<?", U64: "<Q"}[kind], data)


def gguf(
    pairs: Mapping[str, tuple[int, Any] | None] | None = None,
    tensors: Sequence[Tensor] = TENSORS,
    *,
    version: int = 3,
    alignment: int = 32,
    counts: tuple[int, int] | None = None,
    offsets: Sequence[int] | None = None,
) -> bytes:
    """A valid GGUF with ``pairs`` changed (None: left out), or one whose counts or offsets lie."""
    kept = {key: pair for key, pair in {**PAIRS, **(pairs or {})}.items() if pair is not None}
    tensor_count, pair_count = counts or (len(tensors), len(kept))
    head = b"GGUF" + struct.pack("<IQQ", version, tensor_count, pair_count)
    for key, (kind, data) in kept.items():
        head += value(STRING, key) + struct.pack("<I", kind) + value(kind, data)
    offset, body = 0, b""
    for index, (name, shape, kind) in enumerate(tensors):
        told = offset if offsets is None else offsets[index]
        head += value(STRING, name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        head += struct.pack("<IQ", kind, told)
        _, block, width = TENSOR_TYPES.get(kind, ("", 1, 1))
        size = min(math.prod(shape) // block * width, 1 << 16)  # a lie about a shape must not fill the disk
        offset += -(-size // alignment) * alignment
        body = body.ljust(offset - -(-size // alignment) * alignment, b"\0") + b"\x01" * size
    return head.ljust(-(-len(head) // alignment) * alignment, b"\0") + body


def safetensors(tensors: Mapping[str, tuple[str, Sequence[int]]], **metadata: str) -> bytes:
    """A valid .safetensors file of zeros."""
    widths = {"F32": 4, "F16": 2, "BF16": 2, "I64": 8, "BOOL": 1, "I32": 4}
    table: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    end = 0
    for name, (dtype, shape) in tensors.items():
        start, end = end, end + math.prod(shape) * widths[dtype]
        table[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}
    header = json.dumps(table).encode()
    return struct.pack("<Q", len(header)) + header + bytes(end)


@pytest.fixture(scope="session")
def make_gguf() -> Callable[..., bytes]:
    """``gguf`` above: the bytes of a small GGUF, valid unless asked otherwise."""
    return gguf


@pytest.fixture(scope="session")
def make_safetensors() -> Callable[..., bytes]:
    """``safetensors`` above."""
    return safetensors


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A valid GGUF on disk."""
    path = tmp_path / "tiny.Q8_0.gguf"
    path.write_bytes(gguf())
    return path


@pytest.fixture
def hf_folder(tmp_path: Path) -> Path:
    """A folder as ``save_pretrained`` leaves it: tied embeddings, BF16, one shard."""
    folder = tmp_path / "Tiny-Llama"
    folder.mkdir()
    config = {
        "model_type": "llama",
        "max_position_embeddings": 4096,
        "vocab_size": 10,
        "hidden_size": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "tie_word_embeddings": True,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": TEMPLATE}))
    tensors = {"model.embed_tokens.weight": ("BF16", (10, 8)), "model.norm.weight": ("F32", (8,))}
    (folder / "model.safetensors").write_bytes(safetensors(tensors, format="pt"))
    return folder


@pytest.fixture
def template() -> str:
    """The chat template in both."""
    return TEMPLATE


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Install a distribution with files into a folder of its own on ``sys.path``; ``record=False`` leaves no list."""

    def install(name: str, files: Mapping[str, bytes], *, record: bool = True, editable: bool = False) -> Path:
        site = tmp_path / f"site-{name}"
        info = site / f"{name.replace('-', '_')}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        if editable:
            (info / "direct_url.json").write_text('{"url": "file:///src", "dir_info": {"editable": true}}')
        for file, content in files.items():
            (site / file).parent.mkdir(parents=True, exist_ok=True)
            (site / file).write_bytes(content)
        if record:
            (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
        monkeypatch.syspath_prepend(str(site))
        return site

    return install
