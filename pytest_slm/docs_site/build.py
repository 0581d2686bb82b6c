"""The site of a folder of documentation: made beside its place, looked at, and put there in one step."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pytest_slm.docs_checks.config import CONFIG_FILE
from pytest_slm.docs_checks.measured import RegistryNumbers
from pytest_slm.docs_checks.tree import Tree, fits
from pytest_slm.docs_site.pages import faults, finish
from pytest_slm.docs_site.staging import check_place, stage
from pytest_slm.errors import NotAvailableError, ReportError, UsageError
from pytest_slm.files import read_text
from pytest_slm.replacing import replaced

MARKER = ".pytest-slm-docs"
GENERATOR = "zensical.toml"
LIMIT_S = 300
TOLD = 2000


@dataclass(frozen=True, kw_only=True)
class BuildResult:
    """What was made: so many pages, and the bytes of the largest."""

    pages: int
    largest: int


def build_docs(
    root: Path, out: Path, *, registry: Path | None = None, site: str = "../", repository: str = ""
) -> BuildResult:
    """Replace ``out`` by the site of the pages in ``root``. ``registry`` has the numbers that pages name (default: the
    one that ``docs.toml`` says), ``site`` is where the registry's site will be, seen from the first page, and
    ``repository`` the address of the source: with it each page leads to its own.

    The same pages give the same bytes. Raises UsageError for a folder without ``docs.toml``, NotAvailableError without
    Zensical, DocsError for a number that nobody has, ReportError where the site would be broken.
    """
    for name in (CONFIG_FILE, GENERATOR):
        if not (root / name).is_file():
            raise UsageError(f"{root}: no {name} in it, so it is no folder of documentation", slug="docs-config")
    if find_spec("zensical") is None:
        raise NotAvailableError("needs zensical: pip install 'pytest-slm[docs-site]'", slug="docs-needs")
    check_place(out, MARKER)
    settings = _settings(root, repository)
    tree = Tree(root.resolve(), Path.cwd())
    known = registry or (tree.root / tree.config.registry if tree.config.registry else None)
    with tempfile.TemporaryDirectory(prefix="slm-docs-") as name:
        work = Path(name)
        stage(tree, work / "pages", site, RegistryNumbers(known))
        (work / GENERATOR).write_text(settings, encoding="utf-8")
        _generate(work)
        made = work / "site"
        generated = {name for name in tree.pages if fits(name, tree.config.read_only)}
        sizes = finish(made, site, generated)
        problems = faults(made)
        if problems:
            raise ReportError(f"{root}: {'; '.join(problems[:10])}", slug="docs-page")
        (made / MARKER).write_text("Made by pytest-slm; 'pytest-slm docs build' replaces this folder.\n", "utf-8")
        with replaced(out) as fresh:
            shutil.copytree(made, fresh)
    return BuildResult(pages=len(sizes), largest=max(sizes.values()))


def _settings(root: Path, repository: str) -> str:
    text = read_text(root / GENERATOR)
    if not repository:
        return text
    if not re.fullmatch(r"https://[A-Za-z0-9.-]+(/[A-Za-z0-9_.~-]+)+", repository):
        problem = f"--repository={repository:.80}: begin it with https://, as in https://github.com/me/project"
        raise UsageError(problem, slug="site-address")
    source = f'repo_url = "{repository}"\nedit_uri = "edit/main/{root.resolve().name}/"\n'
    return text.replace("[project]\n", f"[project]\n{source}", 1)


def _generate(work: Path) -> None:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "0", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "zensical", "build", "--clean"]
    try:
        done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        raise ReportError(f"zensical was not done after {LIMIT_S} s", slug="docs-page") from None
    if done.returncode or not (work / "site" / "index.html").is_file():
        said = (done.stdout + done.stderr)[-TOLD:].strip()
        raise ReportError(f"zensical ended with exit code {done.returncode}: {said}", slug="docs-page")
