"""From some reports to the files of their models: work that several processes share."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pytest_slm import files
from pytest_slm.core.record import Record, RecordError, utc
from pytest_slm.core.statistics import Interval
from pytest_slm.errors import ReportError, shown
from pytest_slm.registry.entry import RegistryEntry
from pytest_slm.registry.folder.index import IndexedModel, ModelFile, RefusedReport, model_path
from pytest_slm.registry.folder.reading import read_model
from pytest_slm.registry.identity import by_model, model_id, weights_of
from pytest_slm.registry.merge import build_entries, machine_words, made_of_what_can_be, newest
from pytest_slm.registry.rows.making import entry_rows
from pytest_slm.registry.rows.ranking import candidates
from pytest_slm.registry.rows.row import Row
from pytest_slm.registry.store import REPORT_NAME, StoredReport, read_report_bytes, stored_report, to_lines, write_new

AHEAD = timedelta(days=1)
"""How far the clock of a machine may be ahead of that of the one that builds."""


@dataclass(frozen=True, kw_only=True)
class Total(Record):
    """An aggregate of a file, with what its place among all others depends on. ``reason`` is why it can have none."""

    quantization: str
    machine: str
    profile: str
    score: float
    interval: Interval | None
    coverage: float
    chance: float | None
    reason: str
    versions: Mapping[str, int]
    parts: Mapping[str, int]
    basis: str


@dataclass(frozen=True, kw_only=True)
class MadeModel(Record):
    """A model whose file is the one that the folder has, or lies beside its place."""

    indexed: IndexedModel
    totals: tuple[Total, ...]


@dataclass(frozen=True, kw_only=True)
class KnownModel(Record):
    """By what a report that was read is known to be of a model: the id that it alone would have, and its weights."""

    model: str
    weights: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Piece(Record):
    """What was made of some reports: models, those that are in none, what is known of the others by path, and the hash
    of all that could be read."""

    models: tuple[MadeModel, ...]
    refused: tuple[RefusedReport, ...]
    known: Mapping[str, KnownModel]
    read: Mapping[str, str]

    def without(self, paths: Collection[str]) -> Piece:
        """What is left of it where these reports are looked at again."""
        if not self.known.keys() & set(paths):
            return self
        return Piece(
            models=tuple(one for one in self.models if not one.indexed.reports.keys() & set(paths)),
            refused=tuple(one for one in self.refused if one.path not in paths),
            known={path: one for path, one in self.known.items() if path not in paths},
            read=self.read,
        )


@dataclass(frozen=True, kw_only=True)
class Workplace(Record):
    """Where reports are and their models go; ``kept`` are models of the folder whose claims stay, by id. ``token`` is
    in the names of files that are not in their places yet."""

    reports: str
    folder: str
    now: str
    token: str
    kept: Mapping[str, IndexedModel]


@dataclass(frozen=True, kw_only=True)
class Samples(Record):
    """What is in the files of samples beside a report: their size, and their hash (empty where there are none)."""

    bytes: int = 0
    sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class ReadingOrder(Record):
    """Reports by path, with their samples."""

    samples: Mapping[str, Samples]


def answer(about: Any, order: Any) -> Any:
    """``make`` for a process of its own."""
    return make(Workplace.from_json(about), ReadingOrder.from_json(order)).to_json()


def make(place: Workplace, order: ReadingOrder) -> Piece:
    """The models of these reports, as if there were no others."""
    reports, folder = Path(place.reports), Path(place.folder)
    read: dict[str, str] = {}
    found, refused = _parsed(reports, sorted(order.samples), read, datetime.fromisoformat(place.now))
    known = {stored.path: KnownModel(model=model_id(stored.run), weights=weights_of(stored.run)) for stored in found}
    found, twice = _once(found)

    def made(some: Sequence[StoredReport]) -> list[MadeModel]:
        before = _before(by_model(some), place.kept)

        def kept(model: str) -> RegistryEntry | None:
            entries = [read_model(folder, place.kept[name], items=False) for name in before.get(model, ())]
            return _together(entries) if entries else None

        return [made_model(entry, order.samples, folder, place.token) for entry in build_entries(some, kept)]

    models, odd = made_of_what_can_be(found, made)
    refused = [*refused, *twice, *(refused_by(error, read) for error in odd)]
    return Piece(models=tuple(models), refused=tuple(refused), known=known, read=read)


def _before(models: Mapping[str, Sequence[StoredReport]], kept: Mapping[str, IndexedModel]) -> dict[str, list[str]]:
    """By model those that it was before: the one of its id, and those of other ids that reports of it were in."""
    whose = {(stored.path, stored.sha256): model for model, group in models.items() for stored in group}
    found = {model: [model] for model in models if model in kept}
    for name, one in kept.items():
        for model in dict.fromkeys(whose[pair] for pair in one.reports.items() if pair in whose):
            if model != name:
                found.setdefault(model, []).append(name)
    return found


def _together(entries: Sequence[RegistryEntry]) -> RegistryEntry:
    """The first one, with the claims of all and since when any of them is listed."""
    claims = dict.fromkeys(claim for entry in entries for claim in entry.claims)
    added = min(filter(None, (entry.date_added for entry in entries)), default="")
    return entries[0].but(date_added=added, claims=tuple(claims))


def made_model(entry: RegistryEntry, samples: Mapping[str, Samples], folder: Path, token: str) -> MadeModel:
    """An entry without ranks, with its file beside its place in the folder unless that has it already."""
    try:
        content = encoded(to_lines(ModelFile(model=entry)))
    except RecordError as error:
        raise ReportError(f"{entry.id}: not written: {error}", slug="report-not-finite") from error
    path, every = folder / model_path(entry.id), entry_rows(entry)
    # First what may fail: a name that is none of a file's.
    indexed = indexed_model(entry, hashlib.sha256(content).hexdigest(), every)
    size, hashed = samples_of(indexed.reports, samples)
    indexed = indexed.but(sample_bytes=size, samples=hashed)
    if holds(path, content):
        fresh_path(path, token).unlink(missing_ok=True)  # of a first look, at some of its reports
    else:
        write_new(fresh_path(path, token), content)
    return MadeModel(indexed=indexed, totals=tuple(made_totals(every)))


def indexed_model(entry: RegistryEntry, sha256: str, rows: Sequence[Row]) -> IndexedModel:
    """What the index says of a model whose file has this hash, but for its samples, which do not stand there."""
    references = entry.provenance.reports
    return IndexedModel(
        id=entry.id,
        name=entry.name,
        sha256=sha256,
        files=len(rows),
        reports={reference.path: reference.sha256 for reference in references},
        names=tuple(sorted({reference.model for reference in references if reference.model})),
        weights=tuple(sorted({one for reference in references for one in reference.weights})),
        claims=len(entry.claims),
        finished=newest(entry),
        machines=machine_words(entry),
    )


def samples_of(reports: Iterable[str], samples: Mapping[str, Samples]) -> tuple[int, str]:
    """The bytes and the hash of the samples of several reports together."""
    found = [(path, samples[path]) for path in sorted(reports) if path in samples]
    told = "".join(f"{one.sha256}  {path}\n" for path, one in found if one.sha256)
    hashed = hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest() if told else ""
    return sum(one.bytes for _, one in found), hashed


def made_totals(rows: Iterable[Row]) -> Iterable[Total]:
    """The aggregates of a model's rows, with all that their places depend on."""
    for row in rows:
        for one in candidates(row):
            profile = one.key[3]
            total = row.aggregates[profile]
            yield Total(
                quantization=row.quantization,
                machine=row.machine,
                profile=profile,
                score=one.score,
                interval=one.interval,
                coverage=total.coverage,
                chance=total.chance,
                reason=one.reason,
                versions=one.versions,
                parts=one.parts,
                basis=str(row.basis(profile)),
            )


