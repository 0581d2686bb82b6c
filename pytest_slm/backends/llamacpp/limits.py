"""How the engine is set up for a model on this machine: what is chosen where nobody asked for anything, and why.

Measured by hand on 2 cores with SmolLM2-135M (ratios of alternating runs):

- ``n_batch`` 512: beyond it prompts are not faster, and the memory for logits and activations grows with it.
- Flash attention: prompts of 1,000 tokens are 1.4 to 1.5 times as fast with it. It computes in F16, whatever the KV
  memory holds, and so an F32 model's sums move by up to 0.04 nats with the order of requests. Without it and with
  KV memory in F32 they moved by 0.00004 at most: that is what F32 weights get, because they are the reference.
- The same kernel for one new token: with AVX2 and without AVX-512 a step at depth 1,000 takes 1.5 times as long with
  it, of one sequence and of 32 alike, and prompts gain a tenth only. There short texts are written without it
  (``plain_attention_cells``). Which of the two it is follows from the processor and never from a timing, so that a
  machine always gives the same numbers.
- ``n_seq`` 64: a batch of 512 tokens rarely has room for more leaves; every further sequence costs a row of logits.
- ``threads``: physical cores, because two threads of one core share its arithmetic units.
"""

from __future__ import annotations

from dataclasses import dataclass

from pytest_slm.backends.llamacpp.model import Model
from pytest_slm.core.types import EngineSettings
from pytest_slm.errors import BackendError
from pytest_slm.machine.hardware import threads, usable_memory
from pytest_slm.prompts.packing import EXACT_BLOCK

BATCH = 512
SEQUENCES = 64
LOGITS_BYTES = 48 * 2**20
"""No batch asks for more logits than this: they stand in memory twice, and the vocabulary may have 150,000 tokens."""

KV_BYTES = 2**31
KV_SHARE = 0.25
"""Generations run in parallel as far as their KV memory stays below both: so many bytes, this part of the RAM. A single
sequence may be longer than that."""

# ggml's numbers of the types that its KV memory can have, and bytes per value.
GGML_TYPES = {
    "F32": (0, 4.0),
    "F16": (1, 2.0),
    "BF16": (30, 2.0),
    "Q8_0": (8, 34 / 32),
    "Q5_1": (7, 24 / 32),
    "Q5_0": (6, 22 / 32),
    "Q4_1": (3, 20 / 32),
    "Q4_0": (2, 18 / 32),
}
F32_FILE = 0
"""llama.cpp's number for a file whose weights are all F32 (``general.file_type``)."""


@dataclass(frozen=True, kw_only=True)
class EngineLimits:
    """What was chosen. Sizes in tokens, as in EngineSettings; ``n_ubatch``: what the engine computes at once, less than
    ``n_batch`` only where its kernels for many tokens are wrong (``soundness``); ``n_outputs``: rows of logits that a
    batch may ask for; ``kv_bytes``: KV memory of one token."""

    threads: int
    n_ctx: int
    n_batch: int
    n_ubatch: int
    n_seq: int
    n_outputs: int
    kv_cells: int
    kv_type: str
    kv_bytes: int
    flash_attention: bool
    plain_attention_cells: int
    """Text is written without flash attention in KV memories of at most so many tokens; 0 where it is never faster."""
    shares: bool
    """Whether a beginning can be computed once for several sequences: not where a layer keeps a running state."""

    @property
    def kv_type_number(self) -> int:
        """ggml's number of the KV type."""
        return GGML_TYPES[self.kv_type][0]

    @property
    def block(self) -> int:
        """Tokens that are computed at once where requests share no batch."""
        return min(EXACT_BLOCK, self.n_batch)

    def held_to(self, n_ubatch: int) -> int:
        """So many tokens at once, or fewer where the engine's kernels for many are wrong."""
        return n_ubatch if self.n_ubatch == self.n_batch else min(n_ubatch, self.n_ubatch)

    def flash_for_text(self, n_cells: int) -> bool:
        """Whether text is written with flash attention in a KV memory of so many tokens."""
        return self.flash_attention and n_cells > self.plain_attention_cells


