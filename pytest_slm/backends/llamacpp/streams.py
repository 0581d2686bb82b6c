"""Requests that are written together: which, how far each is, and the beginning that several of them share."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal

from pytest_slm.backends.llamacpp.context import Context, in_blocks
from pytest_slm.backends.llamacpp.drafts import Drafter
from pytest_slm.backends.llamacpp.limits import EngineLimits
from pytest_slm.backends.llamacpp.sampling import Sampler
from pytest_slm.backends.local import Prompt
from pytest_slm.core.types import Generation, GenerationTimes
from pytest_slm.errors import BackendError
from pytest_slm.prompts.packing import PackedRow, common
from pytest_slm.prompts.writing import Writing


@dataclass(slots=True, kw_only=True)
class Stream:
    """A request that runs: in which sequence, how far it is, and what it has said."""

    prompt: Prompt
    sequence: int
    room: int
    sampler: Sampler
    text: Writing
    prepared: float
    n_evaluated: int
    computed: int
    """Tokens of the prompt that are in the KV memory."""
    token: int = -1
    """What was said last and is not yet in the KV memory."""
    drafter: Drafter | None = None
    draft: list[int] = field(default_factory=list)
    """What it will probably say after ``token``."""
    by_model: bool = False
    """Whether another model has drafted that."""
    drafted: int | None = None
    """Tokens that a model has drafted for it; None where there is none."""
    accepted: int = 0
    """Tokens of those that it said."""
    stamps: list[float] = field(default_factory=list)
    said: list[int] = field(default_factory=list)  # its tokens, with those that were known when it began
    prefilled: float = 0.0
    sampled: float = 0.0

    @property
    def speaks(self) -> bool:
        """Whether its prompt is computed."""
        return self.computed == len(self.prompt.ids) + len(self.prompt.begun)

    @property
    def ids(self) -> list[int]:
        """What is computed before it speaks: the prompt, and what of the answer was known."""
        return [*self.prompt.ids, *begun] if (begun := self.prompt.begun) else self.prompt.ids

    @property
    def cells_ahead(self) -> int:
        """Cells of the KV memory that it may still fill; what it says last is never shown to the model."""
        filled = self.end if self.speaks and self.stamps else self.computed
        return len(self.prompt.ids) + self.room - 1 - filled

    @property
    def end(self) -> int:
        """The position of what was said last, and of the first cell that it does not need any more."""
        return len(self.prompt.ids) + len(self.stamps) - 1

    def rows(self, most: int) -> list[PackedRow]:
        """What the engine must compute next for it: at most so many tokens of the prompt, or the token said last and
        its draft."""
        ids = self.ids
        if self.speaks:
            return [
                PackedRow(token, self.end + place, [self.sequence])
                for place, token in enumerate((self.token, *self.draft))
            ]
        end = min(len(ids), self.computed + most)
        return [PackedRow(ids[index], index, [self.sequence]) for index in range(self.computed, end)]


@dataclass(slots=True)
class Trunk:
    """A beginning that several requests share, in a sequence of its own."""

    sequence: int
    ids: list[int] = field(default_factory=list)
    computed: int = 0

    def rows(self, most: int) -> list[PackedRow]:
        """Tokens of it that are not in memory yet."""
        end = min(len(self.ids), self.computed + most)
        return [PackedRow(self.ids[index], index, [self.sequence]) for index in range(self.computed, end)]


def generation_of(stream: Stream, finish: Literal["stop", "length", "context"]) -> Generation:
    """What a request has brought that is done."""
    started, text = stream.prompt.started, stream.text.finish()
    return Generation(
        **text.to_json(),
        n_prompt=len(stream.prompt.ids),
        n_unshown=stream.prompt.n_unshown,
        n_output=len(stream.stamps),
        finish=finish,
        n_drafted=stream.drafted,
        n_accepted=None if stream.drafted is None else stream.accepted,
        timings=None
        if stream.prompt.begun
        else GenerationTimes(
            prepare_s=stream.prepared - started,
            prefill_s=stream.prefilled - stream.prepared,
            sample_s=stream.sampled - stream.prefilled,
            token_s=tuple(stream.stamps),
            end_s=time.perf_counter() - started,
            n_evaluated=stream.n_evaluated,
            detokenize_s=max(0.0, stream.stamps[0] - (stream.sampled - started)) if stream.stamps else 0.0,
        ),
    )


# -- what is written together ------------------------------------------------------------------------------------------

AT_ONCE = 32
"""Requests that run together at most. Beyond it the engine's rate hardly grows, and every one waits longer."""

STEP, READ = 1000, 450
"""What a step of the engine costs beside what it does for each of its requests, and what a token of a prompt costs: as
much as looking at so many cells of the KV memory. Measured once (SmolLM2-135M Q4_0, llama.cpp, two cores with AVX2):
steps of 1 and 8 sequences in empty memory took 14.7 and 58.3 ms, of 8 with 768 tokens each 109.5; 263 tokens/s read."""


def alike(context: Context, prompts: Sequence[Prompt]) -> list[list[Prompt]]:
    """The prompts in groups that are best written one group after the other, longest first.

    A step looks at as many cells for each of its requests as the longest of them has, and every one has room for that:
    one long prompt makes all others slow. Each further group costs steps of its own, and what all prompts begin with
    is computed again.
    """
    limits, separate = context.limits, context.model.library.separates_sequences
    sizes: dict[int, list[Prompt]] = {}
    for prompt in prompts:
        sizes.setdefault(in_blocks(len(prompt.ids) + room_of(prompt, limits) - 1), []).append(prompt)
    cells = sorted(sizes)
    if len(cells) < 2:
        return [list(prompts)]
    ordered = [prompt.ids for prompt in prompts]
    again = READ * common(min(ordered), max(ordered))
    steps = sum(room_of(prompt, limits) for prompt in prompts) / len(prompts)
    ends = [0, *accumulate(len(sizes[n]) for n in cells)]

    def cost(start: int, end: int) -> float:
        n, most = ends[end] - ends[start], cells[end - 1]
        together = at_once(limits, n, most)
        looked = most if separate else most * together
        return steps * (-(-n // together) * STEP + n * looked) + again

    best: list[tuple[float, int]] = [(0.0, 0)]  # of the smallest sizes: what they cost, and where the last group begins
    for end in range(1, len(cells) + 1):
        best.append(min((best[start][0] + cost(start, end), start) for start in range(end)))
    groups, end = [], len(cells)
    while end:
        start = best[end][1]
        groups.append([prompt for n in cells[start:end] for prompt in sizes[n]])
        end = start
    return groups


def at_once(limits: EngineLimits, n: int, cells: int, most: int = AT_ONCE) -> int:
    """Of ``n`` requests, those that run together if each has room for so many ``cells``."""
    return max(1, min(most, n, limits.n_seq, limits.kv_cells // max(1, cells) - 1))


def room_of(prompt: Prompt, limits: EngineLimits) -> int:
    """Tokens that can be written: the last of them is never shown to the model, and needs no room. Raises BackendError
    for a prompt that does not fit."""
    if len(prompt.ids) > limits.n_ctx:
        raise BackendError(
            f"the prompt has {len(prompt.ids)} tokens, the context of the model {limits.n_ctx}: choose a shorter "
            "variant",
            slug="context-too-long",
        )
    return min(prompt.most, limits.n_ctx - len(prompt.ids) + 1)
