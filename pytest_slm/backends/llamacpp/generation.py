"""Text from a model, token by token, with the time at which each token was known."""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import llama_cpp as llama

from pytest_slm.backends.llamacpp.context import Context
from pytest_slm.backends.llamacpp.model import Model
from pytest_slm.core.types import Generation, Request, Timings

BEAT_S = 0.25
"""How often a running generation tells that it lives."""


def generate(
    model: Model, context: Context, request: Request, ids: Sequence[int], started: float, beat: Callable[[], None]
) -> Generation:
    """Evaluate the prompt ``ids`` from an empty memory and write up to ``max_tokens``.

    ``started`` is the monotonic time at which work on the request began, before template and tokenizer.
    """
    clock = time.perf_counter
    # One more than the prompt, so that there is room to say anything at all; the rest as far as the context goes.
    context.reserve(len(ids) + 1)
    room = min(request.max_tokens, context.limit - len(ids))
    context.reserve(len(ids) + room)
    context.clear()
    text = _Text(request.stop)
    stamps: list[float] = []
    finish: Literal["stop", "length", "context"] = "length" if room == request.max_tokens else "context"
    prepared = clock()
    with _sampler(request) as sampler:
        last = len(ids) - 1
        context.evaluate(ids, 0, range(last, last + 1), beat=beat)
        prefilled = clock()
        sampled = prefilled
        heard = prefilled
        for n in range(room):
            token = int(llama.llama_sampler_sample(sampler, context.handle, -1))
            if n == 0:
                sampled = clock()
            if model.ends(token) and not request.forced_length:
                finish = "stop"
                break
            stopped = text.add(model.piece(token))
            now = clock()
            stamps.append(now - started)
            if stopped and not request.forced_length:
                finish = "stop"
                break
            if now - heard > BEAT_S:
                heard = now
                beat()
            if n + 1 < room:
                context.evaluate((token,), len(ids) + n, range(1))
    ended = clock()
    return Generation(
        text=text.finish(),
        n_prompt=len(ids),
        n_output=len(stamps),
        finish=finish,
        timings=Timings(
            prepare_s=prepared - started,
            prefill_s=prefilled - prepared,
            sample_s=sampled - prefilled,
            token_s=tuple(stamps),
            end_s=ended - started,
            n_evaluated=len(ids),
        ),
    )


class _Text:
    """Bytes become text as they come; a stop string is found even where it spans tokens."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stops = [stop for stop in stops if stop]
        self._longest = max((len(stop) for stop in self._stops), default=0)
        self._text = ""

    def add(self, piece: bytes) -> bool:
        """Whether a stop string is complete now; the text then ends before it."""
        seen = max(0, len(self._text) - self._longest)
        self._text += self._decoder.decode(piece)
        ends = [end for stop in self._stops if (end := self._text.find(stop, seen)) >= 0]
        if ends:
            self._text = self._text[: min(ends)]
            self._decoder.reset()
        return bool(ends)

    def finish(self) -> str:
        """The whole text; a character that was cut in half becomes U+FFFD."""
        return self._text + self._decoder.decode(b"", final=True)


@contextmanager
def _sampler(request: Request) -> Iterator[Any]:
    chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
    try:
        if request.temperature == 0:
            llama.llama_sampler_chain_add(chain, llama.llama_sampler_init_greedy())
        else:
            if request.top_k:
                llama.llama_sampler_chain_add(chain, llama.llama_sampler_init_top_k(request.top_k))
            if request.top_p < 1:
                llama.llama_sampler_chain_add(chain, llama.llama_sampler_init_top_p(request.top_p, 1))
            llama.llama_sampler_chain_add(chain, llama.llama_sampler_init_temp(request.temperature))
            llama.llama_sampler_chain_add(chain, llama.llama_sampler_init_dist(request.seed & 0xFFFFFFFF))
        yield chain
    finally:
        llama.llama_sampler_free(chain)
