"""Timings and memory of one open model. Times are stamped in the model's process; nothing is cached between rounds.

What is measured, in the profile ``user`` (chat template, tokenizer, prompt, first token, text):

- ``ttft``: seconds from the request to the first token as text, for a prompt of exactly n tokens;
- ``decode_tps``: (N - 1) / (t_last - t_first) tokens per second for exactly N output tokens, as MLPerf Client counts
  its "2nd+ token rate": the prompt is in none of it.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable
from typing import Any

from pytest_slm.backends.protocol import Backend
from pytest_slm.backends.remote import RemoteBackend
from pytest_slm.core.statistics import median_interval
from pytest_slm.core.types import Generation, Measurement, Message, Metric, Request, Timings
from pytest_slm.errors import BackendError, NotAvailableError

ROUNDS = 6
"""The fewest with which the range is a 95 % interval of the median, whatever the distribution (docs/decisions)."""
WARMUPS = 1
MOST_TRIES = 50
PROMPT_TOKENS = 64
"""Prompt of the decoding rounds: short, so that they measure decoding at (nearly) no depth."""


class Rounds:
    """Requests of one shape, with other words in every round; called by pytest-benchmark, measured in the host."""

    def __init__(self, backend: Backend, prompt_tokens: int, output_tokens: int, seed: int) -> None:
        self._backend = backend
        self._prompt_tokens = prompt_tokens
        self._output_tokens = output_tokens
        self._random = random.Random(seed)
        self._next: Request | None = None
        self.generations: list[Generation] = []

    def prepare(self) -> None:
        """Make the next round's prompt; outside of any timing."""
        words = self._words(self._prompt_tokens)
        template = self._count("")
        for _ in range(MOST_TRIES):
            text = " ".join(words)
            count = self._count(text)
            missing = self._prompt_tokens - count
            if missing == 0:
                messages = (Message(role="user", content=text),)
                self._next = Request(messages=messages, max_tokens=self._output_tokens, forced_length=True)
                return
            # Most words are one token, with some tokenizers two or more: those so far say how many.
            per_word = max(1.0, (count - template) / max(1, len(words)))
            if words and abs(missing) < per_word - 0.5:
                words[self._random.randrange(len(words))] = self._random.choice(WORDS + SHORT_WORDS)
            elif missing > 0:
                words += self._words(max(1, int(missing / per_word)))
            else:
                del words[min(-1, int(missing / per_word)) :]
        raise BackendError(
            f"no prompt of exactly {self._prompt_tokens} tokens was found: the chat template alone may be longer",
            slug="prompt-length",
        )

    def run(self) -> None:
        """One round. Raises BackendError if the engine did not compute every token of the prompt."""
        assert self._next is not None
        generation = self._backend.generate([self._next])[0]
        timings = generation.timings
        if timings is None or timings.n_evaluated != self._prompt_tokens or generation.n_prompt != self._prompt_tokens:
            raise BackendError(
                f"{timings.n_evaluated if timings else 0} of {self._prompt_tokens} prompt tokens were computed: "
                "something was cached, the time means nothing",
                slug="prompt-cached",
            )
        if generation.n_output != self._output_tokens:
            raise BackendError(
                f"{generation.n_output} of {self._output_tokens} tokens came: the context is too short",
                slug="context-too-long",
            )
        self.generations.append(generation)

    def measurement(
        self, name: str, unit: str, value: Callable[[Timings], float], *, higher_is_better: bool
    ) -> Measurement:
        """What ``value`` reads from every round's timings, warm-ups apart."""
        values = [value(g.timings) for g in self.generations if g.timings is not None]
        return Measurement(
            name=name,
            unit=unit,
            warmups=tuple(values[:WARMUPS]),
            values=tuple(values[WARMUPS:]),
            higher_is_better=higher_is_better,
        )

    def _count(self, text: str) -> int:
        request = Request(messages=(Message(role="user", content=text),), max_tokens=1)
        return self._backend.count_tokens([request])[0]

    def _words(self, n: int) -> list[str]:
        return [self._random.choice(WORDS) for _ in range(n)]


def decode_tps(timings: Timings) -> float:
    """Tokens per second after the first."""
    return (len(timings.token_s) - 1) / (timings.token_s[-1] - timings.token_s[0])


def ttft(timings: Timings) -> float:
    """Seconds to the first token."""
    return timings.token_s[0]


def median_metric(measurement: Measurement) -> Metric:
    """The median of the rounds with its distribution-free 95 % interval (None with fewer than 6 rounds)."""
    return Metric(
        name=measurement.name,
        value=statistics.median(measurement.values),
        n=len(measurement.values),
        interval=median_interval(measurement.values),
        unit=measurement.unit,
        higher_is_better=bool(measurement.higher_is_better),
    )


def require_context(backend: Backend, n_tokens: int) -> None:
    """Raise NotAvailableError if the model's context cannot hold so many tokens."""
    n_ctx = int(backend.describe()["n_ctx"])
    if n_tokens > n_ctx:
        raise NotAvailableError(
            f"{n_tokens} tokens do not fit into the context of {n_ctx}: there is nothing to measure at this length",
            slug="context-too-short",
        )


def measure(benchmark: Any, rounds: Rounds) -> None:
    """Run the rounds under pytest-benchmark, so that its comparison, files and histograms work; its wall times are
    the session's, ours are the host's."""
    benchmark.pedantic(rounds.run, setup=rounds.prepare, rounds=ROUNDS, warmup_rounds=WARMUPS, iterations=1)
    # With --benchmark-disable it calls once; our numbers do not depend on its settings.
    while len(rounds.generations) < WARMUPS + ROUNDS:
        rounds.prepare()
        rounds.run()


def memory_measurements(backend: RemoteBackend) -> tuple[Measurement, ...]:
    """Memory of the model's process in bytes: before the model was loaded, just after, and its peak until now.

    What the system does not tell is left out.
    """
    use = backend.memory()
    description: dict[str, Any] = dict(backend.describe())
    before, loaded, now = use["before_load"], use["after_load"], use["now"]
    numbers = {
        "rss_before_load": before.rss,
        "rss_after_load": loaded.rss,
        "private_after_load": loaded.private,
        "mapped_after_load": loaded.mapped,
        "peak_rss": now.peak,
        "private_now": now.private,
        "weights": description.get("weights_bytes"),
    }
    measured = [_one(name, "B", value) for name, value in numbers.items() if value is not None]
    return (*measured, _one("load_s", "s", description["load_s"]))


def _one(name: str, unit: str, value: float) -> Measurement:
    return Measurement(name=name, unit=unit, values=(float(value),), higher_is_better=False)


WORDS = tuple(
    "river stone window garden paper silver morning engine village bridge letter winter market forest music table "
    "harbor candle mountain station orange picture shadow copper island kitchen lantern meadow number ocean pencil "
    "quarter railway saddle thunder umbrella valley wagon yellow anchor basket cotton desert echo feather glass".split()
)
"""Short English words, so that a prompt of them is cheap to make and never the same twice."""

SHORT_WORDS = tuple("a an as at by do go if in it no of on or so to up we ash bee cup dew elm fig".split())
"""For the last token, where the other words take several."""
