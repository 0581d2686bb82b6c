"""The options of sessions that check documentation: declared, and read."""

from __future__ import annotations

from dataclasses import dataclass

import pytest


@dataclass(frozen=True, kw_only=True)
class DocsOptions:
    """What was asked for."""

    links: bool
    """Whether the web is asked for the addresses that pages name."""


def add_docs(parser: pytest.Parser) -> None:
    """Declare them."""
    add = parser.getgroup("slm-docs", "check pages of documentation (pytest-slm)").addoption
    add(
        "--slm-docs",
        action="store_true",
        default=False,
        help="collect the pages of folders with a docs.toml: their code, links, front matter, form and spelling",
    )
    add(
        "--slm-docs-links",
        action="store_true",
        default=False,
        help="the same, and ask the web for every address that a page names",
    )


def docs_options(config: pytest.Config) -> DocsOptions | None:
    """What was asked for; None where nothing was."""
    links = bool(config.getoption("slm_docs_links"))
    return DocsOptions(links=links) if links or config.getoption("slm_docs") else None
