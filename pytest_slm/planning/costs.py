"""From what would be computed, and how fast the model is, to seconds and bytes."""

from __future__ import annotations

import dataclasses
import heapq
import itertools
import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_slm.answers.keeping import batches_of_pairs, batches_of_requests
from pytest_slm.backends.protocol import Backend, Workload
from pytest_slm.core.rounds import RoundRule
from pytest_slm.core.types import Request
from pytest_slm.hosts.remote import RemoteBackend
from pytest_slm.planning.rates import Rates
from pytest_slm.run.drive import FirstRound

PILOT = 8
"""Requests of an item that are answered beforehand, to learn how long its answers are."""

SECOND_PILOT = 24
"""So many in all where the first were short."""

PILOT_TOKENS = 2048
"""Tokens of prompts that a pilot reads at most, but for two requests: with long prompts it is reading that takes the
time, and the length of the answers matters less."""

SHORT = 0.25
"""The share of the longest answer that is allowed, below which an answer is short."""

UNIMPORTANT = 12
"""So many tokens of a prompt for one of the longest answer: then the answer is less than a tenth of the cost."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What the requests of an item take. ``seconds`` are the engine's; ``output`` is expected, from a pilot."""

    requests: int
    shown: int
    evaluated: int
    output: int
    seconds: float
    cells: int
    """KV memory of the largest call, in tokens."""
    outputs: int
    """Rows of logits that a step asks for at most."""
    doubt_s: float = 0.0
    """How far ``seconds`` may be off, for what is not known of the length of the answers."""

    def times(self, factor: float) -> Cost:
        """The cost of so many times as many requests of the same sort."""
        more = ("requests", "shown", "evaluated", "output")
        counted = {name: round(factor * getattr(self, name)) for name in more}
        return dataclasses.replace(self, **counted, seconds=factor * self.seconds, doubt_s=factor * self.doubt_s)


def of_item(asked: FirstRound, backend: RemoteBackend, rates: Rates, lengths: Sequence[int]) -> Cost:
    """The cost of an item's requests, in the batches in which they are asked. ``lengths`` are output tokens of a pilot
    (none where nothing is written). Raises SlmError for a backend that does not plan."""
    if asked.requests:
        batches = _calls(asked.requests)
        works = [backend.workload_of_requests([asked.requests[place] for place in mine]) for mine in batches]
    else:
        batches = batches_of_pairs(asked.pairs)
        works = [backend.workload_of_pairs([asked.pairs[place] for place in mine]) for mine in batches]
    endless = itertools.cycle(lengths or [0])
    besides = max(lengths, default=0) - max((request.max_tokens for request in asked.requests), default=0)
    seconds = output = written_s = 0.0
    for mine, work in zip(batches, works, strict=True):
        seconds += reading(work, rates)
        if asked.requests:
            written = [min(next(endless), asked.requests[place].max_tokens + max(0, besides)) for place in mine]
            written_s += writing(written, work, rates)
            output += sum(written)
        else:
            seconds += work.predicted * rates.scored_s
    return Cost(
        requests=len(asked.requests) + len(asked.pairs),
        shown=sum(work.shown for work in works),
        evaluated=sum(work.evaluated for work in works),
        output=round(output),
        seconds=seconds + written_s,
        cells=max((work.cells for work in works), default=0),
        outputs=max((work.outputs for work in works), default=0),
        doubt_s=_doubt(lengths) * written_s,
    )


def _calls(requests: Sequence[Request]) -> list[list[int]]:
    """The places of the requests of each call: in batches, but one by one where an answer's own time counts."""
    together = [place for place, request in enumerate(requests) if not request.alone]
    batches = batches_of_requests([requests[place] for place in together])
    alone = [[place] for place, request in enumerate(requests) if request.alone]
    return [[together[place] for place in mine] for mine in batches] + alone


def _doubt(lengths: Sequence[int]) -> float:
    """By which share of itself the mean length may be off: two standard errors, and all of it for a single answer."""
    if len(lengths) < 2:
        return 1.0
    return 2 * statistics.stdev(lengths) / math.sqrt(len(lengths)) / (statistics.fmean(lengths) or 1.0)


def longest_lengths(asked: FirstRound) -> list[int]:
    """Where nothing was tried: the longest answers that are allowed, which no run exceeds."""
    return [request.max_tokens for request in asked.requests]


