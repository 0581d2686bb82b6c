"""Every item of a file, by suite: its number, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_slm.core.types import Metric
from pytest_slm.registry.entry import Item, RegistryEntry
from pytest_slm.site.titles.definitions import task_address, task_title, twin_note
from pytest_slm.site.titles.parts import part_note
from pytest_slm.site.titles.wording import words
from pytest_slm.site.views import ItemRow, item_row, sampled


@dataclass(frozen=True, kw_only=True)
class ItemsView:
    """Every item of one quantization, by suite: a part of the model's page for the headline, else a page."""

    model: str
    quantization: str
    count: int
    groups: tuple[tuple[str, tuple[ItemRow, ...]], ...]


def items_view(entry: RegistryEntry, name: str) -> ItemsView:
    """The items of one quantization."""
    one = entry.quantizations[name]
    # What is timed stands last: who reads on has seen it as plots.
    timed = {name for name, facts in entry.suites.items() if not facts.scored}
    suites = sorted(dict.fromkeys(item.suite for item in one.items), key=lambda suite: suite in timed)
    ordered = sorted(one.items, key=lambda item: (item.task, *_natural(item.variant)))
    asked = {reference.path: (reference.limit, reference.settings) for reference in entry.provenance.reports}
    return ItemsView(
        model=entry.name,
        quantization=name,
        count=len(one.items),
        groups=tuple(
            (
                words(entry.suites[suite].title if suite in entry.suites else suite),
                tuple(_item(item, *asked.get(item.report, (None, ""))) for item in ordered if item.suite == suite),
            )
            for suite in suites
        ),
    )


def _natural(variant: str) -> tuple[int, int, str]:
    """The order of variants: lengths from short to long, then all others by name."""
    number = int(variant) if variant.isdecimal() and len(variant) < 16 else None
    return (number is None, number or 0, variant)


def _item(item: Item, limit: int | None, settings: str) -> ItemRow:
    metric = None
    if item.metric is not None and item.value is not None and item.n is not None:
        metric = Metric(
            name=item.metric,
            value=item.value,
            n=item.n,
            interval=item.interval,
            unit=item.unit or "",
            higher_is_better=item.higher_is_better is not False,
            chance=item.chance,
            cuts=item.cuts,
        )
    return item_row(
        task_title(item.suite, item.task),
        item.variant,
        item.outcome,
        item.reason,
        metric,
        unscored=item.n_unscored,
        cut=item.answers_cut,
        censored=item.thinking.censored if item.thinking else 0,
        quick=sampled(item.mode, limit, settings),
        href=task_address(item.suite, item.task),
        behind=(_noisy(item), part_note(item.part), twin_note(item.suite, item.task)),
    )


def _noisy(item: Item) -> str:
    if item.verdict != "noisy":
        return ""
    return f"noisy: {item.noise}" if item.noise else "noisy"
