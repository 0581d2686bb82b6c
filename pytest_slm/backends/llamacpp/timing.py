"""Rounds of the engine alone, set up as llama-bench sets it up: random ids, no tokenizer, no sampler.

Attention is computed as it is when text is written, so that the profiles ``engine`` and ``user`` tell of one engine.

The loop around the engine is kept short, because it is timed too: the ids stand ready, a step is two assignments and
two calls. ``inside_s`` says how much of the time was spent within those calls (``benchmarks/vs_llama_bench.py``).
"""

from __future__ import annotations

import ctypes
import math
import random
import time
from collections.abc import Sequence
from typing import Any

from pytest_slm.backends.finite import broken_logits
from pytest_slm.backends.llamacpp.context import in_blocks, logits_of, not_evaluated, opened, setup
from pytest_slm.backends.llamacpp.limits import EngineLimits
from pytest_slm.backends.llamacpp.model import Model
from pytest_slm.backends.protocol import EngineTest, EngineTimes, Progress, silent
from pytest_slm.errors import BackendError

N_BATCH, N_UBATCH = 2048, 512
"""llama-bench's defaults."""


class EngineTimer:
    """A context for rounds of one shape; what lies at a depth is computed once and kept for the rounds that follow."""

    def __init__(self, model: Model, limits: EngineLimits) -> None:
        self._model = model
        self._c = model.library.c
        self._limits = limits
        self._handle: Any = None
        self._batch: Any = None
        self._shape = (0, 0)
        self._depth = 0

    def run(self, test: EngineTest, progress: Progress = silent) -> EngineTimes:
        """One round, from a memory that holds ``n_depth`` tokens and nothing else."""
        needed = test.n_depth + test.n_tokens
        if needed > self._limits.n_ctx:
            raise BackendError(
                f"{needed} tokens are needed, the context of the model has {self._limits.n_ctx}: "
                "choose a shorter variant",
                slug="context-too-long",
            )
        ids = random.Random(test.seed)
        self._make_room(test, needed)
        self._go_to(test, ids, progress)
        seconds, inside = self._read(test, ids) if test.n_prompt else self._write(test, ids)
        self._check_numbers()
        n_evaluated = sum(self._length(sequence) - test.n_depth for sequence in range(test.n_sequences))
        if n_evaluated != test.n_tokens * test.n_sequences:
            raise BackendError(
                f"{n_evaluated} of {test.n_tokens * test.n_sequences} tokens were computed: the time means nothing",
                slug="engine-count",
            )
        return EngineTimes(seconds=seconds, inside_s=inside, n_evaluated=n_evaluated)

    def release(self) -> None:
        """Free the memory; the next round opens it again."""
        if self._handle is not None:
            self._c.llama_free(self._handle)
            self._c.llama_batch_free(self._batch)
            self._handle = self._batch = None
            self._shape, self._depth = (0, 0), 0

    # -- what is timed -------------------------------------------------------------------------------------------

    def _read(self, test: EngineTest, ids: random.Random) -> tuple[float, float]:
        """Seconds for a prompt, in all and within the engine."""
        clock = time.perf_counter
        parts = [
            (self._ids(ids, min(N_BATCH, test.n_prompt - start), first=start + test.n_depth == 0), start + test.n_depth)
            for start in range(0, test.n_prompt, N_BATCH)
        ]
        inside = 0.0
        began = clock()
        for sequence in range(test.n_sequences):
            for tokens, start in parts:
                self._fill(tokens, start, sequence)
                inside += self._compute(len(tokens))
        return clock() - began, inside

    def _write(self, test: EngineTest, ids: random.Random) -> tuple[float, float]:
        """Seconds for one token after the other, in all and within the engine."""
        clock, decode, synchronize = time.perf_counter, self._c.llama_decode, self._c.llama_synchronize
        handle, batch, n = self._handle, self._batch, test.n_sequences
        token, position = batch.token, batch.pos
        for sequence in range(n):
            batch.n_seq_id[sequence], batch.seq_id[sequence][0], batch.logits[sequence] = 1, sequence, 1
        batch.n_tokens = n
        rows = list(range(n))
        steps = [self._ids(ids, n, first=step + test.n_depth == 0) for step in range(test.n_gen)]
        inside = 0.0
        place = test.n_depth
        began = clock()
        for tokens in steps:
            for row in rows:
                token[row] = tokens[row]
                position[row] = place
            place += 1
            entered = clock()
            status = decode(handle, batch)
            synchronize(handle)
            inside += clock() - entered
            if status:
                raise not_evaluated(self._model.library, n, status)
        return clock() - began, inside

    # -- around it -----------------------------------------------------------------------------------------------

    def _make_room(self, test: EngineTest, needed: int) -> None:
        """Open a context of the size that llama-bench gives the test. One that holds the depth already is kept if it
        is larger: a step looks at the cells that are filled, filling them again may take minutes, and the first step
        of a new context pays for its memory."""
        n_cells, n_sequences = in_blocks(needed), test.n_sequences
        holds_depth = self._depth == test.n_depth and self._shape[1] == n_sequences and self._shape[0] >= n_cells
        flash = self._limits.flash_for_text
        alike = test.n_depth > 0 or flash(self._shape[0]) == flash(n_cells)
        if self._shape != (n_cells, n_sequences) and not (holds_depth and alike):
            self._open(n_cells, n_sequences)

    def _go_to(self, test: EngineTest, ids: random.Random, progress: Progress) -> None:
        """Let the memory hold the first ``n_depth`` tokens of each sequence."""
        memory = self._c.llama_get_memory(self._handle)
        kept = test.n_depth > 0 and self._depth == test.n_depth
        # Engines with a running state cannot take back their last tokens, and compute it all again.
        if kept and all(self._c.llama_memory_seq_rm(memory, s, test.n_depth, -1) for s in range(test.n_sequences)):
            return
        self._c.llama_memory_clear(memory, False)
        self._depth = 0  # until it is filled
        for sequence in range(test.n_sequences):
            for start in range(0, test.n_depth, N_UBATCH):
                tokens = self._ids(ids, min(N_UBATCH, test.n_depth - start), first=start == 0)
                self._fill(tokens, start, sequence)
                self._compute(len(tokens))
                progress(start, test.n_depth)
        self._depth = test.n_depth

    def _ids(self, ids: random.Random, n: int, *, first: bool) -> list[int]:
        """Random ids; a text begins with BOS where the model wants it."""
        found = ids.choices(range(self._model.n_vocab), k=n)
        if first and self._model.adds_bos:
            found[0] = self._model.bos
        return found

    def _fill(self, tokens: Sequence[int], start: int, sequence: int) -> None:
        batch = self._batch
        n = batch.n_tokens = len(tokens)
        # Slices of ctypes pointers cannot be assigned, arrays that look at the same memory can.
        (ctypes.c_int32 * n).from_address(_address(batch.token))[:] = list(tokens)
        (ctypes.c_int32 * n).from_address(_address(batch.pos))[:] = list(range(start, start + n))
        for row in range(n):
            batch.n_seq_id[row], batch.seq_id[row][0], batch.logits[row] = 1, sequence, 0
        batch.logits[n - 1] = 1

    def _compute(self, n: int) -> float:
        """Seconds within the engine."""
        entered = time.perf_counter()
        status = self._c.llama_decode(self._handle, self._batch)
        self._c.llama_synchronize(self._handle)
        seconds = time.perf_counter() - entered
        if status:
            raise not_evaluated(self._model.library, n, status)
        return seconds

    def _check_numbers(self) -> None:
        """Raise BackendError (not-finite) if the last step came to no numbers: a kernel is as fast with NaN, but what
        was timed would be no work of the model."""
        for row in range(self._batch.n_tokens):
            if self._batch.logits[row]:
                logits = logits_of(self._model, self._handle, row)
                greatest = float(logits.max())
                if not math.isfinite(greatest):
                    token = self._batch.token[row]
                    self.release()
                    raise broken_logits(self._model.path, greatest, self._model.spelled(token))

    def _length(self, sequence: int) -> int:
        memory = self._c.llama_get_memory(self._handle)
        return int(self._c.llama_memory_seq_pos_max(memory, sequence)) + 1

    def _open(self, n_cells: int, n_sequences: int) -> None:
        self.release()
        asked = setup(
            self._limits,
            n_cells=n_cells * n_sequences,
            n_batch=N_BATCH,
            n_ubatch=self._limits.held_to(N_UBATCH),
            n_sequences=n_sequences,
            n_outputs=n_sequences,
            flash=self._limits.flash_for_text(n_cells),
            shared=False,
        )
        self._handle = opened(self._model, asked)
        self._batch = self._c.llama_batch_init(N_BATCH, 0, 1)
        self._shape, self._depth = (n_cells, n_sequences), 0


def _address(pointer: Any) -> int:
    return int(ctypes.cast(pointer, ctypes.c_void_p).value or 0)
