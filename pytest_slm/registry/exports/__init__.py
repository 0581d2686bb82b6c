"""The registry in forms that other programs read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pytest_slm.registry.entry import Registry, RegistryEntry
from pytest_slm.registry.exports.cards import eval_results, left_out, markdown, model_index
from pytest_slm.registry.exports.eee import every_eval_ever
from pytest_slm.registry.exports.folders import write_files
from pytest_slm.registry.exports.table import RESULT, table
from pytest_slm.registry.exports.tabular import write_csv, write_parquet, write_sqlite

TABLES: Mapping[str, Callable[[Registry, Path], Sequence[Path]]] = {
    "csv": write_csv,
    "parquet": write_parquet,
    "sqlite": write_sqlite,
}
"""What writes each format that is one file."""
FILES: Mapping[str, Callable[[RegistryEntry], Mapping[str, str]]] = {
    "markdown": markdown,
    "hf": eval_results,
    "model-index": model_index,
    "eee": every_eval_ever,
}
"""What makes the files of a model, by their paths below a folder, of each format that has files for each."""
FORMATS = (*TABLES, *FILES)
HUB = ("hf", "model-index")
"""The formats of the Hugging Face Hub, which have no results of ``left_out``."""


def export(form: str, registry: Registry, path: Path, *, all_models: bool = True) -> Sequence[Path]:
    """Write a format to a file, or below a folder, and return the paths of what was written. Below a folder nothing is
    left of models that are gone; without ``all_models`` the files of others stay, since these models are only some."""
    if form in TABLES:
        return TABLES[form](registry, path)
    made = ((entry.id, FILES[form](entry)) for entry in registry.models)
    return write_files(form, made, path, all_models=all_models)


__all__ = ["FORMATS", "HUB", "RESULT", "export", "left_out", "table"]
