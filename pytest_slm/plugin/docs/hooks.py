"""The hooks of a session that checks documentation."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from pytest_slm.docs_checks.tree import tree_of
from pytest_slm.errors import UsageError
from pytest_slm.plugin.docs.items import PACKAGES, DocFile, DocsSession
from pytest_slm.plugin.docs.options import DocsOptions


class Docs:
    """Collects the pages of folders that have a ``docs.toml``."""

    def __init__(self, config: pytest.Config, options: DocsOptions) -> None:
        missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
        if missing:
            raise UsageError(
                f"--slm-docs needs {', '.join(missing)}: pip install 'pytest-slm[docs]'", slug="docs-needs"
            )
        self._root = config.rootpath
        self._session = DocsSession(start=config.invocation_params.dir, links=options.links, options=_options_of())

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        if file_path.suffix not in (".md", ".ipynb"):
            return None
        folder = tree_of(file_path, self._root)
        return DocFile.of(parent, file_path, folder, self._session) if folder else None


class _Names:
    """Stands for pytest's parser, and keeps the names of what is declared."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def getgroup(self, *_: object, **__: object) -> _Names:
        return self

    def addoption(self, *names: str, **__: object) -> None:
        self.names |= set(names)


def _options_of() -> frozenset[str]:
    from pytest_slm.plugin.docs.options import add_docs
    from pytest_slm.plugin.options import add_options

    told = _Names()
    add_options(told)  # type: ignore[arg-type]
    add_docs(told)  # type: ignore[arg-type]
    return frozenset(told.names)


def check_docs(config: pytest.Config, options: DocsOptions) -> None:
    """Register the hooks. Raises UsageError where a package is missing."""
    config.pluginmanager.register(Docs(config, options), "slm-docs")
