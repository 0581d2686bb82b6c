"""Cells that were measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_slm.cells.cell import Cell
from pytest_slm.cells.store import CellStore, StoredCell
from pytest_slm.core.types import Metric, Result


@pytest.fixture
def cell():
    """A cell, with changes."""

    def make(**changes):
        known = Cell(
            model="smol", weights="a" * 64, quantization="Q4_0", suite="core", task="math", variant="", version=1,
            suite_files="b" * 64, mode="quick", seed=7, backend="llamacpp", versions={"pytest-slm": "1"},
        )  # fmt: skip
        return replace(known, **changes)

    return make


@pytest.fixture
def stored(cell):
    """A measured cell with a score."""

    def make(score=0.5, machine="m1", samples='{"doc_id": "1"}\n', **changes):
        of = cell(**changes)
        result = Result(
            suite=of.suite, task=of.task, variant=of.variant, quantization=of.quantization, mode=of.mode,
            outcome="passed", version=of.version, seed=of.seed, primary="acc", machine=machine,
            metrics=(Metric(name="acc", value=score, n=10),), samples="samples/x.jsonl",
        )  # fmt: skip
        return StoredCell(cell=of, result=result, samples=samples)

    return make


@pytest.fixture
def store(tmp_path):
    """A store by its name, with these cells in it."""

    def make(name, *cells):
        made = CellStore(tmp_path / name)
        for one in cells:
            made.put(one)
        return made

    return make
