"""A page of documentation, and an item for each thing that is looked at in it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pytest_slm.docs_checks.code.fences import Block, FenceError, check_data, check_python, read_only, understand
from pytest_slm.docs_checks.code.notebook import run_notebook
from pytest_slm.docs_checks.code.shell import check_shell
from pytest_slm.docs_checks.code.story import Story
from pytest_slm.docs_checks.config import DocsConfig
from pytest_slm.docs_checks.findings import DocsError, Finding
from pytest_slm.docs_checks.front_matter import check_front_matter
from pytest_slm.docs_checks.links import check_external, check_links, check_reachable
from pytest_slm.docs_checks.measured import PLACE, RegistryNumbers, check_measured
from pytest_slm.docs_checks.prose import check_images, check_markdown, check_spelling
from pytest_slm.docs_checks.showcase import PLACE as SHOWCASE
from pytest_slm.docs_checks.showcase import check_showcase
from pytest_slm.docs_checks.tree import Page, Tree, fits
from pytest_slm.errors import NotAvailableError, SlmError, told

Check = Callable[[Tree, Page], Iterable[Finding]]
OF_EVERY_PAGE: tuple[tuple[str, Check], ...] = (
    ("front-matter", check_front_matter),
    ("markdown", check_markdown),
    ("spelling", check_spelling),
    ("links", check_links),
    ("images", check_images),
    ("reachable", check_reachable),
)
PACKAGES = ("markdown_it", "pymarkdown", "codespell_lib", "bashlex", "nbclient")
"""What the extra ``docs`` brings."""


@dataclass(kw_only=True)
class DocsSession:
    """What the pages of one session share."""

    start: Path
    links: bool
    options: Collection[str]
    """All ``--slm-`` options that there are."""
    trees: dict[Path, Tree] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)
    """Addresses that were asked, and why they did not answer."""
    measured: dict[Path, RegistryNumbers] = field(default_factory=dict)

    def tree(self, root: Path) -> Tree:
        """The folder of documentation, read once."""
        if root not in self.trees:
            self.trees[root] = Tree(root, self.start)
            registry = self.trees[root].config.registry
            self.measured[root] = RegistryNumbers(root / registry if registry else None)
        return self.trees[root]


class DocItem(pytest.Item):
    """One thing that is looked at in a page."""

    line: int
    act: Callable[[], None]

    @classmethod
    def of(cls, parent: DocFile, name: str, line: int, act: Callable[[], None]) -> DocItem:
        """The item; ``act`` raises DocsError, or NotAvailableError where it cannot look."""
        item: DocItem = cls.from_parent(parent, name=name)
        item.line, item.act = line, act
        return item

    def setup(self) -> None:
        assert isinstance(self.parent, DocFile)
        self.parent.addfinalizer(self.parent.close)

    def runtest(self) -> None:
        try:
            self.act()
        except NotAvailableError as error:
            pytest.skip(str(error))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        if isinstance(excinfo.value, SlmError):
            return told(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.line - 1, self.name


class DocFile(pytest.File):
    """A page of Markdown, or a notebook."""

    docs: DocsSession
    root: Path
    story: Story | None = None
    folder: Path | None = None

    @classmethod
    def of(cls, parent: pytest.Collector, path: Path, root: Path, docs: DocsSession) -> DocFile:
        """The collector of a page below the folder ``root``."""
        node: DocFile = cls.from_parent(parent, path=path)
        node.docs, node.root = docs, root
        return node

    def collect(self) -> Iterator[DocItem]:
        try:
            tree = self.docs.tree(self.root)
            if self.path.suffix == ".ipynb":
                shown = tree.shown(self.path)
                yield DocItem.of(
                    self, "notebook", 1, lambda: run_notebook(self.path, shown, tree.config, self.make_folder())
                )
            elif (page := tree.page_at(self.path)) is not None:
                yield from self._page(tree, page)
        except SlmError as error:
            raise self.CollectError(str(error)) from None

    def make_folder(self) -> Path:
        """A folder for what the page's code writes."""
        if self.folder is None:
            self.folder = Path(tempfile.mkdtemp(prefix="slm-docs-"))
        return self.folder

    def close(self) -> None:
        """End the page's process and take its folder away; may be called twice."""
        if self.story is not None:
            self.story.close()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None

    def _page(self, tree: Tree, page: Page) -> Iterator[DocItem]:
        for name, check in OF_EVERY_PAGE:
            yield DocItem.of(self, name, 1, _looking(check, tree, page))
        if self.docs.links:
            asked = self.docs.asked
            yield DocItem.of(self, "web", 1, lambda: _raise(check_external(page, tree.config, asked)))
        if PLACE.search(page.text):
            known = self.docs.measured[self.root]
            yield DocItem.of(self, "measured", 1, lambda: _raise(check_measured(page.shown, page.text, known)))
        if SHOWCASE.search(page.text):
            yield DocItem.of(self, "showcase", 1, _looking(check_showcase, tree, page))
        yield from self._fences(page, tree.config)

    def _read(self, page: Page) -> Iterator[DocItem]:
        for block in map(read_only, page.parsed.fences):
            if block.kind in ("python", "shell", "data"):
                act = _reading(page, block, self.docs.options)
                yield DocItem.of(self, f"{block.kind}:{block.line}", block.line, act)

    def _fences(self, page: Page, config: DocsConfig) -> Iterator[DocItem]:
        if fits(page.name, config.read_only):
            yield from self._read(page)
            return
        blocks: list[Block] = []
        problems: dict[int, str] = {}
        for place, fence in enumerate(page.parsed.fences):
            try:
                blocks.append(understand(fence))
            except FenceError as error:
                blocks.append(Block(line=fence.line, language="", text=fence.text))
                problems[place] = str(error)
        self.story = story = Story(page.shown, blocks, config, self.make_folder)
        for place, block in enumerate(blocks):
            name = f"{block.kind}:{block.line}"
            if place in problems:
                finding = Finding(path=page.shown, line=block.line - 1, problem=problems[place])
                yield DocItem.of(self, f"fence:{block.line}", block.line, _failing(finding))
            elif block.kind != "plain":
                act = _running(page, block, story, place, self.docs.options)
                yield DocItem.of(self, name, block.line, act)


def _told(page: Page, block: Block, line: int, problem: str) -> Finding:
    last = max(1, block.text.count("\n"))  # what is missing at the end is missing behind it
    return Finding(path=page.shown, line=block.line + min(line, last) - 1, problem=problem)


def _reading(page: Page, block: Block, options: Collection[str]) -> Callable[[], None]:
    """Looks at code without running it."""

    def act() -> None:
        if block.kind == "shell":
            _raise(_told(page, block, line, problem) for line, problem in check_shell(block.text, options))
        elif found := {"data": check_data, "python": check_python}.get(block.kind, lambda _: None)(block):
            _raise([_told(page, block, *found)])

    return act


def _looking(check: Check, tree: Tree, page: Page) -> Callable[[], None]:
    return lambda: _raise(check(tree, page))


def _failing(finding: Finding) -> Callable[[], None]:
    return lambda: _raise([finding])


def _running(page: Page, block: Block, story: Story, place: int, options: Collection[str]) -> Callable[[], None]:
    read = _reading(page, block, options)

    def act() -> None:
        if block.kind != "python":  # running says what is wrong with it
            read()
        if "not-run" in block.marks:
            raise NotAvailableError(f"{page.shown}:{block.line}: {block.marks['not-run']}", slug="docs-not-run")
        story.run(place)

    return act


def _raise(findings: Iterable[Finding]) -> None:
    found = list(findings)
    if found:
        raise DocsError(found)