def choose(model: Model, settings: EngineSettings) -> EngineLimits:
    """The limits for a model. Raises BackendError where the settings contradict each other."""
    precise = model.metadata("general.file_type") == str(F32_FILE)
    plain_types = model.library.plain_kv_types
    kv_type = settings.kv_type or ("F32" if precise and "F32" in plain_types else "F16")
    plain = kv_type in plain_types
    usual = model.library.flash_is_sound and not (precise and plain)
    flash = settings.flash_attention if settings.flash_attention is not None else usual
    if not flash and not plain:
        raise BackendError(
            f"kv_type {kv_type} needs flash attention: {model.library.engine} has no such KV memory without it; "
            "leave flash_attention out, or choose F16",
            slug="engine-settings",
        )
    n_ctx = min(settings.n_ctx or model.context_length, model.context_length)
    n_batch = settings.n_batch or BATCH
    llama = model.library.c
    shares = not (llama.llama_model_is_recurrent(model.handle) or llama.llama_model_is_hybrid(model.handle))
    n_seq = min(settings.n_seq or SEQUENCES, n_batch, MOST_SEQUENCES) if shares else 1
    kv_bytes = max(1, int(_kv_values(model) * GGML_TYPES[kv_type][1]))
    if settings.kv_cells is not None and settings.kv_cells * kv_bytes > usable_memory():
        raise BackendError(
            f"kv_cells={settings.kv_cells}: {settings.kv_cells * kv_bytes / 2**30:.1f} GiB of KV memory, and this "
            f"machine has {usable_memory() / 2**30:.1f}; at most {usable_memory() // kv_bytes} have room",
            slug="context-memory",
        )
    return EngineLimits(
        threads=threads(settings.threads),
        n_ctx=n_ctx,
        n_batch=n_batch,
        n_ubatch=n_batch,
        n_seq=n_seq,
        n_outputs=min(n_batch, max(n_seq + 1, EXACT_BLOCK, LOGITS_BYTES // (4 * model.n_vocab))),
        kv_cells=settings.kv_cells or _kv_cells(model, kv_bytes),
        kv_type=kv_type,
        kv_bytes=kv_bytes,
        flash_attention=flash,
        plain_attention_cells=_plain_cells(model, n_batch)
        if flash and plain and settings.flash_attention is None
        else 0,
        shares=shares,
    )


SCORES_BYTES = 64 * 2**20
"""Without flash attention the scores of a batch against all tokens in memory stand in memory themselves: at most so
many bytes of them."""


def _plain_cells(model: Model, n_batch: int) -> int:
    features = model.library.c.llama_print_system_info().decode()
    if "AVX2 = 1" not in features or "AVX512 = 1" in features:
        return 0
    heads, _ = model.heads()
    return SCORES_BYTES // (4 * heads * n_batch)


SHARED_CELLS = 3584
"""Where all sequences look at the cells of all, long prompts that run together are slower than one after the other:
with 1,152 cells each, two at once took 1.5 times, eight 3 times as long (ik_llama.cpp, SmolLM2-135M Q4_0)."""


def _kv_cells(model: Model, kv_bytes: int) -> int:
    affordable = int(min(KV_BYTES, usable_memory() * KV_SHARE) / kv_bytes)
    return affordable if model.library.separates_sequences else min(affordable, SHARED_CELLS)


MOST_SEQUENCES = 255
"""llama.cpp allows 256 sequences; one holds what is kept between groups."""


def _kv_values(model: Model) -> int:
    """Numbers that the KV memory holds for one token, in all layers."""
    architecture = model.metadata("general.architecture") or ""
    heads, kv_heads = model.heads()
    llama = model.library.c
    width = int(llama.llama_model_n_embd(model.handle)) // heads
    key = int(model.metadata(f"{architecture}.attention.key_length") or width)
    value = int(model.metadata(f"{architecture}.attention.value_length") or width)
    return int(llama.llama_model_n_layer(model.handle) * kv_heads * (key + value))
