"""Everything that pages about many models are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from pytest_slm.core.aggregation import ScoreRules
from pytest_slm.registry.entry import Registry
from pytest_slm.registry.rows import entry_rows
from pytest_slm.registry.rows.placing import Place
from pytest_slm.registry.rows.standings import Key, Placement
from pytest_slm.site import numbers
from pytest_slm.site.facts.files import FileFacts, ModelFacts, model_facts
from pytest_slm.site.facts.lengths import at_common_lengths
from pytest_slm.site.facts.summary import Summary, merged, summarized


@dataclass(frozen=True)
class Wide:
    """All models with what they add up to, and the place of each file in each profile; ``updated`` is when the newest
    report was."""

    rules: ScoreRules
    updated: str
    models: tuple[ModelFacts, ...]
    summary: Summary
    places: Mapping[Key, Placement]

    @cached_property
    def files(self) -> tuple[FileFacts, ...]:
        """All files, in the order of models, quantizations and machines; speeds of a machine are of one length."""
        return at_common_lengths(file for model in self.models for file in model.files)


def wide_of(registry: Registry) -> Wide:
    """The same of a registry that was read as a whole."""
    every = [(entry, entry_rows(entry)) for entry in registry.models]
    places: dict[Key, Placement] = {}
    for row in (row for _, rows in every for row in rows):
        for name, one in row.aggregates.items():
            place = None
            if one.rank is not None:
                between = one.rank_interval or (one.rank, one.rank)
                place = Place(rank=one.rank, rank_interval=between, tier=one.tier or 0, corrected=one.corrected)
            places[row.model, row.quantization, row.machine, name] = Placement(place, one.ranked, one.unranked)
    return Wide(
        rules=registry.rules,
        updated=day_of(registry.metadata.last_updated),
        models=tuple(model_facts(entry, rows) for entry, rows in every),
        summary=merged(summarized(entry, rows) for entry, rows in every),
        places=places,
    )


def day_of(time: str | None) -> str:
    """A time in words; empty where there is none."""
    return numbers.day(time) if time else ""
