"""Text of a YAML file to a tree of values that remember their lines."""

from __future__ import annotations

import contextlib
import errno
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from pytest_slm.errors import UsageError
from pytest_slm.files import read_bytes
from pytest_slm.load.mistakes import Mistakes

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20
MAX_ALIASES = 50
MAX_VALUES = 20_000

Scalar = str | int | float | bool | None


@dataclass(frozen=True, kw_only=True)
class Value:
    """One YAML value: ``data`` is a scalar, a list of values or a dict of values; ``line``, counted from 1, is that of
    its key where it has one."""

    data: Scalar | list[Value] | dict[str, Value]
    line: int
    written: str = ""
    """A scalar as it stands in the file: dates and revisions are wanted as text, not as what YAML makes of them."""
    broken: bool = False
    """Whether the value could not be read, which has been told already."""

    def lines(self, name: str = "") -> dict[str, int]:
        """The line of every value in it, by dotted key: ``metrics[0].name``."""
        found: dict[str, int] = {name: self.line} if name else {}
        if isinstance(self.data, dict):
            for key, item in self.data.items():
                found |= item.lines(f"{name}.{key}" if name else key)
        elif isinstance(self.data, list):
            for index, item in enumerate(self.data):
                found |= item.lines(f"{name}[{index}]")
        return found

    def plain(self) -> Any:
        """The same without lines: dicts, lists and scalars."""
        if isinstance(self.data, dict):
            return {key: item.plain() for key, item in self.data.items()}
        if isinstance(self.data, list):
            return [item.plain() for item in self.data]
        return self.data


def read(path: Path, mistakes: Mistakes | None = None) -> Value:
    """The only document of the file. Raises UsageError (``yaml-...``) for everything that is not plain, small YAML;
    what leaves the rest readable (a key that stands there twice, say) is added to ``mistakes`` where they are given."""
    try:
        data = read_bytes(path, MAX_BYTES)
    except OSError as error:
        if error.errno == errno.EFBIG:
            problem = f"{path}:1: larger than {MAX_BYTES // 1024} KiB; split the file"
            raise UsageError(problem, slug="yaml-too-large") from None
        raise UsageError(f"{path}: cannot be read ({error.strerror})", slug="yaml-unreadable") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}:{line}: not UTF-8 text; save the file as UTF-8", slug="yaml-syntax") from None
    return parse(text, path, mistakes)


def parse(text: str, path: Path, mistakes: Mistakes | None = None) -> Value:
    """``read`` for text that is already there; ``path`` is for the messages."""
    found = Mistakes(path) if mistakes is None else mistakes
    try:
        node = _composed(text)
        if node is None:
            raise UsageError(f"{path}:1: the file is empty", slug="yaml-syntax")
        value = _Builder(found).build(node, 1)
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
    except WRONG as error:
        raise UsageError(f"{path}:1: no valid YAML: {error}", slug="yaml-syntax") from None
    if mistakes is None:
        found.check()
    return value


class _RefusedError(Exception):
    def __init__(self, line: int, message: str, slug: str) -> None:
        super().__init__(message)
        self.line, self.slug = line, slug


WRONG = (yaml.YAMLError, ValueError, IndexError, OverflowError)
"""What PyYAML raises: its scanner lets the errors of int() and chr() for odd escapes through."""


def _composed(text: str) -> yaml.Node | None:
    """The tree of the only document. libyaml's is the same in a sixth of the time. Where it makes none, or refuses the
    text, PyYAML's own parser has the last word, so that files and mistakes are the same where libyaml is missing."""
    if Compiled is not None and not APART.search(text):
        with contextlib.suppress(*WRONG):
            if isinstance(node := _of(Compiled(text)), yaml.CollectionNode):
                return node
    return _of(_Python(text))


APART = re.compile("[\t\ufeff\x85\u2028\u2029]|(?:^|[\\s,\\[{])!|^%|[|>]#", re.MULTILINE)
"""What the two do not read alike: tabs behind a value, marks and ends of lines that only Unicode knows, tags,
directives, comments right behind ``|``."""


def _of(loader: Any) -> yaml.Node | None:
    try:
        node: yaml.Node | None = loader.get_single_node()
        return node
    finally:
        loader.dispose()


class _BoundedComposer(Composer):
    """Composes nodes only, and stops while composing: a bomb must not be built before it is counted."""

    depth = aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[attr-defined]
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


