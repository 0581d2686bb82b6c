"""The score of each profile, with what it is the mean of where other scores stand above it."""

from __future__ import annotations

from dataclasses import replace

from pytest_slm.registry.entry import RegistryEntry
from pytest_slm.site import numbers
from pytest_slm.site.views import ScoreRow, aggregate_row, title_of


def profile_row(entry: RegistryEntry, profile: str) -> ScoreRow:
    """The row of a profile. As long as full runs have not measured enough of it, it is the mean of the quick ones, and
    the scores of single use cases that full runs have by then are not those that are in it."""
    total = entry.aggregates[profile]
    row = aggregate_row(total)
    others = [
        f"{title_of(entry, name)} {numbers.points(score, None)[0]}"
        for name, score in total.use_cases.items()
        if name in entry.use_cases and entry.use_cases[name].score != score
    ]
    if not others:
        return row
    told = f"made of other scores than those above: {', '.join(others)} ({row.quick or 'full'} runs)"
    return replace(row, note="; ".join(filter(None, (row.note, told))))
