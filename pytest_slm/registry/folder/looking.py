"""One look at all reports below a folder: where they are, what state their files are in, how large their samples are.

A tree of ten thousand runs has more folders than files, so each of them is listed once and no path is made twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import operator
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pytest_slm import files
from pytest_slm.core.result import SAMPLES
from pytest_slm.errors import ReportError
from pytest_slm.registry.store import REPORT_NAME, no_folder

State = tuple[int, int, int, int]
"""Of a file: its bytes, when it was written and when anything of it last changed (ns since 1970), and its number. The
second time cannot be set back by whoever writes: it is the file system's own."""


@dataclass(frozen=True)
class Sighting:
    """A report that was seen: the state of its file, and the device that it is on; no state where it is a link or no
    file. ``samples`` are the files of samples beside it, and whatever leads to others, by their path from its folder;
    they have ``sample_bytes``, and a state of all together."""

    state: State | None
    device: int
    sample_bytes: int = 0
    samples: tuple[str, ...] = ()
    samples_state: State | None = None
    samples_device: int = -1


def sightings(reports: Path) -> dict[str, Sighting]:
    """All reports by their path below a folder, as ``report_paths`` finds them: no folder is looked into by way of a
    link. Raises ReportError if there is no folder, or one that the system cannot read."""
    try:
        if not reports.is_dir():
            raise no_folder(reports)
        return _sightings(reports)
    except OSError as error:
        place = error.filename or reports
        raise ReportError(f"{place}: cannot be read ({error.strerror or error})", slug="report-missing") from error


def _sightings(reports: Path) -> dict[str, Sighting]:
    found: dict[str, tuple[State | None, int, list[tuple[str, os.DirEntry[str]]]]] = {}
    folders: list[tuple[str, str, tuple[str, ...]]] = [(os.fspath(reports), "", ())]
    while folders:
        folder, inner, runs = folders.pop()
        report, samples, below = None, [], []
        for entry in _listed(folder):
            name = entry.name
            if name == REPORT_NAME:
                report = entry
            elif name.endswith(SAMPLES) or entry.is_symlink():
                samples.append(entry)
            if entry.is_dir(follow_symlinks=False):
                below.append(entry)
        if report is not None and (not report.is_symlink() or _is_there(report.path)):
            found[f"{inner}{REPORT_NAME}"] = (*state_of(report), [])
            runs = (*runs, inner)
        folders += [(entry.path, f"{inner}{entry.name}/", runs) for entry in below]
        for run in runs:  # a run may have samples in a folder in which another run lies, too
            found[f"{run}{REPORT_NAME}"][2].extend((f"{inner}{one.name}"[len(run) :], one) for one in samples)
    return {name: _sighting(*one) for name, one in found.items()}


def _sighting(state: State | None, device: int, samples: list[tuple[str, os.DirEntry[str]]]) -> Sighting:
    if not samples:
        return Sighting(state, device)
    samples.sort(key=operator.itemgetter(0))
    names, entries = zip(*samples, strict=True)
    states, devices = zip(*map(state_of, entries), strict=True)
    size = sum(one[0] if one else _size(entry) for one, entry in zip(states, entries, strict=True))
    if None in states or len(set(devices)) > 1:
        return Sighting(state, device, size, names)
    _, written, changed, _ = zip(*states, strict=True)
    number = int.from_bytes(hashlib.sha256(repr((names, states)).encode("utf-8", "surrogatepass")).digest()[:8])
    return Sighting(state, device, size, names, (size, max(written), max(changed), number), devices[0])


def state_of(entry: os.DirEntry[str]) -> tuple[State | None, int]:
    """The state of a file, and its device; no state of what is a link, no file, or gone."""
    try:
        one = entry.stat(follow_symlinks=False)
    except OSError:
        return None, -1
    if not stat.S_ISREG(one.st_mode):
        return None, one.st_dev
    return (one.st_size, one.st_mtime_ns, one.st_ctime_ns, one.st_ino), one.st_dev


def states_in(folder: Path) -> dict[str, tuple[State | None, int]]:
    """The state and the device of each file in a folder by its name; nothing where that is a link, or not there."""
    return {} if folder.is_symlink() else {entry.name: state_of(entry) for entry in _listed(os.fspath(folder))}


def _listed(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except (FileNotFoundError, NotADirectoryError, PermissionError):  # gone meanwhile, no folder, or nobody's business
        return []


def _is_there(link: str) -> bool:
    """Whether a link leads to something that the system lets us see."""
    with contextlib.suppress(OSError):
        return Path(link).exists()
    return False


def _size(entry: os.DirEntry[str]) -> int:
    """Of what can be found out: what of it cannot be read is told where its report is read."""
    with contextlib.suppress(OSError):  # a link in a circle, or in a folder that may only be listed
        return entry.stat().st_size if entry.is_file() else 0
    return 0


def samples_digest(run: Path, names: Iterable[str]) -> str:
    """The hash of what is in the files of samples of a run, and what they are called; empty where there are none."""
    whole, names = hashlib.sha256(), list(names)
    for name in names:
        whole.update(f"{_content(run, name)}  {name}\n".encode("utf-8", "surrogatepass"))
    return whole.hexdigest() if names else ""


def _content(run: Path, name: str) -> str:
    """The hash of a file, or why it cannot be read; before it, where a link leads to."""
    target = ""
    with contextlib.suppress(OSError):
        target = f"{os.fspath((run / name).readlink())} "
    try:
        with files.open_regular(files.inside(run, name), files.LINES) as file:
            return target + hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return target + str(error.strerror)
