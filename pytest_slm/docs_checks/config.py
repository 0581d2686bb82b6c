"""``docs.toml``: what a folder of documentation says about its checks."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytest_slm.core.record import Record, RecordError
from pytest_slm.errors import UsageError
from pytest_slm.files import read_text

CONFIG_FILE = "docs.toml"
"""A folder with this file is one of documentation."""


@dataclass(frozen=True, kw_only=True)
class DocsConfig(Record):
    """The settings of the checks; paths are relative to the folder of ``docs.toml``."""

    schemas: Mapping[str, str] = field(default_factory=dict)
    """By pattern of pages (``models/*.md``) the JSON Schema of their front matter; the first that fits counts."""
    words: str = ""
    """A file of words, one a line, that are spelled right although they look wrong."""
    corrections: str = ""
    """A file of names that are written otherwise (``Github->GitHub``), one a line, with their capitals."""
    lint_off: tuple[str, ...] = ()
    """Rules of PyMarkdown that are not kept (``md013``)."""
    fence_seconds: float = 60.0
    """How long a fence may run that says nothing else."""
    notebook_seconds: float = 300.0
    """How long a cell of a notebook may run."""
    memory_mb: int = 6000
    """Memory of the process that runs a page's Python."""
    registry: str = ""
    """The folder of the registry whose numbers pages name."""
    site_pages: tuple[str, ...] = ()
    """Pages of the registry's site that may be linked as ``site:NAME``."""
    unlinked: tuple[str, ...] = ()
    """Patterns of pages that no page has to link to."""
    read_only: tuple[str, ...] = ()
    """Patterns of pages that a program has written: their code is read, and none of it is run."""
    trusted_links: tuple[str, ...] = ()
    """Beginnings of addresses that are not asked: hosts that refuse programs."""
    link_tries: int = 3
    link_seconds: float = 20.0
    """Seconds for one answer, and at most between two tries."""


def read_config(folder: Path) -> DocsConfig:
    """The settings in ``folder``. Raises UsageError."""
    path = folder / CONFIG_FILE
    try:
        return DocsConfig.from_json(tomllib.loads(read_text(path)))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error})", slug="docs-config") from None
    except (RecordError, ValueError) as error:
        raise UsageError(f"{path}: {error}; correct it (docs/docs-site.md)", slug="docs-config") from None
