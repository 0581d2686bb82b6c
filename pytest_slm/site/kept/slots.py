"""A model's page tells its places among all others, which change with every other file: where only they did, they are
put into the page that is there, and all else of it stays."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import escape

from pytest_slm.registry.entry import RegistryEntry
from pytest_slm.registry.folder.index import Standing
from pytest_slm.site.kept.keeping import KeptModel
from pytest_slm.site.kept.tree import SiteTree
from pytest_slm.site.left_out import ODD
from pytest_slm.site.names import MOST_BYTES
from pytest_slm.site.titles.places import place_text
from pytest_slm.site.titles.wording import profile_order

_BEFORE = b"<small>"
"""What stands before a place. No text of anybody can hold it: it would be escaped."""
Key = tuple[str, str, str]
"""Quantization, machine and profile."""


def slots_of(entry: RegistryEntry, content: Mapping[str, bytes]) -> list[Any]:
    """What the page of a model tells of its places, and where, in the order of the page: -1 where it has several pages,
    or the same words stand elsewhere, too, so that it is made again for other places."""
    totals = [entry.aggregates[name] for name in sorted(entry.aggregates, key=profile_order)]
    places = [place_text(total.rank, total.rank_interval, total.ranked, total.unranked) for total in totals]
    page, at = content[f"models/{entry.id}.html"], 0
    alone = sum(path.startswith("models/") for path in content) == 1 and len(page) <= MOST_BYTES
    found: list[Any] = []
    for total, place in zip(totals, places, strict=True):
        text = _BEFORE + _bytes(place)
        sure = alone and bool(place) and page.count(text) == places.count(place)
        at = page.find(text, at) + len(_BEFORE) if sure else at
        found.append([[entry.quantization, total.machine or "", total.profile], at if sure else -1, place])
    return found


def places_in(standings: Iterable[tuple[str, Standing]]) -> dict[Key, str]:
    """The places of the files of a model, in words."""
    return {
        (one.quantization, one.machine, profile): place_text(one.rank, one.rank_interval, one.ranked, one.unranked)
        for profile, one in standings
    }


@dataclass(frozen=True)
class MovedPage:
    """A page with other places in it."""

    content: bytes
    slots: list[Any]


def unmoved(one: KeptModel, places: Mapping[Key, str]) -> bool:
    """Whether a page tells these places."""
    return all(places.get(tuple(key), "") == place for key, _, place in one.slots)


def moved(one: KeptModel, page: bytes, places: Mapping[Key, str]) -> MovedPage | None:
    """The page with these places; None where it has to be made."""
    parts: list[bytes] = []
    slots: list[Any] = []
    last = 0
    for key, at, old in one.slots:
        new, before = places.get(tuple(key)), _bytes(old)
        if not new or at < last or page[at : at + len(before)] != before:
            return None
        parts += [page[last:at], _bytes(new)]
        slots.append([key, sum(map(len, parts[:-1])), new])
        last = at + len(before)
    content = b"".join([*parts, page[last:]])
    if len(content) > MOST_BYTES:  # it may be divided then
        return None
    return MovedPage(content, slots)


def carried(one: KeptModel, page: str, places: Mapping[Key, str], tree: SiteTree) -> KeptModel | None:
    """Put the pages of a model into the next site as they are, but for its places; None where they have to be made."""
    with contextlib.suppress(*ODD, OSError):  # whatever somebody has written there
        if not all(path in tree.same for path in one.paths):
            return None
        change = None
        if not unmoved(one, places):
            change = moved(one, tree.content(page), places)
            if change is None:
                return None
        for path in one.paths:
            if change is not None and path == page:
                tree.put(path, change.content)
            else:
                tree.keep(path)
        return replace(one, slots=change.slots) if change else one
    return None


def _bytes(text: str) -> bytes:
    return str(escape(text)).encode("utf-8", "backslashreplace")
