"""Text from a model, for many requests at once, with the time at which each token was known.

Continuous batching: every step of the engine takes the next token of every running request and, beside them, the
prompts of those that there is room for. A request that ends makes room for the next. Requests are taken in the order
of their tokens, so that neighbours share the longest beginning; it is computed once and stays in the KV memory as long
as someone stands on it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pytest_slm.backends.llamacpp.cells import Held, PromptCells
from pytest_slm.backends.llamacpp.context import Context
from pytest_slm.backends.llamacpp.packing import WASTE, Row, common
from pytest_slm.backends.llamacpp.sampling import Sampler
from pytest_slm.backends.text import GrowingText
from pytest_slm.core.types import Generation, Request, Timings
from pytest_slm.errors import BackendError

AT_ONCE = 32
"""Requests that run together at most. Beyond it the engine's rate hardly grows, and every one waits longer."""


@dataclass(slots=True, kw_only=True)
class Prompt:
    """A request whose prompt is known as token ids; ``started`` is when work on it began, on the monotonic clock."""

    number: int
    request: Request
    ids: list[int]
    started: float


@dataclass(slots=True, kw_only=True)
class _Stream:
    """A request that runs: in which sequence, how far it is, and what it has said."""

    prompt: Prompt
    sequence: int
    held: Held
    room: int
    sampler: Sampler
    text: GrowingText
    prepared: float
    n_evaluated: int = 0
    computed: int = 0
    """Tokens of the prompt that are in the KV memory."""
    token: int = -1
    """What was said last and is not yet in the KV memory."""
    stamps: list[float] = field(default_factory=list)
    prefilled: float = 0.0
    sampled: float = 0.0


