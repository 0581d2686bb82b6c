"""Fetch what is needed into a mirror: file by file, each checked before it is put in its place."""

from __future__ import annotations

import fnmatch
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from pytest_slm.core.record import stays_inside
from pytest_slm.data.manifest import DatasetEntry, FileEntry, Manifest, entry_of, read_manifest, write_manifest
from pytest_slm.data.needs import Need
from pytest_slm.data.sources import DatasetOffer, Source, SourceFile
from pytest_slm.errors import ReportError, SlmError, UsageError, writing_failed
from pytest_slm.files import inside

DATA = (".parquet", ".arrow", ".jsonl", ".json", ".csv", ".tsv", ".txt", ".gz", ".zip", ".zst", ".bz2", ".xz")
PARTIAL = ".partial"
"""Folder of the mirror for what is not complete; gone when all is."""

Tell = Callable[[str], None]


def pull(mirror: Path, wanted: Sequence[Need], source: Source, tell: Tell) -> list[SlmError]:
    """Fetch every data set that is wanted; return what failed, after everything else was fetched.

    A file that is there and right is not fetched again, and one that broke off is gone on with, so that the same
    command resumes. The manifest is written after every data set. Raises SlmError if the mirror cannot be written.
    """
    try:
        mirror.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise writing_failed(mirror, error) from None
    failed: list[SlmError] = []
    for need in wanted:
        manifest = read_manifest(mirror) or Manifest()
        try:
            entry, lacking = _pull_one(mirror, need, source, manifest.datasets.get(need.dataset), tell)
        except SlmError as error:
            failed.append(error)
            continue
        except OSError as error:
            raise writing_failed(mirror / need.dataset, error) from None
        write_manifest(mirror, Manifest(datasets={**manifest.datasets, need.dataset: entry}))
        if lacking is not None:
            failed.append(lacking)
    if not failed:
        shutil.rmtree(mirror / PARTIAL, ignore_errors=True)
    return failed


def _pull_one(
    mirror: Path, need: Need, source: Source, before: DatasetEntry | None, tell: Tell
) -> tuple[DatasetEntry, SlmError | None]:
    """What the manifest says of the data set now, and an error if some of its configurations are not offered."""
    from pytest_slm.data.rows import configurations

    offered = source.offered(need.dataset)
    unsafe = [name for name in (need.dataset, *offered.files) if not stays_inside(name)]
    if unsafe:
        raise UsageError(f"{need.dataset}: offers a file outside of its folder ({unsafe[0]!r:.80})", slug="data-pull")
    files: dict[str, FileEntry] = {}
    if "README.md" in offered.files:
        card = _kept(mirror, need.dataset, "README.md", offered, before)
        files["README.md"] = card or _fetched(mirror, need.dataset, "README.md", offered, source)
    # What an earlier pull brought stays usable: its configurations come along to this revision.
    configs = tuple(sorted({*need.configs, *(before.configs if before else ())}, key=str))
    listed = configurations(mirror / need.dataset / "README.md")
    unknown = [str(config) for config in configs if listed and config is not None and config not in listed]
    configs = tuple(config for config in configs if str(config) not in unknown)
    names = sorted(files_of(listed, offered.files, configs))
    size = sum(offered.files[name].size or 0 for name in names)
    kept = {name: _kept(mirror, need.dataset, name, offered, before) for name in names}
    coming = sum(offered.files[name].size or 0 for name in names if kept[name] is None)
    free = shutil.disk_usage(mirror).free
    if coming > free:
        raise ReportError(
            f"{need.dataset}: {coming / 1e6:.0f} MB are needed and {free / 1e6:.0f} MB free in {mirror}",
            slug="disk-full",
        )
    tell(f"{need.dataset}: {len(names)} files, {size / 1e6:.1f} MB, licence {offered.license or 'not stated'}")
    for name in names:
        files[name] = kept[name] or _fetched(mirror, need.dataset, name, offered, source)
    if missing := _missing(mirror / need.dataset, configs):
        tell(
            f"{need.dataset}: {source.name} is incomplete, {len(missing)} of the files that its card lists are not "
            f"there ({', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}); their splits cannot be measured"
        )
    lacking = UsageError(
        f"{need.dataset}: {source.name} does not have {len(unknown)} of its configurations ({', '.join(unknown[:5])}"
        f"{', ...' if len(unknown) > 5 else ''}); take another source for them",
        slug="data-config",
    )
    entry = DatasetEntry(
        source=source.name,
        revision=offered.revision,
        license=offered.license,
        pulled=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        configs=configs,
        files=files,
    )
    return entry, lacking if unknown else None


def _kept(
    mirror: Path, dataset: str, name: str, offered: DatasetOffer, before: DatasetEntry | None
) -> FileEntry | None:
    """What the mirror has of a file, if that is what is offered; None if it has to be fetched."""
    offer = offered.files[name]
    target = mirror / dataset / name
    same_revision = before is not None and before.revision == offered.revision
    if target.is_file() and (offer.sha256 or offer.git) and offer.differs(target) is None:
        return entry_of(target)
    if target.is_file() and same_revision and before is not None and before.files.get(name) == entry_of(target):
        return before.files[name]
    return None


def _fetched(mirror: Path, dataset: str, name: str, offered: DatasetOffer, source: Source) -> FileEntry:
    offer = offered.files[name]
    target = inside(mirror, f"{dataset}/{name}")
    fetched = source.fetch(dataset, offered.revision, name, mirror / PARTIAL / dataset)
    if (difference := offer.differs(fetched)) is not None:
        fetched.unlink()
        raise ReportError(
            f"{dataset}/{name}: what came has {difference} (from {source.name}); run the command again, or take "
            "another source",
            slug="data-checksum",
        )
    entry = entry_of(fetched)
    target.parent.mkdir(parents=True, exist_ok=True)
    fetched.replace(target)
    return entry


def _missing(folder: Path, configs: Iterable[str | None]) -> list[str]:
    """The files that the card lists for these configurations and that are not there."""
    from pytest_slm.data.rows import data_files

    found: set[str] = set()
    for config in configs:
        with suppress(SlmError):  # a card that lists no files for it
            found.update(name for listed in (data_files(folder, config) or {}).values() for name in listed.missing)
    return sorted(found)


def files_of(
    listed: Mapping[str, object], offered: Mapping[str, SourceFile], configs: Iterable[str | None]
) -> set[str]:
    """The files of these configurations: as the card lists them, else the folder of that name, else all data files."""
    data = {name for name in offered if name.endswith(DATA) and not PurePosixPath(name).name.startswith(".")}
    chosen: set[str] = set()
    for config in configs:
        key = config or ("default" if "default" in listed or len(listed) != 1 else next(iter(listed)))
        if listed and key in listed:
            chosen |= {name for name in data for pattern in _patterns(listed[key]) if fnmatch.fnmatch(name, pattern)}
        else:
            inside = {name for name in data if config and name.startswith(f"{config}/")}
            chosen |= inside or data
    return chosen


def _patterns(listed: object) -> list[str]:
    if isinstance(listed, str):
        return [listed]
    if isinstance(listed, list):
        return [pattern for entry in listed for pattern in _patterns(entry)]
    if isinstance(listed, dict):
        return _patterns(listed.get("path"))
    return []
