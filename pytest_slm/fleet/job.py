"""What a worker is given and what it answers: plain JSON, since it may be on another machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_slm.cells.cell import Cell
from pytest_slm.core.record import Name, Record, Sha256


@dataclass(frozen=True, kw_only=True)
class WeightsFile(Record):
    """A file of weights on the machine that gives orders: others fetch it once, by its hash."""

    path: str
    sha256: Sha256
    size: int


@dataclass(frozen=True, kw_only=True)
class GroupJob(Record):
    """A group for a worker: ``model`` and ``quantization`` as ``--slm-model`` and ``--slm-quant`` take them;
    ``options`` are further ones of pytest, ``paths`` folders with suites. ``submission`` is the text of the YAML file
    that the model stands in, ``weights`` its file, where other machines need not have them."""

    group: str
    model: str
    quantization: str
    options: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    submission: str | None = None
    weights: WeightsFile | None = None


@dataclass(frozen=True, kw_only=True)
class Offer(Record):
    """An item that a worker could measure, and its cell; without one ``reason`` says why no store can keep it."""

    item: Name
    cost: float
    timed: bool = False
    last: int = 0
    cell: Cell | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Hello(Record):
    """What a worker says when its session has begun; ``problem`` in place of all else, where it could not.
    ``niceness``: how far it stands back behind other processes of its node."""

    machine: str = ""
    offers: tuple[Offer, ...] = ()
    problem: str = ""
    niceness: int = 0


@dataclass(frozen=True, kw_only=True)
class Answer(Record):
    """What came of an item: the file of its cell as the store has it, or else why not; ``final``: nobody could."""

    item: Name
    content: str | None = None
    seconds: float = 0.0
    reason: str = ""
    final: bool = False


@dataclass(frozen=True, kw_only=True)
class Farewell(Record):
    """What a worker says at its end: which cells are no numbers after all, by item, and why (the weights changed)."""

    taken_back: Mapping[str, str] = field(default_factory=dict)
