"""A sample of RULER before it has its length, and how it gets it: at most the tokens of the variant, answer prefix and
the tokens that the model may write included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from pytest_slm.core.types import Message, Sample
from pytest_slm.errors import BackendError, NotAvailableError, UsageError
from pytest_slm.generators import GeneratorContext
from pytest_slm.generators.ruler.counting import TextPieces

RESERVE = 4
"""Tokens that stay free, since a piece may be a token longer at the seam than it was alone."""
CHECKED = 10_000
"""Tokens of an item whose prompts are counted as a whole, to see that the pieces tell the truth; at least one is."""
_TRIES = 20


@dataclass(frozen=True, kw_only=True)
class Text:
    """A prompt of some size: what the user says, what the answer begins with, and what is known of the sample."""

    question: str
    answer_prefix: str
    metadata: Mapping[str, Any]

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation, which ends with the beginning of the answer."""
        return Message(role="user", content=self.question), Message(role="assistant", content=self.answer_prefix)


class Draft(Protocol):
    """A sample without a size. ``size`` is whatever it makes of it; ``least`` is the smallest."""

    target: Sequence[str]
    cluster: str | None
    least: Any

    def text(self, size: Any) -> Text:
        """The prompt of that size."""
        ...

    def fitted(self, room: int, pieces: TextPieces) -> Any:
        """The greatest size that adds at most ``room`` tokens to the least."""
        ...


@dataclass(frozen=True, kw_only=True)
class Length:
    """The tokens of a variant, ``max_seq_length``, and how many of them the model may write."""

    tokens: int
    to_generate: int

    @classmethod
    def of(cls, context: GeneratorContext) -> Length:
        """Raises UsageError for a variant that says none."""
        tokens, answer = context.variant.get("max_seq_length"), context.options.get("max_tokens")
        if not isinstance(tokens, int) or isinstance(tokens, bool) or not isinstance(answer, int):
            raise UsageError(
                "ruler: every variant needs a whole number of tokens, as in `variants: "
                '{"4096": {max_seq_length: 4096}}`, and the options `max_tokens`, which it includes',
                slug="ruler-variant",
            )
        return cls(tokens=tokens, to_generate=answer)

    @property
    def prompt(self) -> int:
        """Tokens that the prompt may have."""
        return self.tokens - self.to_generate


@dataclass(kw_only=True)
class _Made:
    draft: Draft
    room: int
    size: Any


def samples(drafts: Iterator[Draft], context: GeneratorContext, name: str) -> Iterator[Sample]:
    """``context.limit`` samples, or fewer where the drafts end: those whose frame alone is too long are passed over.
    Raises NotAvailableError (``ruler-length``) if that is so of all of the first."""
    length, pieces = Length.of(context), TextPieces(context.count_texts)
    made: list[_Made] = []
    overhead: int | None = None
    while len(made) < context.n_samples and (some := list(islice(drafts, context.n_samples - len(made)))):
        frames = [draft.text(draft.least) for draft in some]
        counts = context.count_texts([frame.question + frame.answer_prefix for frame in frames])
        if overhead is None:
            overhead = context.count_tokens(frames[0].messages) - counts[0]
        rooms = [length.prompt - n - overhead - RESERVE for n in counts]
        if max(rooms) < 0 and not made:
            raise NotAvailableError(
                f"{name}: {length.tokens} tokens are too few: what stands in every prompt takes "
                f"{length.prompt - max(rooms)} and the answer {length.to_generate}; take a longer variant",
                slug="ruler-length",
            )
        for draft, room in zip(some, rooms, strict=True):
            if room >= 0:
                made.append(_Made(draft=draft, room=room, size=draft.fitted(room, pieces)))
    _check(made, length, context, pieces, name)
    for index, one in enumerate(made):
        text = one.draft.text(one.size)
        yield Sample(
            id=f"{name}-{length.tokens}-{index:04d}",
            input=text.messages,
            target=list(one.draft.target),
            metadata={"max_seq_length": length.tokens, **text.metadata},
            cluster=one.draft.cluster,
        )


def _check(made: Sequence[_Made], length: Length, context: GeneratorContext, pieces: TextPieces, name: str) -> None:
    """Count some prompts as a whole; where one is longer than its pieces say, count all, and take from those that are
    too long. Raises BackendError if that does not end."""
    trusted = True
    for index, one in enumerate(made):
        if trusted and index and index * length.prompt >= CHECKED:
            return
        for _ in range(_TRIES):
            n = context.count_tokens(one.draft.text(one.size).messages)
            if n <= length.prompt:
                break
            trusted = False  # those before it were counted already
            one.room -= n - length.prompt + 1
            one.size = one.draft.fitted(max(0, one.room), pieces)
        else:
            raise BackendError(
                f"{name}: no prompt of at most {length.prompt} tokens was found in {_TRIES} tries; the tokenizer "
                "counts a text otherwise than its parts. Choose another length",
                slug="ruler-length",
            )
