"""A folder out of a commit on GitHub: fetched once as the archive that GitHub makes of it, read, and never unpacked."""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated

import platformdirs

from pytest_slm.core.record import Form, Inside, Record, Repo
from pytest_slm.data.once import fetch_once
from pytest_slm.data.packages import Sha256
from pytest_slm.data.web import get
from pytest_slm.errors import BackendError, NotAvailableError, SlmError, UsageError
from pytest_slm.files import read_bytes

HOST = "https://codeload.github.com"
MOST = 64 << 20
"""Bytes of an archive."""
MOST_INSIDE = 64 << 20
"""Bytes of all files of the folder, unpacked."""
MOST_FILES = 20_000


@dataclass(frozen=True, kw_only=True)
class Checkout(Record):
    """The files of ``folder`` in a commit of a GitHub repository. ``sha256`` is over their sorted names, each with a
    NUL and the digest of its bytes behind it: the bytes of an archive are another thing each time GitHub packs it."""

    repository: Repo
    commit: Annotated[
        str, Form("40 hexadecimal digits", lambda text: len(text) == 40 and not set(text) - set("0123456789abcdef"))
    ]
    folder: Inside
    sha256: Sha256

    def __str__(self) -> str:
        """As people name it."""
        return f"{self.repository}@{self.commit[:12]}"

    @property
    def url(self) -> str:
        """Where GitHub offers the archive."""
        return f"{HOST}/{self.repository}/zip/{self.commit}"

    @property
    def path(self) -> Path:
        """Where it is kept on this machine, whether it is there or not."""
        folder = Path(platformdirs.user_cache_dir("pytest-slm")) / "checkouts"
        return folder / f"{self.repository.replace('/', '--')}-{self.commit[:12]}.zip"


def fetch(checkout: Checkout, tell: Callable[[str], None]) -> SlmError | None:
    """Have the archive on this machine; return what failed. One that is there and right is not fetched again."""

    def there() -> bool:
        try:
            read(checkout)
        except (NotAvailableError, BackendError):  # not there, or another one
            return False
        return True

    def download() -> bytes:
        try:
            data = get(checkout.url, MOST, slug="checkout-pull")
        except UsageError as error:
            raise UsageError(
                f"{checkout}: {error.args[0]}; run it again, or put the file there as {checkout.path}",
                slug="checkout-pull",
            ) from None
        _files(checkout, data, checkout.url)
        return data

    return fetch_once(checkout, checkout.path, there, download, tell)


def read(checkout: Checkout) -> Mapping[str, bytes]:
    """The files of the folder by their names in it. Nothing is unpacked to the disk.

    Raises NotAvailableError (``checkout-missing``) where it was not fetched, BackendError (``checkout-foreign``) where
    the files are not the known ones.
    """
    if not checkout.path.is_file():
        raise NotAvailableError(
            f"{checkout} is not on this machine: `pytest-slm data pull DIR` fetches it from GitHub, or put "
            f"{checkout.url} there as {checkout.path}",
            slug="checkout-missing",
        )
    try:
        data = read_bytes(checkout.path, MOST)
    except OSError as error:
        raise _foreign(checkout, str(checkout.path), f"it cannot be read, {error}") from None
    return _files(checkout, data, str(checkout.path))


def _files(checkout: Checkout, data: bytes, where: str) -> Mapping[str, bytes]:
    """The folder's files; those of an archive stand in a folder of its own."""
    found: dict[str, bytes] = {}
    left = MOST_INSIDE
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                inside = PurePosixPath(*PurePosixPath(entry.filename).parts[1:])
                if entry.is_dir() or not inside.is_relative_to(checkout.folder):
                    continue
                with archive.open(entry) as file:
                    content = file.read(left + 1)
                left -= len(content)
                if left < 0 or len(found) == MOST_FILES:
                    raise ValueError(f"more than {MOST_INSIDE >> 20} MiB or {MOST_FILES:,} files")
                found[inside.relative_to(checkout.folder).as_posix()] = content
    except (ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise _foreign(checkout, where, " ".join(str(error).split())[:200]) from None
    digest = hashlib.sha256()
    for name in sorted(found):
        digest.update(name.encode() + b"\0" + hashlib.sha256(found[name]).digest())
    if digest.hexdigest() != checkout.sha256:
        told = f"the SHA-256 of its {len(found)} files in {checkout.folder} is {digest.hexdigest()}"
        raise _foreign(checkout, where, f"{told}, not {checkout.sha256}")
    return found


def _foreign(checkout: Checkout, where: str, problem: str) -> BackendError:
    return BackendError(
        f"{where}: that is not {checkout} ({problem}); remove the file and fetch it again with `pytest-slm data pull`",
        slug="checkout-foreign",
    )
