"""From a folder of reports to a registry; what was made of reports that are the same is not made again."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from pytest_slm import __version__
from pytest_slm.errors import ReportError
from pytest_slm.load.builtin import score_rules
from pytest_slm.registry.folder.groups import joined
from pytest_slm.registry.folder.index import INDEX, Index, IndexedModel, RefusedReport
from pytest_slm.registry.folder.pieces import MadeModel, Order, Piece, Workplace, made_model, refused_report
from pytest_slm.registry.folder.reading import check_file, read_index, read_model
from pytest_slm.registry.folder.writing import check_place, clean, index_of, put, totals_of
from pytest_slm.registry.store import read_report_bytes, report_paths
from pytest_slm.workers import spread, usable_cores

OF_ITS_OWN = frozenset({"report-broken", "report-foreign", "report-schema", "report-invalid", "report-scripted"})
"""Reasons that lie in the bytes of a report alone: the same bytes are refused again without a look at them."""
PORTION = 40
"""Reports that a process gets at once."""
FEW = 200
"""So many reports take less time than it takes to start a process for them."""


def build_folder(
    reports: Path, folder: Path, *, now: datetime, keep: bool = False, strict: bool = False, jobs: int | None = None
) -> Index:
    """Make ``folder`` the registry of all reports below another folder; ``keep`` keeps models that have none there.

    The entry of a model whose reports have the hashes that the folder's old index names is taken from there. ``jobs``:
    processes that share the work (None: as many as there are cores, if it is much); the bytes do not depend on it.
    Raises ReportError, and writes nothing, where there is no report, and with ``strict`` where one is refused (those of
    scripted models are not meant to be in).
    """
    check_place(folder)
    old = _old_index(folder, keep=keep)
    token = secrets.token_hex(4)
    with clean(folder, token):
        build = _Build(reports, folder, now=now, keep=keep, token=token, jobs=jobs)
        try:
            index = build.index(old)
        except ReportError as error:
            if old is None or keep or not error.slug.startswith("registry-"):
                raise
            index = build.index(None)  # its files are not those it had
        refused = [one for one in index.refused if one.slug != "report-scripted"]
        _check(reports, index, refused, strict=strict)
        return put(folder, index, token)


class _Build:
    """One build: where from and where to, and how."""

    def __init__(self, reports: Path, folder: Path, *, now: datetime, keep: bool, token: str, jobs: int | None) -> None:
        self.reports, self.folder, self.keep, self.jobs = reports, folder, keep, jobs
        self.place = Workplace(reports=str(reports), folder=str(folder), now=now.isoformat(), token=token, kept={})
        self.hashes, self.unread = _hashes(reports)
        self.sizes = {name: _sample_bytes((reports / name).parent) for name in self.hashes}

    def index(self, old: Index | None) -> Index:
        """The index of all models; the files of those that changed lie beside their places."""
        hashes = self.hashes
        known = {model.id: model for model in old.models} if old else {}
        # What another version made is made anew, and at most kept.
        trusted = old is not None and (old.made_by, old.rules) == (__version__, score_rules())
        same = {one.path: one for one in old.refused if one.slug in OF_ITS_OWN} if old and trusted else {}
        same = {path: one for path, one in same.items() if hashes.get(path) == one.sha256}
        named = (pair for model in known.values() for pair in model.reports.items())
        seen = {path for path, digest in named if hashes.get(path) == digest} if trusted else set()
        # A model of which a report is new, changed or gone is made again from all of its reports.
        changed = {name for name, model in known.items() if not self._whole(model, seen)}
        again = {path for name in changed for path in known[name].reports} & seen
        names = (hashes.keys() - seen - same.keys()) | again
        pieces, touched = self._made(names, {name: known[name] for name in known.keys() - changed}, seen)
        changed |= touched
        made = {one.indexed.id: one for piece in pieces for one in piece.models}
        gone = {name for name, model in known.items() if not model.reports.keys() & hashes.keys()}
        taken = (known.keys() - changed | (gone if self.keep else set())) - made.keys()
        models = [*made.values(), *self._taken([known[name] for name in sorted(taken)], old, trusted=trusted)]
        refused = [*self.unread, *same.values(), *(one for piece in pieces for one in piece.refused)]
        return index_of(models, refused)

    def _whole(self, model: IndexedModel, seen: set[str]) -> bool:
        """Whether all of its reports are there as they were, so that it is what they would make of it. What it has from
        elsewhere is only kept with ``keep``."""
        same = bool(model.reports) and model.reports.keys() <= seen and (self.keep or not model.claims)
        return same and model.sample_bytes == sum(self.sizes[path] for path in model.reports)

    def _made(
        self, names: set[str], others: Mapping[str, IndexedModel], seen: set[str]
    ) -> tuple[list[Piece], set[str]]:
        """What is made of these reports, and which of the other models of the folder they are of, too.

        Reports that lie together are taken to be of the same models. Where it turns out that they are not alone, all
        that belong together are looked at again.
        """
        place = replace(self.place, kept=others) if self.keep else self.place
        pieces = self._asked(place, _portions(sorted(names)))
        touched: set[str] = set()
        while True:
            unfinished = joined(
                [piece.known for piece in pieces], {k: v for k, v in others.items() if k not in touched}
            )
            if not unfinished:
                return pieces, touched
            again = []
            for group in unfinished:
                touched |= group.models
                paths = group.paths | {path for name in group.models for path in others[name].reports} & seen
                again.append(sorted(paths))
                pieces = [piece.without(paths) for piece in pieces]
            pieces += self._asked(place, again)

    def _asked(self, place: Workplace, portions: Sequence[Sequence[str]]) -> list[Piece]:
        few = self.jobs is None and sum(map(len, portions)) < FEW
        orders = [
            Order(
                hashes={name: self.hashes[name] for name in portion},
                sizes={name: self.sizes[name] for name in portion},
            ).to_json()
            for portion in portions
        ]
        answers = spread("reports", place.to_json(), orders, 1 if few else self.jobs)
        return [Piece.from_json(one) for one in answers]

    def _taken(self, models: Sequence[IndexedModel], old: Index | None, *, trusted: bool) -> list[MadeModel]:
        """Models whose files stay."""
        if old is None or not models:
            return []
        if not trusted or not old.bases:
            entries = (read_model(self.folder, model) for model in models)
            return [made_model(entry, self.sizes, self.folder, self.place.token) for entry in entries]
        with ThreadPoolExecutor(usable_cores()) as pool:  # hashing lets other threads run
            list(pool.map(lambda model: check_file(self.folder, model), models))
        totals = totals_of(old)
        return [MadeModel(indexed=model, totals=tuple(totals.get(model.id, ()))) for model in models]


def _portions(names: Sequence[str]) -> list[list[str]]:
    """Reports that are looked at together: those of one folder, as a model's are, and as many more as are enough."""
    folders: dict[str, list[str]] = {}
    for name in names:
        parts = name.split("/")
        folders.setdefault("/".join(parts[:-3]) or parts[0], []).append(name)
    found: list[list[str]] = []
    for mine in folders.values():
        if found and len(found[-1]) + len(mine) <= PORTION:
            found[-1] += mine
        else:
            found.append(mine)
    return found


