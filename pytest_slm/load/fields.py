"""Typed reading of a mapping: every wrong key or value is an error with file, line, key, expected and got."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NoReturn

from pytest_slm.errors import UsageError, did_you_mean
from pytest_slm.load.document import Value

MOST = 1 << 48
"""More than anything that is counted here; Python does not even write numbers of some thousand digits."""


class Fields:
    """One mapping of a YAML file. ``what`` is ``suite`` or ``submission``, the first word of the error slugs."""

    def __init__(self, value: Value, *, path: Path, what: str, known: Iterable[str], within: str = "") -> None:
        self.path, self.what, self.within, self.line = path, what, within, value.line
        if not isinstance(value.data, dict):
            self.wrong(within or "the file", value, "a mapping (key: value)")
        self.values: Mapping[str, Value] = value.data
        words = tuple(known)
        for key, item in self.values.items():
            if key not in words:
                message = f"{path}:{item.line}: unknown key {self._name(key)!r:.80}. {did_you_mean(key[:80], words)}"
                raise UsageError(message, slug=f"{what}-unknown-key")

    def __contains__(self, key: str) -> bool:
        # "key:" with nothing behind it is the same as no key.
        return key in self.values and self.values[key].data is not None

    def fail(self, key: str | None, message: str) -> NoReturn:
        """Raise UsageError at the line of ``key`` (or of the mapping)."""
        line = self.values[key].line if key is not None and key in self.values else self.line
        raise UsageError(f"{self.path}:{line}: {message}", slug=f"{self.what}-bad-value")

    def wrong(self, name: str, value: Value, wanted: str) -> NoReturn:
        """Raise UsageError for a value of the wrong kind."""
        message = f"{self.path}:{value.line}: {name}: expected {wanted}, got {_shown(value)}"
        raise UsageError(message, slug=f"{self.what}-bad-value")

    def required(self, key: str) -> Value:
        """The value of a key that must be there."""
        if key not in self:
            self.fail(None, f"missing key {self._name(key)!r}; add it")
        return self.values[key]

    def text(self, key: str, default: str = "") -> str:
        """A text that is not empty, on one line or many."""
        return self.optional_text(key) or default

    def optional_text(self, key: str) -> str | None:
        """A text, or None where the key is absent."""
        return self._text(self._name(key), self.values[key]) if key in self else None

    def written(self, key: str) -> str | None:
        """A text or a number, as it stands in the file: ``2026-01-31``, ``135000000``."""
        if key not in self:
            return None
        value = self.values[key]
        if isinstance(value.data, dict | list | bool):
            self.wrong(self._name(key), value, "a text")
        return value.written

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of different texts, empty where the key is absent."""
        if key not in self:
            return ()
        items = tuple(self._text(f"{self._name(key)}[{index}]", item) for index, item in enumerate(self.items(key)))
        for index, item in enumerate(items):
            if item in items[:index]:
                self.fail(key, f"{self._name(key)}: {item!r:.80} is listed twice")
        return items

    def whole(self, key: str, default: int | None, least: int = 1) -> int | None:
        """A whole number of at least ``least``, and not of thousands of digits."""
        if key not in self:
            return default
        value = self.values[key]
        if not isinstance(value.data, int) or isinstance(value.data, bool) or value.data < least:
            self.wrong(self._name(key), value, f"a whole number of at least {least}")
        if value.data > MOST:
            self.wrong(self._name(key), value, f"a whole number of at most {MOST}")
        return value.data

    def number(self, key: str) -> float:
        """A finite number that must be there."""
        value = self.required(key)
        if not isinstance(value.data, int | float) or isinstance(value.data, bool) or abs(value.data) > 1e300:
            self.wrong(self._name(key), value, "a number")
        return float(value.data)

    def flag(self, key: str) -> bool:
        """true or false; false where the key is absent."""
        if key not in self:
            return False
        value = self.values[key]
        if not isinstance(value.data, bool):
            self.wrong(self._name(key), value, "true or false")
        return value.data

    def items(self, key: str) -> list[Value]:
        """The values of a list, empty where the key is absent."""
        if key not in self:
            return []
        value = self.values[key]
        if not isinstance(value.data, list):
            self.wrong(self._name(key), value, "a list")
        return value.data

    def mapping(self, key: str) -> Mapping[str, Value]:
        """The values of a mapping with free keys, empty where the key is absent."""
        if key not in self:
            return {}
        return self.free(self.values[key], self._name(key))

    def free(self, value: Value, name: str) -> Mapping[str, Value]:
        """``value`` as a mapping with free keys; nothing behind the colon is an empty one."""
        if value.data is None:
            return {}
        if not isinstance(value.data, dict):
            self.wrong(name, value, "a mapping (key: value)")
        return value.data

    def below(self, value: Value, name: str, known: Iterable[str]) -> Fields:
        """The mapping ``value`` inside this one."""
        filled = Value(data={}, line=value.line) if value.data is None else value
        return Fields(filled, path=self.path, what=self.what, known=known, within=name)

    def one_of(self, key: str, words: Iterable[str]) -> str:
        """A text out of ``words`` that must be there."""
        choices = tuple(words)
        text = self._text(self._name(key), self.required(key))
        if text not in choices:
            self.fail(key, f"{self._name(key)}: {text!r:.80} is not known. {did_you_mean(text[:80], choices)}")
        return text

    def relative_path(self, key: str, text: str) -> str:
        """``text`` if it stays below the folder it is relative to; the file system is not asked."""
        windows = PureWindowsPath(text)
        if (
            windows.drive
            or windows.root
            or ".." in windows.parts
            or PurePosixPath(text).is_absolute()
            or any(ord(letter) < 32 for letter in text)
        ):
            self.fail(key, f"{self._name(key)}: expected a relative path inside this folder, got {text!r:.80}")
        return text

    def _name(self, key: str) -> str:
        return f"{self.within}.{key}" if self.within else key

    def _text(self, name: str, value: Value) -> str:
        if not isinstance(value.data, str) or not value.data.strip():
            self.wrong(name, value, "a text")
        return value.data.strip()


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
