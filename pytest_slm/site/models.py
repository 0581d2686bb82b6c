"""All files of one model: its page, or as many as its quantizations need, the items of each, and their scores to be
compared. Work that several processes share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_slm.comparing.use_cases import Comparisons
from pytest_slm.core.aggregation import ScoreRules
from pytest_slm.registry.entry import RegistryEntry
from pytest_slm.registry.folder.index import IndexedModel, Standing
from pytest_slm.registry.folder.reading import read_placed
from pytest_slm.registry.merge import newest
from pytest_slm.registry.rows import entry_rows
from pytest_slm.site import numbers
from pytest_slm.site.compare import model_scripts
from pytest_slm.site.facts.files import ModelFacts, model_facts
from pytest_slm.site.facts.shards import kept_parts, kept_shard, put_shard, shard_of
from pytest_slm.site.facts.summary import Summary, summarized
from pytest_slm.site.kept.slots import slots_of
from pytest_slm.site.kept.tree import put_file
from pytest_slm.site.left_out import ODD, why
from pytest_slm.site.model.card import Card, card
from pytest_slm.site.model.forest import comparisons, profile_of
from pytest_slm.site.model.items import items_view
from pytest_slm.site.model.reference import reference_of
from pytest_slm.site.model_view import PartLink, model_view, ordered
from pytest_slm.site.names import MOST_BYTES, page_name
from pytest_slm.site.render import beside, linked_page


def answer(about: Any, order: Any) -> Any:
    """Write the files of some models of one shard, for a process of its own, and make the shard anew: the hashes and
    stamps of the files of each with its slots, and what the shard is asked for by, or the shard where none are kept.
    Of models of which no page can be made there is only why, and the shard is without them."""
    cache = Path(about["cache"]) if about["cache"] else None
    told, made, left_out = {}, {}, {}
    for one in order["models"]:
        try:
            entry, content, slots, facts = _made(about, one)
        except ODD as error:
            left_out[one["model"]["id"]] = why(error)
            continue
        told[entry.id] = {"pages": _written(about, content), "slots": slots}
        made[entry.id] = facts
    old, name, asked = None, order["shard"], order["asked"]
    if cache is not None and order["kept"]:
        old = kept_shard(cache, name, asked), kept_parts(cache, name, asked)
    shard, parts = shard_of(made, old, order["kept"])
    if cache is None:
        return {"models": told, "left_out": left_out, "asked": "", "shard": shard}
    return {"models": told, "left_out": left_out, "asked": put_shard(cache, name, shard, parts), "shard": None}


def _made(about: Any, one: Any) -> tuple[RegistryEntry, dict[str, bytes], list[Any], tuple[ModelFacts, Summary]]:
    standings = [(profile, Standing.from_json(found)) for profile, found in one["standings"]]
    entry = read_placed(Path(about["registry"]), IndexedModel.from_json(one["model"]), standings)
    with beside(about["guides"]):
        texts = model_files(entry, ScoreRules.from_json(about["rules"]), sampled=one["sampled"])
    content = {path: text.encode("utf-8", "backslashreplace") for path, text in texts.items()}
    return entry, content, slots_of(entry, content), facts_of(entry)


def facts_of(entry: RegistryEntry) -> tuple[ModelFacts, Summary]:
    """What the pages about many models know of one."""
    rows = entry_rows(entry)
    return model_facts(entry, rows), summarized(entry, rows)


def _written(about: Any, content: Mapping[str, bytes]) -> dict[str, Any]:
    """Write the files of a model: the hash and stamp of each."""
    fresh, twin = Path(about["fresh"]), Path(about["twin"]) if about["twin"] else None
    return {
        path: (hashlib.sha256(data).hexdigest(), put_file(fresh, path, data, twin)) for path, data in content.items()
    }


def model_files(entry: RegistryEntry, rules: ScoreRules, sampled: bool) -> dict[str, str]:
    """The text of every file of a model by its path in the site; ``sampled``: there is a page of its samples."""
    every = {name: f"items/{entry.id}/{page_name(name)}.html" for name in entry.quantizations}
    items = {name: place for name, place in every.items() if name != entry.quantization}
    samples = f"samples/{entry.id}.html" if sampled else ""
    found = comparisons(entry, rules)
    pages = _pages(entry, rules, found, items, samples, whole=True)
    if not pages:  # the items that are shown first have a page of their own, too
        items = every
        pages = _pages(entry, rules, found, items, samples)
    for name, place in items.items():
        back = f"../../models/{entry.id}.html"
        pages[place] = linked_page("items.html", root="../../", view=items_view(entry, name), back=back)
    return {**pages, **model_scripts(entry, rules)}


def _pages(
    entry: RegistryEntry,
    rules: ScoreRules,
    found: Mapping[str, Comparisons],
    items: Mapping[str, str],
    samples: str,
    *,
    whole: bool = False,
) -> dict[str, str]:
    """The model's pages; none where one has no room for all and it has to be ``whole``."""
    chosen = card(entry, found, profile_of(entry, rules))
    updated = newest(entry)

    def page(number: int, portions: Sequence[Collection[str]]) -> str:
        root = "../" if number == 0 else "../../"
        links = [_link(entry, portions, one, number) for one in range(len(portions))] if len(portions) > 1 else []
        addresses = {name: f"{root}{place}" for name, place in items.items()}
        home = next(place for place, names in enumerate(portions) if entry.quantization in names)
        elsewhere = links[home].href if links else ""  # empty on its own page
        view = model_view(
            entry,
            addresses,
            rules,
            found=found,
            chosen=chosen,
            shown=portions[number],
            parts=links,
            elsewhere=elsewhere,
        )
        day = numbers.day(updated) if updated else ""
        return linked_page("model.html", root=root, inline="parts.js", view=view, updated=day, samples=samples)

    return _divided(useful_first(entry, chosen), reference_of(entry), page, entry.id, whole=whole)


