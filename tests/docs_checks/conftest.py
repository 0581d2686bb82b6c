"""Folders of documentation, each with something wrong in it, and sessions that look at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

HEAD = "---\ntitle: Page\n---\n\n"
FIRST = f"{HEAD}# First\n\n[Other](other.md)\n"
CONFIG = 'lint_off = ["md013", "md025", "md033", "md045", "md051"]\n'


@pytest.fixture
def docs(pytester: pytest.Pytester) -> Callable[..., Path]:
    """Writes a folder of documentation: ``docs(page, files={...}, config="...")``, where ``page`` is the body of
    other.md, to which the first page leads."""

    def write(page: str = "# Other\n", *, files: Mapping[str, str] | None = None, config: str = "") -> Path:
        folder = pytester.path / "site"
        pages = {"index.md": FIRST, "other.md": page if page.startswith("---") else HEAD + page}
        for name, text in {"docs.toml": CONFIG + config, **pages, **(files or {})}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        return folder

    return write


@pytest.fixture
def look(session: Callable[..., pytest.RunResult]) -> Callable[..., pytest.RunResult]:
    """A session over that folder: ``look("-k", "links")``."""

    def start(*arguments: str) -> pytest.RunResult:
        return session("site", "--slm-docs", "-p", "no:cacheprovider", "-rs", *arguments)

    return start


@pytest.fixture
def wrong(docs: Callable[..., Path], look: Callable[..., pytest.RunResult]) -> Callable[..., list[str]]:
    """The lines in which a session says what is wrong with a page, without the slug."""

    def of(page: str, **more: object) -> list[str]:
        docs(page, **more)
        found = look("--tb=short").outlines
        return [line.removesuffix("  [docs-page]") for line in found if line.endswith("  [docs-page]")]

    return of
