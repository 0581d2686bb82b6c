"""Which tokens are evaluated, in which batch, for which sequences: a plan for scoring many requests at once.

All requests together are a trie over tokens. Sorted, they are its leaves from left to right, and what a leaf shares
with its neighbour is a branch that both stand on. Every node is put into a batch once, marked with the sequences
(leaves) that it belongs to; what the next group shares with the last leaf of this one stays in the KV memory.

A group is a run of leaves whose new tokens fit into one batch, so that attention never looks at more than a batch of
strangers. All members of a group start from the same length of shared memory: llama.cpp refuses tokens that belong to
sequences of different length. This module knows no engine; its arithmetic is tested by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

EXACT_BLOCK = 64
"""Where no result may depend on others, beginnings are shared in whole blocks of so many tokens only."""

WASTE = 16
"""A leaf joins a group if no more than so many tokens must be computed again for it; a batch of its own costs more."""


@dataclass(slots=True)
class Leaf:
    """One distinct text that the model is shown. ``wants``: (index of the token after which something is predicted,
    number of the request, predicted token)."""

    ids: Sequence[int]
    wants: list[tuple[int, int, int]]

    @property
    def first(self) -> int:
        """The first token whose logits are needed."""
        return min(index for index, _, _ in self.wants)


@dataclass(slots=True)
class PackedRow:
    """One token of a batch: at ``position`` in each of ``sequences``; ``wants`` are (request, predicted token)."""

    token: int
    position: int
    sequences: list[int]
    wants: list[tuple[int, int]] = field(default_factory=list)


@dataclass(slots=True)
class PackedGroup:
    """Leaves that are evaluated together. The first ``shared`` tokens of all of them are in memory already, as
    sequence 0; leaf number k becomes sequence k + 1."""

    shared: int
    n_leaves: int
    rows: list[PackedRow]


def leaves(requests: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[Leaf]:
    """The distinct texts behind (context, continuation) pairs, from left to right in the trie.

    The last token of a continuation is predicted but never shown, so the choices A, B, C and D of a question are one
    leaf; equal requests are computed once. Texts that are equal but predicted from different places are two leaves.
    """
    found: dict[tuple[tuple[int, ...], int], Leaf] = {}
    for number, (head, tail) in enumerate(requests):
        ids = (*head, *tail)
        start = len(ids) - len(tail)
        leaf = found.setdefault((ids[:-1], start), Leaf(ids[:-1], []))
        leaf.wants += [(index - 1, number, ids[index]) for index in range(start, len(ids))]
    return [found[key] for key in sorted(found)]


def plan_alone(ordered: Sequence[Leaf], *, block: int) -> Iterator[PackedGroup]:
    """One group for each leaf, so that no result depends on what else was asked.

    Kernels round differently for batches of different shape. Here the shapes follow from the leaf alone: its tokens in
    blocks of ``block`` from the first one on. A block is a function of the tokens up to its end, so whole blocks that
    the leaf before has computed are kept. A ``block`` of 0 keeps nothing.
    """
    before: Sequence[int] = ()
    for leaf in ordered:
        shared = min(common(before, leaf.ids), leaf.first)
        shared = shared - shared % block if block else 0
        yield PackedGroup(shared=shared, n_leaves=1, rows=_rows([leaf], shared))
        before = leaf.ids


def kept_first(group: PackedGroup, keep: int) -> list[PackedRow]:
    """The rows of a group, those first that the next group begins with: the first ``keep`` tokens of the last leaf.
    What is kept then lies at the beginning of the memory, and leaves no gap when all others are forgotten."""
    kept: list[PackedRow] = []
    others: list[PackedRow] = []
    for row in group.rows:
        (kept if row.position < keep and row.sequences[-1] == group.n_leaves else others).append(row)
    return kept + others


def batches(rows: Sequence[PackedRow], *, size: int, outputs: int) -> Iterator[Sequence[PackedRow]]:
    """``rows`` in order, in parts of at most ``size``, of which at most ``outputs`` want logits."""
    begin = wanted = 0
    for end, row in enumerate(rows):
        if end - begin == size or (row.wants and wanted == outputs):
            yield rows[begin:end]
            begin, wanted = end, 0
        wanted += bool(row.wants)
    if begin < len(rows):
        yield rows[begin:]


def plan(ordered: Sequence[Leaf], *, batch: int, n_sequences: int) -> Iterator[PackedGroup]:
    """Groups of leaves, in order. Only a group of a single leaf may have more rows than ``batch``."""
    before: Sequence[int] = ()
    position = 0
    while position < len(ordered):
        first = ordered[position]
        kept = common(before, first.ids)
        shared = min(kept, first.first)
        size = len(first.ids)  # nodes of the group's trie, the shared part included
        end = position + 1
        while end < len(ordered) and end - position < n_sequences:
            leaf = ordered[end]
            branch = common(ordered[end - 1].ids, leaf.ids)
            kept = min(kept, branch)
            shorter = min(shared, kept, leaf.first)
            larger = size + len(leaf.ids) - branch
            if larger - shorter > batch or shared - shorter > WASTE:
                break
            shared, size, end = shorter, larger, end + 1
        members = ordered[position:end]
        yield PackedGroup(shared=shared, n_leaves=len(members), rows=_rows(members, shared))
        before, position = members[-1].ids, end


def _rows(members: Sequence[Leaf], shared: int) -> list[PackedRow]:
    rows: list[PackedRow] = []
    path: list[PackedRow] = []  # the rows of the leaf before, from ``shared`` on
    ids: Sequence[int] = ()
    for sequence, leaf in enumerate(members, start=1):
        branch = max(common(ids, leaf.ids) - shared, 0)
        del path[branch:]
        for row in path:
            row.sequences.append(sequence)
        new = [PackedRow(leaf.ids[index], index, [sequence]) for index in range(shared + branch, len(leaf.ids))]
        rows += new
        path += new
        for index, request, token in leaf.wants:
            path[index - shared].wants.append((request, token))
        ids = leaf.ids
    return rows


def common(a: Sequence[object], b: Sequence[object]) -> int:
    """How many tokens (or characters) two sequences have in common at their beginning."""
    limit = min(len(a), len(b))
    if a[:limit] == b[:limit]:
        return limit
    low, high = 0, limit  # the first difference is in [low, high): halve it, slices compare at the speed of C
    while high - low > 1:
        middle = (low + high) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle
    return low