def reading(work: Workload, rates: Rates) -> float:
    """Seconds for the tokens of prompts and of what is scored."""
    return work.steps * rates.step_s + work.evaluated * rates.row_s + work.depth * rates.depth_s


def writing(lengths: Sequence[int], work: Workload, rates: Rates) -> float:
    """Seconds for texts of these lengths, ``work.together`` of them at a time: a text that ends makes room for the
    next, and while few are left a step costs nearly as much as with many."""
    slots = [0] * max(1, work.together)
    for length in lengths:
        heapq.heappush(slots, heapq.heappop(slots) + length)
    depth = work.shown / max(1, len(lengths))
    return max(slots) * rates.step_s + sum(lengths) * (rates.spoken_s + depth * rates.depth_s)


def pilot(asked: FirstRound, backend: Backend, rates: Rates | None = None, allowed_s: float = math.inf) -> list[int]:
    """How long the answers to some requests are, spread over all of an item's; it costs the time that they take.

    Where all of them are short more are asked: the few long ones that there may be make up most of the tokens. Where a
    prompt is so much longer than any answer that the answer's length hardly matters, nothing is asked. With ``rates``
    no more is asked than can be answered in ``allowed_s`` seconds, and nothing comes back where that is no request.
    """
    chosen = _spread(asked.requests, PILOT)
    longest = [request.max_tokens for request in chosen]
    shown = sum(backend.count_tokens(chosen))
    if shown > UNIMPORTANT * sum(longest):
        return longest
    began = time.perf_counter()

    def affordable() -> int:
        most = max(2, PILOT_TOKENS * len(chosen) // max(1, shown))
        if rates is None or not chosen:
            return most
        steps = max(longest) / 2 * rates.step_s  # they are written together, and none beyond half of what is allowed
        each = shown / len(chosen) * rates.row_s + max(longest) / 2 * rates.spoken_s
        left_s = allowed_s - (time.perf_counter() - began) - steps
        return min(most, int(max(0.0, left_s) / (each or 1e-9)))

    if not (n := affordable()):
        return []
    lengths = _lengths(backend, _spread(asked.requests, min(PILOT, n)))
    if lengths and max(lengths) < SHORT * max(longest) and (n := affordable()) > PILOT:
        lengths = _lengths(backend, _spread(asked.requests, min(SECOND_PILOT, n)))
    return lengths


def _lengths(backend: Backend, requests: Sequence[Request]) -> list[int]:
    """Tokens of the answers. Who has not ended at half of what is allowed seldom ends by itself (small models go on in
    circles), and is not waited for."""
    halves = [dataclasses.replace(request, max_tokens=-(-request.max_tokens // 2)) for request in requests]
    return [
        # what was thought besides has a limit of its own, which may be above that of the answer
        max(request.max_tokens, generation.n_output or 0)
        if generation.n_output is None or generation.finish == "length"
        else generation.n_output
        for request, generation in zip(requests, backend.generate(halves), strict=True)
    ]


def _spread(requests: Sequence[Request], n: int) -> list[Request]:
    """So many of the requests, evenly spread; all if there are no more."""
    last = len(requests) - 1
    places = sorted({round(step * last / max(1, n - 1)) for step in range(n)}) if requests else []
    return [requests[place] for place in places]


def of_rounds(prompt: int, output: int, rounds: int, rates: Rates, n_batch: int) -> Cost:
    """The cost of a test that measures time: the same shape of request again and again, one at a time."""
    work = Workload(
        shown=prompt,
        evaluated=prompt,
        depth=prompt * (prompt - 1) // 2,
        predicted=output,
        steps=-(-prompt // n_batch),
        together=1,
        cells=prompt + output,
        outputs=1,
    )
    seconds = reading(work, rates) + writing([max(0, output - 1)], work, rates)
    return Cost(
        requests=rounds,
        shown=rounds * prompt,
        evaluated=rounds * prompt,
        output=rounds * output,
        seconds=rounds * seconds,
        cells=work.cells,
        outputs=1,
    )


def in_time(cost: Cost, budget_s: float | None) -> float:
    """Seconds of the rounds that ``cost`` is of, where they have a time of their own: as many are made as fit into it,
    the least number even beyond it, but no further than one warm-up and one round, which are played in any case, or
    the patience of the rule."""
    if budget_s is None:
        return cost.seconds
    most = max(RoundRule.patience * budget_s, 2 * cost.seconds / max(1, cost.requests))
    return min(max(cost.seconds, budget_s), most)
