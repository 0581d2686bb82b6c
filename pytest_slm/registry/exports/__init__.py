"""The registry in forms that other programs read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pytest_slm.registry.entry import Registry
from pytest_slm.registry.exports.cards import eval_results, left_out, markdown, model_index
from pytest_slm.registry.exports.eee import every_eval_ever
from pytest_slm.registry.exports.table import RESULT, table
from pytest_slm.registry.exports.tabular import write_csv, write_parquet, write_sqlite

FORMATS: Mapping[str, Callable[[Registry, Path], Sequence[Path]]] = {
    "csv": write_csv,
    "parquet": write_parquet,
    "sqlite": write_sqlite,
    "markdown": markdown,
    "hf": eval_results,
    "model-index": model_index,
    "eee": every_eval_ever,
}
"""What writes each format to a file, or below a folder; it returns the paths of what it wrote."""

HUB = ("hf", "model-index")
"""The formats of the Hugging Face Hub, which have no results of ``left_out``."""

__all__ = ["FORMATS", "HUB", "RESULT", "left_out", "table"]
