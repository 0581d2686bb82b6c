"""The profile ``user``: chat template, tokenizer, prompt, sampler, text; one request after the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from pytest_slm.core.statistics import percentile
from pytest_slm.core.types import GenerationTimes, Metric, Request
from pytest_slm.errors import BackendError
from pytest_slm.hosts.remote import RemoteBackend
from pytest_slm.performance.prompts import Prompts
from pytest_slm.performance.rounds import QuantitySpec, Round, Rounds, require_context

PROMPT_TOKENS = 64
"""Prompt of the decoding rounds: short, so that they measure decoding at (nearly) no depth."""

LATENCIES = {"itl_p50": 0.50, "itl_p95": 0.95, "itl_p99": 0.99}


class Requests(Rounds):
    """Requests of one shape, with other words in every round and an answer of exactly ``output_tokens``."""

    profile = "user"

    def __init__(self, backend: RemoteBackend, prompt_tokens: int, output_tokens: int) -> None:
        require_context(backend, prompt_tokens + output_tokens - 1)  # the last token is never shown to the model
        self.observed = self._backend = backend
        self._prompt_tokens = prompt_tokens
        self._output_tokens = output_tokens
        self._prompts = Prompts(backend, prompt_tokens, seed=1000 * prompt_tokens + output_tokens)
        self._next: Request | None = None

    def prepare(self) -> None:
        self._next = Request(messages=self._prompts.next(), max_tokens=self._output_tokens, forced_length=True)

    def timings(self) -> GenerationTimes:
        """Times of one request. Raises BackendError if the engine did not compute every token of the prompt, or wrote
        fewer tokens than were asked."""
        assert self._next is not None
        generation = self._backend.generate([self._next])[0]
        timings = generation.timings
        if timings is None or timings.n_evaluated != self._prompt_tokens or generation.n_prompt != self._prompt_tokens:
            raise BackendError(
                f"{timings.n_evaluated if timings else 0} of {self._prompt_tokens} prompt tokens were computed: "
                "something was cached, the time means nothing",
                slug="prompt-cached",
            )
        if generation.n_output != self._output_tokens or len(timings.token_s) != self._output_tokens:
            raise BackendError(
                f"{generation.n_output} of {self._output_tokens} tokens came: the model ended before it was allowed "
                "to, or the context is too short",
                slug="context-too-long",
            )
        return timings


class Decode(Requests):
    """``decode_tps`` = (N - 1) / (t_last - t_first), as MLPerf Client counts its "2nd+ token rate": the prompt is in
    none of it. ``tpot`` is its inverse, ``e2e_tps`` = N / t_last counts the wait for the first token too."""

    quantities = (
        QuantitySpec(name="decode_tps", unit="tok/s", higher_is_better=True, decides=True),
        QuantitySpec(name="tpot", unit="s"),
        QuantitySpec(name="e2e_tps", unit="tok/s", higher_is_better=True),
    )

    def __init__(self, backend: RemoteBackend, n_tokens: int) -> None:
        if n_tokens < 2:
            raise ValueError("a rate needs two tokens")
        super().__init__(backend, PROMPT_TOKENS, n_tokens)
        self.energy_tokens = n_tokens
        self._rounds: list[tuple[float, ...]] = []

    def run(self) -> Round:
        timings = self.timings()
        self._rounds.append(timings.token_s)
        seconds = timings.token_s[-1] - timings.token_s[0]
        n = len(timings.token_s)
        return Round(
            values={"decode_tps": (n - 1) / seconds, "tpot": seconds / (n - 1), "e2e_tps": n / timings.token_s[-1]},
            seconds=seconds,
        )

    def metrics(self, n_warmups: int) -> Sequence[Metric]:
        """Percentiles of the time between two tokens, over all tokens of all rounds."""
        gaps = [after - before for stamps in self._rounds[n_warmups:] for before, after in pairwise(stamps)]
        return [
            Metric(name=name, value=percentile(gaps, q), n=len(gaps), unit="s", higher_is_better=False)
            for name, q in LATENCIES.items()
        ]


class FirstToken(Requests):
    """``ttft``: seconds from the request to the first token as text; its four parts add up to it."""

    quantities = (
        QuantitySpec(name="ttft", unit="s", decides=True),
        QuantitySpec(name="ttft_tokenize", unit="s"),
        QuantitySpec(name="ttft_prefill", unit="s"),
        QuantitySpec(name="ttft_sample", unit="s"),
        QuantitySpec(name="ttft_detokenize", unit="s"),
    )

    def __init__(self, backend: RemoteBackend, n_tokens: int) -> None:
        super().__init__(backend, n_tokens, 1)

    def run(self) -> Round:
        timings = self.timings()
        values = {
            "ttft": timings.token_s[0],
            "ttft_tokenize": timings.prepare_s,
            "ttft_prefill": timings.prefill_s,
            "ttft_sample": timings.sample_s,
            "ttft_detokenize": timings.detokenize_s,
        }
        return Round(values=values, seconds=timings.token_s[0])
