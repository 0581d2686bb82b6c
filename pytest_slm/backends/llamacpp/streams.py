"""A request that is being written, and the beginning that several of them share."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

from pytest_slm.backends.llamacpp.drafts import Drafter
from pytest_slm.backends.llamacpp.sampling import Sampler
from pytest_slm.backends.local import Prompt
from pytest_slm.core.types import Generation, GenerationTimes
from pytest_slm.prompts.packing import Row
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
    def end(self) -> int:
        """The position of what was said last, and of the first cell that it does not need any more."""
        return len(self.prompt.ids) + len(self.stamps) - 1

    def rows(self, most: int) -> list[Row]:
        """What the engine must compute next for it: at most so many tokens of the prompt, or the token said last and
        its draft."""
        ids = self.ids
        if self.speaks:
            return [
                Row(token, self.end + place, [self.sequence]) for place, token in enumerate((self.token, *self.draft))
            ]
        end = min(len(ids), self.computed + most)
        return [Row(ids[index], index, [self.sequence]) for index in range(self.computed, end)]


@dataclass(slots=True)
class Trunk:
    """A beginning that several requests share, in a sequence of its own."""

    sequence: int
    ids: list[int] = field(default_factory=list)
    computed: int = 0

    def rows(self, most: int) -> list[Row]:
        """Tokens of it that are not in memory yet."""
        end = min(len(self.ids), self.computed + most)
        return [Row(self.ids[index], index, [self.sequence]) for index in range(self.computed, end)]


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
