"""How long it takes to open a model, each time in a process of its own."""

from __future__ import annotations

from typing import Literal

from pytest_slm.core.rounds import Shape
from pytest_slm.errors import NotAvailableError
from pytest_slm.machine.pagecache import drop
from pytest_slm.performance.rounds import QuantitySpec, Round, Rounds, Subject


class Load(Rounds):
    """``load_s``: seconds to open the model, importing the engine and hashing the file left out. ``warm``: the file is
    in the page cache, as it is when a model is opened again; ``cold``: it must come from the disk."""

    profile = "engine"
    fresh = True
    quantities = (QuantitySpec(name="load_s", unit="s", decides=True), QuantitySpec(name="start_s", unit="s"))

    def __init__(self, subject: Subject, kind: Literal["cold", "warm"]) -> None:
        subject.require_own("the loading")
        if kind == "cold" and not subject.files:
            raise NotAvailableError("the model has no file that could be dropped from the page cache", slug="no-cold")
        self._subject = subject
        self._kind = kind

    def run(self) -> Round:
        host = self._subject.reopen(self._between).host
        values = {"load_s": host.load_s} | ({} if host.start_s is None else {"start_s": host.start_s})
        return Round(values=values, seconds=host.load_s, conditions=host.starting)

    @property
    def shape(self) -> Shape:
        return Shape(page_cache=self._kind)

    def _between(self) -> None:
        for file in self._subject.files if self._kind == "cold" else ():
            drop(file)
