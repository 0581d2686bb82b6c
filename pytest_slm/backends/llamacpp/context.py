"""The KV memory of a model and the evaluation of token batches in it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pytest_slm.backends.finite import broken_logits
from pytest_slm.backends.llamacpp.binding.library import Library
from pytest_slm.backends.llamacpp.limits import EngineLimits
from pytest_slm.backends.llamacpp.model import Model
from pytest_slm.errors import BackendError
from pytest_slm.prompts.packing import PackedRow

SMALLEST = 1024
"""KV memory grows in powers of two from here, so that a run of short prompts does not hold that of the longest."""

CELL_BLOCK = 256
"""llama.cpp rounds the memory of a sequence to so many cells."""

NO_MEMORY = re.compile(r"alloc|out of memory|no memory", re.IGNORECASE)
"""What the engine says where the system has refused memory."""


class Context:
    """KV memory for several sequences, opened and emptied by ``reserve``.

    It has one of two shapes. With ``shared`` cells all sequences lie in one memory, so that a common beginning is kept
    once and costs nothing to share: right for scoring, where a batch is hundreds of tokens of few texts. Otherwise each
    sequence has a memory of its own, and what it takes over from another is copied: right for writing, where every
    sequence adds a token at a time and would look at all the others' cells in vain (with 64 sequences of 128 tokens a
    step takes 6 times as long). An engine that has no such memories puts them side by side into the first shape.
    """

    def __init__(self, model: Model, limits: EngineLimits) -> None:
        self.model = model
        self.limits = limits
        self._c = model.library.c
        self._shape = (0, 0, False)
        self._filled = 0
        self._flash = False
        self.handle: Any = None
        """The engine's own context; None where none is open."""
        self._memory: Any = None
        self.buffers: dict[str, int] = {}
        """Bytes of what is open now, by name, as the engine says."""
        self._batch = self._c.llama_batch_init(limits.n_batch, 0, limits.n_seq + 1)
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

    @property
    def left(self) -> int | None:
        """Cells that can still be filled, where none that was freed is filled again; None where they are."""
        n_cells, n_sequences, shared = self._shape
        return n_cells * (1 if shared else n_sequences) - self._filled if self._leaves_gaps else None

    @property
    def _leaves_gaps(self) -> bool:
        """Whether what is forgotten stays where it is, seen by nobody, until everything is: what lies above it would be
        lost from sight if something new took its place. A single sequence is only ever cut at its end, and scoring
        computes what it keeps first."""
        _, n_sequences, shared = self._shape
        return n_sequences > 1 and not shared and not self.model.library.sees_beyond_gaps

    def clear(self) -> None:
        """Forget everything. Cells are marked as free; their old numbers can stay, because nothing looks at them."""
        self._c.llama_memory_clear(self._memory, False)
        self._filled = 0

    def release(self) -> None:
        """Free the KV memory; ``reserve`` brings it back."""
        if self.handle is not None:
            self._c.llama_free(self.handle)
            self.handle, self._shape, self.buffers = None, (0, 0, False), {}

    def close(self) -> None:
        """Free the memory and the batch, for good."""
        self.release()
        if self._batch is not None:
            # The views end with the memory that they look at.
            self._ids = self._positions = self._wanted = self._counts = np.empty(0, dtype=np.int32)
            self._c.llama_batch_free(self._batch)
            self._batch = None

    # -- sequences -----------------------------------------------------------------------------------------------

    def share(self, source: int, target: int, end: int) -> None:
        """Let the empty sequence ``target`` begin with the first ``end`` tokens of ``source``."""
        if end > 0 and (self._shape[2] or not self.model.library.separates_sequences):
            self._c.llama_memory_seq_cp(self._memory, source, target, 0, end)
        elif end > 0:
            # A memory of its own is copied whole, and what is too much is cut off.
            self._c.llama_memory_seq_cp(self._memory, source, target, -1, -1)
            self.forget(target, end)

    def forget(self, sequence: int, start: int = 0) -> None:
        """Empty a sequence from ``start`` on; cells that no other sequence uses are free again, or ``left`` says that
        they are not."""
        if self._leaves_gaps:
            self._c.llama_memory_seq_cp(self._memory, sequence, self._shape[1], start, -1)
        self._c.llama_memory_seq_rm(self._memory, sequence, start, -1)

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

    def decode(self, rows: Sequence[PackedRow], wanted: Iterable[int]) -> None:
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
        self._filled += n
        status = self._c.llama_decode(self.handle, self._batch)
        if status != 0:
            raise not_evaluated(self.model.library, n, status)

    def logits(self, row: int) -> npt.NDArray[np.float32]:
        """The logits after a wanted row of the last batch: the engine's own memory, valid until the next batch."""
        return logits_of(self.model, self.handle, row)

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
        asked = setup(
            self.limits,
            n_cells=n_cells if shared else n_cells * n_sequences,
            n_batch=self.limits.n_batch,
            n_ubatch=self.limits.n_ubatch,
            n_sequences=n_sequences
            + (not self.model.library.sees_beyond_gaps),  # one holds what is forgotten and stays
            n_outputs=max(self.limits.n_outputs, n_sequences),  # less, and the engine aborts
            flash=flash,
            shared=shared,
        )
        self.handle = opened(self.model, asked)
        self._memory = self._c.llama_get_memory(self.handle)
        self.buffers = self.model.library.log.buffer_sizes(forget=True)
        self._shape, self._filled, self._flash = (n_cells, n_sequences, shared), 0, flash


