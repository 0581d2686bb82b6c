"""The head of a page against the JSON Schema that its folder says."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

from pytest_slm.docs_checks.findings import Finding
from pytest_slm.docs_checks.markdown import split_front_matter
from pytest_slm.docs_checks.tree import Page, Tree
from pytest_slm.docs_checks.yaml_text import read_yaml
from pytest_slm.errors import UsageError
from pytest_slm.files import read_json


def check_front_matter(tree: Tree, page: Page) -> Iterator[Finding]:
    """What is wrong with it: no YAML, or not what the schema wants."""
    import jsonschema

    schema = _schema(tree, page.name)
    text, _ = split_front_matter(page.text)
    if not text:
        if schema is not None:
            yield Finding(path=page.shown, line=1, problem="no front matter: begin the page with --- and a title")
        return
    value, problem = read_yaml(text)
    if value is None:
        line, what = problem or (1, "")
        yield Finding(path=page.shown, line=line + 1, problem=what)
        return
    lines = value.lines()
    for error in jsonschema.Draft202012Validator(schema or {}).iter_errors(value.plain()):
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
        where = f"{key}: " if key else ""
        yield Finding(path=page.shown, line=lines.get(key, 0) + 1, problem=f"{where}{error.message}")


def _schema(tree: Tree, name: str) -> Any:
    for pattern, place in tree.config.schemas.items():
        if fnmatch(name, pattern):
            try:
                return read_json(tree.root / place)
            except (OSError, ValueError) as error:
                raise UsageError(f"{tree.root / place}: no JSON Schema ({error})", slug="docs-config") from None
    return None
