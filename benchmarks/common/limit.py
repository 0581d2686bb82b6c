"""The physical limit of scoring: every distinct prefix token once, at the rate of the engine's own prefill there.

``limit_ratio = seconds / sum over the trie's tokens of 1 / rate(depth)``. The rate is what ``llama-bench -p 512 -d D``
measures: 512 random tokens at depth D in one batch, logits for the last one only, memory cleared before.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.common.alone import alone
from pytest_slm.backends.llamacpp.binding.installed import library
from pytest_slm.backends.llamacpp.context import opened
from pytest_slm.backends.llamacpp.model import Model
from pytest_slm.prompts.packing import common, leaves
from pytest_slm.prompts.pairs import split_pairs

CHUNK = 512
DEPTHS = (0, 512, 1024, 2048)


def trie_depths(requests: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Counter[int]:
    """How many distinct prefixes end at each depth, over all (context ids, continuation ids).

    The last token of a continuation is predicted but never shown, so it counts for nothing.
    """
    found: Counter[int] = Counter()
    before: Sequence[int] = ()
    for leaf in leaves(requests):
        found.update(range(common(before, leaf.ids), len(leaf.ids)))
        before = leaf.ids
    return found


def limit_seconds(depths: Mapping[int, int], rates: Mapping[int, float]) -> float:
    """The least time for a trie at these rates (tokens/s by depth), interpolated; beyond the last depth it is kept.

    A rate measured over 512 tokens from D on is that at the middle of them, D + 256.
    """
    at = [depth + CHUNK / 2 for depth in sorted(rates)]
    known = [rates[depth] for depth in sorted(rates)]
    places = np.fromiter(depths.keys(), dtype=float)
    counts = np.fromiter(depths.values(), dtype=float)
    return float((counts / np.interp(places, at, known)).sum())


def logits_rows(requests: Sequence[tuple[Sequence[int], Sequence[int]]]) -> int:
    """After how many distinct prefixes something is predicted: the rows of logits, which the limit leaves out."""
    return len({(*head, *tail)[:end] for head, tail in requests for end in range(len(head), len(head) + len(tail))})


class Prefill:
    """The engine's own prefill rates, in a process of its own: torch and its threads are not beside it."""

    def __init__(self, path: str, *, threads: int, flash_attention: bool, engine: str | None = None) -> None:
        self._process = alone(_open, path, threads, flash_attention, engine)

    def rates(self) -> dict[int, float]:
        """Tokens/s by depth, one pass."""
        return self._process.submit(_rates).result()

    def logits_seconds(self) -> float:
        """Seconds that one more row of logits costs the engine."""
        return self._process.submit(_logits_seconds).result()

    def close(self) -> None:
        """End the process."""
        self._process.shutdown()


def token_pairs(path: str, pairs: Sequence[tuple[str, str]]) -> list[tuple[list[int], list[int]]]:
    """Token ids of (context, continuation) pairs."""
    model = Model(path, library())
    found = split_pairs(model, pairs)
    model.close()
    return found


class _Engine:
    """Model, memory and batch of the child process, set up as llama-bench sets them up."""

    def __init__(self, path: str, threads: int, flash_attention: bool, engine: str | None) -> None:
        self._model = Model(path, library(engine))
        self._c = self._model.library.c
        asked = {"n_ctx": max(DEPTHS) + CHUNK, "n_batch": CHUNK, "n_ubatch": CHUNK}
        asked |= {"n_threads": threads, "n_threads_batch": threads}
        asked |= {"flash_attn_type": int(flash_attention), "flash_attn": flash_attention}
        self._context = opened(self._model, asked)
        self._memory = self._c.llama_get_memory(self._context)
        self._batch = self._c.llama_batch_init(CHUNK, 0, 1)
        self._random = np.random.default_rng(0)

    def rates(self) -> dict[int, float]:
        """Tokens/s by depth, one pass."""
        self._c.llama_memory_clear(self._memory, False)
        found = {}
        for depth in range(0, max(DEPTHS) + 1, CHUNK):
            seconds = self._chunk(depth)
            if depth in DEPTHS:
                found[depth] = CHUNK / seconds
        return found

    def logits_seconds(self) -> float:
        """What 512 tokens with logits after every other one take longer than with one row, by row; alternating."""
        longer = []
        for _ in range(3):
            for n_logits in (1, CHUNK // 2):
                self._c.llama_memory_clear(self._memory, False)
                longer.append(self._chunk(0, n_logits) * (1 if n_logits > 1 else -1))
        return sum(longer) / 3 / (CHUNK // 2 - 1)

    def _chunk(self, depth: int, n_logits: int = 1) -> float:
        batch = self._batch
        for index, token in enumerate(self._random.integers(100, self._model.n_vocab - 100, CHUNK)):
            batch.token[index], batch.pos[index], batch.n_seq_id[index] = int(token), depth + index, 1
            batch.seq_id[index][0], batch.logits[index] = 0, index >= CHUNK - n_logits
        batch.n_tokens = CHUNK
        began = time.perf_counter()
        if self._c.llama_decode(self._context, batch) != 0:
            raise RuntimeError(f"llama.cpp could not evaluate {CHUNK} tokens at depth {depth}")
        self._c.llama_synchronize(self._context)
        return time.perf_counter() - began


_engine: _Engine


def _open(path: str, threads: int, flash_attention: bool, engine: str | None) -> None:
    global _engine
    _engine = _Engine(path, threads, flash_attention, engine)


def _rates() -> dict[int, float]:
    return _engine.rates()


def _logits_seconds() -> float:
    return _engine.logits_seconds()
