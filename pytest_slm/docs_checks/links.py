"""Links of a page: to other pages and places in them, to the registry's site, and to the web."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from pytest_slm.docs_checks.config import DocsConfig
from pytest_slm.docs_checks.findings import Finding
from pytest_slm.docs_checks.tree import INDEX, Page, Tree, fits
from pytest_slm.errors import did_you_mean

WEB = ("http", "https")
SITE = "site"
"""``site:compare.html`` is a page of the registry's site, wherever that will stand."""
AGAIN = (408, 425, 429, 500, 502, 503, 504)
"""Answers after which it is worth asking a second time."""
LONGEST_READ = 65_536


def check_links(tree: Tree, page: Page) -> Iterator[Finding]:
    """Links that lead nowhere. The web is not asked."""
    for link in page.parsed.links:
        if problem := _problem(tree, page, link.scheme, link.target):
            yield Finding(path=page.shown, line=link.line, problem=problem)


def _problem(tree: Tree, page: Page, scheme: str, target: str) -> str:
    if scheme in (*WEB, "mailto"):
        return ""
    if scheme == SITE:
        name = target.partition(":")[2].partition("#")[0].partition("?")[0]
        known = tree.config.site_pages
        return "" if fits(name, known) else f"the registry's site has no page {name!r:.80}. {did_you_mean(name, known)}"
    if scheme or target.startswith("//"):
        return f"a link with the scheme {scheme or '//'!r:.20}: only pages, https: and site: are linked"
    path, anchor = tree.resolve(page, target)
    other = tree.page_at(path)
    if other is None:
        if not path.exists():
            return "" if not_made(tree, path) else f"{target!r:.120}: no such page"
        return (
            "" if path.is_relative_to(tree.root) else f"{target!r:.120}: outside of the pages; name it by its address"
        )
    if anchor and anchor not in other.parsed.anchors:
        return f"{target!r:.120}: no such place on that page. {did_you_mean(anchor, other.parsed.anchors)}"
    return ""


def not_made(tree: Tree, path: Path) -> bool:
    """Whether a page that is not there is one that a program makes (``read_only``), and has not made here: where it has
    made any, all that are linked must be there."""
    if not path.is_relative_to(tree.root):
        return False
    patterns = tree.config.read_only
    return fits(path.relative_to(tree.root).as_posix(), patterns) and not any(
        fits(name, patterns) for name in tree.pages
    )


def check_reachable(tree: Tree, page: Page) -> Iterator[Finding]:
    """A page that no way leads to from the first one."""
    if page.name not in tree.reachable and not fits(page.name, tree.config.unlinked):
        problem = f"no way leads here from {INDEX}: link it from a page that has one"
        yield Finding(path=page.shown, line=1, problem=problem)


def external_links(page: Page) -> dict[str, int]:
    """Addresses in the web that a page names, each with its first line."""
    found: dict[str, int] = {}
    for link in page.parsed.links:
        if link.scheme in WEB:
            found.setdefault(link.target.partition("#")[0], link.line)
    return found


def check_external(
    page: Page, config: DocsConfig, known: dict[str, str], pause: Callable[[float], object] = time.sleep
) -> Iterator[Finding]:
    """Addresses that do not answer; ``known`` remembers what was asked for other pages."""
    for address, line in external_links(page).items():
        if not address.startswith(config.trusted_links):
            if address not in known:
                known[address] = ask(address, config, pause)
            if known[address]:
                yield Finding(path=page.shown, line=line, problem=f"{address}: {known[address]}")


def ask(address: str, config: DocsConfig, pause: Callable[[float], object] = time.sleep) -> str:
    """Why an address cannot be read; empty where it can. What may pass is tried again, after the time that the host
    asks for (``Retry-After``)."""
    problem = ""
    for attempt in range(config.link_tries):
        request = urllib.request.Request(address, headers={"User-Agent": "pytest-slm (link check)"})  # noqa: S310
        wait = 2.0**attempt
        try:
            with urllib.request.urlopen(request, timeout=config.link_seconds) as answer:  # noqa: S310
                answer.read(LONGEST_READ)
                return ""
        except urllib.error.HTTPError as error:
            problem = f"answers {error.code}"
            if error.code not in AGAIN:
                return problem
            after = error.headers.get("Retry-After", "")
            wait = float(after) if after.isdecimal() else wait
        except (OSError, ValueError) as error:
            problem = f"does not answer ({getattr(error, 'reason', None) or error})"
        if attempt + 1 < config.link_tries:
            pause(min(wait, config.link_seconds))
    return f"{problem}, asked {config.link_tries} times"