class _Python(_BoundedComposer, yaml.SafeLoader):
    """PyYAML's own parser."""


Compiled: Callable[[str], Any] | None = None
"""libyaml's parser, where PyYAML has it."""

if yaml.__with_libyaml__:
    from yaml.cyaml import CParser  # type: ignore[attr-defined]  # it is there, but not in the stubs' list

    class _CompiledComposer(_BoundedComposer, CParser, Resolver):
        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)
            Composer.__init__(self)
            Resolver.__init__(self)

    Compiled = _CompiledComposer


class _Builder:
    """Nodes to values. Counts every visit: an alias makes one node appear many times."""

    def __init__(self, mistakes: Mistakes) -> None:
        self.constructor, self.mistakes, self.count = SafeConstructor(), mistakes, 0

    def build(self, node: yaml.Node, depth: int, name: str = "", key_line: int | None = None) -> Value:
        line = node.start_mark.line + 1 if key_line is None else key_line
        self.count += 1
        if self.count > MAX_VALUES:
            raise _RefusedError(line, f"more than {MAX_VALUES} values once aliases are followed", "yaml-alias")
        if depth > MAX_DEPTH:
            raise _RefusedError(
                line, f"nested deeper than {MAX_DEPTH} levels; an alias may not hold itself", "yaml-alias"
            )
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            items = [self.build(item, depth + 1, f"{name}[{index}]") for index, item in enumerate(node.value)]
            return Value(data=items, line=line)
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            return Value(data=self._mapping(node, depth, name), line=line)
        try:
            if isinstance(node, yaml.ScalarNode):
                return Value(data=self._scalar(node, line), line=line, written=node.value)
            raise _RefusedError(line, f"the tag {node.tag!r:.80} is not allowed; remove it", "yaml-tag")
        except _RefusedError as error:
            self.mistakes.add(error.line, f"{name}: {error}" if name else str(error), error.slug)
            return Value(data=None, line=line, broken=True)

    def _mapping(self, node: yaml.MappingNode, depth: int, within: str) -> dict[str, Value]:
        items: dict[str, Value] = {}
        for key, item in node.value:
            line = key.start_mark.line + 1
            try:
                name = self._key(key, line)
            except _RefusedError as error:
                self.mistakes.add(error.line, str(error), error.slug)
                continue
            dotted = f"{within}.{name:.80}" if within else f"{name:.80}"
            value = self.build(item, depth + 1, dotted, line)
            if name in items:
                problem = f"{dotted}: this key stands in line {items[name].line} already; keep one of the two"
                self.mistakes.add(line, problem, "yaml-duplicate-key")
            else:
                items[name] = value
        return items

    def _key(self, key: yaml.Node, line: int) -> str:
        if not isinstance(key, yaml.ScalarNode):
            raise _RefusedError(line, "a key must be plain text", "yaml-key")
        if key.tag == "tag:yaml.org,2002:merge":
            raise _RefusedError(line, "merge keys (<<) are not supported; write the keys out", "yaml-key")
        # Keys are taken as written: a variant called 4096 or no is a name, not a number or a boolean.
        return _sound(str(key.value), line)

    def _scalar(self, node: yaml.ScalarNode, line: int) -> Scalar:
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        text = _sound(node.value, line)
        if kind in ("str", "timestamp", "value", "merge"):
            return text
        if kind not in ("null", "bool", "int", "float"):
            raise _RefusedError(line, f"the tag {node.tag!r:.80} is not allowed; remove it", "yaml-tag")
        try:
            value: Scalar = self.constructor.construct_object(node)
        except (yaml.YAMLError, ValueError, KeyError, IndexError, OverflowError):
            raise _RefusedError(line, f"{node.value!r:.80} is no valid {kind}; quote it", "yaml-syntax") from None
        if isinstance(value, float) and not math.isfinite(value):
            raise _RefusedError(line, f"{node.value!r:.80} is not a finite number", "yaml-syntax")
        return value


HALF = re.compile("[\ud800-\udfff]")


def _sound(text: str, line: int) -> str:
    """``text`` if it can be written again: an escape such as "\\ud800" is half a character, which UTF-8 cannot say."""
    if HALF.search(text):
        raise _RefusedError(line, "an escape that stands for half a character (a surrogate)", "yaml-syntax")
    return text
