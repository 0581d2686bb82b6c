"""Where the packages that ship a library keep it. They are not imported: that would take half a second, and bring much
that is not needed."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib
import importlib.util
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pytest_slm.backends.llamacpp.binding.layouts import Field, Layout
from pytest_slm.backends.llamacpp.binding.library import Library
from pytest_slm.backends.lookup import ENGINE_MODULES
from pytest_slm.errors import BackendError
from pytest_slm.files import open_regular

FILE = {"win32": "llama.dll", "darwin": "libllama.dylib"}.get(sys.platform, "libllama.so")


@dataclass(frozen=True)
class EnginePackage:
    """A package with a library: its module, the distribution, and the module that declares the C structures."""

    module: str
    distribution: str
    declares: str

    @property
    def path(self) -> Path | None:
        """Its library; None where the package is not installed."""
        try:
            found = importlib.util.find_spec(self.module)
        except (ImportError, ValueError):  # hidden on purpose
            return None
        folders = (found.submodule_search_locations or ()) if found else ()
        return next((file for folder in folders if (file := Path(folder, "lib", FILE)).is_file()), None)

    def declared(self) -> Layout:
        """The layout that the package itself declares."""
        theirs: Any = importlib.import_module(self.declares)

        def fields(name: str) -> tuple[Field, ...]:
            # Ours has no types of theirs: pointers and callbacks are addresses.
            return tuple(
                (field, ctypes.c_void_p if not issubclass(kind, ctypes._SimpleCData) else kind, None)
                for field, kind in getattr(theirs, name)._fields_
            )

        quantize = "llama_model_quantize_params"
        return Layout(
            version=f"{self.distribution} {version(self.distribution)}",
            model=fields("llama_model_params"),
            context=fields("llama_context_params"),
            quantize=fields(quantize) if hasattr(theirs, quantize) else (),
        )


PACKAGES = {
    "llama.cpp": EnginePackage("llama_cpp", "llama-cpp-python", "llama_cpp.llama_cpp"),
    "ik": EnginePackage("ik_llama_cpp", "ik-llama-cpp-python", "ik_llama_cpp._ctypes_api"),
}
"""By the names of ``backends.lookup.ENGINE_MODULES``, and in that order."""


def library(engine: str | None = None, path: str | None = None) -> Library:
    """The library at ``path``; else that of the engine; else of the first package that is installed. Each is opened
    once in a process. Raises BackendError: engine-library, or missing-extra where no package has one."""
    if path is not None:
        return _opened(Path(path).absolute(), None)
    wanted = [engine] if engine else list(PACKAGES)
    for name in wanted:
        if (found := PACKAGES[name].path) is not None:
            return _opened(found, name)
    remedy = " or ".join(f"pip install 'pytest-slm[{ENGINE_MODULES[name][1]}]'" for name in reversed(wanted))
    raise BackendError(f"no {' or '.join(wanted)} is installed: {remedy}", slug="missing-extra")


@functools.cache
def _opened(path: Path, name: str | None) -> Library:
    if name is None:
        try:
            with open_regular(path) as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise BackendError(f"{path}: {error.strerror}", slug="engine-library") from None
        return Library(path, f"{path.name} sha256:{digest[:16]}")
    package = PACKAGES[name]
    try:
        said = f"{package.distribution} {version(package.distribution)}"
    except PackageNotFoundError:  # a folder that somebody has put on the path
        said = package.distribution
    return Library(path, said, package.declared)
