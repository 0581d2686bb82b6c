"""A session with a store of cells, or that measures one of several shards."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_slm import files
from pytest_slm.cells.cell import Cell
from pytest_slm.cells.shards import Shard, split
from pytest_slm.cells.store import CellStore, StoredCell
from pytest_slm.core.backend_info import HostDescription
from pytest_slm.core.types import MEASURED, ItemId, Result
from pytest_slm.errors import NotAvailableError, ReportError, SlmError
from pytest_slm.plugin.cells.facts import Facts
from pytest_slm.plugin.cells.keys import KEEP, THROUGH, Measure
from pytest_slm.plugin.items import COST, IDENTITY, RUN, TaskItem, report_result
from pytest_slm.registry.store import write_text
from pytest_slm.run.session import Run

LOAD_TOKENS = 1_000.0
"""What it costs to load a model, as so many tokens: a second or some, of small models as of large ones."""


CELLS: pytest.StashKey[Cells] = pytest.StashKey()


class Cells:
    """The store of a session, in the process that measures and in the one that reports."""

    def __init__(self, run: Run, folder: Path) -> None:
        self._run, self._store, self._facts = run, CellStore(folder), Facts(run=run)
        self._timed: dict[ItemId, Cell | None] = {}

    def cell(self, item: pytest.Item) -> Cell:
        """The cell of an item. Raises NotAvailableError with the reason where there is none, OSError and SlmError."""
        identity = item.stash[IDENTITY]
        if isinstance(item, TimingOfStore):
            return item.found.cell
        if isinstance(item, TaskItem) and not is_timed(item):
            return self._facts.cell(identity, item.task)
        if isinstance(item, TaskItem) or not is_timed(item):
            raise NotAvailableError("only tasks, and test functions that measure rounds with slm_time, are kept")
        return self._facts.timed(identity, item.path.parent)

    def through(self, item: pytest.Item, measure: Measure) -> Result:
        """The result of an item from the store, else what ``measure`` brings, which is kept."""
        assert isinstance(item, TaskItem)
        identity, task = item.stash[IDENTITY], item.task
        if self._run.recorded is not None or self._run.config.mode == "validate" or is_timed(item):
            return measure()
        cell = self._cell(item, lambda: self._facts.cell(identity, task))
        if cell is None:
            return measure()
        if (found := self._found(item, cell)) is not None:
            return self.taken(item, found)
        return self._keep(item, cell, measure())

    def timed(self, item: pytest.Item) -> Cell | None:
        """The cell of a test function that measures time; None where there is none to keep."""
        run, identity = self._run, item.stash[IDENTITY]
        if isinstance(item, TaskItem) or not is_timed(item) or run.recorded is not None or run.config.interleave:
            return None
        if identity not in self._timed:
            self._timed[identity] = None
            with contextlib.suppress(SlmError):  # there is no model: its item will tell
                self._timed[identity] = self._cell(item, lambda: self._facts.timed(identity, item.path.parent))
        return self._timed[identity]

    def finished(self, item: pytest.Item, cell: Cell) -> StoredCell | None:
        """A timing that the store has of this machine. One that was noisy is none: it is measured again."""
        found = self._found(item, cell)
        timing = found.result.timing if found else None
        return None if timing is not None and timing.noise else found

    def keep_timed(self, item: pytest.Item, result: Result) -> Result:
        """What a test function has measured, kept with its machine and its verdict."""
        cell = self.timed(item)
        return result if cell is None else self._keep(item, cell, result)

    def _cell(self, item: pytest.Item, make: Callable[[], Cell]) -> Cell | None:
        """A cell, or None and a warning why there can be none."""
        try:
            return make()
        except NotAvailableError as why:
            reason = why.args[0]
        except OSError as error:
            reason = str(error)
        item.warn(pytest.PytestWarning(f"{item.stash[IDENTITY]}: not kept in the store: {reason}"))
        return None

    def _found(self, item: pytest.Item, cell: Cell) -> StoredCell | None:
        try:
            return self._store.get(cell.key)
        except ReportError as error:
            item.warn(pytest.PytestWarning(str(error)))
            return None

    def _keep(self, item: pytest.Item, cell: Cell, result: Result) -> Result:
        if result.outcome not in MEASURED:
            return result
        try:
            return self._kept(cell, result)
        except (ReportError, OSError) as error:
            item.warn(pytest.PytestWarning(f"{item.stash[IDENTITY]}: measured, and not kept in the store: {error}"))
            return result

    def _kept(self, cell: Cell, result: Result) -> Result:
        """A result that is in the store now. Raises ReportError, or OSError for its samples."""
        hosts, folder = self._run.hosts, self._run.folder(result.quantization)
        there = hosts.descriptions.get(result.quantization) if hosts else None
        opened = there and there.backend.weights_sha256
        if opened and opened != cell.weights and self._run.quantization(result.quantization).format == "gguf":
            raise ReportError("the weights were replaced before they were opened", slug="weights-changed")
        result = replace(result, cell=cell.key)
        plain = replace(result, gate=None, machine=there.machine_id if there else None)
        samples = files.read_text(files.inside(folder, result.samples), files.LINES) if result.samples else None
        self._store.put(StoredCell(cell=cell, result=plain, samples=samples, host=there))
        return result

    def taken(self, item: pytest.Item, found: StoredCell) -> Result:
        """A result of the store, with its samples in the folder of this run."""
        if found.samples is not None and found.result.samples:
            write_text(self._run.folder(found.result.quantization) / found.result.samples, found.samples)
        gate = item.task.gate if isinstance(item, TaskItem) else None
        return replace(found.result, gate=gate, taken_over=True)

    def described(self, results: Mapping[ItemId, Result]) -> dict[str, HostDescription]:
        """By quantization, what the process with the model said when cells were measured that are taken over."""
        found: dict[str, HostDescription] = {}
        for item, result in results.items():
            if result.taken_over and item.quantization not in found:
                with contextlib.suppress(ReportError):  # somebody has changed it since; the report then lacks this
                    stored = self._store.get(result.cell)
                    if stored is not None and stored.host is not None:
                        found[item.quantization] = stored.host
        return found

    def forget(self, kept: Mapping[ItemId, str], results: Mapping[ItemId, Result]) -> Iterator[str]:
        """Take out what turned out to be of no known weights: ``kept`` has the cells of items when they were done."""
        for item, key in kept.items():
            if results[item].outcome not in MEASURED:
                try:
                    self._store.forget(key)
                except SlmError as error:
                    yield str(error)

    def told(self, results: Mapping[ItemId, Result]) -> str:
        """How many items were taken over, in a line."""
        taken = sum(result.taken_over for result in results.values())
        kept = sum(bool(result.cell) and not result.taken_over for result in results.values())
        return f"store {self._store.folder}: {taken} of {len(results)} items taken over, {kept} measured and kept"


class TimingOfStore(pytest.Item):
    """Stands in for a test function that measures time, where the store has what it measured on this machine: its
    fixtures would open the model."""

    found: StoredCell
    cells: Cells
    callspec: Any

    @classmethod
    def of(cls, item: pytest.Item, found: StoredCell, cells: Cells) -> TimingOfStore:
        """The item in place of another one, of the same name and with the same marks."""
        assert item.parent is not None
        one: TimingOfStore = cls.from_parent(item.parent, name=item.name, nodeid=item.nodeid)
        one.found, one.cells, one.own_markers = found, cells, list(item.own_markers)
        one.keywords.update({mark.name: mark for mark in item.iter_markers()})
        one.callspec = getattr(item, "callspec", None)
        one.stash[IDENTITY], one.stash[COST] = item.stash[IDENTITY], item.stash[COST]
        return one

    def runtest(self) -> None:
        report_result(self, self.config.stash[RUN].judged(self.cells.taken(self, self.found)))

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, str(self.stash[IDENTITY])


class TakeTimings:
    """Takes over what the store has of test functions that measure time."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for place, item in enumerate(items):
            cell = self._cells.timed(item) if IDENTITY in item.stash else None
            found = self._cells.finished(item, cell) if cell is not None else None
            if found is not None:
                items[place] = TimingOfStore.of(item, found, self._cells)


