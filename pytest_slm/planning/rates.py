"""How fast the opened model is on this machine: a handful of constants, measured in some seconds.

A step of the engine costs a constant, an amount for each of its rows, and an amount for each earlier token that a row
looks back at. Rows that say something cost more (their logits are searched, the token becomes text), and so do rows
whose logits are normalised. Four shapes of requests give the five constants.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_slm.backends.protocol import Backend
from pytest_slm.core.record import Record
from pytest_slm.core.types import Request
from pytest_slm.errors import NotAvailableError

SHORT, LONG = 512, 1024
"""Prompt tokens between which the cost of looking back shows."""
STREAMS, SPOKEN = 32, 16
"""Texts that are written at once, and tokens of each."""
ALONE = 32
"""Tokens of a text that is written alone."""
ROUNDS = 2
GLANCED, GLANCED_ANSWER = 32, 8
"""Prompt tokens of a glance, and those that are written."""
ROUGH, LEAST_SPREAD = 0.5, 0.1
"""What a time that is reckoned from rates may be off: of rough ones (they know nothing of looking back and of texts
that are written at once), and of measured ones (single items were between -12 and +12 %)."""


@dataclass(frozen=True, kw_only=True)
class Rates(Record):
    """Seconds: of a step, of a row in it, of one earlier token that a row looks back at, of a row that says a token,
    and of a row whose logits are normalised for a likelihood. ``took_s``: how long measuring them took; ``spread``: by
    which share of themselves two measurements of one thing differed."""

    step_s: float
    row_s: float
    depth_s: float
    spoken_s: float
    scored_s: float
    took_s: float
    spread: float = 0.0

    @property
    def prefill_tps(self) -> float:
        """Prompt tokens per second, for a prompt of 512."""
        return SHORT / (self.step_s + SHORT * self.row_s + _pairs(SHORT) * self.depth_s or 1e-9)

    @property
    def decode_tps(self) -> float:
        """Tokens per second of one text, at no depth."""
        return 1 / (self.step_s + self.spoken_s or 1e-9)


def glance(backend: Backend, seed: int = 0) -> Rates:
    """Rough rates of an open model, from a short prompt and some tokens: in a fraction of a second, and for runs that
    are not worth more. Raises NotAvailableError for a backend that gives no times or no vocabulary."""
    began = time.perf_counter()
    prompt = _prompts(backend, seed)

    def once(n: int = GLANCED, n_output: int = GLANCED_ANSWER) -> tuple[float, float]:
        timings = backend.generate([prompt(n, n_output)])[0].timings
        if timings is None or timings.prefill_s is None:
            raise NotAvailableError("this backend gives no times, so its rates cannot be measured")
        return timings.prefill_s, (timings.token_s[-1] - timings.token_s[0]) / (n_output - 1)

    once(8, 2)  # a first time, for pages that are not in memory yet
    found = once(), once()
    prefill, step = (statistics.fmean(times) for times in zip(*found, strict=True))
    row = max(0.0, (prefill - step) / GLANCED)
    spread = max(ROUGH, *map(_apart, zip(*found, strict=True)))
    took = time.perf_counter() - began
    return Rates(step_s=step, row_s=row, depth_s=0.0, spoken_s=row, scored_s=row, took_s=took, spread=spread)


def seconds_to_measure(rough: Rates) -> float:
    """What ``measure`` will take."""
    rows = 3 * SHORT + LONG + ROUNDS * STREAMS * 8 + 300
    return rows * rough.row_s + ROUNDS * ((ALONE + SPOKEN) * rough.step_s + STREAMS * SPOKEN * rough.spoken_s)


def seconds_to_read(rough: Rates) -> float:
    """What reading a prompt of ``SHORT`` tokens will take."""
    return rough.step_s + SHORT * rough.row_s


def _prompts(backend: Backend, seed: int) -> Callable[[int, int], Request]:
    """Makes requests of n tokens that nobody has read before, answered by so many others."""
    description = backend.describe()
    vocabulary = description.vocab_size
    if not vocabulary or (description.n_ctx or 0) < 4 * ALONE:
        raise NotAvailableError("this backend does not tell its vocabulary, so its rates cannot be measured")
    generator = random.Random(seed)

    def prompt(n: int, n_output: int) -> Request:
        # Not the first ids, where the control tokens are.
        ids = tuple(generator.randrange(vocabulary // 4, vocabulary // 2) for _ in range(n))
        return Request(prompt_ids=ids, max_tokens=n_output, forced_length=True)

    return prompt


def measure(backend: Backend, seed: int = 0) -> Rates:
    """The rates of an open model. Raises NotAvailableError for a backend that gives no times or no vocabulary."""
    began = time.perf_counter()
    prompt = _prompts(backend, seed)
    n_ctx = backend.describe().n_ctx or 0
    spreads = []

    def prefill(n: int) -> float:
        timings = backend.generate([prompt(n, 1)])[0].timings
        if timings is None or timings.prefill_s is None:
            raise NotAvailableError("this backend gives no times, so its rates cannot be measured")
        return timings.prefill_s

    def decode(n_streams: int, n_output: int) -> float:
        found = backend.generate([prompt(8, n_output) for _ in range(n_streams)])
        stamps = [generation.timings.token_s for generation in found if generation.timings]
        return (max(times[-1] for times in stamps) - min(times[0] for times in stamps)) / (n_output - 1)

    short, long = min(SHORT, n_ctx // 4), min(LONG, n_ctx - 1)
    prefill(short)  # a first time, for pages that are not in memory yet

    def median(once: Callable[[], float]) -> float:
        times = [once() for _ in range(ROUNDS)]
        spreads.append(_apart(times))
        return statistics.median(times)

    t_short, t_long = median(lambda: prefill(short)), prefill(long)
    t_alone, t_many = median(lambda: decode(1, ALONE)), median(lambda: decode(STREAMS, SPOKEN))
    spoken = max(0.0, (t_many - t_alone) / (STREAMS - 1))
    step = max(0.0, t_alone - spoken)
    # t = row * n + depth * n * (n - 1) / 2: two lengths, two unknowns.
    depth = (t_long / long - t_short / short) / ((long - short) / 2)
    depth = max(0.0, depth)
    row = max(0.0, (t_short - step - depth * _pairs(short)) / short)
    return Rates(
        step_s=step,
        row_s=row,
        depth_s=depth,
        spoken_s=spoken,
        scored_s=_scoring(backend, step, row, depth),
        took_s=time.perf_counter() - began,
        spread=max(LEAST_SPREAD, *spreads),
    )


def _scoring(backend: Backend, step: float, row: float, depth: float) -> float:
    """What a predicted row costs beyond its computation."""
    if "loglikelihood" not in backend.capabilities:
        return 0.0
    text = " ".join(f"{number} bottles of water stand on the wall of the garden." for number in range(16))

    def once() -> float:
        began = time.perf_counter()
        n = backend.loglikelihood([("", text)])[0].n_tokens
        return max(0.0, time.perf_counter() - began - step - n * row - _pairs(n) * depth) / n

    return once()


def _apart(times: Sequence[float]) -> float:
    """By which share of their mean they differ."""
    return (max(times) - min(times)) / (statistics.fmean(times) or 1.0)


def _pairs(n: int) -> int:
    return n * (n - 1) // 2
