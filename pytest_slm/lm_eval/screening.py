"""Whether the functions of a task of lm-eval evaluate text: then an answer of the model could run anything.

lm-eval marks tasks whose answers are programs (``unsafe_code``), and those go to the sandbox. Others hand answers to
``sympy.parse_expr`` or to ``eval``, without a mark. Their source is looked through, and what it imports from lm-eval's
tasks; nothing of it is called.
"""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_slm.lm_eval import seam

EVALUATES = frozenset({"eval", "exec", "parse_expr", "sympify", "S"})
"""Functions that run the text they are given; ``sympify`` and ``S`` are sympy's, and end in ``eval``."""


def evaluates(settings: Mapping[str, Any]) -> str:
    """Where the functions of a task's settings evaluate text, ``math_grader.py, line 515``; empty if nowhere."""
    seen: set[Path] = set()
    waiting = sorted(set(_sources(settings)))
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        line, imported = _read(path)
        if line:
            return f"{path.name}, line {line}"
        waiting += imported
    return ""


def imports(folder: Path, package: str) -> bool:
    """Whether a file of a task's folder imports a package."""
    statements = (f"import {package}", f"from {package}")
    return any(one in path.read_text("utf-8", "replace") for path in folder.glob("*.py") for one in statements)


def _sources(value: object) -> Iterator[Path]:
    """The files of all functions and classes in settings, however deep."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _sources(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _sources(inner)
    elif isinstance(value, functools.partial):
        yield from _sources(value.func)
    elif callable(value):
        # By their code: lm-eval's loader does not enter every module where inspect looks for it.
        whole = [inspect.unwrap(value)] if hasattr(value, "__code__") or hasattr(value, "__wrapped__") else []
        methods = [
            inner
            for kind in inspect.getmro(value if isinstance(value, type) else type(value))
            for inner in vars(kind).values()
        ]
        for function in (*whole, *methods):
            code = getattr(function, "__code__", None)
            if code is not None and Path(code.co_filename).is_file():
                yield Path(code.co_filename)


@functools.cache
def _read(path: Path) -> tuple[int, list[Path]]:
    """The first line on which a file evaluates text (0: none), and the files of tasks that it imports."""
    tree = ast.parse(path.read_text("utf-8", "replace"))
    nodes = list(ast.walk(tree))
    lines = [node.lineno for node in nodes if isinstance(node, ast.Call) and _name(node.func) in EVALUATES]
    imported = [file for node in nodes for module in _modules(node) if (file := _file(path, module)) is not None]
    return min(lines, default=0), imported


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Name):
        return function.id
    # Methods may have such names and be harmless: model.eval(). sympy's may be called through its module.
    if isinstance(function, ast.Attribute) and function.attr not in ("eval", "exec", "S"):
        return function.attr
    return ""


def _modules(node: ast.AST) -> Iterator[str]:
    """The modules that a statement may import, as dotted names; of relative ones the dots stay in front."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        yield module
        yield from (f"{module}.{alias.name}" if node.module else f"{module}{alias.name}" for alias in node.names)


def _file(importer: Path, module: str) -> Path | None:
    """The file of a module of lm-eval's tasks, or of one beside the importer."""
    name = module.lstrip(".")
    dots = len(module) - len(name)
    folder = importer.parents[max(0, dots - 1)]
    if not dots and name.startswith("lm_eval."):
        if not name.startswith("lm_eval.tasks."):
            return None
        folder, name = seam.package(), name.removeprefix("lm_eval.")
    place = folder.joinpath(*name.split("."))
    found = [file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()]
    return found[0] if found else None
