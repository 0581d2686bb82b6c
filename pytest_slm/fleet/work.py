"""What a fleet is made of: cells, the groups of them that share a model, nodes, and what is to be done."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CellGroup:
    """A model in one quantization: whoever measures its cells loads it. ``memory`` is what that takes in bytes,
    ``load_s`` how long it does, as far as one can tell beforehand; ``size`` is what its seconds are in proportion to
    as long as nothing of it was measured (the bytes of its weights)."""

    name: str
    memory: int = 0
    load_s: float = 0.0
    size: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Work:
    """A cell to measure: ``item`` names it within its group; ``cost`` is in any unit, the same for all; ``timed`` ones
    have the node for themselves. Of one group what has a lower ``last`` is measured first."""

    group: str
    item: str
    cost: float
    timed: bool = False
    last: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """The group and the item."""
        return self.group, self.item


@dataclass(frozen=True, kw_only=True)
class Node:
    """A machine: ``memory`` in bytes for models; ``exclusive``: whether it can be had alone, which timings need;
    ``label``: what people call it, where its name is none for them."""

    name: str
    memory: int
    exclusive: bool = True
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Open:
    """Start a worker of a group on a node."""

    worker: int
    node: str
    group: str


@dataclass(frozen=True, kw_only=True)
class Measure:
    """Let a worker measure an item; ``alone``: with nothing beside it on its node."""

    worker: int
    item: str
    alone: bool


@dataclass(frozen=True, kw_only=True)
class Close:
    """End a worker that has nothing to do any more."""

    worker: int


WorkerOrder = Open | Measure | Close
