"""Calls of Java and JavaScript in a model's text, found in its syntax tree. Nothing is evaluated.

BFCL takes the first call of the text and of its arguments those with a name, ``f(a=1, b="x")``; their values stay
source text, the quotes of a lone text taken away.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pytest_slm.bfcl.conversion import unquoted
from pytest_slm.core.types import ToolCall
from pytest_slm.errors import NotAvailableError

if TYPE_CHECKING:
    from tree_sitter import Node

DEEPEST = 200
"""Levels of a value that is written out again."""
_POSITIONAL = ("identifier", "class_literal", "set", "true")


@functools.cache
def parser(language: str) -> Any:
    """tree-sitter's parser of ``java`` or ``javascript``. Raises NotAvailableError where it is not installed."""
    try:
        import tree_sitter
        import tree_sitter_java
        import tree_sitter_javascript
    except ImportError as error:
        told = f"BFCL's categories of Java and JavaScript need tree-sitter ({error}): pip install 'pytest-slm[bfcl]'"
        raise NotAvailableError(told, slug="missing-extra") from None
    grammar = tree_sitter_java.language() if language == "java" else tree_sitter_javascript.language()
    return tree_sitter.Parser(tree_sitter.Language(grammar))


def source_calls(text: str, language: str, *, published: bool = True) -> list[ToolCall] | None:
    """The first call of a text, as a list; None where there is none, or the text is no source.

    ``published``: a value of Java is written out as BFCL does it, which loses what stands between the braces of an
    object (``new HashMap<>() {{ put("a", 1); }}`` is empty); otherwise it is the text that the model wrote.
    """
    tree = parser(language).parse(text.encode("utf-8", "replace"))
    nodes = list(_walk(tree.root_node))
    if any(node.type == "ERROR" for node in nodes):
        return None
    call = _java_call(nodes) if language == "java" else _javascript_call(tree.root_node)
    if call is None:
        return None
    name, arguments = call
    values: dict[str, Any] = {}
    for child in arguments.children if arguments is not None else ():
        if child.type in _POSITIONAL:
            return [ToolCall(name=name)]  # BFCL knows no argument without a name
        if child.type == "assignment_expression":
            key, value = _text(child.children[0]), child.children[2]
            if key in values:
                return None
            values[key] = _java_value(value, published) if language == "java" else unquoted(_text(value))
    return [ToolCall(name=name, arguments=values)]


def _walk(root: Node) -> Iterator[Node]:
    """Every node, in the order of the text; without recursion, since a model may nest as deep as it likes."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(node.children)


def _java_call(nodes: list[Node]) -> tuple[str, Node | None] | None:
    for node in nodes:
        if node.type == "method_invocation":
            parts = [node.child_by_field_name(field) for field in ("object", "name")]
            return ".".join(_text(part) for part in parts if part is not None), node.child_by_field_name("arguments")
    return None


def _javascript_call(root: Node) -> tuple[str, Node | None] | None:
    for statement in root.children:
        for node in statement.children if statement.type == "expression_statement" else ():
            if node.type == "call_expression":
                return _text(node.children[0]), node.children[1]
    return None


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


def _java_value(node: Node, published: bool) -> str:
    if node.type in ("string_literal", "character_literal"):
        return _text(node)[1:-1]
    return _rewritten(node, 0) if published else _text(node)


def _rewritten(node: Node, depth: int) -> str:
    """A value as BFCL writes it out: without the spaces between its parts, and of a new object the arguments only."""
    whole = ("string_literal", "character_literal", "class_literal", "method_invocation")
    if not node.child_count or node.type in whole or depth > DEEPEST:
        return _text(node)
    if node.type == "array_creation_expression":
        kind, value = (node.child_by_field_name(field) for field in ("type", "value"))
        if kind is not None and value is not None:
            return f"new {_rewritten(kind, depth + 1)}[]{_rewritten(value, depth + 1)}"
    if node.type == "object_creation_expression" and (kind := node.child_by_field_name("type")) is not None:
        arguments = node.child_by_field_name("arguments")
        inside = [one for one in (arguments.children if arguments else ()) if one.type not in (",", "(", ")")]
        return f"new {_rewritten(kind, depth + 1)}({', '.join(_rewritten(one, depth + 1) for one in inside)})"
    return "".join(_rewritten(child, depth + 1) for child in node.children)
