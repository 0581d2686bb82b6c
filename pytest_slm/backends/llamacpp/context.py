"""The KV memory of a model and the evaluation of token batches in it."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from typing import Any

import llama_cpp as llama
import numpy as np
import numpy.typing as npt
import psutil

from pytest_slm.backends.llamacpp.model import Model, last_words
from pytest_slm.backends.llamacpp.packing import Row
from pytest_slm.errors import BackendError

BATCH = 512
"""Tokens per call of the engine. llama.cpp's own default micro-batch; more adds memory for logits, not speed."""

SMALLEST = 1024
"""KV memory grows in powers of two from here, so that a run of short prompts does not hold that of the longest."""


class Context:
    """KV memory that grows to what is asked, up to ``limit`` tokens (and, with several sequences, a batch more).

    All sequences lie in one memory and may share its cells, so that a common beginning is kept once.
    """

    def __init__(self, model: Model, *, limit: int, threads: int | None, n_sequences: int = 1) -> None:
        self.model = model
        self.limit = limit if n_sequences == 1 else limit + BATCH
        self._n_sequences = n_sequences
        self.threads = threads or psutil.cpu_count(logical=False) or os.cpu_count() or 1
        self.n_ctx = 0
        self._handle: Any = None
        self._batch = llama.llama_batch_init(BATCH, 0, n_sequences)
        # Views on the engine's own arrays: filling a batch is a few vector assignments. Sequence 0 is written once, for
        # evaluate(); evaluate_rows() writes its own and puts it back.
        self._ids = np.ctypeslib.as_array(self._batch.token, (BATCH,))
        self._positions = np.ctypeslib.as_array(self._batch.pos, (BATCH,))
        self._wanted = np.ctypeslib.as_array(self._batch.logits, (BATCH,))
        for row in range(BATCH):
            self._batch.n_seq_id[row] = 1
            self._batch.seq_id[row][0] = 0

    def release(self) -> None:
        """Free the KV memory; it comes back when it is needed."""
        if self._handle is not None:
            llama.llama_free(self._handle)
            self._handle, self.n_ctx = None, 0

    def close(self) -> None:
        """Free the memory and the batch, for good."""
        self.release()
        if self._batch is not None:
            # The views end with the memory that they look at.
            self._ids = self._positions = self._wanted = np.empty(0, dtype=np.int32)
            llama.llama_batch_free(self._batch)
            self._batch = None

    @property
    def handle(self) -> Any:
        """The engine's context; needed by samplers."""
        return self._handle

    def reserve(self, n_tokens: int) -> None:
        """Make room for ``n_tokens``. What was in the memory is lost when it has to grow."""
        if n_tokens > self.limit:
            raise BackendError(
                f"{n_tokens} tokens are needed, the context of the model has {self.limit}: choose a shorter variant",
                slug="context-too-long",
            )
        if n_tokens <= self.n_ctx:
            return
        size = SMALLEST
        while size < n_tokens:
            size *= 2
        self._open(min(size, self.limit))

    def clear(self) -> None:
        """Forget everything, so that the next prompt is computed from its first token."""
        if self._handle is not None:
            llama.llama_memory_clear(llama.llama_get_memory(self._handle), True)

    def branch(self, shared: int, n_leaves: int) -> None:
        """Begin sequences 1 to ``n_leaves`` with the first ``shared`` tokens of sequence 0."""
        memory = llama.llama_get_memory(self._handle)
        if shared == 0:
            llama.llama_memory_clear(memory, False)
            return
        for sequence in range(1, n_leaves + 1):
            llama.llama_memory_seq_cp(memory, 0, sequence, 0, shared)

    def prune(self, n_leaves: int, keep: int) -> None:
        """Forget sequences 1 to ``n_leaves`` but for the first ``keep`` tokens of the last, which become sequence 0."""
        memory = llama.llama_get_memory(self._handle)
        llama.llama_memory_seq_rm(memory, 0, -1, -1)
        if keep:
            llama.llama_memory_seq_cp(memory, n_leaves, 0, 0, keep)
        for sequence in range(1, n_leaves + 1):
            llama.llama_memory_seq_rm(memory, sequence, -1, -1)

    def evaluate_rows(
        self, rows: Sequence[Row], each: Callable[[Row, npt.NDArray[np.float32]], None], beat: Callable[[], None]
    ) -> None:
        """Compute the tokens of a group (see packing) and hand out the logits of every row that wants something."""
        for begin in range(0, len(rows), BATCH):
            part = rows[begin : begin + BATCH]
            n = len(part)
            self._ids[:n] = [row.token for row in part]
            self._positions[:n] = [row.position for row in part]
            self._wanted[:n] = [bool(row.wants) for row in part]
            for index, row in enumerate(part):
                self._batch.n_seq_id[index] = len(row.sequences)
                cells = self._batch.seq_id[index]
                for place, sequence in enumerate(row.sequences):
                    cells[place] = sequence
            self._decode(n)
            for index, row in enumerate(part):
                self._batch.n_seq_id[index] = 1
                self._batch.seq_id[index][0] = 0
                if row.wants:
                    each(row, self._logits(index))
            beat()

    def evaluate(
        self,
        ids: Sequence[int],
        start: int,
        wanted: range,
        each: Callable[[int, npt.NDArray[np.float32]], None] | None = None,
        beat: Callable[[], None] | None = None,
    ) -> None:
        """Compute ``ids`` at positions ``start``, ``start + 1``, ... and hand out the logits of some of them.

        ``wanted`` are indices into ``ids``; ``each(index, logits)`` is called for each of them in order, with a view
        of shape (n_vocab,) that is only valid during the call. ``beat`` is called after every batch.
        """
        for begin in range(0, len(ids), BATCH):
            part = ids[begin : begin + BATCH]
            n = len(part)
            self._ids[:n] = part
            self._positions[:n] = np.arange(start + begin, start + begin + n)
            rows = range(max(wanted.start, begin), min(wanted.stop, begin + n))
            self._wanted[:n] = 0
            self._wanted[[index - begin for index in rows]] = 1
            self._decode(n)
            if each is not None:
                for index in rows:
                    each(index, self._logits(index - begin))
            if beat is not None:
                beat()

    def _decode(self, n: int) -> None:
        self._batch.n_tokens = n
        status = llama.llama_decode(self._handle, self._batch)
        if status != 0:
            raise BackendError(f"llama.cpp could not evaluate {n} tokens (status {status}: {last_words()})")

    def _logits(self, row: int) -> npt.NDArray[np.float32]:
        pointer = llama.llama_get_logits_ith(self._handle, row)
        if not pointer:
            raise BackendError("llama.cpp gave no logits where they were asked for")
        return np.ctypeslib.as_array(ctypes.cast(pointer, ctypes.POINTER(ctypes.c_float)), (self.model.n_vocab,))

    def _open(self, n_ctx: int) -> None:
        if self._handle is not None:
            llama.llama_free(self._handle)
        parameters = llama.llama_context_default_params()
        parameters.n_ctx = n_ctx
        parameters.n_batch = parameters.n_ubatch = BATCH
        # One more than the leaves: sequence 0 holds what is kept from group to group.
        parameters.n_seq_max = self._n_sequences + 1 if self._n_sequences > 1 else 1
        parameters.kv_unified = True
        parameters.n_threads = parameters.n_threads_batch = self.threads
        parameters.no_perf = True
        self._handle = llama.llama_init_from_model(self.model.handle, parameters)
        if not self._handle:
            self._handle, self.n_ctx = None, 0
            raise BackendError(f"no memory for a context of {n_ctx} tokens ({last_words()})", slug="context-memory")
        self.n_ctx = n_ctx
