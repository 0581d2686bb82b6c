"""``pytest-slm hub``: facts of models from the Hugging Face Hub, and pages of them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_slm.cli.say import say, warn

DATA, PAGES = Path("docs-site/data"), Path("docs-site/models")


def add_command(commands: Any, taught: Callable[[str], dict[str, Any]]) -> None:
    """Put ``hub`` among the commands; ``taught`` gives what its help says beside its arguments."""
    hub = commands.add_parser("hub", help="facts and pages of models on the Hugging Face Hub", **taught("hub"))
    verbs = hub.add_subparsers(metavar="VERB", required=True)

    sync = verbs.add_parser("sync", help="what the Hub says of the listed models -> data files", **taught("hub sync"))
    sync.add_argument("--data", type=Path, default=DATA, metavar="DIR", help=f"the data files (default: {DATA})")
    sync.add_argument(
        "--featured", type=Path, metavar="FILE", help="which models (default: featured.yaml among the data files)"
    )
    sync.add_argument("--requests", type=_number, default=300, metavar="N", help="questions at most (default: 300)")
    sync.add_argument(
        "--patience", type=_number, default=600, metavar="SECONDS", help="of waiting for a busy Hub (default: 600)"
    )
    sync.set_defaults(run=_sync)

    pages = verbs.add_parser("pages", help="data files and a registry -> Markdown pages", **taught("hub pages"))
    pages.add_argument("--data", type=Path, default=DATA, metavar="DIR", help=f"the data files (default: {DATA})")
    pages.add_argument("--registry", type=Path, metavar="DIR", help="a registry, for what was measured here")
    pages.add_argument(
        "-o", "--output", type=Path, default=PAGES, metavar="DIR", help=f"folder to replace (default: {PAGES})"
    )
    pages.add_argument(
        "--repository", default="", metavar="URL", help="the hub's repository on GitHub, for notebooks in Colab"
    )
    pages.add_argument("--site", default="", metavar="URL", help="the registry's pages, seen from a model's page")
    pages.set_defaults(run=_pages)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 6:
        raise argparse.ArgumentTypeError(f"a whole number, not {text!r:.40}")
    return int(text)


def _sync(arguments: argparse.Namespace) -> int:
    from pytest_slm.handbook.featured import load_featured
    from pytest_slm.handbook.sync import sync

    done = sync(
        load_featured(arguments.featured or arguments.data / "featured.yaml"),
        arguments.data,
        now=datetime.now(UTC),
        requests=arguments.requests,
        patience=arguments.patience,
    )
    for warning in done.warnings:
        warn(f"warning: {warning}")
    if not done.read:
        warn(f"{arguments.data}: nothing written, the Hub has told of no model")
        return 1
    waiting = f", {done.waiting} with questions left for the next sync" if done.waiting else ""
    say(
        f"{arguments.data}: {done.models} models, {done.read} read, {done.changes} changes, {done.asked} questions"
        f"{waiting}; {'written: ' + ', '.join(done.written) if done.written else 'nothing differs'}"
    )
    return 0


def _pages(arguments: argparse.Namespace) -> int:
    from pytest_slm.handbook.pages import build_pages

    n = build_pages(
        arguments.data,
        arguments.output,
        registry=arguments.registry,
        repository=arguments.repository,
        site=arguments.site,
    )
    say(f"{arguments.output}: {n} pages")
    return 0
