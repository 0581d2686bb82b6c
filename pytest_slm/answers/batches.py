"""Requests in batches that follow from the requests alone, so that an interrupted run and its sequel have the same.

What is computed together decides how the engine's kernels round, and a rounded logit may decide a word. So a batch is
computed as a whole or not at all: its answers are then the same, whatever was interrupted before.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence

from pytest_slm.prompts.packing import common

TOGETHER = 32
"""A batch has so many requests if it can: fewer leave the engine half empty."""

ENOUGH = 12_000
"""Characters, about 3,000 tokens, that make a batch worth keeping: some seconds of a small model's time."""

MOST = 32_000
"""Characters of one batch at most, however few its requests are: what a kill may cost."""

MOST_WRITTEN = 64_000
"""The same where the model writes: the engine writes few texts at once hardly faster than one."""

SAID = 4
"""A text is about so many times shorter than it may be: most stop by themselves long before."""

WINDOW = 0.4
"""A batch may end earlier or later by this part of its weight, where that parts less of what requests share."""

WORTH = 8
"""Characters of weight by which a batch's end is moved to save one that would be computed twice."""


def split(texts: Sequence[str], outputs: Sequence[int]) -> list[list[int]]:
    """The places of the requests, in batches, in each in their own order. ``texts`` is what each shows the model,
    ``outputs`` the characters that it may add.

    Neighbours in the order of the alphabet share their beginning, which the engine then computes once; so batches are
    stretches of that order, all of about the same weight, and a request weighs what it has beyond its neighbour's and
    what it will probably add. What neighbours share is computed twice where a batch ends between them, so ends are put
    where that is little: a question with examples before it and several choices behind it stays in one.
    """
    order = sorted(range(len(texts)), key=lambda place: (texts[place], place))
    if not order:
        return []
    shared = [common(texts[before], texts[place]) for before, place in itertools.pairwise(order)]
    weights = [
        1 + len(texts[place]) - kept + outputs[place] // SAID for kept, place in zip([0, *shared], order, strict=True)
    ]
    total = sum(weights)
    most = MOST_WRITTEN if any(outputs) else MOST
    number = max(1, -(-total // most), min(total // ENOUGH, len(order) // TOGETHER))
    ends = _ends(weights, shared, total / number)
    batches = [sorted(order[start:end]) for start, end in itertools.pairwise([0, *ends, len(order)])]
    return [batch for batch in batches if batch]


def _ends(weights: Sequence[int], shared: Sequence[int], size: float) -> list[int]:
    """Where batches of about this ``size`` end: rising places between the first request and the last."""
    reached = list(itertools.accumulate(weights))
    ends: list[int] = []
    while (ideal := size * (len(ends) + 1)) < reached[-1] - size / 2:
        first = ends[-1] + 1 if ends else 1
        low = max(first, bisect.bisect_left(reached, ideal - WINDOW * size) + 1)
        high = max(low, bisect.bisect_right(reached, ideal + WINDOW * size))
        if low >= len(weights):
            break
        candidates = range(low, min(high, len(weights) - 1) + 1)
        ends.append(min(candidates, key=lambda end: shared[end - 1] + abs(reached[end - 1] - ideal) / WORTH))
    return ends
