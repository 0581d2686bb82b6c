"""Calls in Python's notation: ``f(a=1, b="x")``, ``[f(a=1), g(b=2)]``, one a line. Parsed, never evaluated."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Iterable

from pytest_slm.core.types import ToolCall
from pytest_slm.scorers.call_values import UNREADABLE, literal, statements

_WORDS = re.compile(
    # A string that never ends goes on to the end of the text, or each of its quotes would be tried as a beginning.
    r"\"(?:[^\"\\]|\\.)*+(?:\"|\\?\Z)|'(?:[^'\\]|\\.)*+(?:'|\\?\Z)"
    r"|(?<![\w.-])(?:(?P<name>[^\W\d][\w.]*+(?:-[\w.]++)*+)(?=\s*\()|(?P<argument>[^\W\d]\w*+)(?=\s*=[^=]))",
    re.DOTALL,
)
_PREFIXES = ("functions.", "default_api.", "tools.")
_ESCAPE = "_slm_word_"


def python_calls(text: str) -> list[ToolCall]:
    """The calls that a whole text is made of, nothing else: an expression, a list, or one a line."""
    names: list[str] = []
    body = statements(_WORDS.sub(lambda found: _speakable(found, names), text))
    nodes: list[ast.expr] = []
    for statement in body or ():
        if not isinstance(statement, ast.Expr):
            return []
        nodes += statement.value.elts if isinstance(statement.value, ast.List | ast.Tuple) else [statement.value]
    calls = [_call(node, names) for node in nodes]
    return [call for call in calls if call is not None] if None not in calls else []


def program_calls(text: str) -> list[ToolCall]:
    """The calls that the lines of a small program make, their results named or printed (``result = f(a=1)``)."""
    names: list[str] = []
    body = statements(_WORDS.sub(lambda found: _speakable(found, names), text))
    return [call for call in (_call(node, names) for node in _made(body or ())) if call is not None]


def _made(body: Iterable[ast.stmt]) -> list[ast.expr]:
    values = [one.value for one in body if isinstance(one, ast.Expr | ast.Assign | ast.AnnAssign) and one.value]
    flat = [item for value in values for item in (value.elts if isinstance(value, ast.List | ast.Tuple) else [value])]
    return [node for node in flat if not _prints_a_name(node)]


def _prints_a_name(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and _is_print(node) and not any(isinstance(one, ast.Call) for one in node.args)


def _is_print(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id == "print"


def _speakable(found: re.Match[str], names: list[str]) -> str:
    """Line ends in strings, names with hyphens and arguments named like keywords, in words that Python can read."""
    if found["name"] or found["argument"]:
        word = found[0]
        if "-" not in word and not any(map(keyword.iskeyword, word.split("."))):
            return word
        names.append(word)
        return f"{_ESCAPE}{len(names) - 1}"
    return found[0].replace("\r", "\\r").replace("\n", "\\n")


def _spoken(word: str, names: list[str]) -> str:
    return names[int(word.removeprefix(_ESCAPE))] if re.fullmatch(rf"{_ESCAPE}\d{{1,6}}", word) else word


def _call(node: ast.expr, names: list[str]) -> ToolCall | None:
    if isinstance(node, ast.Call) and _is_print(node) and len(node.args) == 1 and isinstance(node.args[0], ast.Call):
        node = node.args[0]
    name = _dotted_name(node.func) if isinstance(node, ast.Call) else ""
    if not isinstance(node, ast.Call) or not name:
        return None
    values = {_spoken(one.arg, names): literal(one.value) for one in node.keywords if one.arg}
    whole = not node.args and len(values) == len(node.keywords) and UNREADABLE not in values.values()
    return ToolCall(name=bare_name(_spoken(name, names)), arguments=values if whole else None)


def _dotted_name(node: ast.expr) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts, node = [node.attr, *parts], node.value
    return ".".join([node.id, *parts]) if isinstance(node, ast.Name) else ""


def bare_name(name: str) -> str:
    """A function's name without the name of the place where some models look for it."""
    return next((name.removeprefix(prefix) for prefix in _PREFIXES if name.startswith(prefix)), name)