class Batcher:
    """Runs requests through a context, from an empty memory. Raises BackendError if a prompt is too long."""

    def __init__(self, context: Context, prompts: Sequence[Prompt]) -> None:
        self._context = context
        self._model = context.model
        self._limits = context.limits
        self._pending = sorted(prompts, key=lambda prompt: prompt.ids, reverse=True)
        needs = [len(prompt.ids) + self._room(prompt) for prompt in prompts]
        at_once = min(AT_ONCE, len(prompts), self._limits.n_seq)
        # As much as those that run together can need, or the limit, but always enough for the longest.
        together = sum(sorted(needs, reverse=True)[:at_once])
        self._n_cells = max(*needs, min(together, self._limits.kv_cells)) if needs else 0
        self._free = list(range(at_once, 0, -1))
        self._streams: list[_Stream] = []
        self._cells = PromptCells()
        self._last: tuple[_Stream, bool] | None = None
        """The stream that was admitted last, and whether its prompt has moved to sequence 0 because it has ended."""

    def run(self, finished: Callable[[int, Generation], None], beat: Callable[[], None]) -> None:
        """Run all requests; ``finished(number, generation)`` tells each as soon as it is done, ``beat`` that a step of
        the engine is. What either raises ends the work; the context can be used again."""
        if not self._pending:
            return
        self._context.reserve(self._n_cells, 1 if len(self._free) == 1 else self._limits.n_seq)
        try:
            while self._pending or self._streams:
                self._step(finished)
                beat()
        finally:
            for stream in self._streams:
                stream.sampler.close()

    def _room(self, prompt: Prompt) -> int:
        """Tokens that can be written. Raises BackendError if the prompt leaves no room to say anything at all."""
        n_ctx = self._limits.n_ctx
        if len(prompt.ids) >= n_ctx:
            raise BackendError(
                f"{len(prompt.ids) + 1} tokens are needed, the context of the model has {n_ctx}: "
                "choose a shorter variant",
                slug="context-too-long",
            )
        return min(prompt.request.max_tokens, n_ctx - len(prompt.ids))

    # -- one step ------------------------------------------------------------------------------------------------

    def _step(self, finished: Callable[[int, Generation], None]) -> None:
        rows: list[Row] = []
        speaking: list[tuple[int, _Stream]] = []
        for stream in self._streams:
            if stream.computed == len(stream.prompt.ids):
                speaking.append((len(rows), stream))
                position = len(stream.prompt.ids) + len(stream.stamps) - 1
                rows.append(Row(stream.token, position, [stream.sequence]))
        reading = self._prompt_rows(rows, speaking)
        self._context.decode(rows, [index for index, _ in speaking])
        for stream, n_tokens in reading:
            stream.computed += n_tokens
            stream.n_evaluated += n_tokens
        for index, stream in speaking:
            self._speak(stream, index, finished)

    def _prompt_rows(self, rows: list[Row], speaking: list[tuple[int, _Stream]]) -> list[tuple[_Stream, int]]:
        """Fill up ``rows`` with prompts: first those that have begun, then new ones."""
        reading: list[tuple[_Stream, int]] = []
        begun = [stream for stream in self._streams if stream.computed < len(stream.prompt.ids)]
        while len(rows) < self._limits.n_batch and len(speaking) < self._limits.n_outputs:
            stream = begun.pop(0) if begun else self._admit(idle=not rows)
            if stream is None:
                break
            ids = stream.prompt.ids
            end = min(len(ids), stream.computed + self._limits.n_batch - len(rows))
            rows += [Row(ids[index], index, [stream.sequence]) for index in range(stream.computed, end)]
            reading.append((stream, end - stream.computed))
            if end == len(ids):
                speaking.append((len(rows) - 1, stream))
        return reading

    def _speak(self, stream: _Stream, row: int, finished: Callable[[int, Generation], None]) -> None:
        """Pick the next token of a stream, and end the stream if that was its last."""
        clock = time.perf_counter
        request = stream.prompt.request
        first = not stream.stamps
        if first:
            stream.prefilled = clock()
        token = stream.sampler.pick(self._context.logits(row))
        if first:
            stream.sampled = clock()
        if self._model.ends(token) and not request.forced_length:
            self._end(stream, "stop", finished)
            return
        stopped = stream.text.add(self._model.piece(token))
        stream.token = token
        stream.stamps.append(clock() - stream.prompt.started)
        if stopped and not request.forced_length:
            self._end(stream, "stop", finished)
        elif len(stream.stamps) == stream.room:
            self._end(stream, "length" if stream.room == request.max_tokens else "context", finished)

    # -- coming and going ----------------------------------------------------------------------------------------

    def _admit(self, *, idle: bool) -> _Stream | None:
        """Take the next request in, if there is a sequence and memory for it, and if it need not wait for a beginning
        that is being computed just now."""
        if not self._pending or not self._free:
            return None
        prompt = self._pending[-1]
        shared, wait = self._shared(prompt.ids)
        if wait and not idle:
            return None
        if not self._fits(len(prompt.ids), shared, self._room(prompt)):
            return None
        self._pending.pop()
        sequence = self._free.pop()
        held = self._cells.admit(len(prompt.ids), shared)
        if self._last is not None:
            before, moved = self._last
            self._context.copy(0 if moved else before.sequence, sequence, shared)
            if moved:
                self._context.forget(0)
                self._cells.leave(before.held)
        stream = _Stream(
            prompt=prompt,
            sequence=sequence,
            held=held,
            room=self._room(prompt),
            sampler=Sampler(self._model, prompt.request),
            text=GrowingText(prompt.request.stop),
            prepared=time.perf_counter(),
            computed=shared,
        )
        self._last = (stream, False)
        self._streams.append(stream)
        return stream

    def _shared(self, ids: Sequence[int]) -> tuple[int, bool]:
        """How many tokens are in memory already, and whether waiting for one step would make that many more."""
        if self._last is None:
            return 0, False
        before, _ = self._last
        # The last token of a prompt is always computed: what is said first depends on its logits.
        alike = min(common(before.prompt.ids, ids), len(ids) - 1)
        return min(alike, before.computed), alike - before.computed > WASTE

    def _fits(self, length: int, shared: int, room: int) -> bool:
        if not self._streams:
            return True  # alone it always fits: what is kept of the prompt before is no more than is shared
        used = self._cells.total + sum(stream.room for stream in self._streams)
        return used + length - shared + room <= self._n_cells

    def _end(
        self,
        stream: _Stream,
        finish: Literal["stop", "length", "context"],
        finished: Callable[[int, Generation], None],
    ) -> None:
        self._streams.remove(stream)
        stream.sampler.close()
        if self._last is not None and self._last[0] is stream:
            self._context.copy(stream.sequence, 0, len(stream.prompt.ids))
            self._last = (stream, True)
        else:
            self._cells.leave(stream.held)
        self._context.forget(stream.sequence)
        self._free.append(stream.sequence)
        finished(stream.prompt.number, _generation(stream, finish))


def _generation(stream: _Stream, finish: Literal["stop", "length", "context"]) -> Generation:
    started = stream.prompt.started
    return Generation(
        text=stream.text.finish(),
        n_prompt=len(stream.prompt.ids),
        n_output=len(stream.stamps),
        finish=finish,
        timings=Timings(
            prepare_s=stream.prepared - started,
            prefill_s=stream.prefilled - stream.prepared,
            sample_s=stream.sampled - stream.prefilled,
            token_s=tuple(stream.stamps),
            end_s=time.perf_counter() - started,
            n_evaluated=stream.n_evaluated,
        ),
    )
