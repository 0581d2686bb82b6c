"""What the generator gets: pages with their numbers, plain fences, links to the registry's site, and git's date."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from pytest_slm.docs_checks.code.fences import FenceError, understand
from pytest_slm.docs_checks.config import CONFIG_FILE
from pytest_slm.docs_checks.links import not_made
from pytest_slm.docs_checks.measured import RegistryNumbers, filled
from pytest_slm.docs_checks.showcase import FILE, with_showcase
from pytest_slm.docs_checks.tree import Page, Tree
from pytest_slm.errors import ReportError, writing_failed
from pytest_slm.replacing import place_of

LEFT_OUT = (CONFIG_FILE, "zensical.toml", "schemas", "words.txt", "names.txt", "data", FILE)
"""Files of the folder that are no pages, nor anything that a page shows."""


def stage(tree: Tree, folder: Path, site: str, measured: RegistryNumbers) -> int:
    """Write all pages and what they show into ``folder``; returns how many pages. ``site`` is the way from the first
    page to the registry's site. Raises DocsError where a page names a number that nobody has."""
    changed = last_changed(tree.root)
    try:
        for path in sorted(tree.root.rglob("*")):
            name = path.relative_to(tree.root)
            if path.is_file() and name.parts[0] not in LEFT_OUT and not name.parts[0].startswith("."):
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                page = tree.page_at(path)
                if page is None:
                    shutil.copyfile(path, target)
                else:
                    text = with_showcase(tree, page, prepared(page, site, measured, changed.get(page.name, "")))
                    target.write_text(_without_unmade(tree, page, text), encoding="utf-8")
    except OSError as error:
        raise writing_failed(folder, error) from error
    return len(tree.pages)


def _without_unmade(tree: Tree, page: Page, text: str) -> str:
    """Links to pages that a program makes and has not made are their words alone."""
    for link in page.parsed.links:
        if not link.scheme and not_made(tree, tree.resolve(page, link.target)[0]):
            text = re.sub(rf"\[([^\]]*)\]\({re.escape(link.target)}\)", r"\1", text)
    return text


def prepared(page: Page, site: str, measured: RegistryNumbers, changed: str = "") -> str:
    """The text of a page as any generator takes it."""
    text = filled(page.shown, page.text, measured)
    up = "../" * page.name.count("/")
    where = site if re.match(r"https?:", site) else up + site
    text = re.sub(r"\]\(site:([^)\s]+)\)", lambda found: f"]({where}{found.group(1)})", text)
    lines = text.split("\n")
    for fence in reversed(page.parsed.fences):
        mark = fence.line - 2
        try:
            block = understand(fence)
        except FenceError:
            continue
        indent = lines[mark][: len(lines[mark]) - len(lines[mark].lstrip())]
        ticks = re.match(r"[`~]+", lines[mark].lstrip())
        if ticks is None:
            continue
        lines[mark] = f"{indent}{ticks.group()}{block.language}"
        if "not-run" in block.marks:
            end = fence.line + fence.text.count("\n")
            lines.insert(
                end, f'\n{indent}<p class="not-run">Not run in our checks: {_plain(block.marks["not-run"])}.</p>'
            )
        if "file" in block.marks:
            lines.insert(mark, f"{indent}`{_plain(block.marks['file'])}`:\n")
    if changed:
        lines.append(f'<p class="not-run">Last changed on {changed}.</p>\n')
    return "\n".join(lines)


def _plain(text: str) -> str:
    return re.sub(r"[<>&`]", "", text)


def last_changed(root: Path) -> Mapping[str, str]:
    """By page the day of its last commit. Nothing where git does not know: outside of a checkout, or in one that was
    cut off, in which every file would seem to be of the same day."""
    try:
        if _git(root, "rev-parse", "--is-shallow-repository").strip() != "false":
            return {}
        told = _git(root, "log", "--format=%x00%cs", "--name-only", "--relative", "--no-renames", "-z", "--", ".")
    except (OSError, subprocess.CalledProcessError):
        return {}
    found: dict[str, str] = {}
    day = ""
    for part in filter(None, re.split(r"[\x00\n]+", told)):
        if re.fullmatch(r"\d{4}-\d\d-\d\d", part):
            day = part
        else:
            found.setdefault(part, day)
    return found


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True)
    return done.stdout


def check_place(out: Path, marker: str) -> None:
    """Raise ReportError for a folder that holds something else than such a site, or can be replaced by none."""
    place_of(out)
    if out.exists() and not (out / marker).exists() and (not out.is_dir() or any(out.iterdir())):
        problem = f"{out}: is not empty and no site made by pytest-slm, so it is not replaced. Name a new folder"
        raise ReportError(problem, slug="site-foreign")
