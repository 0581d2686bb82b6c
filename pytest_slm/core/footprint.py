"""How much memory a model takes while it runs, from what its header says: weights, KV cache, compute buffers, and the
program with the vocabulary in it.

``static/tools/footprint.js`` of the site has the same arithmetic, and a test holds the two together. Sizes are those of
llama.cpp: it rounds a context up to a multiple of 256 tokens, keeps so many of a sliding window as a batch reaches
beyond it, and reserves the logits of a whole batch. docs/decisions/0087-sums-and-prices.md says how each part was
measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_slm.core.record import Record

KV_TYPES: Mapping[str, float] = {
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "Q8_0": 34 / 32,
    "Q5_1": 24 / 32,
    "Q5_0": 22 / 32,
    "Q4_1": 20 / 32,
    "Q4_0": 18 / 32,
}
"""Bytes of a number in the KV cache, of all types that an engine can be asked for."""
PADDING = 256
PROGRAM = 56e6
"""Bytes of a Python with the binding, its threads and its requests, and no model: 47.5 MB before one is opened (Linux,
llama-cpp-python 0.3.36), and about 8 MB that belong to no other part while it works."""
MERGED, UNMERGED = 350, 167
"""Bytes that the engine's tables take for each word of a vocabulary, with merges (BPE) and without (SentencePiece)."""


@dataclass(frozen=True, kw_only=True)
class ModelShape(Record):
    """What a header says of a model's layers. ``window``: tokens that ``windowed`` of the layers look back."""

    layers: int
    heads: int
    kv_heads: int
    key_length: int
    value_length: int
    embedding: int
    vocabulary: int
    window: int = 0
    windowed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        least = (self.layers, self.heads, self.kv_heads, self.key_length, self.value_length, self.embedding)
        if min(*least, self.vocabulary) < 1 or not 0 <= self.windowed <= self.layers or self.window < 0:
            raise ValueError("a model of no layers, heads, words or the like")


def padded(tokens: int) -> int:
    """The tokens that the engine makes room for."""
    return -(-tokens // PADDING) * PADDING


def kept_cells(context: int, window: int, *, batch: int = 512) -> tuple[int, int]:
    """Tokens that a layer keeps of a context, one that looks back at everything and one that looks back ``window``
    tokens (0: no layer does)."""
    cells = padded(context)
    return cells, min(cells, padded(window + batch)) if window else cells


def kv_cache_bytes(shape: ModelShape, context: int, kv_type: str = "F16", *, batch: int = 512) -> float:
    """Bytes of the KV cache of ``context`` tokens; ``batch`` is how many tokens are read at once."""
    cells, short = kept_cells(context, shape.window, batch=batch)
    layers = (shape.layers - shape.windowed) * cells + shape.windowed * short
    return layers * shape.kv_heads * (shape.key_length + shape.value_length) * KV_TYPES[kv_type]


def compute_bytes(
    shape: ModelShape, context: int, *, batch: int = 512, flash_attention: bool = True, outputs: int | None = None
) -> float:
    """Bytes of the compute buffers: the logits and the state of a batch, or what is more where there is no flash
    attention, its scores against all tokens with their mask. The two are not needed at once. ``outputs``: tokens of a
    batch that may have logits (None: all)."""
    logits = logits_bytes(shape.vocabulary, shape.embedding, batch=batch, outputs=outputs)
    scores = 0 if flash_attention else (shape.heads + 1) * padded(context) + 6 * shape.embedding
    return max(logits, 4.0 * batch * scores)


def logits_bytes(vocabulary: int, embedding: int, *, batch: int = 512, outputs: int | None = None) -> float:
    """Bytes of the logits of a batch with its last state."""
    return 4.0 * ((batch if outputs is None else outputs) * vocabulary + batch * embedding)


def vocabulary_bytes(words: int, *, merges: bool) -> float:
    """Bytes of the engine's tables of words."""
    return float(words * (MERGED if merges else UNMERGED))
