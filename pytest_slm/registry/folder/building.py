"""From a folder of reports to a registry; what was made of reports that are the same is not made again."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from pytest_slm import __version__
from pytest_slm.errors import ReportError
from pytest_slm.load.builtin import score_rules
from pytest_slm.registry.folder.groups import joined
from pytest_slm.registry.folder.index import MODELS, Index, IndexedModel, RefusedReport, model_path
from pytest_slm.registry.folder.looking import samples_digest, sightings, states_in
from pytest_slm.registry.folder.pieces import (
    MadeModel,
    Piece,
    ReadingOrder,
    Samples,
    Workplace,
    fresh_path,
    made_model,
    refused_report,
    samples_of,
)
from pytest_slm.registry.folder.reading import check_file, read_model
from pytest_slm.registry.folder.remembering import ENOUGH, FolderMemory
from pytest_slm.registry.folder.writing import check_place, clean, index_of, old_index, put, totals_of
from pytest_slm.registry.store import read_report_bytes, settle
from pytest_slm.workers import spread, uncollected, usable_cores

OF_ITS_OWN = frozenset({"report-broken", "report-foreign", "report-schema", "report-invalid", "report-scripted"})
"""Reasons that lie in the bytes of a report alone: the same bytes are refused again without a look at them."""
PORTION = 40
"""Reports that a process gets at once."""
FEW = 200
"""So many reports take less time than it takes to start a process for them."""


def build_folder(
    reports: Path, folder: Path, *, now: datetime, keep: bool = False, strict: bool = False, jobs: int | None = None
) -> Index:
    """Make ``folder`` the registry of all reports below another folder; ``keep`` keeps models of which nothing can be
    made there, and of the others what reports do not tell: claims, and since when they are listed.

    The entry of a model whose reports have the hashes that the folder's old index names is taken from there. ``jobs``:
    processes that share the work (None: as many as there are cores, if it is much); the bytes do not depend on it.
    Raises ReportError, and writes nothing, where there is no report, and with ``strict`` where one is refused (those of
    scripted models are not meant to be in).
    """
    check_place(folder)
    with uncollected():  # almost all that is made is kept to the end
        return _built(reports, folder, now=now, keep=keep, strict=strict, jobs=jobs)


def _built(reports: Path, folder: Path, *, now: datetime, keep: bool, strict: bool, jobs: int | None) -> Index:
    token = secrets.token_hex(4)
    with clean(folder, token):
        old = old_index(folder, needed=keep)
        build = _Build(reports, folder, now=now, keep=keep, token=token, jobs=jobs)
        try:
            index = build.index(old)
        except ReportError as error:
            if old is None or keep or not error.slug.startswith("registry-"):
                raise
            index = build.index(None)  # its files are not those it had
        refused = [one for one in index.refused if one.slug != "report-scripted"]
        _check(reports, index, refused, strict=strict)
        index = put(folder, index, token, build.made)
        build.remembered.write()
        return index


class _Build:
    """One build: where from and where to, and how."""

    def __init__(self, reports: Path, folder: Path, *, now: datetime, keep: bool, token: str, jobs: int | None) -> None:
        self.reports, self.folder, self.keep, self.jobs = reports, folder, keep, jobs
        self.place = Workplace(reports=str(reports), folder=str(folder), now=now.isoformat(), token=token, kept={})
        self.seen = sightings(reports)
        self.remembered = FolderMemory(folder, worth=len(self.seen) >= ENOUGH)
        self.samples = self._samples()
        self.made: set[str] = set()
        """Models that were made: whose files lie beside their places, unless those have the same bytes."""

    def index(self, old: Index | None) -> Index:
        """The index of all models; the files of those that changed lie beside their places."""
        known = {model.id: model for model in old.models} if old else {}
        # What another version made is made anew, and at most kept.
        trusted = old is not None and (old.made_by, old.rules) == (__version__, score_rules())
        same = {one.path: one for one in old.refused if one.slug in OF_ITS_OWN} if old and trusted else {}
        named = {path: digest for model in known.values() for path, digest in model.reports.items()} if trusted else {}
        hashes, unread = self._hashes(self.seen.keys() & (named.keys() | same.keys()))
        same = {path: one for path, one in same.items() if hashes.get(path) == one.sha256}
        seen = {path for path, digest in named.items() if hashes.get(path) == digest}
        # A model of which a report is new, changed or gone is made again from all of its reports.
        changed = {name for name, model in known.items() if not self._whole(model, seen)}
        again = {path for name in changed for path in known[name].reports} & seen
        names = (self.seen.keys() - seen - same.keys() - unread.keys()) | again
        self.place = replace(self.place, kept=known if self.keep else {})
        pieces, touched = self._made(names, {name: known[name] for name in known.keys() - changed}, seen)
        changed |= touched
        made = {one.indexed.id: one for piece in pieces for one in piece.models}
        self.made = set(made)
        taken = known.keys() - changed - made.keys()
        if self.keep:
            entered = {pair for one in made.values() for pair in one.indexed.reports.items()}
            taken |= {name for name in changed - made.keys() if not known[name].reports.items() & entered}
        models = [*made.values(), *self._taken([known[name] for name in sorted(taken)], old, trusted=trusted)]
        refused = [*unread.values(), *same.values(), *(one for piece in pieces for one in piece.refused)]
        for path, digest in (pair for piece in pieces for pair in piece.read.items()):
            self._keep(path, digest)
        return index_of(models, refused)

    def _hashes(self, names: Collection[str]) -> tuple[dict[str, str], dict[str, RefusedReport]]:
        """The hash of each of these reports by its path, and those that cannot be read."""

        def digest(name: str) -> str | ReportError:
            try:
                content = read_report_bytes(self.reports / name, within=self.reports)
            except ReportError as error:
                return error
            return hashlib.sha256(content).hexdigest()

        found, refused, unknown = {}, {}, []
        for name in names:
            one = self.seen[name]
            known = self.remembered.digest(f"report {name}", one.state, one.device)
            if known is None:
                unknown.append(name)
            else:
                found[name] = known
        with ThreadPoolExecutor(usable_cores()) as pool:  # hashing lets other threads run
            for name, result in zip(unknown, pool.map(digest, unknown), strict=True):
                if isinstance(result, ReportError):
                    refused[name] = refused_report(name, "", result, self.reports)
                else:
                    found[name] = result
                    self._keep(name, result)
        return found, refused

    def _samples(self) -> dict[str, Samples]:
        """What is in the files of samples beside each report. They are hashed before they are read: what changes in
        between is noticed by the next build."""
        found, unknown = {name: Samples() for name in self.seen}, []
        for name, one in self.seen.items():
            if not one.samples:
                continue
            known = self.remembered.digest(f"samples {name}", one.samples_state, one.samples_device)
            if known is None:
                unknown.append((name, one))
            else:
                found[name] = Samples(bytes=one.sample_bytes, sha256=known)
        with ThreadPoolExecutor(usable_cores()) as pool:
            hashed = pool.map(lambda pair: samples_digest((self.reports / pair[0]).parent, pair[1].samples), unknown)
            for (name, one), digest in zip(unknown, hashed, strict=True):
                found[name] = Samples(bytes=one.sample_bytes, sha256=digest)
                self.remembered.keep(f"samples {name}", one.samples_state, one.samples_device, digest)
        return found

    def _keep(self, name: str, digest: str) -> None:
        one = self.seen[name]
        self.remembered.keep(f"report {name}", one.state, one.device, digest)

    def _whole(self, model: IndexedModel, seen: set[str]) -> bool:
        """Whether all of its reports are there as they were, so that it is what they would make of it. What it has from
        elsewhere is only kept with ``keep``."""
        same = bool(model.reports) and model.reports.keys() <= seen and (self.keep or not model.claims)
        return same and model.samples == samples_of(model.reports, self.samples)[1]

    def _made(
        self, names: set[str], others: Mapping[str, IndexedModel], seen: set[str]
    ) -> tuple[list[Piece], set[str]]:
        """What is made of these reports, and which of the other models of the folder they are of, too.

        Reports that lie together are taken to be of the same models. Where it turns out that they are not alone, all
        that belong together are looked at again.
        """
        pieces = self._asked(_portions(sorted(names)))
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
            pieces += self._asked(again)

    def _asked(self, portions: Sequence[Sequence[str]]) -> list[Piece]:
        few = self.jobs is None and sum(map(len, portions)) < FEW
        orders = [
            ReadingOrder(samples={name: self.samples[name] for name in portion}).to_json() for portion in portions
        ]
        pieces, settled = [], []
        with ThreadPoolExecutor(1) as pool:  # the disk is waited for while the others are made
            for answer in spread("reports", self.place.to_json(), orders, 1 if few else self.jobs):
                pieces.append(Piece.from_json(answer))
                settled.append(pool.submit(self._settle, pieces[-1]))
        for one in settled:
            one.result()
        return pieces

    def _settle(self, piece: Piece) -> None:
        paths = (fresh_path(self.folder / model_path(one.indexed.id), self.place.token) for one in piece.models)
        with contextlib.suppress(FileNotFoundError):  # of a model that another piece has made, too
            settle([path for path in paths if path.exists()])

    def _taken(self, models: Sequence[IndexedModel], old: Index | None, *, trusted: bool) -> list[MadeModel]:
        """Models whose files stay."""
        if old is None or not models:
            return []
        placed = all(one.basis >= 0 for found in old.ranking.values() for one in found)
        if not trusted or not placed:
            self.made |= {model.id for model in models}
            entries = (read_model(self.folder, model) for model in models)
            return [made_model(entry, self.samples, self.folder, self.place.token) for entry in entries]
        self._check_files(models)
        totals = totals_of(old)
        return [MadeModel(indexed=model, totals=tuple(totals.get(model.id, ()))) for model in models]

    def _check_files(self, models: Sequence[IndexedModel]) -> None:
        """Raise ReportError where a file is not the one that the old index means."""
        states = states_in(self.folder / MODELS)
        unread = []
        for model in models:
            state, device = states.get(f"{model.id}.json", (None, -1))
            if self.remembered.digest(f"model {model.id}", state, device) != model.sha256:
                unread.append(model)
        with ThreadPoolExecutor(usable_cores()) as pool:
            list(pool.map(lambda model: check_file(self.folder, model), unread))
        for model in unread:
            state, device = states.get(f"{model.id}.json", (None, -1))
            self.remembered.keep(f"model {model.id}", state, device, model.sha256)


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


def _check(reports: Path, index: Index, refused: Sequence[RefusedReport], *, strict: bool) -> None:
    if refused and (strict or not index.models):
        first = min(refused, key=lambda one: one.path)
        more = f", and {len(refused) - 1} more" if len(refused) > 1 else ""
        raise ReportError(f"nothing written: {reports}/{first.path}: {first.reason}{more}", slug=first.slug)
    if not index.models:
        raise ReportError(
            f"nothing written: no run reports in {reports}. Run pytest with --slm-model first", slug="report-missing"
        )
