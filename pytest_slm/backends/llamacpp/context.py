"""The KV memory of a model and the evaluation of token batches in it."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from typing import Any

import llama_cpp as llama
import numpy as np
import numpy.typing as npt

from pytest_slm.backends.llamacpp.limits import Limits
from pytest_slm.backends.llamacpp.model import Model, last_words
from pytest_slm.backends.llamacpp.packing import Row
from pytest_slm.errors import BackendError

SMALLEST = 1024
"""KV memory grows in powers of two from here, so that a run of short prompts does not hold that of the longest."""

FLASH = {True: 1, False: 0}
"""llama.cpp's words for flash attention on and off."""


class Context:
    """KV memory for several sequences that may share its cells, so that a common beginning is kept once.

    It is opened by ``reserve`` and grows to what is asked. Sequence 0 is there besides those that were reserved: it
    holds what is kept from one group of sequences to the next.
    """

    def __init__(self, model: Model, limits: Limits) -> None:
        self.model = model
        self.limits = limits
        self.n_cells = 0
        self._n_sequences = 0
        self._handle: Any = None
        self._batch = llama.llama_batch_init(limits.n_batch, 0, limits.n_seq + 1)
        # Views on the engine's own arrays: filling a batch is a few vector assignments.
        shape = (limits.n_batch,)
        self._ids = np.ctypeslib.as_array(self._batch.token, shape)
        self._positions = np.ctypeslib.as_array(self._batch.pos, shape)
        self._wanted = np.ctypeslib.as_array(self._batch.logits, shape)
        self._counts = np.ctypeslib.as_array(self._batch.n_seq_id, shape)

    def reserve(self, n_cells: int, n_sequences: int) -> None:
        """Make room for ``n_cells`` tokens in all and begin with empty memory.

        Raises BackendError (context-memory) if the system has no room for that.
        """
        size = SMALLEST
        while size < n_cells:
            size *= 2
        # Twice what a longest sequence needs would often be gigabytes that nobody uses.
        size = max(n_cells, min(size, self.limits.n_ctx + self.limits.n_batch))
        if self._handle is None or self.n_cells < n_cells or self._n_sequences != n_sequences:
            self.release()
            self._open(size, n_sequences)
        else:
            self._clear()

    def release(self) -> None:
        """Free the KV memory; ``reserve`` brings it back."""
        if self._handle is not None:
            llama.llama_free(self._handle)
            self._handle, self.n_cells, self._n_sequences = None, 0, 0

    def close(self) -> None:
        """Free the memory and the batch, for good."""
        self.release()
        if self._batch is not None:
            # The views end with the memory that they look at.
            self._ids = self._positions = self._wanted = self._counts = np.empty(0, dtype=np.int32)
            llama.llama_batch_free(self._batch)
            self._batch = None

    # -- sequences -----------------------------------------------------------------------------------------------

    def copy(self, source: int, target: int, end: int) -> None:
        """Let sequence ``target`` begin with the first ``end`` tokens of ``source``. Cells are shared, not copied."""
        if end > 0:
            llama.llama_memory_seq_cp(llama.llama_get_memory(self._handle), source, target, 0, end)

    def forget(self, sequence: int) -> None:
        """Empty a sequence; cells that no other sequence uses are free again."""
        llama.llama_memory_seq_rm(llama.llama_get_memory(self._handle), sequence, -1, -1)

    def _clear(self) -> None:
        # The cells are marked as free; their old numbers can stay, because nothing looks at free cells.
        llama.llama_memory_clear(llama.llama_get_memory(self._handle), False)

    def branch(self, shared: int, n_leaves: int) -> None:
        """Begin sequences 1 to ``n_leaves`` with the first ``shared`` tokens of sequence 0."""
        if shared == 0:
            self._clear()
        for sequence in range(1, n_leaves + 1):
            self.copy(0, sequence, shared)

    def prune(self, n_leaves: int, keep: int) -> None:
        """Forget sequences 1 to ``n_leaves`` but for the first ``keep`` tokens of the last, which become sequence 0."""
        self.forget(0)
        self.copy(n_leaves, 0, keep)
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
        pointer = llama.llama_get_logits_ith(self._handle, row)
        if not pointer:
            raise BackendError("llama.cpp gave no logits where they were asked for")
        return np.ctypeslib.as_array(ctypes.cast(pointer, ctypes.POINTER(ctypes.c_float)), (self.model.n_vocab,))

    def _open(self, n_cells: int, n_sequences: int) -> None:
        limits = self.limits
        parameters = llama.llama_context_default_params()
        parameters.n_ctx = n_cells
        parameters.n_batch = parameters.n_ubatch = limits.n_batch
        parameters.n_outputs_max = limits.n_outputs
        parameters.n_seq_max = n_sequences + 1
        parameters.kv_unified = True
        parameters.type_k = parameters.type_v = limits.kv_type_number
        parameters.flash_attn_type = FLASH[limits.flash_attention]
        parameters.n_threads = parameters.n_threads_batch = limits.threads
        parameters.no_perf = True
        self._handle = llama.llama_init_from_model(self.model.handle, parameters)
        if not self._handle:
            self._handle = None
            raise BackendError(f"no memory for a context of {n_cells} tokens ({last_words()})", slug="context-memory")
        self.n_cells, self._n_sequences = n_cells, n_sequences
