"""Fields of what a server says, each of the type that it must have: anybody may have written it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_slm.backends.server import failures


class ReplyFields:
    """An object that a server has sent; ``what`` names the endpoint, ``place`` the way to the object in the answer."""

    def __init__(self, what: str, value: object, place: str = "the answer") -> None:
        if not isinstance(value, Mapping):
            raise failures.field(what, place, "an object", value)
        self._what, self._place = what, place
        self.value: Mapping[str, Any] = value

    def text(self, name: str) -> str:
        """A text; empty where it is null or missing."""
        value = self.value.get(name)
        if value is not None and not isinstance(value, str):
            raise self._wrong(name, "a text", value)
        return value or ""

    def count(self, name: str) -> int | None:
        """A whole number of at least 0; None where it is null or missing."""
        value = self.value.get(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53):
            raise self._wrong(name, "a whole number of at least 0", value)
        return value

    def logprob(self, name: str) -> float | None:
        """A natural logarithm of a probability; None where it is null or missing."""
        return self.as_logprob(name, self.value.get(name))

    def as_logprob(self, name: str, value: object) -> float | None:
        """The same of a value that stands somewhere below."""
        if value is None:
            return None
        if not isinstance(value, int | float) or isinstance(value, bool) or not value <= 1e-4:
            raise self._wrong(name, "the logarithm of a probability", value)
        return min(0.0, float(value))

    def items(self, name: str) -> list[Any]:
        """A list; empty where it is null or missing."""
        value = self.value.get(name)
        if value is not None and not isinstance(value, list):
            raise self._wrong(name, "a list", value)
        return value or []

    def inside(self, name: str) -> ReplyFields | None:
        """An object; None where it is null or missing."""
        value = self.value.get(name)
        return None if value is None else ReplyFields(self._what, value, self._named(name))

    def each(self, name: str) -> list[ReplyFields]:
        """The objects of a list."""
        items = self.items(name)
        return [ReplyFields(self._what, item, f"{self._named(name)}[{place}]") for place, item in enumerate(items)]

    def _named(self, name: str) -> str:
        return name if self._place == "the answer" else f"{self._place}.{name}"

    def _wrong(self, name: str, wanted: str, value: object) -> Exception:
        return failures.field(self._what, self._named(name), wanted, value)
