"""A plan for reading: one line an item, then what the whole takes, and what does not fit."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_slm.errors import shown
from pytest_slm.planning.plan import PlannedItem, RunPlan, size
from pytest_slm.terminal.skips import listed, remedy
from pytest_slm.terminal.table import aligned

HEAD = ("item", "samples", "requests", "prompt tokens", "computed", "output", "seconds", "memory")
UNKNOWN = "?"


def lines(plan: RunPlan) -> Iterator[str]:
    """The lines of the table, its remarks and its sums."""
    yield from aligned([HEAD, *(_row(item) for item in plan.items)], right=range(1, len(HEAD)))
    yield from map(shown, _remarks(plan))


def _remarks(plan: RunPlan) -> Iterator[str]:
    """What is to be known of items, each once with those that it is true of, and then of the whole."""
    items: dict[str, list[PlannedItem]] = {}
    for item in plan.items:
        for told in _told(item):
            items.setdefault(told, []).append(item)
    for told, mine in items.items():
        yield f"{mine[0].item if len(mine) == 1 else f'{len(mine)} items'}: {told}"
        if len(mine) > 1:
            yield from listed(
                (one.item.suite, one.item.task + (f"[{one.item.variant}]" if one.item.variant else "")) for one in mine
            )
    yield from _whole(plan)


def _told(item: PlannedItem) -> Iterator[str]:
    if item.planned is not None:
        yield f"reckoned from {item.planned} of its {item.samples:,} samples"
    if item.reason and item.seconds and item.requests:
        yield item.reason
    elif item.reason:
        skipped = item.seconds is not None
        yield f"will not be measured: {remedy(item.item, item.reason)}" if skipped else f"not known: {item.reason}"


def _whole(plan: RunPlan) -> Iterator[str]:
    for name, rates in plan.rates:
        yield (
            f"rates of {name}: prompts {rates.prefill_tps:.0f} tok/s at 512 tokens, one answer {rates.decode_tps:.0f} "
            f"tok/s (measured in {rates.took_s:.1f} s, twice the same within {rates.spread:.0%})"
        )
    between = "" if plan.interval is None else f", between {_time(plan.interval[0])} and {_time(plan.interval[1])}"
    yield (
        f"time: {_time(plan.seconds)}{between} (of it {plan.startup_s:.0f} s to start); planning took "
        f"{plan.took_s:.0f} s more"
    )
    yield plan.busy
    needs = plan.needs
    model = UNKNOWN if plan.peak_bytes is None else size(plan.peak_bytes)
    session = UNKNOWN if needs.session_bytes is None else size(needs.session_bytes)
    yield f"memory: {model} for the model, {session} for the session, {size(needs.memory_limit)} there"
    free = UNKNOWN if needs.disk_free is None else size(needs.disk_free)
    yield f"disk: {size(needs.disk_bytes)} for the reports, {free} free"
    if needs.download_bytes is None:
        yield f"download: not known: {needs.download_reason}"
    else:
        yield f"download: {size(needs.download_bytes) if needs.download_bytes else 'no weights'}"
    for problem in plan.problems:
        yield f"does not fit: {problem}"


def _row(item: PlannedItem) -> tuple[str, ...]:
    numbers = (item.samples, item.requests, item.shown, item.evaluated, item.output)
    shown = (UNKNOWN if number is None and item.seconds is None else _number(number) for number in numbers)
    seconds = UNKNOWN if item.seconds is None else f"{item.seconds:.1f}"
    return (str(item.item), *shown, seconds, "" if item.peak_bytes is None else size(item.peak_bytes))


def _number(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return UNKNOWN
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
