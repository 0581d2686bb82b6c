"""Texts of exactly so many tokens, whatever the tokenizer: first by whole sentences, then by single words."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence

from pytest_slm.errors import BackendError

_LEAST_ROOM, _MOST_ROOM = 12, 60


def missing_of(n_tokens: int, count: Callable[[str], int], *, most: int, failure: BackendError) -> Callable[[str], int]:
    """How many tokens a text lacks (below 0: has too many) to be ``n_tokens`` long. Each count is a round trip to the
    model's process: after ``most`` of them the failure is raised."""
    counts = itertools.count(1)

    def missing_in(text: str) -> int:
        if next(counts) > most:
            raise failure
        return n_tokens - count(text)

    return missing_in


def fit_sentences(missing_with: Callable[[int], int], room: int) -> tuple[int, int]:
    """A number of sentences that leaves a little room, and that room in tokens: bisection, guided by proportion.
    ``missing_with(n)`` tokens are missing with n sentences, ``room`` without any."""
    few, all_room, per_sentence = 0, room, 20.0
    most, excess = 0, 0  # 0: not known yet
    while room > _MOST_ROOM and most - few != 1:
        step = int((room - _MOST_ROOM / 2) / per_sentence)
        tried = few + max(1, step)
        if most:
            tried = min(tried, most - 1)
        left = missing_with(tried)
        if left < _LEAST_ROOM:
            most, excess = tried, left
        else:
            few, room = tried, left
        per_sentence = max(1.0, (room - excess) / (most - few) if most else (all_room - room) / few)
    return few, room


def fit_words(
    missing_with: Callable[[Sequence[str]], int],
    room: int,
    rng: random.Random,
    words: Sequence[str],
    spares: Sequence[str] = (),
) -> list[str]:
    """Words with which nothing is missing: ``missing_with`` some says what is, ``room`` is missing without any. The
    ``spares`` come only where less than a word is missing, and may be shorter. Goes on until the caller raises."""
    chosen: list[str] = []
    missing = room
    while missing:
        # The words so far say how many tokens one of them takes; the first guess is one.
        per_word = max(1.0, (room - missing) / len(chosen)) if chosen else 1.0
        if abs(missing) < per_word - 0.5:
            # Less than a word is missing or too much: a longer or shorter one in its place may take just that.
            place, choice = rng.randrange(len(chosen)), (*words, *spares)
            fitting = [word for word in choice if 0 < (len(word) - len(chosen[place])) * missing <= missing**2]
            chosen[place] = rng.choice(fitting or choice)
        elif missing > 0:
            chosen += [rng.choice(words) for _ in range(max(1, int(missing / per_word)))]
        else:
            del chosen[min(-1, int(missing / per_word)) :]
        missing = missing_with(chosen)
    return chosen
