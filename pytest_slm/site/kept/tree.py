"""The files of a site on the disk: which of them are as they were made, and a folder for those of the next one.

Beside a site of many models lies the one before it. Both are one file for each page that they share, so that the next
site is made of that one by putting in what changed, and takes the place of the present one in one step.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pytest_slm import files
from pytest_slm.core.record import stays_inside
from pytest_slm.registry.folder.remembering import CALM_NS, TOLD
from pytest_slm.replacing import remove

Stamp = tuple[int, int, int, int]
"""Number, size, time of the last writing and of the last change in any way: whoever writes to a file, or puts another
one in its place, changes one of them, whatever times he gives it."""


class SiteFile(NamedTuple):
    """A file of a site: its hash, and the stamp by which it is known without being read; None where it was too young to
    be known by one."""

    sha256: str
    stamp: Stamp | None


def _stamp(status: os.stat_result) -> Stamp:
    """What a file system says of a file."""
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def put_file(folder: Path, path: str, content: bytes, twin: Path | None = None) -> Stamp:
    """Put a file of its own into a folder, whatever stands there: what was there may be shared with a site. ``twin`` is
    another folder that has it, too. Raises OSError, also for a path that leads out of the folder."""
    if not stays_inside(path):
        raise OSError(errno.EINVAL, f"{path!r:.80} is outside of its folder")
    place = folder / path
    try:
        _new(place, content)
    except FileExistsError:
        place.unlink()
        _new(place, content)
    except FileNotFoundError:
        place.parent.mkdir(parents=True, exist_ok=True)
        _new(place, content)
    if twin is not None:
        _linked(place, twin / path)
    return _stamp(place.lstat())


def _new(place: Path, content: bytes) -> None:
    with place.open("xb") as file:
        file.write(content)


def _linked(old: Path, new: Path) -> None:
    """Put a file in another place, too: no page is ever written to once it is there."""
    with contextlib.suppress(OSError):
        new.hardlink_to(old)
        return
    new.parent.mkdir(parents=True, exist_ok=True)
    new.unlink(missing_ok=True)
    try:
        new.hardlink_to(old)
    except OSError:  # not on every file system
        new.write_bytes(files.read_bytes(old))


def _walked(folder: Path, prefix: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Everything below a folder that is no folder, by its path; links are not followed."""
    with os.scandir(folder / prefix if prefix else folder) as found:
        entries = list(found)
    for entry in entries:
        path = f"{prefix}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _walked(folder, f"{path}/")
        else:
            yield path, entry


def _stamps(site: Path) -> dict[str, Stamp | None]:
    """The stamp of every file of a site; None for what is no file of its own. Nothing where there is no site."""
    try:
        return {
            path: _stamp(entry.stat(follow_symlinks=False)) if entry.is_file(follow_symlinks=False) else None
            for path, entry in _walked(site)
        }
    except OSError:
        return {}


