"""How likely a model finds a given continuation, as lm-eval's ``loglikelihood`` defines it.

All requests of a call are planned together (see ``packing``): a beginning that several share is computed once, many
requests go through the engine in one batch, and logits are asked for only where something is predicted. Sums are
exact up to the engine's own arithmetic: logits and their normalising sums are float32, sums over tokens float64.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from pytest_slm.backends.llamacpp.context import Context
from pytest_slm.backends.llamacpp.limits import Limits
from pytest_slm.backends.packing import EXACT_BLOCK, Group, Leaf, batches, leaves, plan, plan_alone
from pytest_slm.backends.pairs import Ids, Total, fitted
from pytest_slm.backends.protocol import LogLikelihood


def loglikelihoods(
    context: Context, pairs: Sequence[tuple[Ids, Ids]], finished: Callable[[int, LogLikelihood], None], *, exact: bool
) -> None:
    """Score (context ids, continuation ids) pairs, all in one plan; ``finished(number, result)`` tells each result as
    soon as it is known, in the order of the trie. ``exact``: no result depends on the other pairs.

    What ``finished`` raises ends the work; the context can be used again.
    """
    limits = context.limits
    requests = fitted(pairs, limits.n_ctx)
    ordered = leaves(requests)
    if not ordered:
        return
    sums = [Total(len(tail)) for _, tail in requests]
    softmax = _Softmax(context.model.n_vocab)
    alone = exact or not limits.shares
    # Sequence 0 keeps what the next group begins with.
    context.reserve(n_cells(ordered, limits), 2 if alone else limits.n_seq + 1, shared=True)
    size = EXACT_BLOCK if alone else limits.n_batch
    groups, following = itertools.tee(plan_groups(ordered, limits, exact=exact))
    next(following, None)
    for group, after in itertools.zip_longest(groups, following):
        context.branch(group.shared, group.n_leaves)
        for rows in batches(group.rows, size=size, outputs=limits.n_outputs):
            wanted = [index for index, row in enumerate(rows) if row.wants]
            context.decode(rows, wanted)
            for index in wanted:
                logits = context.logits(index)
                top, norm = softmax.normalise(logits)
                for request, token in rows[index].wants:
                    done = sums[request].add(float(logits[token]) - norm, token == top)
                    if done is not None:
                        finished(request, done)
        context.prune(group.n_leaves, after.shared if after else 0)


def n_cells(ordered: Sequence[Leaf], limits: Limits) -> int:
    """Tokens of KV memory: the longest path, and besides it no more than one batch of other branches."""
    return max(len(leaf.ids) for leaf in ordered) + min(limits.n_batch, sum(len(leaf.ids) for leaf in ordered))


def plan_groups(ordered: Sequence[Leaf], limits: Limits, *, exact: bool) -> Iterator[Group]:
    """The groups in which these leaves are evaluated."""
    if not limits.shares:
        return plan_alone(ordered, block=0)
    if exact:
        return plan_alone(ordered, block=EXACT_BLOCK)
    return plan(ordered, batch=limits.n_batch, n_sequences=limits.n_seq)


class _Softmax:
    """The normaliser of log-probabilities, in one buffer for all rows."""

    def __init__(self, n_vocab: int) -> None:
        self._buffer = np.empty(n_vocab, dtype=np.float32)

    def normalise(self, logits: npt.NDArray[np.float32]) -> tuple[int, float]:
        """The likeliest token, and the logarithm of the sum of all exponentials. The peak is subtracted first, so that
        nothing overflows; float32 sums are made pairwise and are off by less than 1e-6."""
        top = int(logits.argmax())
        peak = logits[top]
        np.subtract(logits, peak, out=self._buffer)
        np.exp(self._buffer, out=self._buffer)
        return top, float(peak) + float(np.log(self._buffer.sum()))