def _sample_bytes(folder: Path) -> int:
    try:
        with os.scandir(folder / "samples") as found:
            return sum(one.stat().st_size for one in found if one.name.endswith(".jsonl") and one.is_file())
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _check(reports: Path, index: Index, refused: Sequence[RefusedReport], *, strict: bool) -> None:
    if refused and (strict or not index.models):
        first = min(refused, key=lambda one: one.path)
        more = f", and {len(refused) - 1} more" if len(refused) > 1 else ""
        raise ReportError(f"nothing written: {reports}/{first.path}: {first.reason}{more}", slug=first.slug)
    if not index.models:
        raise ReportError(
            f"nothing written: no run reports in {reports}. Run pytest with --slm-model first", slug="report-missing"
        )


def _old_index(folder: Path, *, keep: bool) -> Index | None:
    """The index that is there. One that is broken, or of another format, is an error only where it is to be kept."""
    if not (folder / INDEX).is_file():
        return None
    try:
        return read_index(folder)
    except ReportError:
        if keep:
            raise
        return None


def _hashes(reports: Path) -> tuple[dict[str, str], list[RefusedReport]]:
    """The hash of each report by its path, and those that cannot be read."""

    def digest(path: Path) -> str | ReportError:
        try:
            return hashlib.sha256(read_report_bytes(path, within=reports)).hexdigest()
        except ReportError as error:
            return error

    found, refused = {}, []
    paths = report_paths(reports)
    with ThreadPoolExecutor(usable_cores()) as pool:
        for path, result in zip(paths, pool.map(digest, paths), strict=True):
            name = path.relative_to(reports).as_posix()
            if isinstance(result, ReportError):
                refused.append(refused_report(name, "", result))
            else:
                found[name] = result
    return found, refused
