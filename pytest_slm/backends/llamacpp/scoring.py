"""How likely a model finds a given continuation, as lm-eval's ``loglikelihood`` defines it.

All requests of a call are planned together (see ``packing``): a beginning that several share is computed once, many
requests go through the engine in one batch, and logits are asked for only where something is predicted. Sums are
exact up to the engine's own arithmetic: logits are float32, the normalising sum is taken in float64.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pytest_slm.backends.llamacpp.context import BATCH, Context
from pytest_slm.backends.llamacpp.model import Model
from pytest_slm.backends.llamacpp.packing import Row, leaves, plan
from pytest_slm.backends.protocol import LogLikelihood, Progress
from pytest_slm.errors import BackendError

SEQUENCES = 64
"""Leaves of one group. A batch of 512 tokens rarely has room for more; llama.cpp allows 256."""


def split_pair(model: Model, context: str, continuation: str) -> tuple[list[int], list[int]]:
    """Token ids of context and continuation, split as lm-eval's HFLM splits them.

    White space at the end of the context moves to the continuation, and the two are tokenized together: the ids of the
    continuation are what the whole has beyond the context alone. An empty context is the token that starts a text.
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
    return whole[: len(head)], whole[len(head) :]


def start_token(model: Model) -> int:
    """What stands before the first token of a text: BOS, or EOS in models without one."""
    return model.bos if model.bos >= 0 else model.eos


def loglikelihoods(
    context: Context, limit: int, pairs: Sequence[tuple[list[int], list[int]]], progress: Progress
) -> list[LogLikelihood]:
    """Score (context ids, continuation ids) pairs, all in one plan. Longer ones than ``limit`` lose tokens on the left.

    ``context`` has room for SEQUENCES sequences.
    """
    fitted = []
    for head, tail in pairs:
        if not tail:
            raise BackendError("the continuation adds no token of its own to the context", slug="empty-continuation")
        if len(tail) > limit:
            raise BackendError(
                f"a continuation of {len(tail)} tokens does not fit into a context of {limit}", slug="context-too-long"
            )
        # One more than the context: the last token is predicted but never shown to the model.
        fitted.append((head[-(limit + 1 - len(tail)) :], tail))
    ordered = leaves(fitted)
    sums = [_Sum(len(tail)) for _, tail in fitted]

    def add(row: Row, logits: npt.NDArray[np.float32]) -> None:
        top = int(logits.argmax())
        peak = logits[top]
        mass = float(np.log(np.exp(logits - peak).sum(dtype=np.float64)))
        for request, token in row.wants:
            sums[request].add(float(logits[token] - peak) - mass, token == top)

    def beat() -> None:
        progress(sum(each.done for each in sums), len(sums))

    if ordered:
        longest = max(len(leaf.ids) for leaf in ordered)
        context.reserve(longest + min(BATCH, sum(len(leaf.ids) for leaf in ordered)))
        context.clear()
        groups = list(plan(ordered, batch=BATCH, n_sequences=SEQUENCES))
        for group, after in itertools.zip_longest(groups, groups[1:]):
            context.branch(group.shared, group.n_leaves)
            context.evaluate_rows(group.rows, add, beat)
            context.prune(group.n_leaves, after.shared if after else 0)
    progress(len(sums), len(sums))
    return [LogLikelihood(logprob=each.logprob, is_greedy=each.is_greedy, n_tokens=each.n_tokens) for each in sums]


def rolling_windows(ids: Sequence[int], start: int, limit: int) -> list[tuple[list[int], list[int]]]:
    """Cut a long text into disjoint windows, each predicted with as much context as fits.

    As lm-eval's ``get_rolling_token_windows`` with a context of 1: every token is predicted once, the first window
    begins with ``start``, later ones with the token before them, and the last one looks back as far as it can.
    """
    windows: list[tuple[list[int], list[int]]] = []
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


class _Sum:
    """Adds up the log-probabilities of one request's tokens, in whatever order they come."""

    def __init__(self, n_tokens: int) -> None:
        self.n_tokens = n_tokens
        self.logprob = 0.0
        self.is_greedy = True
        self._added = 0

    def add(self, logprob: float, greedy: bool) -> None:
        self.logprob += logprob
        self.is_greedy = self.is_greedy and greedy
        self._added += 1

    @property
    def done(self) -> bool:
        """Whether all tokens have been added."""
        return self._added == self.n_tokens
