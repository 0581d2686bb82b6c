"""Values of Java and JavaScript. A model gives their source as text, and the checker reads it by the parameter's type.

``published`` reads them as BFCL's checker does, with its faults: lists are split at every comma, also inside of a text,
and the quotes of a text in a Java array stay part of it. What is not of its type stays a text, which then has the wrong
type. Nothing is evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

JAVA: Mapping[str, type] = {
    **dict.fromkeys(("byte", "short", "integer", "long"), int),
    **dict.fromkeys(("float", "double"), float),
    **dict.fromkeys(("char", "String", "any"), str),
    **dict.fromkeys(("Array", "ArrayList", "Queue", "Stack"), list),
    **dict.fromkeys(("HashMap", "Hashtable"), dict),
    "boolean": bool,
    "Set": set,
}
JAVASCRIPT: Mapping[str, type] = {
    **dict.fromkeys(("String", "any"), str),
    **dict.fromkeys(("integer", "Bigint"), int),
    **{"float": float, "Boolean": bool, "dict": dict, "array": list},
}
"""The types of parameters, and what their values become."""

LONGEST = 10_000
"""Characters of a value that is looked into; a longer one stays a text."""
_INTEGER = r"-?[0-9]{1,300}"
_REAL = rf"{_INTEGER}(?:\.[0-9]{{1,300}})?"
_SCIENTIFIC = rf"{_REAL}(?:[eE][+-]?[0-9]{{1,4}})?"
_NUMBERS: Mapping[str, tuple[str, type]] = {
    **{f"java {kind}": (_INTEGER, int) for kind in ("byte", "short", "integer")},
    "java long": (rf"({_INTEGER})[lL]", int),
    "java float": (rf"({_SCIENTIFIC})[fF]", float),
    "java double": (_SCIENTIFIC, float),
    "javascript integer": (_INTEGER, int),
    "javascript Bigint": (rf"({_INTEGER})n", int),
    "javascript float": (_REAL, float),
}
_AS_LIST = re.compile(r"new\s+ArrayList<\w*>\(Arrays\.asList\((.+?)\)\)")
_FILLED = re.compile(r"new\s+ArrayList<\w*>\(\)\s*\{\{\s*(.+?)\s*\}\}", re.DOTALL)
_EMPTY = re.compile(r"new\s+ArrayList<\w*>\(\)")
_ADDED = re.compile(r"add\((.+?)\)")
_JAVA_ARRAY = re.compile(r"new\s+\w+\[\]\s*\{(.*?)\}")
_JAVA_MAP = re.compile(r"new\s+HashMap<.*?>\s*\(\)\s*(?:\{\s*\{?\s*(.*?)\s*\}?\s*\})?", re.DOTALL)
_PUT = re.compile(r"put\(\"(.*?)\",\s*(.*?)\)")
_JS_ARRAY = re.compile(r"\[(.*?)\]|new\s+Array\((.*?)\)")
_JS_GRID = re.compile(r"(?:\[|new\s+Array\()\s*(\[.*?\]\s*(?:,\s*\[.*?\]\s*)*)[\])]")
_JS_OBJECT = re.compile(r"\{(.*?)\}")
_JS_PAIR = re.compile(r",\s*(?=[^,]+:)")
_OUTSIDE = re.compile(r"""("(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+'|[^,"'])|,|["']""", re.DOTALL)


def java(text: str, kind: str, nested: str | None = None, *, published: bool = True) -> Any:
    """The value of a Java text of the type ``kind``, with elements of the type ``nested``."""
    if len(text) > LONGEST:
        return text
    if kind == "boolean":
        return text == "true" if text in ("true", "false") else text
    if kind == "Array":
        found = _JAVA_ARRAY.search(text)
        items = [one for one in _split(found[1], published) if one] if found else None
        return text if items is None else [_java_element(one, nested, published, array=True) for one in items]
    if kind == "ArrayList":
        return _java_list(text, nested, published)
    if kind == "HashMap":
        found = _JAVA_MAP.search(text)
        return {key: _untyped(value.strip()) for key, value in _PUT.findall(found[1] or "")} if found else text
    return _number("java", kind, text)


def _java_list(text: str, nested: str | None, published: bool) -> Any:
    if found := _AS_LIST.search(text):
        items = _split(found[1], published)
    elif found := _FILLED.search(text):
        items = [one.strip() for one in _ADDED.findall(found[1])]
    else:
        return [] if _EMPTY.search(text) else text
    return [_java_element(one, nested, published, array=False) for one in items]


def _java_element(text: str, kind: str | None, published: bool, *, array: bool) -> Any:
    if kind in ("char", "String"):
        # BFCL takes the first and the last letter of a list's text away, whatever they are, and of an array's none.
        return text if published and array else text[1:-1] if published else unquoted(text)
    return java(text, kind) if kind else _untyped(text)


def javascript(text: str, kind: str, nested: str | None = None, *, published: bool = True) -> Any:
    """The value of a JavaScript text of the type ``kind``, with elements of the type ``nested``."""
    if len(text) > LONGEST:
        return text
    if kind == "String":
        return unquoted(text)
    if kind == "Boolean":
        return text == "true" if text in ("true", "false") else text
    if kind == "array":
        return _js_array(text.strip(), nested, published)
    if kind == "dict":
        return _js_object(text.strip(), published)
    return _number("javascript", kind, text)


def _js_array(text: str, nested: str | None, published: bool) -> Any:
    if (grid := _JS_GRID.match(text)) is not None:
        rows = re.findall(r"\[(.*?)\]", grid[1])
        return [[_js_untyped(one) for one in _split(row, published)] for row in rows]
    found = _JS_ARRAY.match(text)
    if found is None:
        return text
    content = (found[1] if found[1] is not None else found[2]).strip()
    items = _split(content, published) if content else []
    if nested is None or nested not in JAVASCRIPT:
        return [_js_untyped(one) for one in items]
    return [javascript(one, nested, published=published) for one in items]


def _js_object(text: str, published: bool) -> Any:
    if text == "{}":
        return {}
    found = _JS_OBJECT.match(text)
    if found is None:
        return text
    pairs = [pair.partition(":") for pair in _JS_PAIR.split(found[1])]
    return {key.strip().strip("'\""): _js_inner(value.strip(), published) for key, colon, value in pairs if colon}


def _js_inner(text: str, published: bool) -> Any:
    if text.startswith("[") and text.endswith("]"):
        return _js_array(text, None, published)
    if text.startswith("{") and text.endswith("}"):
        return _js_object(text, published)
    return _js_untyped(text.strip("'\""))


def _js_untyped(text: str) -> Any:
    text = text.strip()
    if text in ("true", "false"):
        return text == "true"
    return _plain_number(text) if unquoted(text) == text else unquoted(text)


def _untyped(text: str) -> Any:
    """A Java value of which nobody says the type."""
    if text in ("true", "false"):
        return text == "true"
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        return text[1:-1]
    for kind in ("long", "float"):
        if (value := _number("java", kind, text)) is not text:
            return value
    return _plain_number(text)


def _number(language: str, kind: str, text: str) -> Any:
    pattern, make = _NUMBERS.get(f"{language} {kind}", ("", str))
    found = re.fullmatch(pattern, text) if pattern else None
    return make(found[found.lastindex or 0]) if found else text


def _plain_number(text: str) -> Any:
    if re.fullmatch(_INTEGER, text):
        return int(text)
    return float(text) if re.fullmatch(_SCIENTIFIC, text) else text


def unquoted(text: str) -> str:
    """A text without the quotation marks around it."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _split(text: str, published: bool) -> list[str]:
    """The elements of a list: BFCL parts it at every comma, we only at those outside of a text."""
    if published:
        return [one.strip() for one in text.split(",")]
    parts = [""]
    for found in _OUTSIDE.finditer(text):
        if found[0] == ",":
            parts.append("")
        else:
            parts[-1] += found[0]
    return [one.strip() for one in parts]
