"""The KV memory of a model and the evaluation of token batches in it."""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import llama_cpp as llama
import numpy as np
import numpy.typing as npt

from pytest_slm.backends.finite import broken_logits
from pytest_slm.backends.llamacpp.limits import EngineLimits
from pytest_slm.backends.llamacpp.model import Model, buffer_sizes, forget_words, last_words
from pytest_slm.errors import BackendError
from pytest_slm.prompts.packing import Row

SMALLEST = 1024
"""KV memory grows in powers of two from here, so that a run of short prompts does not hold that of the longest."""

CELL_BLOCK = 256
"""llama.cpp rounds the memory of a sequence to so many cells."""

NO_MEMORY = re.compile(r"alloc|out of memory|no memory", re.IGNORECASE)
"""What the engine says where the system has refused memory."""

FLASH = {True: 1, False: 0}
"""llama.cpp's words for flash attention on and off."""


class Context:
    """KV memory for several sequences, opened and emptied by ``reserve``.

    It has one of two shapes. With ``shared`` cells all sequences lie in one memory, so that a common beginning is kept
    once and costs nothing to share: right for scoring, where a batch is hundreds of tokens of few texts. Otherwise each
    sequence has a memory of its own, and what it takes over from another is copied: right for writing, where every
    sequence adds a token at a time and would look at all the others' cells in vain (with 64 sequences of 128 tokens a
    step takes 6 times as long).
    """

    def __init__(self, model: Model, limits: EngineLimits) -> None:
        self.model = model
        self.limits = limits
        self._shape = (0, 0, False)
        self._flash = False
        self._handle: Any = None
        self.buffers: dict[str, int] = {}
        """Bytes of what is open now, by name, as the engine says."""
        self._batch = llama.llama_batch_init(limits.n_batch, 0, limits.n_seq + 1)
        # Views on the engine's own arrays: filling a batch is a few vector assignments.
        shape = (limits.n_batch,)
        self._ids = np.ctypeslib.as_array(self._batch.token, shape)
        self._positions = np.ctypeslib.as_array(self._batch.pos, shape)
        self._wanted = np.ctypeslib.as_array(self._batch.logits, shape)
        self._counts = np.ctypeslib.as_array(self._batch.n_seq_id, shape)

    @property
    def kv_bytes(self) -> int:
        """Bytes of the KV memory that is open now, whether it is filled or not."""
        n_cells, n_sequences, shared = self._shape
        return n_cells * (1 if shared else n_sequences) * self.limits.kv_bytes

    def reserve(self, n_cells: int, n_sequences: int, *, shared: bool = False) -> None:
        """Empty memory for ``n_sequences`` (numbered from 0): ``n_cells`` tokens for each, or for all if ``shared``.

        Raises BackendError (context-memory) if the system has no room for that.
        """
        n_open, n_sequences_open, shared_open = self._shape
        # By what is needed, not by what is open: kernels round differently, and what one call gives must not depend on
        # the calls before it.
        flash = self._with_flash(n_cells, shared)
        if n_open < n_cells or (n_sequences_open, shared_open, self._flash) != (n_sequences, shared, flash):
            self.release()
            self._open(self._size(n_cells, n_sequences, shared), n_sequences, shared, flash)
        else:
            self.clear()

    def opened(self, n_cells: int, n_sequences: int, *, shared: bool) -> int:
        """Tokens that the memory has room for which ``reserve`` opens for the same arguments."""
        return self._size(n_cells, n_sequences, shared) * (1 if shared else n_sequences)

    def _size(self, n_cells: int, n_sequences: int, shared: bool) -> int:
        """Cells of each memory, in whole blocks of the engine."""
        if shared or n_sequences == 1:
            n_cells = self._grown(n_cells, self._with_flash(n_cells, shared))
        return in_blocks(n_cells)

    def _grown(self, n_cells: int, flash: bool) -> int:
        """The next power of two, so that slightly longer prompts need no new memory; but not beyond what the longest
        sequence and a batch need, which would often be gigabytes that nobody uses, and not beyond what is meant to be
        computed without flash attention."""
        size = SMALLEST
        while size < n_cells:
            size *= 2
        most = self.limits.n_ctx + self.limits.n_batch
        if self.limits.flash_attention and not flash:
            most = min(most, self.limits.plain_attention_cells // CELL_BLOCK * CELL_BLOCK)
        return max(n_cells, min(size, most))

    def _with_flash(self, n_cells: int, shared: bool) -> bool:
        return self.limits.flash_attention if shared else self.limits.flash_for_text(in_blocks(n_cells))

    def clear(self) -> None:
        """Forget everything. Cells are marked as free; their old numbers can stay, because nothing looks at them."""
        llama.llama_memory_clear(llama.llama_get_memory(self._handle), False)

    def release(self) -> None:
        """Free the KV memory; ``reserve`` brings it back."""
        if self._handle is not None:
            llama.llama_free(self._handle)
            self._handle, self._shape, self.buffers = None, (0, 0, False), {}

    def close(self) -> None:
        """Free the memory and the batch, for good."""
        self.release()
        if self._batch is not None:
            # The views end with the memory that they look at.
            self._ids = self._positions = self._wanted = self._counts = np.empty(0, dtype=np.int32)
            llama.llama_batch_free(self._batch)
            self._batch = None

    # -- sequences -----------------------------------------------------------------------------------------------

    def share(self, source: int, target: int, end: int) -> None:
        """Let the empty sequence ``target`` begin with the first ``end`` tokens of ``source``."""
        if end > 0 and self._shape[2]:
            llama.llama_memory_seq_cp(llama.llama_get_memory(self._handle), source, target, 0, end)
        elif end > 0:
            # A memory of its own is copied whole, and what is too much is cut off.
            llama.llama_memory_seq_cp(llama.llama_get_memory(self._handle), source, target, -1, -1)
            self.forget(target, end)

    def forget(self, sequence: int, start: int = 0) -> None:
        """Empty a sequence from ``start`` on; cells that no other sequence uses are free again."""
        llama.llama_memory_seq_rm(llama.llama_get_memory(self._handle), sequence, start, -1)

    def branch(self, shared: int, n_leaves: int) -> None:
        """Begin sequences 1 to ``n_leaves`` with the first ``shared`` tokens of sequence 0."""
        if shared == 0:
            self.clear()
        for sequence in range(1, n_leaves + 1):
            self.share(0, sequence, shared)

    def prune(self, n_leaves: int, keep: int) -> None:
        """Forget sequences 1 to ``n_leaves`` but for the first ``keep`` tokens of the last, which become sequence 0."""
        self.forget(0)
        self.share(n_leaves, 0, keep)
        for sequence in range(1, n_leaves + 1):
            self.forget(sequence)

    # -- evaluation ----------------------------------------------------------------------------------------------

    def decode(self, rows: Sequence[Row], wanted: Iterable[int]) -> None:
        """Compute at most ``n_batch`` tokens; ``wanted`` are the rows after which something will be predicted."""
        n = len(rows)
        self._ids[:n] = [row.token for row in rows]
        self._positions[:n] = [row.position for row in rows]
        self._counts[:n] = [len(row.sequences) for row in rows]
        self._wanted[:n] = 0
        self._wanted[list(wanted)] = 1
        for index, row in enumerate(rows):
            cells = self._batch.seq_id[index]
            for place, sequence in enumerate(row.sequences):
                cells[place] = sequence
        self._batch.n_tokens = n
        status = llama.llama_decode(self._handle, self._batch)
        if status != 0:
            raise BackendError(f"llama.cpp could not evaluate {n} tokens (status {status}: {last_words()})")

    def logits(self, row: int) -> npt.NDArray[np.float32]:
        """The logits after a wanted row of the last batch: the engine's own memory, valid until the next batch."""
        return logits_of(self._handle, row, self.model.n_vocab)

    def favourite(self, logits: npt.NDArray[np.float32], after: int) -> int:
        """The likeliest token after the token ``after``. Raises BackendError (not-finite) where there is none."""
        token = int(logits.argmax())
        if not math.isfinite(logits[token]):
            raise self.broken(float(logits[token]), after)
        return token

    def broken(self, value: float, after: int) -> BackendError:
        """The error for logits that are no numbers. The memory is freed: its cells are NaN, which a mask does not hide
        from the texts that come next."""
        self.release()
        return broken_logits(self.model.path, value, self.model.spelled(after))

    def _open(self, n_cells: int, n_sequences: int, shared: bool, flash: bool) -> None:
        limits = self.limits
        parameters = llama.llama_context_default_params()
        parameters.n_ctx = n_cells if shared else n_cells * n_sequences
        parameters.n_batch = parameters.n_ubatch = limits.n_batch
        parameters.n_outputs_max = max(limits.n_outputs, n_sequences)  # less, and the engine aborts
        parameters.n_seq_max = n_sequences
        parameters.kv_unified = shared
        parameters.type_k = parameters.type_v = limits.kv_type_number
        parameters.flash_attn_type = FLASH[flash]
        parameters.n_threads = parameters.n_threads_batch = limits.threads
        parameters.no_perf = True
        self._handle = opened(self.model, parameters)
        self.buffers = buffer_sizes(forget=True)
        self._shape, self._flash = (n_cells, n_sequences, shared), flash


def logits_of(handle: Any, row: int, n_vocab: int) -> npt.NDArray[np.float32]:
    """The logits after a row of the last batch, -1 for the last of them: the engine's own memory."""
    pointer = llama.llama_get_logits_ith(handle, row)
    if not pointer:
        raise BackendError("llama.cpp gave no logits where they were asked for")
    return np.ctypeslib.as_array(ctypes.cast(pointer, ctypes.POINTER(ctypes.c_float)), (n_vocab,))


def in_blocks(n_cells: int) -> int:
    """So many cells, and what llama.cpp rounds them up to."""
    return -(-n_cells // CELL_BLOCK) * CELL_BLOCK


def opened(model: Model, parameters: Any) -> Any:
    """A new context of the engine. Raises BackendError, with the engine's reason: context-memory if the system has no
    room for it, else context-open."""
    buffer_sizes(forget=True)
    forget_words()
    handle = llama.llama_init_from_model(model.handle, parameters)
    if handle:
        return handle
    reason = last_words()
    if NO_MEMORY.search(reason):
        raise BackendError(f"no memory for a context of {parameters.n_ctx} tokens ({reason})", slug="context-memory")
    raise BackendError(
        f"llama.cpp cannot open a context of {parameters.n_ctx} tokens ({reason}); see `engine:` of the submission, "
        "--slm-n-ctx and --slm-threads",
        slug="context-open",
    )
