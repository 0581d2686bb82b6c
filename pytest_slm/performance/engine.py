"""The profile ``engine``: what llama-bench measures. Random ids, no tokenizer, no sampler; pp and tg are its words."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from pytest_slm.backends.protocol import TIMING, EngineTest, EngineTimes
from pytest_slm.core.rounds import Shape
from pytest_slm.errors import NotAvailableError
from pytest_slm.performance.rounds import QuantitySpec, Round, Rounds, require_context

PREFILL = QuantitySpec(name="prefill_tps", unit="tok/s", higher_is_better=True, decides=True)
DECODE = QuantitySpec(name="decode_tps", unit="tok/s", higher_is_better=True, decides=True)

DEPTH_PROMPT, DEPTH_OUTPUT = 512, 32
"""Tokens that are read and written at a depth."""
CONTEXT = "context"
DEEP = 4096
"""Beyond this depth it is first found out how long filling the memory would take."""
LONGEST_S = 300.0
"""Nothing is filled that would take longer than this."""


class EngineRounds(Rounds):
    """Rounds of one or more tests of the engine. Raises NotAvailableError for a backend that has none."""

    profile = "engine"

    def __init__(self, backend: Any) -> None:
        if TIMING not in backend.capabilities:
            raise NotAvailableError("this backend does not time its engine alone", slug="no-timing")
        self.observed = self._backend = backend
        self._random = random.Random(1)
        self._inside: list[float] = []

    def time(self, **shape: int) -> EngineTimes:
        """One round of a test, with ids of its own."""
        times: EngineTimes = self._backend.time(EngineTest(seed=self._random.getrandbits(31), **shape))
        self._inside.append(times.inside_s / times.seconds if times.seconds else 1.0)
        return times

    def provenance(self) -> Mapping[str, Any]:
        """The greatest part of a round that was spent in the loop around the engine."""
        return {"loop_share": 1 - min(self._inside)} if self._inside else {}


class Prefill(EngineRounds):
    """A prompt from an empty memory: llama-bench's ``pp``."""

    quantities = (PREFILL,)

    def __init__(self, backend: Any, n_tokens: int) -> None:
        super().__init__(backend)
        require_context(backend, n_tokens)
        self._n = n_tokens

    def run(self) -> Round:
        times = self.time(n_prompt=self._n)
        return Round(values={"prefill_tps": times.n_evaluated / times.seconds}, seconds=times.seconds)


class Generate(EngineRounds):
    """One token after the other from an empty memory: llama-bench's ``tg``."""

    quantities = (DECODE,)

    def __init__(self, backend: Any, n_tokens: int) -> None:
        super().__init__(backend)
        require_context(backend, n_tokens)
        self._n = self.energy_tokens = n_tokens

    def run(self) -> Round:
        times = self.time(n_gen=self._n)
        return Round(values={"decode_tps": times.n_evaluated / times.seconds}, seconds=times.seconds)


class Depth(EngineRounds):
    """A prompt, and tokens one after the other, each when ``depth`` tokens are in memory: llama-bench's ``-d``.

    ``context`` is as deep as the model's context allows. Raises NotAvailableError (context-too-slow) for a depth that
    would take minutes to fill, by how long two shorter prompts take.
    """

    quantities = (PREFILL, DECODE)

    def __init__(self, backend: Any, depth: int | str) -> None:
        super().__init__(backend)
        n_ctx = backend.describe().n_ctx
        self.depth = max(0, (n_ctx or 0) - DEPTH_PROMPT) if depth == CONTEXT else int(depth)
        require_context(backend, self.depth + DEPTH_PROMPT)
        if self.depth > DEEP:
            self._check_time()

    def setup(self) -> None:
        """Fill the memory, which the engine keeps: at a great depth that takes longer than all rounds."""
        if self.depth:
            self.time(n_prompt=DEPTH_PROMPT, n_depth=self.depth)
            self._inside.clear()

    def run(self) -> Round:
        read = self.time(n_prompt=DEPTH_PROMPT, n_depth=self.depth)
        written = self.time(n_gen=DEPTH_OUTPUT, n_depth=self.depth)
        return Round(
            values={
                "prefill_tps": read.n_evaluated / read.seconds,
                "decode_tps": written.n_evaluated / written.seconds,
            },
            seconds=read.seconds + written.seconds,
        )

    @property
    def shape(self) -> Shape:
        return Shape(depth=self.depth, prompt=DEPTH_PROMPT, output=DEPTH_OUTPUT)

    def _check_time(self) -> None:
        n = DEPTH_PROMPT
        near = self.time(n_prompt=n).seconds
        far = self.time(n_prompt=n, n_depth=n).seconds
        self._inside.clear()
        # A token takes so long for itself, and longer by as much for each token before it.
        steps = self.depth / n
        seconds = steps * near + max(0.0, far - near) * steps * (steps - 1) / 2
        if seconds > LONGEST_S:
            raise NotAvailableError(
                f"filling a context of {self.depth} tokens would take about {seconds / 60:.0f} minutes, more than "
                f"{LONGEST_S / 60:.0f}; choose a shorter one with --slm-n-ctx",
                slug="context-too-slow",
            )


class Parallel(EngineRounds):
    """Sequences that are written together, a token of each in every step; ``total_tps`` counts all of them."""

    TOKENS = 64
    quantities = (
        QuantitySpec(name="total_tps", unit="tok/s", higher_is_better=True, decides=True),
        QuantitySpec(name="per_sequence_tps", unit="tok/s", higher_is_better=True),
    )

    def __init__(self, backend: Any, n_sequences: int) -> None:
        super().__init__(backend)
        require_context(backend, self.TOKENS)
        most = backend.describe().n_seq
        if most is not None and n_sequences > most:
            raise NotAvailableError(
                f"{n_sequences} sequences: this model is set up for {most} at once", slug="too-many-sequences"
            )
        self._n = n_sequences

    def run(self) -> Round:
        times = self.time(n_gen=self.TOKENS, n_sequences=self._n)
        total = times.n_evaluated / times.seconds
        return Round(values={"total_tps": total, "per_sequence_tps": total / self._n}, seconds=times.seconds)
