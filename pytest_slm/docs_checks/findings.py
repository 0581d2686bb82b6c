"""What a check finds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pytest_slm.errors import SlmError, shown


@dataclass(frozen=True, kw_only=True, order=True)
class Finding:
    """One thing that is wrong in a page. ``path`` is as a reader types it, lines begin with 1."""

    path: str
    line: int
    problem: str

    def __str__(self) -> str:
        """``docs-site/learn/index.md:12: no such page``."""
        return shown(f"{self.path}:{self.line}: {self.problem}")


class DocsError(SlmError):
    """A page of the documentation is wrong: ``findings`` are all that one check has found in it."""

    slug = "docs-page"

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(sorted(findings))
        super().__init__("; ".join(map(str, self.findings)))

    def __str__(self) -> str:
        return "\n".join(f"{finding}  [{self.slug}]" for finding in self.findings)
