"""From a folder of reports to a registry; what was made of reports that are the same is not made again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from pytest_slm import __version__
from pytest_slm.core.record import utc
from pytest_slm.errors import ReportError, shown
from pytest_slm.load.builtin import score_rules
from pytest_slm.registry.entry import Registry, RegistryEntry, RegistryMetadata
from pytest_slm.registry.folder.index import INDEX, Index, IndexedModel, RefusedReport
from pytest_slm.registry.folder.reading import read_index, read_model
from pytest_slm.registry.folder.writing import write_registry
from pytest_slm.registry.identity import by_model, model_id, weights_of
from pytest_slm.registry.merge import build_what_can_be
from pytest_slm.registry.store import StoredReport, read_report_bytes, report_paths, stored_report

AHEAD = timedelta(days=1)
"""How far the clock of a machine may be ahead of that of the one that builds."""
OF_ITS_OWN = frozenset({"report-broken", "report-foreign", "report-schema", "report-invalid", "report-scripted"})
"""Reasons that lie in the bytes of a report alone: the same bytes are refused again without a look at them."""


def build_folder(reports: Path, folder: Path, *, now: datetime, keep: bool = False, strict: bool = False) -> Index:
    """Make ``folder`` the registry of all reports below another folder; ``keep`` keeps models that have none there.

    The entry of a model whose reports have the hashes that the folder's old index names is taken from there. Raises
    ReportError, and writes nothing, where there is no report, and with ``strict`` where one is refused (those of
    scripted models are not meant to be in).
    """
    old = _old_index(folder, keep=keep)
    try:
        return _build(reports, folder, old, now=now, keep=keep, strict=strict)
    except ReportError as error:
        if old is None or keep or not error.slug.startswith("registry-"):
            raise
        return _build(reports, folder, None, now=now, keep=keep, strict=strict)  # its files are not those it had


def _build(reports: Path, folder: Path, old: Index | None, *, now: datetime, keep: bool, strict: bool) -> Index:
    hashes, refused = _hashes(reports)
    known = {model.id: model for model in old.models} if old else {}
    # What another version made is made anew, and at most kept.
    trusted = old is not None and (old.made_by, old.rules) == (__version__, score_rules())
    same = {one.path: one for one in old.refused if one.slug in OF_ITS_OWN} if old and trusted else {}
    same = {path: one for path, one in same.items() if hashes.get(path) == one.sha256}
    named = (pair for model in known.values() for pair in model.reports.items())
    seen = {path for path, digest in named if hashes.get(path) == digest} if trusted else set()
    fresh, bad = _parsed(reports, sorted(hashes.keys() - seen - same.keys()), hashes, now)
    # A model of which a report is new, changed or gone is made again from all of its reports.
    sizes = {name: _sample_bytes((reports / name).parent) for name in hashes}
    changed = {name for name, model in known.items() if not _whole(model, seen, sizes, keep=keep)}
    names, weights = set(changed), set[str]()
    late: list[RefusedReport] = []
    while True:
        names |= {model_id(stored.run) for stored in fresh}
        weights |= {one for stored in fresh for one in weights_of(stored.run)}
        changed |= {name for name, model in known.items() if names & {name, *model.names} or weights & {*model.weights}}
        again = {path for name in changed for path in known[name].reports} & seen - {stored.path for stored in fresh}
        more, refused_now = _parsed(reports, sorted(again - {one.path for one in late}), hashes, now)
        late += refused_now
        if not more:
            break
        fresh += more
    fresh, twice = _once(fresh)
    alive = by_model(fresh).keys()
    gone = {name for name, model in known.items() if not model.reports.keys() & hashes.keys()}
    taken = known.keys() - changed if not keep else known.keys() - changed | gone | known.keys() & alive
    kept = _registry([read_model(folder, known[name]) for name in sorted(taken)]) if taken else None
    registry, odd = build_what_can_be(fresh, kept)
    refused = [*refused, *same.values(), *bad, *late, *twice, *(_refused_by(error, hashes) for error in odd)]
    _check(reports, registry, [one for one in refused if one.slug != "report-scripted"], strict=strict)
    made = {model_id(stored.run) for stored in fresh}
    unchanged = {name: known[name].sha256 for name in taken - made} if trusted else {}
    return write_registry(folder, registry, refused, sizes, unchanged)


def _sample_bytes(folder: Path) -> int:
    files = (folder / "samples").glob("*.jsonl") if (folder / "samples").is_dir() else ()
    return sum(path.stat().st_size for path in files if path.is_file())


def _whole(model: IndexedModel, seen: set[str], sizes: Mapping[str, int], *, keep: bool) -> bool:
    """Whether all of its reports are there as they were, so that it is what they would make of it. What it has from
    elsewhere is only kept with ``keep``."""
    same = bool(model.reports) and model.reports.keys() <= seen and (keep or not model.claims)
    return same and model.sample_bytes == sum(sizes[path] for path in model.reports)


def _check(reports: Path, registry: Registry, refused: Sequence[RefusedReport], *, strict: bool) -> None:
    if refused and (strict or not registry.models):
        first = min(refused, key=lambda one: one.path)
        more = f", and {len(refused) - 1} more" if len(refused) > 1 else ""
        raise ReportError(f"nothing written: {reports}/{first.path}: {first.reason}{more}", slug=first.slug)
    if not registry.models:
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
    found, refused = {}, []
    for path in report_paths(reports):
        name = path.relative_to(reports).as_posix()
        try:
            found[name] = hashlib.sha256(read_report_bytes(path, within=reports)).hexdigest()
        except ReportError as error:
            refused.append(_refused(name, "", error))
    return found, refused


def _parsed(
    reports: Path, names: Iterable[str], hashes: Mapping[str, str], now: datetime
) -> tuple[list[StoredReport], list[RefusedReport]]:
    found, refused = [], []
    for name in names:
        try:
            stored = stored_report(reports, reports / name)
            _check_report(stored, now)
        except ReportError as error:
            refused.append(_refused(name, hashes[name], error))
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
            refused.append(_refused(stored.path, stored.sha256, error))
    return kept, refused


def _registry(entries: Sequence[RegistryEntry]) -> Registry:
    metadata = RegistryMetadata(last_updated=None, total_models=len(entries), platform=None)
    return Registry(metadata=metadata, rules=score_rules(), models=tuple(entries))


def _refused(path: str, sha256: str, error: ReportError) -> RefusedReport:
    # The place of the folder on this machine is nobody's business.
    reason = error.args[0].partition(f"{path}: ")
    return RefusedReport(path=shown(path), sha256=sha256, reason=reason[2] or reason[0], slug=error.slug)


def _refused_by(error: ReportError, hashes: Mapping[str, str]) -> RefusedReport:
    path = error.args[0].partition(": ")[0]
    return _refused(path, hashes.get(path, ""), error)
