"""Does a file talk on where another one stops? Answers that were ended at their greatest length, item by item."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_slm.core.statistics import wilson
from pytest_slm.registry.entry import Item, QuantizationEntry
from pytest_slm.site.titles.definitions import task_title
from pytest_slm.site.titles.wording import variant_title

FAR = 0.2
"""So much more of the answers has to be cut off, and the 95 % intervals of both shares must not overlap."""
MOST = 4
"""Items that are named."""


def cut_more(one: QuantizationEntry, reference: QuantizationEntry, name: str) -> str:
    """The items in which far more answers of a file were cut off than of ``name``, the reference; empty where there is
    none. Such a file does not stop, whatever its score."""
    found = sorted(_found(one, reference), reverse=True)
    if not found:
        return ""
    told = ", ".join(words for _, words in found[:MOST])
    rest = f", and {len(found) - MOST} more" if len(found) > MOST else ""
    return f"Answers cut off at their greatest length far more often than with {name}: {told}{rest}"


def _found(one: QuantizationEntry, reference: QuantizationEntry) -> Iterator[tuple[float, str]]:
    others = {(item.suite, item.task, item.variant): item for item in reference.items}
    for item in one.items:
        other = others.get((item.suite, item.task, item.variant))
        if other is None or other.version != item.version:
            continue
        mine, its = _share(item), _share(other)
        if mine is None or its is None or mine[0] - its[0] < FAR or mine[1] <= its[2]:
            continue
        title = ", ".join(filter(None, (task_title(item.suite, item.task), variant_title(item.variant))))
        where = [f" in a {one.mode} run" if item.mode != other.mode else "" for one in (item, other)]
        of = f"{item.answers_cut} of {item.n}{where[0]}, not {other.answers_cut} of {other.n}{where[1]}"
        yield mine[0] - its[0], f"{title} ({of})"


def _share(item: Item) -> tuple[float, float, float] | None:
    """The share of answers that were cut off, and its interval; None where it is not known."""
    if item.answers_cut is None or not item.n or item.answers_cut > item.n:
        return None
    interval = wilson(item.answers_cut, item.n)
    return None if interval is None else (item.answers_cut / item.n, *interval)