def encoded(text: str) -> bytes:
    """The bytes of a text in a file of a registry."""
    return text.encode("utf-8", errors="backslashreplace")


def fresh_path(path: Path, token: str) -> Path:
    """Where a file is written before it gets its name."""
    return path.with_name(f".{path.name}.{token}.new")


def is_fresh(name: str) -> bool:
    """Whether a file is one that has no name yet, of whatever build."""
    return re.fullmatch(r"\..+\.json\.[0-9a-f]{8}\.new", name) is not None


def holds(path: Path, content: bytes) -> bool:
    """Whether a file has these bytes already."""
    with contextlib.suppress(OSError):
        return path.stat().st_size == len(content) and files.read_bytes(path) == content
    return False


def _parsed(
    reports: Path, names: Iterable[str], read: dict[str, str], now: datetime
) -> tuple[list[StoredReport], list[RefusedReport]]:
    """The reports that are in order, and those that are not; ``read`` has the hashes of both then."""
    found, refused = [], []
    for name in names:
        content = None
        try:
            content = read_report_bytes(reports / name, within=reports)
            stored = stored_report(reports, reports / name, content)
            read[name] = stored.sha256
            _check_report(stored, now)
        except ReportError as error:
            if content is not None:
                read[name] = hashlib.sha256(content).hexdigest()
            refused.append(refused_report(name, read.get(name, ""), error, reports))
        else:
            found.append(stored)
    return found, refused


def _check_report(stored: StoredReport, now: datetime) -> None:
    if stored.run.backend and stored.run.backend.name == "fake":
        raise ReportError("a scripted model is no model; leave it out", slug="report-scripted")
    if utc(stored.run.finished) > now + AHEAD:
        problem = (
            f"finished at {stored.run.finished}, which is not yet; set the clock of that machine, and measure again"
        )
        raise ReportError(problem, slug="report-future")


def _once(found: Iterable[StoredReport]) -> tuple[list[StoredReport], list[RefusedReport]]:
    """One report of each run. Copies count once; of two with other contents nobody knows which is right."""
    runs: dict[tuple[str, ...], list[StoredReport]] = {}
    for stored in sorted(found, key=lambda stored: stored.path):
        runs.setdefault((model_id(stored.run), stored.run.quantization, stored.run.run_id), []).append(stored)
    kept, refused = [], []
    for same in runs.values():
        if len({stored.sha256 for stored in same}) == 1:
            kept.append(same[0])
            continue
        for stored in same:
            other = next(one.path for one in same if one.sha256 != stored.sha256)
            error = ReportError(f"is of the same run as {other}, with other contents; remove one", slug="report-twice")
            refused.append(refused_report(stored.path, stored.sha256, error))
    return kept, refused


def refused_report(path: str, sha256: str, error: ReportError, reports: Path = Path()) -> RefusedReport:
    """A report that is left out. The place of the folder on this machine is nobody's business: what lies beside the
    report is named from there."""
    run = str((reports / path).parent)
    reason = error.args[0].removeprefix(f"{run}{os.sep}").removeprefix(f"{run}: ").removeprefix(f"{REPORT_NAME}: ")
    return RefusedReport(path=shown(path), sha256=sha256, reason=reason, slug=error.slug)


def refused_by(error: ReportError, hashes: Mapping[str, str]) -> RefusedReport:
    """The report that an error is about, which names it by its path below the folder of reports."""
    path = error.args[0].partition(": ")[0]
    reason = ReportError(error.args[0].removeprefix(f"{path}: "), slug=error.slug)
    return refused_report(path, hashes.get(path, ""), reason)
