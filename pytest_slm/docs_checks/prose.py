"""Form and spelling of a page: PyMarkdown and codespell, and words for every picture."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator

from pytest_slm.docs_checks.findings import Finding
from pytest_slm.docs_checks.tree import Page, Tree


def check_markdown(tree: Tree, page: Page) -> Iterator[Finding]:
    """What PyMarkdown says against it."""
    from pymarkdown.api import PyMarkdownApi, PyMarkdownApiException

    linter = PyMarkdownApi().enable_extension_by_identifier("front-matter")
    for rule in tree.config.lint_off:
        linter = linter.disable_rule_by_identifier(rule)
    try:
        found = linter.scan_path(str(page.path))
    except PyMarkdownApiException as error:
        yield Finding(path=page.shown, line=1, problem=f"PyMarkdown cannot read it: {error}")
        return
    for failure in {(one.line_number, one.rule_id): one for one in found.scan_failures}.values():
        more = failure.extra_error_information
        problem = f"{failure.rule_description}{f' ({more.strip()})' if more else ''} [{failure.rule_id.lower()}]"
        yield Finding(path=page.shown, line=failure.line_number, problem=problem)


def check_spelling(tree: Tree, page: Page) -> Iterator[Finding]:
    """Known misspellings, in its prose and in its code, and names that the folder wants to be written otherwise."""
    import codespell_lib

    options = ["--builtin=clear,rare"]
    if tree.config.words:
        options.append(f"--ignore-words={tree.root / tree.config.words}")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        codespell_lib.main(*options, str(page.path))
    for line in said.getvalue().splitlines():
        found = re.search(r":(\d+): (.+) ==> (.+)$", line)
        if found:
            problem = f"{found.group(2)}: did you mean {found.group(3)}?"
            yield Finding(path=page.shown, line=int(found.group(1)), problem=problem)
    yield from _names(tree, page)


def _names(tree: Tree, page: Page) -> Iterator[Finding]:
    """Names whose letters are right and whose capitals are not, outside of code and addresses."""
    inside = {line for fence in page.parsed.fences for line in range(fence.line, fence.line + fence.text.count("\n"))}
    for number, line in enumerate(page.text.splitlines(), 1):
        if number in inside:
            continue
        prose = re.sub(r"`[^`]*`|\]\([^)]*\)|https?://\S+", " ", line)
        for wrong, right in tree.corrections.items():
            if re.search(rf"(?<![\w./@-]){re.escape(wrong)}(?![\w/-])", prose):
                yield Finding(path=page.shown, line=number, problem=f"{wrong}: did you mean {right}?")


def check_images(tree: Tree, page: Page) -> Iterator[Finding]:
    """Pictures without words, or that are not there."""
    for image in page.parsed.images:
        if not (image.alternative or "").strip():
            problem = f"the picture {image.source!r:.80} has no alternative text: say what it shows"
            yield Finding(path=page.shown, line=image.line, problem=problem)
        if re.match(r"[a-z]+:|//", image.source):
            problem = f"the picture {image.source!r:.80} is fetched from elsewhere: put it into the folder"
            yield Finding(path=page.shown, line=image.line, problem=problem)
        elif not tree.resolve(page, image.source)[0].is_file():
            yield Finding(path=page.shown, line=image.line, problem=f"there is no picture {image.source!r:.80}")
