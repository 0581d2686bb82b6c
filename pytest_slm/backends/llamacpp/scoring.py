"""How likely a model finds a given continuation, as lm-eval's ``loglikelihood`` defines it.

A request keeps what it shares with the one before it in the KV memory, so that the choices of a question compute
their common context once. Sums are exact up to the engine's own arithmetic: logits are float32, the normalising sum
is taken in float64.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pytest_slm.backends.llamacpp.context import Context
from pytest_slm.backends.llamacpp.model import Model
from pytest_slm.backends.protocol import LogLikelihood, Progress
from pytest_slm.errors import BackendError


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
    context: Context, pairs: Sequence[tuple[list[int], list[int]]], progress: Progress
) -> list[LogLikelihood]:
    """Score (context ids, continuation ids) pairs one after the other. Too long ones lose tokens on the left."""
    results = []
    held: list[int] = []
    context.clear()
    for done, (head, tail) in enumerate(pairs):
        if not tail:
            raise BackendError("the continuation adds no token of its own to the context", slug="empty-continuation")
        if len(tail) > context.limit:
            raise BackendError(
                f"a continuation of {len(tail)} tokens does not fit into a context of {context.limit}",
                slug="context-too-long",
            )
        ids = (head + tail)[-(context.limit + 1) :]
        # The last token is predicted but never shown to the model.
        shown = ids[:-1]
        size = context.n_ctx
        context.reserve(len(shown))
        if context.n_ctx != size:
            held = []
        # The position before the continuation must be computed, because its logits predict the first token.
        shared = min(_common(held, shown), len(ids) - len(tail) - 1)
        context.cut(shared)
        scorer = _Sum(ids[len(ids) - len(tail) :])
        first = len(ids) - len(tail) - 1 - shared
        context.evaluate(
            shown[shared:],
            shared,
            range(first, first + len(tail)),
            scorer.add,
            lambda done=done: progress(done, len(pairs)),  # type: ignore[misc]
        )
        held = shown
        results.append(LogLikelihood(logprob=scorer.logprob, is_greedy=scorer.is_greedy, n_tokens=len(tail)))
    context.clear()
    progress(len(pairs), len(pairs))
    return results


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
    """Adds up the log-probabilities of the targets, one row of logits at a time."""

    def __init__(self, targets: Sequence[int]) -> None:
        self._targets = iter(targets)
        self.logprob = 0.0
        self.is_greedy = True

    def add(self, _index: int, logits: npt.NDArray[np.float32]) -> None:
        target = next(self._targets)
        top = int(logits.argmax())
        peak = logits[top]
        self.logprob += float(logits[target] - peak) - float(np.log(np.exp(logits - peak).sum(dtype=np.float64)))
        self.is_greedy = self.is_greedy and top == target


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    n = 0
    for left, right in zip(a, b, strict=False):
        if left != right:
            break
        n += 1
    return n