def logits_of(model: Model, handle: Any, row: int) -> npt.NDArray[np.float32]:
    """The logits after a row of the last batch, -1 for the last of them: the engine's own memory."""
    pointer = model.library.c.llama_get_logits_ith(handle, row)
    if not pointer:
        raise BackendError(f"{model.library.engine} gave no logits where they were asked for")
    return np.ctypeslib.as_array(pointer, (model.n_vocab,))


def not_evaluated(library: Library, n: int, status: int) -> BackendError:
    """The error for a step of ``n`` tokens that the engine did not make."""
    return BackendError(f"{library.engine} could not evaluate {n} tokens (status {status}: {library.log.last_words()})")


def in_blocks(n_cells: int) -> int:
    """So many cells, and what llama.cpp rounds them up to."""
    return -(-n_cells // CELL_BLOCK) * CELL_BLOCK


def setup(
    limits: EngineLimits,
    *,
    n_cells: int,
    n_batch: int,
    n_ubatch: int,
    n_sequences: int,
    n_outputs: int,
    flash: bool,
    shared: bool,
) -> dict[str, int]:
    """What an engine is asked for when a context is opened, in the words of all dialects."""
    return {
        "n_ctx": n_cells,
        "n_batch": n_batch,
        "n_ubatch": n_ubatch,
        "n_seq_max": n_sequences,
        "n_outputs_max": n_outputs,
        "n_threads": limits.threads,
        "n_threads_batch": limits.threads,
        "type_k": limits.kv_type_number,
        "type_v": limits.kv_type_number,
        "flash_attn_type": int(flash),
        "flash_attn": flash,
        "kv_unified": shared,
        "no_perf": True,
    }


def opened(model: Model, asked: Mapping[str, int]) -> Any:
    """A new context of the engine, set up as ``asked`` where the engine knows the word. Raises BackendError, with the
    engine's reason: context-memory if the system has no room for it, else context-open; engine-library if it is not
    what was asked for."""
    library = model.library
    parameters = library.params("context")
    for name, value in asked.items():
        if hasattr(parameters, name):
            setattr(parameters, name, value)
    library.log.buffer_sizes(forget=True)
    library.log.forget_words()
    handle = library.c.llama_init_from_model(model.handle, parameters)
    if handle:
        _check_opened(library, handle, int(parameters.n_threads))
        if model.lora is not None:
            model.lora.put_into(handle)
        return handle
    reason = library.log.last_words()
    if NO_MEMORY.search(reason):
        raise BackendError(f"no memory for a context of {parameters.n_ctx} tokens ({reason})", slug="context-memory")
    raise BackendError(
        f"{library.engine} cannot open a context of {parameters.n_ctx} tokens ({reason}); see `engine:` of the "
        "submission, --slm-n-ctx and --slm-threads",
        slug="context-open",
    )


def _check_opened(library: Library, handle: Any, n_threads: int) -> None:
    """Whether what was written into the structure came to where the engine reads it."""
    if (found := int(library.c.llama_n_threads(handle))) != n_threads:
        library.c.llama_free(handle)
        raise BackendError(
            f"{library.path}: it opened a context for {found} threads, not {n_threads}: it is of another "
            "version than it seems",
            slug="engine-library",
        )
