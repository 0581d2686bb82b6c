"""The marker ``slm_task``: what a test function measures, in the words of whoever wrote the test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_slm.core.record import Record, RecordError
from pytest_slm.errors import UsageError, did_you_mean


@dataclass(frozen=True, kw_only=True)
class Mark(Record):
    """What the marker says (docs/plugins.md). ``prompt`` and ``output`` are tokens, or the parameter that has them."""

    name: str
    variant: str | None = None
    quick: tuple[str | bool | int | float | None, ...] | None = None
    cost: float = 1000.0
    prompt: int | str | None = None
    output: int | str | None = None
    budget_s: float | Mapping[str, float] | None = None
    rounds: int | None = None
    last: int | bool = 0

    def __post_init__(self) -> None:
        if not self.name:
            raise RecordError("the name is empty")
        times = self.budget_s.values() if isinstance(self.budget_s, Mapping) else [self.budget_s]
        if self.cost <= 0 or any(seconds is not None and seconds <= 0 for seconds in times):
            raise RecordError("cost and budget_s are above 0")
        if self.rounds is not None and self.rounds < 1:
            raise RecordError("rounds is 1 at least")

    def budget(self, variant: str) -> float | None:
        """Seconds for the rounds of this variant; None if nothing is said."""
        return self.budget_s.get(variant) if isinstance(self.budget_s, Mapping) else self.budget_s

    def is_quick(self, variant: str) -> bool:
        """Whether quick mode has the variant."""
        return self.quick is None or variant in map(str, self.quick)


MARK: pytest.StashKey[Mark] = pytest.StashKey()


def mark_of(item: pytest.Item) -> Mark | None:
    """What the marker ``slm_task`` of a test says; None without it. Raises pytest.UsageError if it cannot be meant."""
    marker = item.get_closest_marker("slm_task")
    if marker is None:
        return None
    if MARK not in item.stash:
        item.stash[MARK] = _read(item, marker.args, marker.kwargs)
    return item.stash[MARK]


def parameters(item: pytest.Item) -> Mapping[str, Any]:
    """The parameters of a test function; empty if it has none."""
    return getattr(getattr(item, "callspec", None), "params", {})


def _read(item: pytest.Item, args: tuple[Any, ...], said: Mapping[str, Any]) -> Mark:
    if len(args) != 1 or not isinstance(args[0], str) or "name" in said:
        raise _wrong(item, 'its first argument is the name of what is measured: slm_task("name", ...)')
    unknown = sorted(set(said) - Mark.__dataclass_fields__.keys())
    if unknown:
        raise _wrong(item, f"it has no {unknown[0]!r}. {did_you_mean(unknown[0], Mark.__dataclass_fields__)}")
    times = said.get("budget_s")
    if isinstance(times, Mapping):
        said = {**said, "budget_s": {str(name): seconds for name, seconds in times.items()}}
    try:
        mark = Mark.from_json({**said, "name": args[0]})
    except RecordError as error:
        raise _wrong(item, str(error).replace(f"{Mark.__name__}.", "")) from None
    known = [name for name in parameters(item) if name != "slm_backend"]
    if mark.variant and mark.variant not in known:
        raise _wrong(item, f"variant={mark.variant!r} is no parameter of the test. {did_you_mean(mark.variant, known)}")
    for name, value in (("prompt", mark.prompt), ("output", mark.output)):
        if isinstance(value, str) and value not in known:
            raise _wrong(item, f"{name}={value!r} is no parameter of the test. {did_you_mean(value, known)}")
    return mark


def _wrong(item: pytest.Item, problem: str) -> pytest.UsageError:
    return pytest.UsageError(str(UsageError(f"{item.nodeid}: {problem}", slug="marker")))
