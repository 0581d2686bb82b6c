"""Every kind of page before checkers of others: html-validate and axe-core, both of npm, where they are installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pytest_slm.docs_site import build_docs

HERE = Path(__file__).parent
MODULES = Path(os.environ.get("NODE_MODULES") or Path.cwd() / "node_modules")
"""Where npm has put them: ``npm install --no-save html-validate axe-core`` in the checkout."""


@pytest.fixture(scope="session")
def html_validate():
    """Runs html-validate over files; returns what it finds as lines."""
    program, node = MODULES / ".bin" / "html-validate", shutil.which("node")
    if node is None or not program.exists():
        pytest.skip("needs node and html-validate: npm install --no-save html-validate, or NODE_MODULES=DIR")

    def run(*files):
        command = [node, str(program), "--config", str(HERE / "htmlvalidate.cjs"), "--formatter", "json", *files]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stdout, done.stderr
        return [
            f"{Path(file['filePath']).name}:{one['line']} {one['ruleId']}: {one['message']}"
            for file in json.loads(done.stdout)
            for one in file["messages"]
        ]

    return run


@pytest.fixture(scope="session")
def axe():
    """The script of axe-core."""
    path = MODULES / "axe-core" / "axe.min.js"
    if not path.exists():
        pytest.skip("needs axe-core: npm install --no-save axe-core, or NODE_MODULES=DIR")
    return path.read_text("utf-8")


def test_no_page_is_wrong_html(html_validate, pages):
    files = {str(path).partition("#")[0] for path in pages.values()}
    assert html_validate(*sorted(files)) == []


def test_html_validate_finds_what_is_wrong(html_validate, tmp_path):
    (tmp_path / "wrong.html").write_text("<!DOCTYPE html>\n<html lang='en'><title>x</title><p><div></div></p></html>")
    assert any("element-permitted-content" in line or "close-order" in line for line in html_validate(tmp_path))


RUN = """async () => {
  document.querySelectorAll("details").forEach((one) => { one.open = true; });
  const found = await axe.run(document, { resultTypes: ["violations"] });
  const places = (one) => one.nodes.slice(0, 3).map((node) => node.target.join(" ")).join(", ");
  return found.violations.map((one) => `${one.id}: ${places(one)}`);
}"""


def test_axe_finds_nothing_at_three_widths_light_and_dark(axe, look, kind):
    look(kind).page.evaluate(axe)
    found = {
        (scheme, width): told
        for scheme in ("light", "dark")
        for width in (390, 768, 1440)
        if (told := look(kind, scheme=scheme, width=width).page.evaluate(RUN))
    }
    assert found == {}


GUIDES = ("index", "learn/first-fine-tune", "deploy/operations", "tools/index", "community/showcase")


@pytest.fixture(scope="module")
def guides(tmp_path_factory):
    """The site of our own guides, with links to their source."""
    pytest.importorskip("zensical", reason="needs pytest-slm[docs-site]")
    out = tmp_path_factory.mktemp("guides") / "guides"
    build_docs(HERE.parents[1] / "docs-site", out, repository="https://github.com/me/project")
    return out


@pytest.mark.parametrize("name", GUIDES)
def test_axe_finds_nothing_on_guides_at_three_widths_light_and_dark(axe, guides, show, name):
    found = {}
    for scheme in ("light", "dark"):
        for width in (390, 768, 1440):
            with show(guides / f"{name}.html", scheme=scheme, width=width) as seen:
                seen.page.evaluate(axe)
                if told := seen.page.evaluate(RUN):
                    found[scheme, width] = told
                assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (scheme, width)
    assert found == {}


def test_axe_finds_what_is_wrong(axe, show, tmp_path):
    (tmp_path / "wrong.html").write_text("<!DOCTYPE html><html><title>x</title><main><h1>x</h1><img></main></html>")
    with show(tmp_path / "wrong.html") as seen:
        seen.page.evaluate(axe)
        found = [line.partition(":")[0] for line in seen.page.evaluate(RUN)]
    assert {"html-has-lang", "image-alt"} <= set(found)
