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
from pytest_slm.backends.llamacpp.model import Model
from pytest_slm.backends.llamacpp.packing import EXACT_BLOCK, Group, Leaf, batches, leaves, plan, plan_alone
from pytest_slm.backends.protocol import LogLikelihood
from pytest_slm.errors import BackendError

Ids = Sequence[int]


def split_pair(model: Model, context: str, continuation: str) -> tuple[list[int], list[int]]:
    """Token ids of context and continuation, split as lm-eval's HFLM splits them.

    White space at the end of the context moves to the continuation, and the two are tokenized together: the ids of the
    continuation are what the whole has beyond as many as the context alone has. Where the two merge into one token
    ("wor" and "ld"), the context keeps its own ids, as there. An empty context is the token that starts a text.
    """
    if not continuation:
        raise BackendError("an empty continuation has no likelihood", slug="empty-continuation")
    if not context:
        return [start_token(model)], model.tokenize(continuation, add_special=False, parse_special=False)
    stripped = context.rstrip()
    context, continuation = stripped, context[len(stripped) :] + continuation
    whole = model.tokenize(context + continuation, add_special=True, parse_special=False)
    head = model.tokenize(context, add_special=True, parse_special=False)
    if not head:  # the context was white space only
        return [start_token(model)], whole
    return head, whole[len(head) :]


def start_token(model: Model) -> int:
    """What stands before the first token of a text: BOS, or EOS in models without one."""
    return model.bos if model.bos >= 0 else model.eos


def fitted(pairs: Sequence[tuple[Ids, Ids]], limit: int) -> list[tuple[Ids, Ids]]:
    """The pairs, those that are longer than a context of ``limit`` without their left end. Raises BackendError for a
    continuation that is empty or does not fit by itself."""
    result = []
    for head, tail in pairs:
        if not tail:
            raise BackendError("the continuation adds no token of its own to the context", slug="empty-continuation")
        if len(tail) > limit:
            raise BackendError(
                f"a continuation of {len(tail)} tokens does not fit into a context of {limit}", slug="context-too-long"
            )
        # One more than the context: the last token is predicted but never shown to the model.
        result.append((head[-(limit + 1 - len(tail)) :], tail))
    return result


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
    sums = [_Sum(len(tail)) for _, tail in requests]
    softmax = _Softmax(context.model.n_vocab)
    # The memory holds the longest path, and besides it no more than one batch of other branches.
    n_cells = max(len(leaf.ids) for leaf in ordered) + min(limits.n_batch, sum(len(leaf.ids) for leaf in ordered))
    alone = exact or not limits.shares
    # Sequence 0 keeps what the next group begins with.
    context.reserve(n_cells, 2 if alone else limits.n_seq + 1, shared=True)
    size = EXACT_BLOCK if alone else limits.n_batch
    groups, following = itertools.tee(_groups(ordered, limits, exact=exact))
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


def _groups(ordered: Sequence[Leaf], limits: Limits, *, exact: bool) -> Iterator[Group]:
    if not limits.shares:
        return plan_alone(ordered, block=0)
    if exact:
        return plan_alone(ordered, block=EXACT_BLOCK)
    return plan(ordered, batch=limits.n_batch, n_sequences=limits.n_seq)


def rolling_windows(ids: Ids, start: int, limit: int) -> list[tuple[Ids, Ids]]:
    """Cut a long text into disjoint windows, each predicted with as much context as fits.

    As lm-eval's ``get_rolling_token_windows`` with a context of 1: every token is predicted once, the first window
    begins with ``start``, later ones with the token before them, and the last one looks back as far as it can.
    """
    windows: list[tuple[Ids, Ids]] = []
    position = 0
    while position < len(ids):
        n = min(limit, len(ids) - position)
        end = position + n
        if position == 0:
            windows.append(([start], list(ids[:end])))
        else:
            windows.append((list(ids[max(0, end - limit - 1) : position]), list(ids[position:end])))
        position = end
    return windows


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


class _Sum:
    """Adds up the log-probabilities of one request's tokens, in whatever order they come."""

    def __init__(self, n_tokens: int) -> None:
        self._n_tokens = n_tokens
        self._logprob = 0.0
        self._is_greedy = True
        self._added = 0

    def add(self, logprob: float, greedy: bool) -> LogLikelihood | None:
        """The result, once the last token has been added."""
        self._logprob += logprob
        self._is_greedy = self._is_greedy and greedy
        self._added += 1
        if self._added < self._n_tokens:
            return None
        return LogLikelihood(logprob=self._logprob, is_greedy=self._is_greedy, n_tokens=self._n_tokens)
