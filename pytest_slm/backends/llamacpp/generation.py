"""Text from a model, for many requests at once, with the time at which each token was known.

Continuous batching: every step of the engine takes the next token of every running request and, beside them, the
prompts of those that there is room for. A request that ends makes room for the next. Requests are taken in the order
of their tokens, so that neighbours share the longest beginning. A beginning that is worth it is the *trunk*: it is
computed once, in a sequence of its own, and copied into the requests that begin with it. A text that repeats itself is
drafted (``drafts``), and several of its tokens are computed in one step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal

from pytest_slm.backends.llamacpp.beside.draft_model import AT_ONCE as DRAFTED_AT_ONCE
from pytest_slm.backends.llamacpp.beside.draft_model import DraftModel
from pytest_slm.backends.llamacpp.context import Context, in_blocks
from pytest_slm.backends.llamacpp.drafts import Drafter
from pytest_slm.backends.llamacpp.sampling import Sampler
from pytest_slm.backends.llamacpp.streams import AT_ONCE, Stream, Trunk, at_once, generation_of, room_of
from pytest_slm.backends.local import Prompt
from pytest_slm.core.types import Generation
from pytest_slm.prompts.packing import PackedRow, common

ROWS = 64
"""Tokens that a step computes at most beside prompts, those that were drafted included."""

READING = 128
"""A step that has so many tokens of prompts takes no further prompt: the engine would compute as many tokens of each
together, and then what is left of the longer one."""

WORTH = 32
"""Tokens that make a trunk worth its copies: computing them takes as long as copying a sequence of a few thousand."""


class Batcher:
    """Runs requests through a context, from an empty memory; with ``drafts``, repetitions are drafted, and what is no
    repetition by the ``draft_model``. Raises BackendError if a prompt is too long."""

    def __init__(
        self,
        context: Context,
        prompts: Sequence[Prompt],
        *,
        drafts: bool = False,
        draft_model: DraftModel | None = None,
    ) -> None:
        self._context = context
        self._model = context.model
        self._limits = context.limits
        self._drafts, self._draft_model = drafts, draft_model
        self._pending = sorted(prompts, key=lambda prompt: prompt.ids, reverse=True)
        # Every sequence has room for the longest, so that any of them takes any request.
        self.n_cells = max((len(prompt.ids) + room_of(prompt, self._limits) - 1 for prompt in prompts), default=0)
        most = AT_ONCE if draft_model is None else DRAFTED_AT_ONCE
        if draft_model is not None and not self._model.library.sees_beyond_gaps:
            most = 1  # drafts are taken back all the time
        self.at_once = at_once(self._limits, len(prompts), in_blocks(self.n_cells), most)
        self._free = list(range(self.at_once, 0, -1))
        self._streams: list[Stream] = []
        self._trunk = Trunk(0)
        self._trunk_tokens = 0
        """Tokens of the trunk that were computed for the request that comes next."""

    def run(self, finished: Callable[[int, Generation], None], beat: Callable[[], None]) -> None:
        """Run all requests; ``finished(number, generation)`` tells each as soon as it is done, ``beat`` that a step of
        the engine is. What either raises ends the work; the context can be used again."""
        if len(self._pending) == 1:
            self._free = [0]  # nobody to share with, so that there is no trunk
            self._context.reserve(self.n_cells, 1)
        elif self._pending:
            self._context.reserve(self.n_cells, len(self._free) + 1)
        if self._draft_model is not None and self._pending:
            self._draft_model.start(self.n_cells, self.at_once)
        try:
            while self._pending or self._streams:
                self._step(finished)
                self._close_gaps()
                beat()
        finally:
            for stream in self._streams:
                stream.sampler.close()

    def begun(self) -> dict[int, list[int]]:
        """What was said until now for the requests that are not done yet, and could go on behind it."""
        return {one.prompt.number: one.said for one in self._streams if one.said and one.prompt.request.resumable}

    # -- one step ------------------------------------------------------------------------------------------------

    def _step(self, finished: Callable[[int, Generation], None]) -> None:
        parts: list[tuple[Stream | Trunk, list[PackedRow]]] = []
        left = self._limits.n_batch
        self._draft()
        # Those that speak first: a token each, and drafts. Then prompts, begun and new, as far as the batch has room.
        for stream in sorted(self._streams, key=lambda stream: not stream.speaks):
            if left:
                parts.append((stream, stream.rows(left)))
                left -= len(parts[-1][1])
        if left and self._trunk.computed < len(self._trunk.ids):  # it is longer than a batch
            parts.append((self._trunk, self._trunk.rows(left)))
            left -= len(parts[-1][1])
        reading = sum(len(rows) for part, rows in parts if isinstance(part, Trunk) or not part.speaks)
        while left and reading < READING and (new := self._admit()) is not None:
            parts.append((new, new.rows(left)))
            left -= len(parts[-1][1])
            reading += len(parts[-1][1])
        # The engine takes neighbouring sequences together if it sees them in order.
        parts.sort(key=lambda part: part[0].sequence)
        rows = [row for _, mine in parts for row in mine]
        speaking: list[tuple[int, Stream]] = []
        end = 0
        for part, mine in parts:
            end += len(mine)
            if isinstance(part, Trunk):
                part.computed += len(mine)
                self._trunk_tokens += len(mine)
                continue
            if not part.speaks:
                part.computed += len(mine)
                part.n_evaluated += len(mine)
            if part.speaks:
                speaking.append((end - 1 - len(part.draft), part))
        self._context.decode(rows, [row + ahead for row, stream in speaking for ahead in range(len(stream.draft) + 1)])
        for row, stream in speaking:
            self._speak(stream, row, finished)

    def _draft(self) -> None:
        """Share what a step has room for among the streams that know what they will say."""
        sure = [(stream, drafter) for stream in self._streams if (drafter := stream.drafter) and drafter.sure]
        most = min(ROWS, self._limits.n_batch, self._limits.n_outputs)
        spare = most - (self.at_once if self._pending else len(self._streams))
        if (unpromised := self._unpromised()) is not None:
            spare = min(spare, unpromised)  # a draft that is wrong has used its cells up
        for stream, drafter in sure:
            # No more than it may still say, so that its memory has room for all of it.
            stream.draft = drafter.draft(min(spare // len(sure), stream.room - len(stream.stamps) - 1))
        if self._draft_model is not None:
            spare -= sum(len(stream.draft) for stream in self._streams)
            self._let_draft(self._draft_model, spare)

    def _let_draft(self, draft_model: DraftModel, spare: int) -> None:
        """Let a model draft for those that speak and do not repeat themselves."""
        # Not for a forced length: that is for timing, and every token a step of its own.
        mine = [one for one in self._streams if one.speaks and not one.draft and one.drafter is not None]
        asked = {
            one.prompt.number: (
                [*one.prompt.ids, *one.said],
                min(spare // len(mine), one.room - len(one.stamps) - 1),
            )
            for one in mine
        }
        drafts = draft_model.draft(asked)
        for one in mine:
            one.draft, one.by_model = drafts.get(one.prompt.number, []), True
            one.drafted = (one.drafted or 0) + len(one.draft)

    def _speak(self, stream: Stream, row: int, finished: Callable[[int, Generation], None]) -> None:
        """Pick the next token of a stream, and those after it as far as they were drafted."""
        draft, stream.draft = stream.draft, []
        by_model, stream.by_model = stream.by_model, False
        for ahead in range(len(draft) + 1):
            if not self._say(stream, row + ahead, finished):
                return
            if ahead < len(draft) and stream.token != draft[ahead]:
                self._context.forget(stream.sequence, stream.end)  # what follows was computed after another token
                return
            stream.accepted += by_model and ahead < len(draft)

    def _say(self, stream: Stream, row: int, finished: Callable[[int, Generation], None]) -> bool:
        """Pick a token of a stream, and end the stream if that was its last; whether it goes on."""
        clock = time.perf_counter
        request = stream.prompt.request
        first = not stream.stamps
        if first:
            stream.prefilled = clock()
        logits, text = self._context.logits(row), stream.text
        favourite = self._context.favourite(logits, stream.prompt.ids[-1] if first else stream.token)
        forced = text.forced()
        token = stream.sampler.pick(logits, favourite, free=text.thinking) if forced is None else forced
        if first:
            stream.sampled = clock()
        goes_on = request.forced_length or forced is not None
        if self._model.ends(token) and not goes_on and not text.closes(self._model.spelled(token)):
            self._end(stream, "stop", finished)
            return False
        stopped = text.add(self._model.piece(token))
        stream.token = token
        stream.said.append(token)
        if stream.drafter is not None:
            stream.drafter.add(token)
        stream.stamps.append(clock() - stream.prompt.started)
        if stopped and not request.forced_length:
            self._end(stream, "stop", finished)
            return False
        if text.full or len(stream.stamps) == stream.room:
            whole = text.full or stream.room == stream.prompt.most
            self._end(stream, "length" if whole else "context", finished)
            return False
        return True

    # -- coming and going ----------------------------------------------------------------------------------------

    def _admit(self) -> Stream | Trunk | None:
        """What is computed next: a longer trunk, or the request that comes next. None if it must wait for a sequence
        or for the trunk."""
        trunk = self._trunk
        if not self._pending or not self._free or trunk.computed < len(trunk.ids):
            return None
        prompt = self._pending[-1]
        most = len(prompt.ids) - 1  # the last token is always computed: what is said first depends on its logits
        shared = min(common(trunk.ids, prompt.ids), most)
        needed = len(prompt.ids) + room_of(prompt, self._limits) - 1 - (shared if shared >= WORTH else 0)
        if (unpromised := self._unpromised()) is not None and unpromised < needed:
            if self._streams:
                return None
            self._context.clear()
            trunk = self._trunk = Trunk(0)
            shared = 0
        if len(self._pending) > 1:
            ahead = min(common(prompt.ids, self._pending[-2].ids), most)
            if ahead - shared >= WORTH:
                self._context.forget(trunk.sequence, shared)
                trunk.ids, trunk.computed = prompt.ids[:ahead], shared
                return trunk
        if shared < WORTH:
            shared = 0
        stream = Stream(
            prompt=prompt,
            sequence=self._free.pop(),
            room=room_of(prompt, self._limits),
            sampler=Sampler(self._context, prompt.request),
            text=prompt.writing(),
            prepared=time.perf_counter(),
            n_evaluated=self._trunk_tokens,
            computed=shared,
            # A forced length is for timing: every token is a step of its own.
            drafter=Drafter(prompt.ids) if self._drafts and not prompt.request.forced_length else None,
        )
        self._pending.pop()
        for known in prompt.begun:
            stream.text.forced()  # it was, if the thinking had to end here
            stream.text.add(self._model.piece(known))
            stream.said.append(known)
            stream.stamps.append(0.0)  # it counts, and nobody has timed it
            if stream.drafter is not None:
                stream.drafter.add(known)
        self._trunk_tokens = 0
        self._streams.append(stream)
        self._context.share(trunk.sequence, stream.sequence, shared)
        return stream

    def _unpromised(self) -> int | None:
        """Cells that are left beside those which the running requests may still fill; None where freed ones are filled
        again, so that every sequence has room of its own."""
        if (left := self._context.left) is None:
            return None
        ahead = len(self._trunk.ids) - self._trunk.computed
        return left - ahead - sum(stream.cells_ahead for stream in self._streams)

    def _end(
        self,
        stream: Stream,
        finish: Literal["stop", "length", "context"],
        finished: Callable[[int, Generation], None],
    ) -> None:
        self._streams.remove(stream)
        stream.sampler.close()
        self._context.forget(stream.sequence)
        self._free.append(stream.sequence)
        if self._draft_model is not None:
            self._draft_model.drop(stream.prompt.number)
        finished(stream.prompt.number, generation_of(stream, finish))

    def _close_gaps(self) -> None:
        """Move the last sequences into free ones when nobody is waiting for those: the engine computes only
        neighbouring sequences together."""
        self._free.sort(reverse=True)
        while not self._pending and self._free and self._streams:
            last = max(self._streams, key=lambda stream: stream.sequence)
            gap = self._free[-1]
            if gap > last.sequence:
                break
            self._context.share(last.sequence, gap, len(last.prompt.ids) + len(last.stamps))
            self._context.forget(last.sequence)
            self._free[-1], last.sequence = last.sequence, gap
            self._free.sort(reverse=True)