class OneShard:
    """Leaves out what other machines measure."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        mine = self._mine(items)
        others = [item for item in items if item not in mine]
        if others:
            items[:] = [item for item in items if item in mine]
            config.hook.pytest_deselected(items=others)

    def _mine(self, items: list[pytest.Item]) -> set[pytest.Item]:
        cells = {item: item.stash[COST] for item in items if IDENTITY in item.stash}
        groups = {item: item.stash[IDENTITY].quantization for item in cells}
        chosen = split(cells, groups, self._shard.count, load=LOAD_TOKENS)[self._shard.index]
        # What measures nothing (a test function of the user's own) is the first machine's.
        rest = [item for item in items if item not in cells] if self._shard.index == 0 else []
        return {*chosen, *rest}


def is_timed(item: pytest.Item) -> bool:
    """Whether an item measures time, or memory, and so runs alone."""
    return item.get_closest_marker("slm_timing") is not None


def use_cells(config: pytest.Config, run: Run) -> Cells | None:
    """Let a session have the store and the shard that were asked for. Raises UsageError."""
    if run.config.shard is not None:
        config.pluginmanager.register(OneShard(Shard.of(run.config.shard, os.environ)), "slm-shard")
    if run.config.store is None or run.config.plan:
        return None
    cells = Cells(run, Path(run.config.store))
    config.stash[CELLS] = cells
    config.stash[THROUGH], config.stash[KEEP] = cells.through, cells.keep_timed
    if not config.option.collectonly:
        config.pluginmanager.register(TakeTimings(cells), "slm-timings")
    return cells
