"""How likely a model finds a given continuation, as lm-eval's ``loglikelihood`` defines it.

All requests of a call are planned together (see ``packing``): a beginning that several share is computed once, many
requests go through the engine in one batch, and logits are asked for only where something is predicted. Sums are
exact up to the engine's own arithmetic: logits and their normalising sums are float32, sums over tokens float64.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import numpy as np
import numpy.typing as npt

from pytest_slm.backends.llamacpp.context import Context
from pytest_slm.backends.llamacpp.limits import EngineLimits
from pytest_slm.core.request import LogLikelihood
from pytest_slm.prompts.packing import Leaf, PackedGroup, PackedRow, batches, kept_first, leaves, plan, plan_alone
from pytest_slm.prompts.pairs import Ids, PairSum, fitted

Logits = npt.NDArray[np.float32]


def loglikelihoods(
    context: Context,
    pairs: Sequence[tuple[Ids, Ids]],
    finished: Callable[[int, LogLikelihood], None],
    beat: Callable[[], None],
    *,
    exact: bool,
) -> None:
    """Score (context ids, continuation ids) pairs, all in one plan; ``finished(number, result)`` tells each result as
    soon as it is known, in the order of the trie, ``beat`` that a step of the engine is done. ``exact``: no result
    depends on the other pairs.

    What either raises ends the work; the context can be used again.
    """
    limits = context.limits
    requests = fitted(pairs, limits.n_ctx)
    ordered = leaves(requests)
    if not ordered:
        return
    sums = [PairSum(*both) for both in zip(pairs, requests, strict=True)]
    with _Normaliser(context.model.n_vocab, limits.threads) as normaliser:
        for rows, wanted in evaluated(context, ordered, exact=exact):
            logits = [context.logits(index) for index in wanted]
            for index, values, (top, norm) in zip(wanted, logits, normaliser.normalise(logits), strict=True):
                if not math.isfinite(norm):
                    raise context.broken(float(values[top]), rows[index].token)
                for request, token in rows[index].wants:
                    done = sums[request].add(float(values[token]) - norm, token == top)
                    if done is not None:
                        finished(request, done)
            beat()


def evaluated(
    context: Context, ordered: Sequence[Leaf], *, exact: bool
) -> Iterator[tuple[Sequence[PackedRow], Sequence[int]]]:
    """Compute all texts, step by step: the rows of each step, and which of them have logits until the next one."""
    limits = context.limits
    alone = exact or not limits.shares
    # Sequence 0 keeps what the next group begins with.
    context.reserve(n_cells(ordered, limits), 2 if alone else limits.n_seq + 1, shared=True)
    size = limits.block if alone else limits.n_batch
    groups, following = itertools.tee(plan_groups(ordered, limits, exact=exact))
    next(following, None)
    for group, after in itertools.zip_longest(groups, following):
        context.branch(group.shared, group.n_leaves)
        keep = after.shared if after else 0
        ordered_rows = group.rows if context.model.library.sees_beyond_gaps else kept_first(group, keep)
        for rows in batches(ordered_rows, size=size, outputs=limits.n_outputs):
            wanted = [index for index, row in enumerate(rows) if row.wants]
            context.decode(rows, wanted)
            yield rows, wanted
        context.prune(group.n_leaves, keep)


def n_cells(ordered: Sequence[Leaf], limits: EngineLimits) -> int:
    """Tokens of KV memory: the longest path, and besides it no more than one batch of other branches."""
    return max(len(leaf.ids) for leaf in ordered) + min(limits.n_batch, sum(len(leaf.ids) for leaf in ordered))


def plan_groups(ordered: Sequence[Leaf], limits: EngineLimits, *, exact: bool) -> Iterator[PackedGroup]:
    """The groups in which these leaves are evaluated."""
    if not limits.shares:
        return plan_alone(ordered, block=0)
    if exact:
        return plan_alone(ordered, block=limits.block)
    return plan(ordered, batch=limits.n_batch, n_sequences=limits.n_seq)


class _Normaliser:
    """The normalisers of log-probabilities, on as many threads as the engine has: between two batches its own are idle,
    and numpy lets go of the interpreter while it computes."""

    def __init__(self, n_vocab: int, threads: int) -> None:
        # One buffer a thread, whatever the number of rows: the vocabulary is copied once a row, into the cache.
        self._buffers = [np.empty(n_vocab, dtype=np.float32) for _ in range(threads)]
        self._pool = ThreadPoolExecutor(threads)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def normalise(self, rows: Sequence[Logits]) -> list[tuple[int, float]]:
        """For each row the likeliest token, and the logarithm of the sum of all exponentials."""
        n = len(self._buffers)
        size = -(-len(rows) // n)
        parts = [rows[start : start + size] for start in range(0, len(rows), size)] if rows else []
        done = self._pool.map(_normalise, parts, self._buffers)
        return [found for part in done for found in part]


def _normalise(rows: Sequence[Logits], buffer: Logits) -> list[tuple[int, float]]:
    """The peak is subtracted first, so that nothing overflows; float32 sums are made pairwise and are off by less than
    1e-6."""
    found = []
    for logits in rows:
        top = int(logits.argmax())
        peak = logits[top]
        np.subtract(logits, peak, out=buffer)
        np.exp(buffer, out=buffer)
        found.append((top, float(peak) + float(np.log(buffer.sum()))))
    return found
