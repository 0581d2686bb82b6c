"""A small model that drafts what a larger one will write: the larger one computes several tokens in one step and keeps
those that it would have written itself (speculative decoding, Leviathan et al. 2023, https://arxiv.org/abs/2211.17192).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pytest_slm.backends.files import sha256_of
from pytest_slm.backends.llamacpp import limits
from pytest_slm.backends.llamacpp.context import Context
from pytest_slm.backends.llamacpp.model import Model
from pytest_slm.core.types import EngineSettings
from pytest_slm.errors import BackendError
from pytest_slm.prompts.packing import PackedRow, common

AT_ONCE = 4
"""Requests that run together where a model drafts: beyond it a step has more from further requests than from drafts."""

LONGEST = 8
"""Tokens of a draft at most."""

SURE = 0.6
"""A draft ends before the first token that the small model itself finds less likely."""

PADDING = 128
"""Vocabularies of one family may differ by so many tokens, which nobody uses: they are padded to even sizes."""


@dataclass(slots=True)
class _Text:
    """What is in memory of a text: its first ``base`` tokens, and the ``drafted`` ones behind them."""

    sequence: int
    base: int = 0
    drafted: list[int] = field(default_factory=list)


class DraftModel:
    """An open model that drafts for another. Raises BackendError (draft-model) if it has another vocabulary."""

    def __init__(self, path: str, target: Model, settings: EngineSettings) -> None:
        self._model = Model(path, target.library, EngineSettings(gpu_layers=settings.gpu_layers))
        if (difference := _difference(self._model, target)) is not None:
            self._model.close()
            raise BackendError(
                f"draft_model {path}: {difference}; give a model of the same family, with the same vocabulary",
                slug="draft-model",
            )
        self._most = target.n_vocab
        self._limits = limits.choose(self._model, EngineSettings(threads=settings.threads))
        if not self._limits.shares:
            self._model.close()
            raise BackendError(
                f"draft_model {path}: it keeps a running state, of which nothing can be taken back; "
                "give one whose layers only attend",
                slug="draft-model",
            )
        self._context = Context(self._model, self._limits)
        self._texts: dict[int, _Text] = {}
        self._free: list[int] = []
        self.told = f"{Path(path).name} ({sha256_of([Path(path)])[:12]})"
        """Name and hash, for reports."""

    @property
    def buffers(self) -> dict[str, int]:
        """Bytes of its weights and memory that are open now, by name."""
        return {**self._model.buffers, **self._context.buffers}

    def start(self, n_cells: int, n_texts: int) -> None:
        """Empty memory for so many texts, each of at most ``n_cells`` tokens."""
        self._n_cells = min(n_cells + LONGEST, self._limits.n_ctx)
        self._context.reserve(self._n_cells, n_texts)
        self._texts, self._free = {}, list(range(n_texts))

    def drop(self, text: int) -> None:
        """Forget a text that has ended."""
        if (known := self._texts.pop(text, None)) is not None:
            self._context.forget(known.sequence)
            self._free.append(known.sequence)

    def draft(self, texts: Mapping[int, tuple[Sequence[int], int]]) -> dict[int, list[int]]:
        """What follows each text, by its name: at most so many tokens behind its ids, as far as that is sure."""
        asked = {
            name: (ids, most)
            for name, (ids, wanted) in texts.items()
            if (most := min(wanted, LONGEST, self._n_cells - len(ids))) > 0
        }
        favourites = self._catch_up({name: ids for name, (ids, _) in asked.items()})
        drafts: dict[int, list[int]] = {name: [] for name in asked}
        while favourites:
            going = {}
            for name, token in favourites.items():
                drafts[name].append(token)
                if len(drafts[name]) < asked[name][1]:
                    going[name] = PackedRow(
                        token, len(asked[name][0]) + len(drafts[name]) - 1, [self._texts[name].sequence]
                    )
                    self._texts[name].drafted.append(token)
            favourites = self._computed(going)
        return drafts

    def release(self) -> None:
        """Free its memory for texts; ``start`` brings it back."""
        self._context.release()

    def close(self) -> None:
        """Free it."""
        self._context.close()
        self._model.close()

    def _catch_up(self, texts: Mapping[int, Sequence[int]]) -> dict[int, int]:
        """The sure favourites behind the texts, after what is new of them was computed."""
        found: dict[int, int] = {}
        for name, ids in texts.items():
            known = self._texts.get(name) or self._begin(name)
            kept = known.base + common(ids[known.base :], known.drafted)
            kept = min(kept, len(ids) - 1)  # the last one is always computed: what follows depends on its logits
            self._context.forget(known.sequence, kept)
            known.base, known.drafted = len(ids), []
            rows = [PackedRow(ids[place], place, [known.sequence]) for place in range(kept, len(ids))]
            size = self._limits.n_batch
            for start in range(0, len(rows) - 1, size):
                self._context.decode(rows[start : min(start + size, len(rows) - 1)], [])
            found |= self._computed({name: rows[-1]})
        return found

    def _begin(self, name: int) -> _Text:
        self._texts[name] = _Text(self._free.pop())
        return self._texts[name]

    def _computed(self, rows: Mapping[int, PackedRow]) -> dict[int, int]:
        """The token that each row makes the likeliest, where that is sure."""
        if not rows:
            return {}
        self._context.decode(list(rows.values()), range(len(rows)))
        found = {}
        for place, name in enumerate(rows):
            logits = self._context.logits(place)
            token = int(logits.argmax())
            share = 1 / float(np.exp(logits - logits[token]).sum())
            if share >= SURE and token < self._most:  # not of NaN either
                found[name] = token
        return found


def _difference(draft: Model, target: Model) -> str | None:
    """In what the vocabularies differ; None if they are the same."""
    if abs(draft.n_vocab - target.n_vocab) > PADDING:
        return f"its vocabulary has {draft.n_vocab} tokens, and that of the model {target.n_vocab}"
    for token in range(min(draft.n_vocab, target.n_vocab)):
        if draft.piece(token) != target.piece(token):
            return f"its token {token} is {draft.spelled(token)!r}, and that of the model {target.spelled(token)!r}"
    return None
