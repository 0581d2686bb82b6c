"""Tiny models with a vocabulary of their own, and changes of any tensor."""

from __future__ import annotations

import pytest

WORDS = ["\u2581", *"abcdefghijklmnopqrstuvwxyz<>/|_.?:"]
CONTROL = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|done|>"]
VOCABULARY = [*CONTROL, *(f"<0x{byte:02X}>" for byte in range(256)), *WORDS]
"""As sentencepiece has them: control tokens, every byte, and pieces with a space in front."""


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory):
    """``tiny_gguf(change, keys)``: a file with a tiny llama of random weights and a vocabulary as of sentencepiece.
    ``change(name, tensor)`` may change tensors in place, ``keys`` are further texts of the header."""
    gguf = pytest.importorskip("gguf", reason="needs the package gguf: pip install 'pytest-slm[hf]'")
    import numpy as np

    def make(change=lambda name, tensor: None, keys=()):
        path = tmp_path_factory.mktemp("tiny") / "Tiny-F32.gguf"
        writer = gguf.GGUFWriter(path, "llama")
        writer.add_context_length(512)
        writer.add_embedding_length(32)
        writer.add_block_count(1)
        writer.add_feed_forward_length(48)
        writer.add_head_count(4)
        writer.add_head_count_kv(2)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_rope_dimension_count(8)
        writer.add_vocab_size(len(VOCABULARY))
        writer.add_file_type(0)
        writer.add_tokenizer_model("llama")
        writer.add_token_list(VOCABULARY)
        writer.add_token_scores([0.0 if token in CONTROL else -float(n) for n, token in enumerate(VOCABULARY)])
        kinds = [3] * len(CONTROL) + [6] * 256 + [1] * len(WORDS)
        kinds[0] = 2
        writer.add_token_types(kinds)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_unk_token_id(0)
        writer.add_add_bos_token(True)
        writer.add_add_space_prefix(True)
        for key, text in dict(keys).items():
            writer.add_string(key, text)
        shapes = {
            "token_embd": (len(VOCABULARY), 32),
            "output_norm": (32,),
            "output": (len(VOCABULARY), 32),
            "blk.0.attn_norm": (32,),
            "blk.0.ffn_norm": (32,),
            "blk.0.attn_q": (32, 32),
            "blk.0.attn_k": (16, 32),
            "blk.0.attn_v": (16, 32),
            "blk.0.attn_output": (32, 32),
            "blk.0.ffn_gate": (48, 32),
            "blk.0.ffn_up": (48, 32),
            "blk.0.ffn_down": (32, 48),
        }
        random = np.random.default_rng(1)
        for name, shape in shapes.items():
            norm = np.ones(shape) if name.endswith("norm") else random.normal(0, 0.4, shape)
            tensor = norm.astype(np.float32)
            change(name, tensor)
            writer.add_tensor(f"{name}.weight", tensor)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    return make


@pytest.fixture(scope="session")
def token_of():
    """The number of a token of the tiny vocabulary."""
    return VOCABULARY.index


@pytest.fixture
def opened():
    """Opens weights with an engine; closes them afterwards."""
    from pytest_slm.backends.llamacpp import LlamaCpp
    from pytest_slm.backends.protocol import ModelSpec
    from pytest_slm.core.types import EngineSettings

    backends = []

    def open_(path, engine="ik", *, exact=False, **settings):
        settings = EngineSettings(threads=1, engine=engine, **settings)
        backends.append(LlamaCpp(ModelSpec(path=str(path), format="gguf", settings=settings, exact=exact)))
        return backends[-1]

    yield open_
    for backend in backends:
        backend.close()
