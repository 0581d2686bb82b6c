"""What transformers lacks for GGUF files: two packages, and how text is split before it becomes tokens.

A GGUF holds the vocabulary and the merges of a byte-level tokenizer, but of its pre-tokenizer only the name.
transformers knows some of these names and takes GPT-2's splitting for all others, without a warning; ids are then not
those that the model was trained on. Here two simple kinds of splitting are known too, by the names that llama.cpp gives
them (https://github.com/ggml-org/llama.cpp/blob/master/src/llama-vocab.cpp, ``llm_tokenizer_bpe``); others are refused.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from tokenizers import pre_tokenizers
from transformers.integrations.gguf import gguf_tokenizer_mapping as known

from pytest_slm.errors import BackendError

BYTE_LEVEL = "gpt2"
"""What ``tokenizer.ggml.model`` says of byte-level vocabularies, the only ones that have a pre-tokenizer."""

AS_GPT2 = frozenset(
    "default gpt-2 mpt olmo jais trillion granite-docling phi-2 gigachat a.x-4.0 mellum modern-bert exaone4 "
    "roberta-bpe jina-es jina-de jina-v1-en jina-v2-es jina-v2-de jina-v2-code".split()
)
DIGITS_APART = frozenset("smollm starcoder refact command-r codeshell exaone minerva-7b mellum2".split())
"""As GPT-2 splits, but every digit by itself first."""


NEEDS = ("gguf", "accelerate")
"""What transformers imports to read weights from a GGUF."""


def check_installed(path: Path) -> None:
    """Raise BackendError (missing-extra) if a package is missing that opens GGUF files, though not others."""
    for name in NEEDS:
        if importlib.util.find_spec(name) is None:
            raise BackendError(
                f"{path}: transformers needs the package {name!r} to read a GGUF: pip install 'pytest-slm[hf]'",
                slug="missing-extra",
            )


def split_as_trained(path: Path, tokenizer: Any) -> None:
    """Give ``tokenizer``, which transformers made of the GGUF at ``path``, the splitting that the file names.

    Raises BackendError (tokenizer-unknown) for a name whose splitting is not known.
    """
    _, described, _ = known.get_gguf_tokenizer(str(path))
    name = described.get("pre_tokenizer_type") or "default"
    if described.get("tokenizer_type") != BYTE_LEVEL or name in known.GGUF_PRE_TOKENIZER_SPLITS or name in AS_GPT2:
        return
    if name not in DIGITS_APART:
        raise BackendError(
            f"{path}: transformers does not know how the tokenizer {name!r:.40} splits text, and would make other "
            "tokens of it than the model was trained on; use the model's safetensors, or --slm-backend=llamacpp",
            slug="tokenizer-unknown",
        )
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
