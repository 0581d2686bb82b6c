"""Many texts in one batch, their common beginnings computed once.

The texts stand one behind the other in a single row, in the order of the plan (``packing``): each token with its own
position, and a mask that lets it see only the tokens of its own text. What the next group begins with stays in memory.
That needs layers that do nothing but attend to keys and values in memory; ``can_pack`` tries.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from pytest_slm.backends.hf.model import Model
from pytest_slm.prompts.packing import PackedGroup, PackedRow, leaves, plan

PROBE = ((3, 5, 7, 11), (3, 5, 7, 2, 4), (3, 9, 1))
"""Three short texts with two common beginnings."""


LENGTH_BOUND = ("dynamic", "longrope")
"""Kinds of rotary positions that turn with the length of the whole input: a beginning alone has other keys."""


class GroupMemory:
    """Keys and values of one group and of what it shares with the one before."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._cache = DynamicCache(config=model.config)
        self._group = PackedGroup(shared=0, n_leaves=0, rows=[])
        self._ranges = torch.empty(0, 2)

    def begin(self, group: PackedGroup) -> None:
        """Take a group whose first ``shared`` tokens are in memory already."""
        self._group = group
        self._ranges = self._model.tensor([(row.sequences[0], row.sequences[-1]) for row in group.rows])

    def logits(self, start: int, rows: Sequence[PackedRow]) -> Tensor:
        """Logits of shape (wanted rows, vocabulary) of the part of the group that begins at row ``start``."""
        wanted = [index for index, row in enumerate(rows) if row.wants]
        ids = [[row.token for row in rows]]
        positions = self._model.tensor([[row.position for row in rows]])
        mask = self._mask(start, start + len(rows))
        # A batch that predicts nothing still goes through, for its keys and values.
        logits = self._model.logits(ids, wanted or [0], self._cache, position_ids=positions, attention_mask=mask)
        return logits[0, : len(wanted)]

    def keep(self, end: int) -> None:
        """Forget all but the first ``end`` tokens of the group's last text."""
        if end == 0:
            self._cache = DynamicCache(config=self._model.config)
            return
        shared = self._group.shared
        last = [index for index, row in enumerate(self._group.rows) if row.sequences[-1] == self._group.n_leaves]
        columns = [*range(min(shared, end)), *(shared + index for index in last[: max(0, end - shared)])]
        chosen = self._model.tensor(columns)
        for layer in self._cache.layers:
            layer.keys = layer.keys.index_select(-2, chosen)
            layer.values = layer.values.index_select(-2, chosen)

    def _mask(self, start: int, end: int) -> Tensor | None:
        """Who sees whom, as what is added to attention scores: 0, or the least number there is.

        A row belongs to a range of texts. It sees the rows before it that its first text stands on too.
        """
        if self._group.n_leaves == 1:
            return None  # one text: transformers' own causal mask, for which there are faster kernels
        first, last = self._ranges[:end].unbind(1)
        mine = first[start:, None]
        seen = (first <= mine) & (mine <= last)
        seen &= torch.ones_like(seen).tril(diagonal=start)
        shared = seen.new_ones(end - start, self._group.shared)
        seen = torch.cat([shared, seen], dim=1)
        mask = torch.zeros(seen.shape, dtype=self._model.dtype, device=self._model.device)
        mask.masked_fill_(~seen, torch.finfo(self._model.dtype).min)
        return mask[None, None]


def can_pack(model: Model) -> bool:
    """Whether packed texts get the logits that each of them gets alone.

    The kind of memory rules out sliding windows and recurrent layers; a trial rules out architectures that derive
    positions from something else than ``position_ids``, or that take no mask.
    """
    rope = getattr(model.config, "rope_parameters", None) or {}
    parts = [rope, *(part for part in rope.values() if isinstance(part, dict))]  # one for each kind of layer
    if any(part.get("rope_type") in LENGTH_BOUND for part in parts):
        return False
    try:
        layers = DynamicCache(config=model.config).layers
        if not layers or any(type(layer) is not DynamicLayer for layer in layers):
            return False
        ordered = leaves([(ids, (0,)) for ids in PROBE])
        (group,) = plan(ordered, batch=64, n_sequences=len(PROBE))
        memory = GroupMemory(model)
        memory.begin(group)
        packed = memory.logits(0, group.rows).float()
        alone = torch.stack([model.logits([leaf.ids], [leaf.first])[0, 0].float() for leaf in ordered])
    except Exception:  # whatever an architecture raises at inputs that it does not know
        return False
    # A text that sees a stranger is off by a good part of the logits' spread, rounding by far less: here half of the
    # digits that the type has.
    tolerance = torch.finfo(model.dtype).eps ** 0.5 * alone.std()
    return bool(((packed - alone).abs().max() <= tolerance).item())
