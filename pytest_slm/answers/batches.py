"""Requests in batches that follow from the requests alone, so that an interrupted run and its sequel have the same.

What is computed together decides how the engine's kernels round, and a rounded logit may decide a word. So a batch is
computed as a whole or not at all: its answers are then the same, whatever was interrupted before.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_slm.backends.packing import common

TOGETHER = 32
"""A batch has so many requests if it can: fewer leave the engine half empty."""

ENOUGH = 12_000
"""Characters, about 3,000 tokens, that make a batch worth keeping: some seconds of a small model's time."""

MOST = 32_000
"""Characters of one batch at most, however few its requests are: what a kill may cost."""


def split(texts: Sequence[str], outputs: Sequence[int]) -> list[list[int]]:
    """The places of the requests, in batches, in each in their own order. ``texts`` is what each shows the model,
    ``outputs`` the characters that it may add.

    Neighbours in the order of the alphabet share their beginning, which the engine then computes once; so batches are
    stretches of that order, all of about the same weight, and a text weighs what it has beyond its neighbour's.
    """
    order = sorted(range(len(texts)), key=lambda place: (texts[place], place))
    weights = []
    before = ""
    for place in order:
        shared = common(before, texts[place])
        weights.append(1 + len(texts[place]) - shared + outputs[place])
        before = texts[place]
    total = sum(weights)
    number = max(1, -(-total // MOST), min(total // ENOUGH, len(order) // TOGETHER))
    batches: list[list[int]] = []
    reached = 0
    for place, weight in zip(order, weights, strict=True):
        if not batches or reached * number >= total * len(batches):
            batches.append([])
        batches[-1].append(place)
        reached += weight
    return [sorted(batch) for batch in batches]
