"""One look at all reports below a folder: where they are, what state their files are in, how large their samples are.

A tree of ten thousand runs has more folders than files, so each of them is listed once and no path is made twice.
"""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from pytest_slm.errors import ReportError
from pytest_slm.registry.store import REPORT_NAME, no_folder

SAMPLES = "samples"
State = tuple[int, int, int, int]
"""Of a file: its bytes, when it was written and when anything of it last changed (ns since 1970), and its number. The
second time cannot be set back by whoever writes: it is the file system's own."""


@dataclass(frozen=True)
class Sighting:
    """A report that was seen: the state of its file, and the device that it is on; no state where it is a link or no
    file. ``sample_bytes`` are in the files of samples beside it."""

    state: State | None
    device: int
    sample_bytes: int


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
    found: dict[str, Sighting] = {}
    folders = [(os.fspath(reports), "")]
    while folders:
        folder, inner = folders.pop()
        report, sampled = None, False
        for entry in _listed(folder):
            name = entry.name
            if name == REPORT_NAME:
                report = entry
            elif name == SAMPLES:
                sampled = True
            if entry.is_dir(follow_symlinks=False):
                folders.append((entry.path, f"{inner}{name}/"))
        if report is not None and (not report.is_symlink() or _is_there(report.path)):
            state, device = state_of(report)
            size = _sample_bytes(f"{folder}{os.sep}{SAMPLES}") if sampled else 0
            found[f"{inner}{REPORT_NAME}"] = Sighting(state, device, size)
    return found


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


def _sample_bytes(folder: str) -> int:
    """Of all that can be found out: what of it cannot be read is told where its report is read."""
    size = 0
    with contextlib.suppress(OSError):
        for one in _listed(folder):
            with contextlib.suppress(OSError):  # a link in a circle, or in a folder that may only be listed
                if one.name.endswith(".jsonl") and one.is_file():
                    size += one.stat().st_size
    return size
