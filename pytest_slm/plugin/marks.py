"""The marker ``slm_task``: what a test function measures, in the words of whoever wrote the test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_slm.core.record import Record, RecordError
from pytest_slm.errors import UsageError, did_you_mean

TOKENS_PER_S = 300.0
"""What a second is worth in tokens, where the remaining time is weighed by them."""
DEFAULT_COST = 1000.0


@dataclass(frozen=True, kw_only=True)
class TaskMark(Record):
    """What the marker says (docs/plugins.md). ``prompt`` and ``output`` are tokens, or the parameter that has them."""

    name: str
    variant: str | None = None
    quick: tuple[str | bool | int | float | None, ...] | None = None
    cost: float | None = None
    prompt: int | str | None = None
    output: int | str | None = None
    budget_s: float | Mapping[str, float] | None = None
    rounds: int | None = None
    last: int | bool = 0

    def __post_init__(self) -> None:
        if not self.name:
            raise RecordError("the name is empty")
        times = self.budget_s.values() if isinstance(self.budget_s, Mapping) else [self.budget_s]
        if any(value is not None and value <= 0 for value in (self.cost, *times)):
            raise RecordError("cost and budget_s are above 0")
        if self.rounds is not None and self.rounds < 1:
            raise RecordError("rounds is 1 at least")
        if self.quick and not self.variant:
            raise RecordError("quick names variants, and variant= does not say which parameter tells them apart")

    def budget(self, variant: str) -> float | None:
        """Seconds for the rounds of this variant; None if nothing is said."""
        return self.budget_s.get(variant) if isinstance(self.budget_s, Mapping) else self.budget_s

    def tokens(self, variant: str) -> float:
        """Tokens that the variant takes, roughly: what is said, or what its time is good for."""
        seconds = self.budget(variant)
        return self.cost or (seconds * TOKENS_PER_S if seconds else DEFAULT_COST)

    def is_quick(self, variant: str) -> bool:
        """Whether quick mode has the variant."""
        return self.quick is None or variant in map(str, self.quick)


MARK: pytest.StashKey[TaskMark] = pytest.StashKey()


def mark_of(item: pytest.Item) -> TaskMark | None:
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


def _read(item: pytest.Item, args: tuple[Any, ...], said: Mapping[str, Any]) -> TaskMark:
    if len(args) != 1 or not isinstance(args[0], str) or "name" in said:
        raise _wrong(item, 'its first argument is the name of what is measured: slm_task("name", ...)')
    unknown = sorted(set(said) - TaskMark.__dataclass_fields__.keys())
    if unknown:
        raise _wrong(item, f"it has no {unknown[0]!r}. {did_you_mean(unknown[0], TaskMark.__dataclass_fields__)}")
    times = said.get("budget_s")
    if isinstance(times, Mapping):
        said = {**said, "budget_s": {str(name): seconds for name, seconds in times.items()}}
    try:
        mark = TaskMark.from_json({**said, "name": args[0]})
    except RecordError as error:
        raise _wrong(item, str(error).replace(f"{TaskMark.__name__}.", "").replace("an object", "a dict")) from None
    known = [name for name in parameters(item) if name != "slm_backend"]
    if mark.variant and mark.variant not in known:
        raise _wrong(item, f"variant={mark.variant!r} is no parameter of the test. {did_you_mean(mark.variant, known)}")
    variants = _variants(item, mark.variant)
    for one in mark.quick or ():
        if variants and str(one) not in variants:
            raise _wrong(item, f"quick: the test has no variant {one!r}. {did_you_mean(str(one), variants)}")
    for name, value in (("prompt", mark.prompt), ("output", mark.output)):
        if isinstance(value, str) and value not in known:
            raise _wrong(item, f"{name}={value!r} is no parameter of the test. {did_you_mean(value, known)}")
    return mark


def _variants(item: pytest.Item, parameter: str | None) -> list[str]:
    """All values that the test gives a parameter; empty where it does not say them itself."""
    for marker in item.iter_markers("parametrize"):
        names, values = (*marker.args, None, None)[:2]
        if names in (parameter, (parameter,), [parameter]) and isinstance(values, list | tuple):
            return [str(value.values[0] if hasattr(value, "marks") else value) for value in values]  # pytest.param
    return []


def _wrong(item: pytest.Item, problem: str) -> pytest.UsageError:
    return pytest.UsageError(str(UsageError(f"{item.nodeid}: slm_task: {problem}", slug="marker")))
