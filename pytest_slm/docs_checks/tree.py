"""A folder of documentation: all its pages, and how they lead to each other."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import unquote

from pytest_slm.docs_checks.config import CONFIG_FILE, DocsConfig, read_config
from pytest_slm.docs_checks.markdown import PageContent, parse
from pytest_slm.errors import UsageError
from pytest_slm.files import read_text

INDEX = "index.md"


@dataclass(frozen=True)
class Page:
    """A page: ``name`` is its path below the folder of documentation, ``shown`` the one that a reader types."""

    path: Path
    name: str
    shown: str

    @functools.cached_property
    def text(self) -> str:
        """All of it. Raises UsageError where it is no text."""
        try:
            return read_text(self.path).replace("\r\n", "\n")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8"
            raise UsageError(f"{self.shown}: cannot be read ({reason})", slug="docs-config") from None

    @functools.cached_property
    def parsed(self) -> PageContent:
        """What is on it."""
        return parse(self.text)

    @property
    def generated(self) -> bool:
        """Whether a program has written it."""
        return "<!-- generated" in self.text[:2000]


class Tree:
    """The folder ``root``, which has a ``docs.toml``; ``start`` is where a reader stands."""

    def __init__(self, root: Path, start: Path) -> None:
        self.root, self._start = root, start
        self.config: DocsConfig = read_config(root)
        self.pages: dict[str, Page] = {}
        for path in sorted(root.rglob("*.md")):
            name = path.relative_to(root).as_posix()
            if not any(part.startswith((".", "_")) for part in Path(name).parts):
                self.pages[name] = Page(path=path, name=name, shown=self.shown(path))

    def shown(self, path: Path) -> str:
        """The path as a reader types it."""
        return path.relative_to(self._start).as_posix() if path.is_relative_to(self._start) else str(path)

    def resolve(self, page: Page, target: str) -> tuple[Path, str]:
        """The file that a link without a scheme leads to, and the place in it."""
        place, _, anchor = target.partition("#")
        place = unquote(place.partition("?")[0])
        if not place:
            return page.path, unquote(anchor)
        base = self.root / place.lstrip("/") if place.startswith("/") else page.path.parent / place
        path = Path(functools.reduce(_step, base.parts, Path()))
        return (path / INDEX if path.is_dir() else path), unquote(anchor)

    def page_at(self, path: Path) -> Page | None:
        """The page in that place."""
        return self.pages.get(path.relative_to(self.root).as_posix()) if path.is_relative_to(self.root) else None

    @functools.cached_property
    def corrections(self) -> dict[str, str]:
        """Names that are written otherwise here. Raises UsageError where the file cannot be read."""
        if not self.config.corrections:
            return {}
        path = self.root / self.config.corrections
        try:
            lines = [line.partition("->") for line in read_text(path).splitlines() if line.strip()]
        except (OSError, ValueError) as error:
            raise UsageError(f"{path}: cannot be read ({error})", slug="docs-config") from None
        if wrong := next((number for number, (_, arrow, _) in enumerate(lines, 1) if not arrow), None):
            raise UsageError(f"{path}: entry {wrong}: write wrong->right", slug="docs-config")
        return {wrong.strip(): right.strip() for wrong, _, right in lines}

    @functools.cached_property
    def reachable(self) -> frozenset[str]:
        """The pages that a reader comes to from the first one."""
        seen, waiting = set[str](), [INDEX]
        while waiting:
            name = waiting.pop()
            if name in seen or name not in self.pages:
                continue
            seen.add(name)
            page = self.pages[name]
            for link in page.parsed.links:
                if not link.scheme:
                    found = self.page_at(self.resolve(page, link.target)[0])
                    if found is not None:
                        waiting.append(found.name)
        return frozenset(seen)


def _step(path: Path, part: str) -> Path:
    return path.parent if part == ".." else path / part


def fits(name: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns is meant for the page."""
    return any(fnmatch(name, pattern) for pattern in patterns)


def tree_of(path: Path, stop: Path) -> Path | None:
    """The folder of documentation that ``path`` is in: the nearest with a ``docs.toml``, at most up to ``stop``."""
    for folder in path.parents:
        if (folder / CONFIG_FILE).is_file():
            return folder
        if folder == stop:
            break
    return None
