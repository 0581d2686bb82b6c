"""Text of a YAML file to a tree of values that remember their lines."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pytest_slm.errors import UsageError

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20
MAX_ALIASES = 50
MAX_VALUES = 20_000

Scalar = str | int | float | bool | None


@dataclass(frozen=True, kw_only=True)
class Value:
    """One YAML value: ``data`` is a scalar, a list of values or a dict of values; ``line`` counts from 1."""

    data: Scalar | list[Value] | dict[str, Value]
    line: int
    written: str = ""
    """A scalar as it stands in the file: dates and revisions are wanted as text, not as what YAML makes of them."""

    def plain(self) -> Any:
        """The same without lines: dicts, lists and scalars."""
        if isinstance(self.data, dict):
            return {key: item.plain() for key, item in self.data.items()}
        if isinstance(self.data, list):
            return [item.plain() for item in self.data]
        return self.data


def read(path: Path) -> Value:
    """The only document of the file. Raises UsageError (``yaml-...``) for everything that is not plain, small YAML."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{path}: cannot be read ({reason})", slug="yaml-unreadable") from None
    if len(data) > MAX_BYTES:
        raise UsageError(f"{path}:1: larger than {MAX_BYTES // 1024} KiB; split the file", slug="yaml-too-large")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}:{line}: not UTF-8 text; save the file as UTF-8", slug="yaml-syntax") from None
    return parse(text, path)


def parse(text: str, path: Path) -> Value:
    """``read`` for text that is already there; ``path`` is for the messages."""
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                raise UsageError(f"{path}:1: the file is empty", slug="yaml-syntax")
            return _Builder(path, loader).build(node, 1)
        finally:
            loader.dispose()
    except _RefusedError as error:
        raise UsageError(f"{path}:{error.line}: {error}", slug=error.slug) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1 if mark else 1}"
        problem = " ".join(part for part in (error.context, error.problem) if part)
        raise UsageError(f"{where}: no valid YAML: {problem}", slug="yaml-syntax") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UsageError(f"{path}:{line}: a character that YAML does not allow", slug="yaml-syntax") from None
    except (yaml.YAMLError, ValueError, IndexError, OverflowError) as error:
        # PyYAML's scanner lets the errors of int() and chr() for odd escapes through.
        raise UsageError(f"{path}:1: no valid YAML: {error}", slug="yaml-syntax") from None


class _RefusedError(Exception):
    def __init__(self, line: int, message: str, slug: str) -> None:
        super().__init__(message)
        self.line, self.slug = line, slug


class _Loader(yaml.SafeLoader):
    """Composes nodes only, and stops while composing: a bomb must not be built before it is counted."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = self.aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            self.aliases += 1
            if self.aliases > MAX_ALIASES:
                raise _RefusedError(
                    line, f"more than {MAX_ALIASES} aliases (*name); write the values out", "yaml-alias"
                )
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _RefusedError(line, f"nested deeper than {MAX_DEPTH} levels", "yaml-too-deep")
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


class _Builder:
    """Nodes to values. Counts every visit: an alias makes one node appear many times."""

    def __init__(self, path: Path, loader: _Loader) -> None:
        self.path, self.loader, self.count = path, loader, 0

    def build(self, node: yaml.Node, depth: int) -> Value:
        line = node.start_mark.line + 1
        self.count += 1
        if self.count > MAX_VALUES:
            raise _RefusedError(line, f"more than {MAX_VALUES} values once aliases are followed", "yaml-alias")
        if depth > MAX_DEPTH:
            raise _RefusedError(
                line, f"nested deeper than {MAX_DEPTH} levels; an alias may not hold itself", "yaml-alias"
            )
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            return Value(data=[self.build(item, depth + 1) for item in node.value], line=line)
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            return Value(data=self._mapping(node, depth), line=line)
        if isinstance(node, yaml.ScalarNode):
            return Value(data=self._scalar(node, line), line=line, written=node.value)
        raise _RefusedError(line, f"the tag {node.tag!r:.80} is not allowed; remove it", "yaml-tag")

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Value]:
        items: dict[str, Value] = {}
        for key, item in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise _RefusedError(line, "a key must be plain text", "yaml-key")
            if key.tag == "tag:yaml.org,2002:merge":
                raise _RefusedError(line, "merge keys (<<) are not supported; write the keys out", "yaml-key")
            # Keys are taken as written: a variant called 4096 or no is a name, not a number or a boolean.
            name = _sound(key.value, line)
            if name in items:
                raise _RefusedError(
                    line, f"the key {name!r:.80} stands here a second time; keep one", "yaml-duplicate-key"
                )
            items[name] = self.build(item, depth + 1)
        return items

    def _scalar(self, node: yaml.ScalarNode, line: int) -> Scalar:
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        text = _sound(node.value, line)
        if kind in ("str", "timestamp", "value", "merge"):
            return text
        if kind not in ("null", "bool", "int", "float"):
            raise _RefusedError(line, f"the tag {node.tag!r:.80} is not allowed; remove it", "yaml-tag")
        try:
            value: Scalar = self.loader.construct_object(node)
        except (yaml.YAMLError, ValueError, KeyError, IndexError, OverflowError):
            raise _RefusedError(line, f"{node.value!r:.80} is no valid {kind}; quote it", "yaml-syntax") from None
        if isinstance(value, float) and not math.isfinite(value):
            raise _RefusedError(line, f"{node.value!r:.80} is not a finite number", "yaml-syntax")
        return value


def _sound(text: str, line: int) -> str:
    """``text`` if it can be written again: an escape such as "\\ud800" is half a character, which UTF-8 cannot say."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise _RefusedError(line, "an escape that stands for half a character (a surrogate)", "yaml-syntax")
    return text