def _divided(
    names: Sequence[str],
    reference: str,
    page: Callable[[int, Sequence[Collection[str]]], str],
    model: str,
    *,
    whole: bool,
) -> dict[str, str]:
    """As few pages as hold so many files; the reference is on each of them. None where that is not one page and it has
    to be ``whole``."""
    count = len(names)
    while True:
        portions = portions_of(names, reference, count)
        pages = {}
        for number in range(len(portions)):
            text = page(number, portions)
            size = len(text.encode("utf-8", "backslashreplace"))
            if size > MOST_BYTES and whole:
                return {}
            if size > MOST_BYTES and count > 1:
                count = max(1, min(count - 1, int(len(portions[number]) * MOST_BYTES / size)))
                break
            pages[part_path(model, number)] = text
        else:
            return pages


def portions_of(names: Sequence[str], reference: str, count: int) -> list[list[str]]:
    """At most ``count`` of the names for each page, in their order; the reference is on each, and counted on the first
    one only."""
    first = [reference, *(name for name in names if name != reference)][:count] if count < len(names) else list(names)
    rest = [name for name in names if name not in first]
    return [first, *([reference, *rest[at : at + count]] for at in range(0, len(rest), count))]


def part_path(model: str, number: int) -> str:
    """The path of a page of a model, of which most have only the first."""
    return f"models/{model}.html" if number == 0 else f"models/{model}/{number + 1}.html"


def _link(entry: RegistryEntry, portions: Sequence[Collection[str]], one: int, here: int) -> PartLink:
    reference = reference_of(entry)
    names = [name for name in ordered(entry) if name in portions[one] and (one == 0 or name != reference)]
    label = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
    root = "../" if here == 0 else "../../"
    return PartLink(label=label, href="" if one == here else f"{root}{part_path(entry.id, one)}")


def useful_first(entry: RegistryEntry, card: Card) -> list[str]:
    """The files that most people look for before the others: what is shown first, what others are compared with, what
    the decision card names, what has a rank, then what was measured most widely, and of equals the more precise."""
    chosen = [choice.quantization for choice in card.choices]

    def place(name: str) -> tuple[bool, float, float, str]:
        one = entry.quantizations[name]
        ranked = any(total.ranked for total in one.aggregates.values())
        covered = sum(case.coverage for case in one.use_cases.values())
        return not ranked, -covered, -(one.bits_per_weight or 0.0), name

    return list(
        dict.fromkeys([entry.quantization, reference_of(entry), *chosen, *sorted(entry.quantizations, key=place)])
    )
