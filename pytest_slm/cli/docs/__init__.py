"""``pytest-slm docs build``: the site of a folder of documentation."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_slm.cli.say import say


def add_command(commands: Any, taught: Callable[[str], dict[str, Any]]) -> None:
    """Add it to the command line."""
    docs = commands.add_parser("docs", help="make the site of pages of documentation", **taught("docs"))
    verbs = docs.add_subparsers(metavar="build", required=True)
    build = verbs.add_parser("build", help="a folder with docs.toml -> a site", **taught("docs build"))
    build.add_argument("folder", type=Path, metavar="DIR", help="the pages")
    build.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder to replace by the site")
    build.add_argument("--registry", type=Path, metavar="DIR", help="has the numbers (default: as docs.toml says)")
    build.add_argument(
        "--site", default="../", metavar="URL", help="where the registry's site is, seen from the first page"
    )
    build.add_argument(
        "--repository", default="", metavar="URL", help="the address of the source: with it each page leads to its own"
    )
    build.set_defaults(run=_build)


def _build(arguments: argparse.Namespace) -> int:
    from pytest_slm.docs_site import build_docs

    given = {"registry": arguments.registry, "site": arguments.site, "repository": arguments.repository}
    built = build_docs(arguments.folder, arguments.output, **given)
    say(f"{arguments.output / 'index.html'}: {built.pages} pages, the largest of {built.largest:,} bytes")
    return 0
