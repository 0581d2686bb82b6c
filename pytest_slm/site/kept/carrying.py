"""Pages of a site that stay as they were, in the folder of the next one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pytest_slm import files
from pytest_slm.core.record import stays_inside
from pytest_slm.registry.store import write_new
from pytest_slm.site.kept.keeping import Kept
from pytest_slm.site.kept.slots import Key, moved, unmoved
from pytest_slm.workers import usable_cores


def carried_over(
    site: Path, fresh: Path, models: Mapping[str, Kept], places: Mapping[str, Mapping[Key, str]]
) -> dict[str, Kept]:
    """The models of which all pages are in the site as they were made; they are in ``fresh`` then, too, with these
    places in them."""

    def carried(name: str) -> Kept | None:
        one = models[name]
        try:
            content = {}
            for path, digest in one.hashes.items():
                data = files.read_bytes(site / path) if stays_inside(path) else b""
                if hashlib.sha256(data).hexdigest() != digest:
                    return None
                content[path] = data
            change = None
            if not unmoved(one, places[name]):
                change = moved(name, one, content[f"models/{name}.html"], places[name])
                if change is None:
                    return None
            for path in one.hashes:
                if change is not None and path == change.path:
                    write_new(fresh / path, change.content)
                else:
                    linked(site / path, fresh / path)
        except (AttributeError, LookupError, OSError, TypeError, ValueError):  # whatever somebody has written there
            return None
        return change.kept if change else one

    with ThreadPoolExecutor(usable_cores()) as pool:
        found = dict(zip(models, pool.map(carried, models), strict=True))
    return {name: one for name, one in found.items() if one is not None}


def linked(old: Path, new: Path) -> None:
    """Put a file in another place, too: no page is ever written to once it is there."""
    new.parent.mkdir(parents=True, exist_ok=True)
    try:
        new.hardlink_to(old)
    except OSError:  # not on every file system
        new.write_bytes(files.read_bytes(old))
