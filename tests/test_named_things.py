"""What docs name is there, and what there is to name stands in them: errors, options, files."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pytest_slm"
FILES = sorted(PACKAGE.rglob("*.py"))

# Slugs that are put together, or written where no error is raised.
BUILT = {
    *("timing-alone", "backend-bug", "registry-invalid", "report-invalid", "suite-unknown-key", "suite-bad-value"),
    *("data-partial", "prompts-cut", "server-letters", "submission-unknown-key", "yaml-duplicate-key"),
    *("machine-unknown-key", "machine-bad-value"),
    *("featured-unknown-key", "featured-bad-value"),
}


def slugs(path):
    """What errors are given as ``slug=``, as third argument (load.document), or as the class's own."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        said = []
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Error"):
            said = [*node.args[2:3], *(keyword.value for keyword in node.keywords if keyword.arg == "slug")]
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "slug":
            said = [node.value]
        yield from (value.value for value in said if isinstance(value, ast.Constant))


def test_every_slug_is_in_the_docs():
    documented = re.findall(r"^\| `([a-z0-9-]+)` \|", (ROOT / "docs/errors.md").read_text("utf-8"), re.MULTILINE)
    used = {slug for path in FILES for slug in slugs(path)} | BUILT
    assert sorted(documented) == sorted(used)


def test_every_option_is_in_the_docs():
    text = (ROOT / "docs/options.md").read_text("utf-8")
    names = ("options.py", "given.py", "baselines/options.py", "docs/options.py")
    declared = "".join((PACKAGE / "plugin" / name).read_text("utf-8") for name in names)
    options = set(re.findall(r'"(--slm-[a-z-]+)"', declared))
    assert options
    assert not {option for option in options if f"`{option}" not in text}


def test_files_that_are_named_are_there():
    # what moves takes its name along; decisions may speak of the past
    pages = [*FILES, *ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("suites/**/*.yaml"), ROOT / "tox.ini"]
    named = re.compile(r"(?<![\w./-])(?:pytest_slm|tests|benchmarks|docs)/[\w./-]*\.(?:py|md|html|js|json|toml)\b")
    texts = {path: path.read_text("utf-8") for path in pages if path.name != "CHANGELOG.md"}
    found = {(path.name, name) for path, text in texts.items() for name in named.findall(text)}
    assert len(found) > 50
    assert sorted((page, name) for page, name in found if not (ROOT / name).exists()) == []


def test_suites_and_docs_name_no_foreign_place():
    pages = [*ROOT.glob("docs/**/*.md"), ROOT / "README.md"]
    suites = [*ROOT.glob("suites/**/*.yaml")]
    assert pages
    assert suites
    foreign = re.compile(r"(\.\./shared|/work/|/root/|/tmp/)")
    assert not [path for path in [*pages, *FILES, *suites] if foreign.search(path.read_text("utf-8"))]
