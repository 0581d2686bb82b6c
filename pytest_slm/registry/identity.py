"""Which reports are of one model: by its repository on the Hub, its slug, or the bytes of its weights."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

from pytest_slm.core.record import is_file_name, utc
from pytest_slm.core.types import RunReport
from pytest_slm.registry.store import StoredReport

PAGES = (".html", ".js")
"""How files of the site end: a model's folder there is called by its id, and none may have the name of one of them."""


def plain_id(name: str) -> str:
    """A name as a file name and an address: what is not plainly one is reduced, and made unique by a hash."""
    plain = re.fullmatch(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?", name, flags=re.ASCII)
    odd = "--" in name or ".." in name or name.lower().endswith(PAGES)
    if plain and not odd and is_file_name(name.replace("/", "--")):
        return name.lower().replace("/", "--")
    kept = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
    return f"{kept or 'model'}-{hashlib.sha256(name.encode(errors='backslashreplace')).hexdigest()[:16]}"


def model_id(run: RunReport) -> str:
    """The id of a model: its Hub repository with ``--`` between owner and name, else the slug of the submission."""
    name = run.submission.hf_repo or run.submission.slug
    if run.backend is not None and run.backend.server is not None:  # one address holds now this model, now that one
        name = f"{name}:{run.backend.served_model}"
    return plain_id(name)


def revision_of(run: RunReport) -> str | None:
    """The revision of the weights, as submitted or as found in their headers."""
    return run.submission.revision or (run.detected.revision if run.detected else None)


def weights_of(run: RunReport) -> tuple[str, ...]:
    """The hash of the weights, and of those that they were made from; empty where nobody has read them."""
    own = run.backend.weights_sha256 if run.backend and run.backend.server is None else None
    derivation = run.detected.derivation if run.detected else None
    return tuple(sorted({one for one in (own, derivation.source_sha256 if derivation else None) if one}))


def by_model(reports: Iterable[StoredReport]) -> dict[str, list[StoredReport]]:
    """The reports of each model. A file that was named by its path is the model that has the same weights elsewhere;
    two repositories of the Hub stay two models, whatever is in them."""
    groups: dict[str, list[StoredReport]] = {}
    for stored in reports:
        groups.setdefault(model_id(stored.run), []).append(stored)
    homes: dict[str, str] = {}
    models: dict[str, list[StoredReport]] = {}
    for name in sorted(groups, key=lambda name: _place(name, groups[name])):
        hashes = sorted({one for stored in groups[name] for one in weights_of(stored.run)})
        home = name if _published(groups[name]) else next((homes[one] for one in hashes if one in homes), name)
        for one in hashes:
            homes.setdefault(one, home)
        models.setdefault(home, []).extend(groups[name])
    return models


def _published(group: Sequence[StoredReport]) -> bool:
    return any(stored.run.submission.hf_repo for stored in group)


def _place(name: str, group: Sequence[StoredReport]) -> tuple[object, ...]:
    """The order in which names are taken: of the Hub, with a version, of the most reports, by the alphabet."""
    versioned = any(revision_of(stored.run) for stored in group)
    return not _published(group), not versioned, -len(group), name


def of_one_revision(group: Sequence[StoredReport]) -> tuple[str | None, list[StoredReport]]:
    """The newest revision of a model, and the reports of it: those that name it, and those that name none but have the
    same weights."""
    newest = max(group, key=lambda stored: (stored.run.standard, _time(stored), stored.path))
    hashes = set(weights_of(newest.run))
    named = (revision_of(stored.run) for stored in group if hashes & set(weights_of(stored.run)))
    revision = revision_of(newest.run) or next(filter(None, named), None)
    hashes |= {one for stored in group if revision_of(stored.run) == revision for one in weights_of(stored.run)}
    current = [
        stored
        for stored in group
        if revision_of(stored.run) == revision
        or (revision_of(stored.run) is None and hashes & set(weights_of(stored.run)))
    ]
    return revision, current


def _time(stored: StoredReport) -> float:
    return utc(stored.run.finished).timestamp()
