"""Typed reading of a mapping: every wrong key or value is a line with file, line, key, what was expected and got.

A wrong value is added to the file's mistakes and read as if it were absent, so that one look finds them all; whoever
reads calls ``Mistakes.check`` before the values are used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_slm.core.record import is_name, stays_inside
from pytest_slm.errors import did_you_mean
from pytest_slm.load.document import Value
from pytest_slm.load.mistakes import Mistakes

MOST = 1 << 48
"""More than anything that is counted here; Python does not even write numbers of some thousand digits."""

PAGES: Mapping[str, str] = {
    "suite": "docs/suites.md",
    "submission": "docs/submissions.md",
    "machine": "docs/ci.md",
    "featured": "docs/hub.md",
}
"""Where the keys of each kind of file are explained."""


class Fields:
    """One mapping of a YAML file. ``what`` is a key of ``PAGES``, the first word of the error slugs; ``hints``
    say of keys that belong elsewhere where that is."""

    def __init__(
        self,
        value: Value,
        *,
        mistakes: Mistakes,
        what: str,
        known: Iterable[str],
        within: str = "",
        hints: Mapping[str, str] | None = None,
    ) -> None:
        self.mistakes, self.what, self.within, self.line = mistakes, what, within, value.line
        self.values: Mapping[str, Value] = {}
        self.told = not isinstance(value.data, dict)
        if isinstance(value.data, dict):
            self.values = value.data
        else:
            self.wrong(within or "the file", value, "a mapping (key: value)")
        words = tuple(known)
        for key, item in self.values.items():
            if key not in words:
                hint = (hints or {}).get(key) or did_you_mean(key[:80], words, page=PAGES[what])
                mistakes.add(item.line, f"{self._name(key[:80])}: unknown key. {hint}", f"{what}-unknown-key")

    def __contains__(self, key: str) -> bool:
        # "key:" with nothing behind it is the same as no key.
        return key in self.values and self.values[key].data is not None

    def add(self, value: Value, message: str) -> None:
        """Add a mistake at the line of ``value``."""
        self.mistakes.add(value.line, message, f"{self.what}-bad-value")

    def fail(self, key: str | None, message: str) -> None:
        """Add a mistake at the line of ``key`` (or of the mapping)."""
        line = self.values[key].line if key is not None and key in self.values else self.line
        self.mistakes.add(line, message, f"{self.what}-bad-value")

    def wrong(self, name: str, value: Value, wanted: str) -> None:
        """Add a value of the wrong kind to the mistakes, unless it could not be read at all: that has been told."""
        if not value.broken:
            self.add(value, f"{name}: expected {wanted}, got {_shown(value)}")

    def required(self, key: str) -> Value | None:
        """The value of a key that must be there."""
        if key in self:
            return self.values[key]
        if not self.told and not (key in self.values and self.values[key].broken):
            self.fail(key, f"{self._name(key)}: missing key; add it")
        return None

    def text(self, key: str, default: str = "") -> str:
        """A text that is not empty, on one line or many."""
        return self.optional_text(key) or default

    def optional_text(self, key: str) -> str | None:
        """A text, or None where the key is absent."""
        return self._text(self._name(key), self.values[key]) if key in self else None

    def name(self, key: str, default: str) -> str:
        """A text that can be a name: one line of at most 200 characters, all of them visible."""
        text = self.text(key, default)
        if is_name(text):
            return text
        self.fail(key, f"{self._name(key)}: expected a name of 1 to 200 visible characters, got {text!r:.80}")
        return "-"

    def optional_name(self, key: str) -> str | None:
        """The same, or None where the key is absent."""
        return self.name(key, "-") if key in self else None

    def written(self, key: str) -> str | None:
        """A text or a number, as it stands in the file: ``2026-01-31``, ``135000000``."""
        if key not in self:
            return None
        value = self.values[key]
        if isinstance(value.data, dict | list | bool):
            self.wrong(self._name(key), value, "a text")
            return None
        return value.written

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of different texts, empty where the key is absent."""
        found: list[str] = []
        for index, item in enumerate(self.items(key)):
            text = self._text(f"{self._name(key)}[{index}]", item)
            if text is not None and text in found:
                self.add(item, f"{self._name(key)}: {text!r:.80} is listed twice; keep one")
            elif text is not None:
                found.append(text)
        return tuple(found)

    def names(self, key: str) -> tuple[str, ...]:
        """A list of different names."""
        found = self.texts(key)
        for text in found:
            if not is_name(text):
                self.fail(key, f"{self._name(key)}: expected names of 1 to 200 visible characters, got {text!r:.80}")
        return found

    def whole(self, key: str, default: int | None, least: int = 1) -> int | None:
        """A whole number of at least ``least``, and not of thousands of digits."""
        if key not in self:
            return default
        value = self.values[key]
        if not isinstance(value.data, int) or isinstance(value.data, bool) or value.data < least:
            self.wrong(self._name(key), value, f"a whole number of at least {least}")
        elif value.data > MOST:
            self.wrong(self._name(key), value, f"a whole number of at most {MOST}")
        else:
            return value.data
        return default

    def number(self, key: str) -> float:
        """A finite number that must be there."""
        value = self.required(key)
        return (value and self.real(self._name(key), value)) or 0.0

    def real(self, name: str, value: Value, *, share: bool = False) -> float | None:
        """``value`` as a finite number, of 0 to 1 if it is to be a ``share``."""
        low, high = (0.0, 1.0) if share else (-1e300, 1e300)
        if isinstance(value.data, int | float) and not isinstance(value.data, bool) and low <= value.data <= high:
            return float(value.data)
        self.wrong(name, value, "a number from 0 to 1" if share else "a number")
        return None

    def flag(self, key: str, default: bool = False) -> bool:
        """true or false; ``default`` where the key is absent."""
        if key not in self:
            return default
        value = self.values[key]
        if not isinstance(value.data, bool):
            self.wrong(self._name(key), value, "true or false")
            return default
        return value.data

    def items(self, key: str) -> list[Value]:
        """The values of a list, empty where the key is absent."""
        if key not in self:
            return []
        value = self.values[key]
        if not isinstance(value.data, list):
            self.wrong(self._name(key), value, "a list")
            return []
        return value.data

    def mapping(self, key: str) -> Mapping[str, Value]:
        """The values of a mapping with free keys, empty where the key is absent."""
        return self.free(self.values[key], self._name(key)) if key in self else {}

    def free(self, value: Value, name: str) -> Mapping[str, Value]:
        """``value`` as a mapping with free keys; nothing behind the colon is an empty one."""
        if isinstance(value.data, dict):
            return value.data
        if value.data is not None:
            self.wrong(name, value, "a mapping (key: value)")
        return {}

    def below(self, value: Value, name: str, known: Iterable[str], hints: Mapping[str, str] | None = None) -> Fields:
        """The mapping ``value`` inside this one."""
        filled = Value(data={}, line=value.line) if value.data is None and not value.broken else value
        return Fields(filled, mistakes=self.mistakes, what=self.what, known=known, within=name, hints=hints)

    def one_of(self, key: str, words: Iterable[str]) -> str | None:
        """A text out of ``words`` that must be there."""
        value = self.required(key)
        text = None if value is None else self._text(self._name(key), value)
        if text is None or text in (choices := tuple(words)):
            return text
        hint = did_you_mean(text[:80], choices, page=PAGES[self.what])
        self.fail(key, f"{self._name(key)}: {text!r:.80} is not known. {hint}")
        return None

    def relative_path(self, key: str, text: str) -> None:
        """Demand that ``text`` stays below the folder it is relative to; the file system is not asked."""
        if not stays_inside(text) or not all(is_name(part) for part in re.split(r"[/\\]", text) if part):
            self.fail(key, f"{self._name(key)}: expected a relative path inside this folder, got {text!r:.80}")

    def _name(self, key: str) -> str:
        return f"{self.within}.{key}" if self.within else key

    def _text(self, name: str, value: Value) -> str | None:
        if isinstance(value.data, str) and value.data.strip():
            return value.data.strip()
        self.wrong(name, value, "a text")
        return None


def plain(values: Mapping[str, Value]) -> dict[str, Any]:
    """A mapping with free keys, without lines."""
    return {key: value.plain() for key, value in values.items()}


def _shown(value: Value) -> str:
    if isinstance(value.data, dict):
        return "a mapping"
    if isinstance(value.data, list):
        return "a list"
    if value.data is None:
        return "nothing"
    if isinstance(value.data, str):
        return f"the text {value.data!r:.80}"
    kind = "the boolean" if isinstance(value.data, bool) else "the number"
    hint = " (quote it if it is meant as text)" if isinstance(value.data, bool) else ""
    return f"{kind} {value.written:.80}{hint}"
