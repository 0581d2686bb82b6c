"""The profile ``user``: chat template, where the model has one, tokenizer, prompt, sampler, text; one request after
the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from pytest_slm.core.statistics import percentile
from pytest_slm.core.types import GenerationTimes, Metric, Request
from pytest_slm.errors import BackendError, NotAvailableError
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
        self._server = backend.describe().server
        self._told = True
        self._prompt_tokens = prompt_tokens
        self._output_tokens = output_tokens
        self._prompts = Prompts(backend, prompt_tokens, seed=1000 * prompt_tokens + output_tokens)
        self._next: Request | None = None

    def prepare(self) -> None:
        self._next = self._prompts.request(max_tokens=self._output_tokens, forced_length=True)

    def timings(self) -> GenerationTimes:
        """Times of one request. Raises BackendError if the engine did not compute every token of the prompt, or wrote
        fewer tokens than were asked. A server may not tell what it has computed; it may write a token in two pieces."""
        assert self._next is not None
        generation = self._backend.generate([self._next])[0]
        timings = generation.timings
        if timings is None:
            raise NotAvailableError(f"{self._server}: its answers come in one piece, without times", slug="no-timing")
        self._told = timings.n_evaluated is not None
        computed = timings.n_evaluated if self._told or self._server is None else generation.n_prompt
        if computed != self._prompt_tokens or generation.n_prompt != self._prompt_tokens:
            raise BackendError(
                f"{computed or 0} of {self._prompt_tokens} prompt tokens were computed: something was cached, the time "
                "means nothing",
                slug="prompt-cached",
            )
        whole = self._server is not None or len(timings.token_s) == self._output_tokens
        if generation.n_output != self._output_tokens or not whole:
            raise BackendError(
                f"{generation.n_output} of {self._output_tokens} tokens came: the model ended before it was allowed "
                "to, or the context is too short",
                slug="context-too-long",
            )
        return timings

    def provenance(self) -> Mapping[str, Any]:
        """Of a server: where its times are stamped, and whether it tells what it had cached."""
        if self._server is None:
            return {}
        told = {} if self._told else {"prompt_cache": "the server does not tell what it had cached"}
        return {"stamped": "at the client: network, HTTP and the server's queue are in every time", **told}


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
        moments = len(set(timings.token_s))
        if self._server is not None and 2 * moments < self._output_tokens:
            raise NotAvailableError(
                f"{self._server}: {self._output_tokens} tokens came at {moments} moments: the server, or a proxy "
                "before it, holds them back, and there is no time between them",
                slug="server-bursts",
            )
        self._rounds.append(timings.token_s)
        seconds = timings.token_s[-1] - timings.token_s[0]
        n = self._output_tokens
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
    """``ttft``: seconds from the request to the first token as text; its four parts, where they are known, add up to
    it."""

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
        parts = {
            "ttft": timings.token_s[0],
            "ttft_tokenize": timings.prepare_s,
            "ttft_prefill": timings.prefill_s,
            "ttft_sample": timings.sample_s,
            "ttft_detokenize": timings.detokenize_s,
        }
        known = {name: seconds for name, seconds in parts.items() if seconds is not None}
        return Round(values=known, seconds=timings.token_s[0])