class SiteTree:
    """The next site. ``known`` are the pages of the present one; those that are as they were made are ``same``."""

    def __init__(self, site: Path, known: Mapping[str, SiteFile], before: Path | None) -> None:
        token = secrets.token_hex(4)
        self.site = site
        self.fresh = site.with_name(f".{site.name}.{token}.new")
        self._old = site.with_name(f".{site.name}.{token}.old")
        self._before = before
        self.twin: Path | None = None
        """Where all files are put, too, that are put into the next site."""
        self._began = _moment(site.parent) if known else 0
        self._seen = _stamps(site) if known else {}
        self._known = len(known)
        self.same = {path: page for path, page in known.items() if self._is(path, page)}
        self.pages: dict[str, SiteFile] = {}
        """What the next site has."""
        self.begun = False

    def _is(self, path: str, page: SiteFile) -> bool:
        stamp = self._seen.get(path)
        if stamp is None:
            return False
        if TOLD and stamp == page.stamp:
            return True
        with contextlib.suppress(OSError):
            return stays_inside(path) and _hash(files.read_bytes(self.site / path)) == page.sha256
        return False

    def whole(self) -> bool:
        """Whether the present site has what is known, and nothing else."""
        return bool(self._seen) and len(self.same) == len(self._seen) == self._known

    def begin(self) -> None:
        """Make the folder of the next site, with what the site before the present one shares with that. Where there is
        none, the next one is put there, too."""
        if self.begun:
            return
        self.begun = True
        before = self._before
        if before is None or before.is_symlink() or not before.is_dir():
            if before is not None:
                before.unlink(missing_ok=True)
            self.twin = None if self.same else before
            return
        try:
            before.rename(self.fresh)
        except OSError:  # somebody else has just taken it
            return
        self._remove(
            [
                path
                for path, entry in _walked(self.fresh)
                if path not in self.same or entry.inode() != self._seen_number(path)
            ]
        )

    def _seen_number(self, path: str) -> int | None:
        stamp = self._seen.get(path)
        return stamp[0] if stamp else None

    def _remove(self, paths: Iterable[str]) -> None:
        """Take files out of the next site, and folders that have none any more."""
        emptied = set()
        for path in paths:
            place = self.fresh / path
            place.unlink()
            emptied.add(place.parent)
        for folder in emptied:
            with contextlib.suppress(OSError):  # as soon as one is not empty
                while folder != self.fresh:
                    folder.rmdir()
                    folder = folder.parent

    def content(self, path: str) -> bytes:
        """The bytes of a page that is ``same``. Raises OSError, or LookupError where it is not, any more."""
        content = files.read_bytes(self.site / path)
        if _hash(content) != self.same[path].sha256:
            raise LookupError(path)
        return content

    def keep(self, path: str) -> None:
        """A page that is ``same`` stays."""
        self.pages[path] = _page(self.same[path].sha256, self._seen.get(path), self._began)

    def put(self, path: str, content: bytes) -> None:
        """A page of the next site: the present one, where that has these bytes. Raises OSError."""
        digest, known = _hash(content), self.same.get(path)
        if known is not None and known.sha256 == digest:
            self.keep(path)
            return
        self.begin()
        self.pages[path] = SiteFile(digest, put_file(self.fresh, path, content, self.twin))

    def drop(self, paths: Iterable[str]) -> None:
        """The next site is without these pages."""
        for path in paths:
            self.pages.pop(path, None)

    def forget(self, but: Collection[str]) -> None:
        """Nothing of the present site stays but these pages."""
        self.same = {path: page for path, page in self.same.items() if path in but}
        self.pages = {path: page for path, page in self.pages.items() if path in but}

    def swap(self) -> dict[str, SiteFile]:
        """Put the next site in the place of the present one, which becomes the one before; returns its pages. Raises
        OSError, and leaves the present site, where that is not possible."""
        self.begin()
        moment = _moment(self.site.parent)
        there = {path: entry.inode() for path, entry in _walked(self.fresh)}
        pages = {}
        for path, page in self.pages.items():
            kept = self.same.get(path)
            if kept is None or kept.sha256 != page.sha256:
                pages[path] = _page(page.sha256, page.stamp, moment)
            elif there.get(path) == self._seen_number(path):
                pages[path] = page
            else:
                _linked(self.site / path, self.fresh / path)
                pages[path] = SiteFile(page.sha256, None)  # that has changed its stamp
        self._remove(path for path in there if path not in pages)
        if self.site.exists():
            self.site.rename(self._old)
        try:
            self.fresh.rename(self.site)
        except OSError:
            if self._old.exists():
                self._old.rename(self.site)
            raise
        if self._before is not None and self._old.exists() and not self._before.exists():
            with contextlib.suppress(OSError):
                self._before.parent.mkdir(exist_ok=True)
                self._old.rename(self._before)
        return pages

    def close(self) -> None:
        """Leave nothing behind that is not the site."""
        for leftover in (self.fresh, self._old):
            remove(leftover)


def _page(digest: str, stamp: Stamp | None, moment: int) -> SiteFile:
    """A page as it is kept. Whoever writes to it within a step of the clock leaves its times as they are, so a stamp
    counts only of a page that was older than that at a moment when it had these bytes."""
    old = stamp is not None and max(stamp[2:]) < moment - CALM_NS
    return SiteFile(digest, stamp if old else None)


def _moment(folder: Path) -> int:
    """What the clock of the file system says, which may be another machine's."""
    place = folder / f".{secrets.token_hex(8)}.tmp"
    try:
        with place.open("xb") as file:
            return os.fstat(file.fileno()).st_mtime_ns
    except OSError:
        return 0
    finally:
        place.unlink(missing_ok=True)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
