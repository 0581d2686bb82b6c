"""The registry on disk: an index, and a file for each model below it."""

from pytest_slm.registry.folder.building import build_folder
from pytest_slm.registry.folder.checking import check_registry, differences
from pytest_slm.registry.folder.importing import import_registry
from pytest_slm.registry.folder.index import INDEX, Index, IndexedModel, RefusedReport, model_path
from pytest_slm.registry.folder.reading import read_index, read_registry
from pytest_slm.registry.folder.writing import write_registry

__all__ = [
    "INDEX",
    "Index",
    "IndexedModel",
    "RefusedReport",
    "build_folder",
    "check_registry",
    "differences",
    "import_registry",
    "model_path",
    "read_index",
    "read_registry",
    "write_registry",
]
