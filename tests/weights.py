"""Weights whose arithmetic is precise: the real model's, and those of a network that takes next to no time."""

from __future__ import annotations

import struct

import pytest

HIDDEN, BLOCKS, HEADS, KV_HEADS, FEED_FORWARD = 64, 2, 4, 2, 128
SHAPES = {
    "attn_norm": (HIDDEN,),
    "attn_q": (HIDDEN, HIDDEN),
    "attn_k": (HIDDEN, HIDDEN * KV_HEADS // HEADS),
    "attn_v": (HIDDEN, HIDDEN * KV_HEADS // HEADS),
    "attn_output": (HIDDEN, HIDDEN),
    "ffn_norm": (HIDDEN,),
    "ffn_gate": (HIDDEN, FEED_FORWARD),
    "ffn_up": (HIDDEN, FEED_FORWARD),
    "ffn_down": (FEED_FORWARD, HIDDEN),
}


def _quantized(source, path, ftype):
    import ctypes

    import llama_cpp

    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype, parameters.allow_requantize = ftype, True
    assert llama_cpp.llama_model_quantize(str(source).encode(), str(path).encode(), ctypes.byref(parameters)) == 0
    yield path
    path.unlink()


@pytest.fixture(scope="session")
def f32_model(real_model, tmp_path_factory):
    """The real model's weights as F32: without the noise of quantized arithmetic, so that comparisons can be strict."""
    yield from _quantized(real_model, tmp_path_factory.mktemp("weights") / "SmolLM2-135M-Instruct.F32.gguf", 0)


@pytest.fixture(scope="session")
def small_q4_1_model(small_model, tmp_path_factory):
    """The small model's weights, quantized as the real one's are."""
    yield from _quantized(small_model, tmp_path_factory.mktemp("weights") / "small.Q4_1.gguf", 3)


@pytest.fixture(scope="session")
def small_model(real_model, tmp_path_factory):
    """Random F32 weights of the real model's architecture, with its tokenizer, forty times as fast. Large ones: where
    every token is about as likely as any other, a model that looks at the wrong tokens would hardly be noticed."""
    import numpy as np

    data = real_model.read_bytes()
    header = bytearray(data[: data.index(struct.pack("<Q", len("token_embd.weight")) + b"token_embd.weight")])
    for key, value in {
        "general.file_type": 0,
        "llama.block_count": BLOCKS,
        "llama.embedding_length": HIDDEN,
        "llama.feed_forward_length": FEED_FORWARD,
        "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": KV_HEADS,
        "llama.rope.dimension_count": HIDDEN // HEADS,
    }.items():
        name = struct.pack("<Q", len(key)) + key.encode()
        struct.pack_into("<I", header, header.index(name) + len(name) + 4, value)  # after its type, four bytes
    (n_vocab,) = struct.unpack_from("<I", header, header.index(b"llama.vocab_size") + len("llama.vocab_size") + 4)
    shapes = {"token_embd": (HIDDEN, n_vocab), "output_norm": (HIDDEN,)}
    shapes |= {f"blk.{block}.{name}": shape for block in range(BLOCKS) for name, shape in SHAPES.items()}
    struct.pack_into("<Q", header, 8, len(shapes))
    chance, body = np.random.default_rng(1), bytearray()
    for name, shape in shapes.items():
        encoded = f"{name}.weight".encode()
        header += struct.pack("<Q", len(encoded)) + encoded + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        header += struct.pack("<IQ", 0, len(body))  # F32, and where it begins: all sizes are multiples of 32 bytes
        values = chance.normal(0, 0.4, shape) if len(shape) > 1 else np.ones(shape)
        body += values.astype("<f4").tobytes()
    header += bytes(-len(header) % 32)
    path = tmp_path_factory.mktemp("weights") / "small.gguf"
    path.write_bytes(header + body)
    yield path
    path.unlink()
