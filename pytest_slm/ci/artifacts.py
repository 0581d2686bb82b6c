"""What a job hands over to later ones: files, and a manifest that says whose they are, with the hash of each.

Whoever unpacks an artifact trusts nothing of it. The archive may hold links, names that lead out of the folder, one
name twice, or a file that is a thousand times as large as it is packed; the manifest may be another run's.
"""

from __future__ import annotations

import hashlib
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pytest_slm.core.record import FileName, Record, RecordError, Sha256, stays_inside
from pytest_slm.errors import SlmError, writing_failed
from pytest_slm.files import MIB, inside, open_regular, parse_json
from pytest_slm.registry import write_json

MANIFEST = "manifest.json"
SCHEMA = 1
MOST_FILES = 5_000
LARGEST_FILE = 256 * MIB
LARGEST_TOTAL = 2_048 * MIB
LARGEST_ZIP = 512 * MIB
LARGEST_MANIFEST = 4 * MIB

Kind = Literal["cells", "report"]


@dataclass(frozen=True, kw_only=True)
class Origin(Record):
    """Whose files these are: the run, the pull request with its commit, and the part of the work."""

    repo: str
    run: int
    pull: int
    head: str
    kind: Kind
    quantization: FileName
    shard: int = 0
    """Which of several, from 0."""


@dataclass(frozen=True, kw_only=True)
class ArtifactFile(Record):
    """One file of an artifact."""

    size: int
    sha256: Sha256

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size < 0 or not self.sha256:
            raise RecordError("a file has a size and a hash")


@dataclass(frozen=True, kw_only=True)
class ArtifactManifest(Record):
    """All files of an artifact by their places in it, and whose they are."""

    schema: int = SCHEMA
    origin: Origin
    files: Mapping[str, ArtifactFile] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.schema != SCHEMA:
            raise RecordError(f"a manifest of schema {self.schema}; here {SCHEMA}")
        for name in self.files:
            if not _is_place(name):
                raise RecordError(f"{name!r:.80} is no place in an artifact")


def _is_place(name: str) -> bool:
    """Whether a name is that of a file below a folder, on any system, in one spelling, and not hidden."""
    plain = "\\" not in name and not any(part.startswith(".") or not part for part in name.split("/"))
    return plain and stays_inside(name)


def pack(folder: Path, origin: Origin) -> ArtifactManifest:
    """Write the manifest of all files below a folder. Raises SlmError where there are too many, or what is no file."""
    found: dict[str, ArtifactFile] = {}
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():  # to what this job may read, and nobody else
            raise _refused(name, "it is a link")
        try:
            with open_regular(path, LARGEST_FILE) as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                found[name] = ArtifactFile(size=file.tell(), sha256=digest)
        except OSError as error:
            raise _refused(name, str(error.strerror or error)) from None
    if len(found) > MOST_FILES:
        raise _refused(str(folder), f"{len(found)} files, and at most {MOST_FILES} are handed over")
    manifest = ArtifactManifest(origin=origin, files=found)
    write_json(folder / MANIFEST, manifest)
    return manifest


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and (path.is_symlink() or not path.is_dir()) and path != folder / MANIFEST:
            yield path


def unpack(archive: Path, target: Path, expected: Origin) -> ArtifactManifest:
    """Unpack an artifact into a new folder, if it is what it shall be. Raises SlmError (ci-artifact) else, with nothing
    written outside of the folder."""
    name = archive.name
    try:
        with zipfile.ZipFile(archive) as packed:
            members = _members(packed, name)
            if MANIFEST not in members:
                raise _refused(name, "it has no manifest")
            text = _read(packed, members.pop(MANIFEST), LARGEST_MANIFEST, name)
            manifest = _manifest(text, name)
            _check_origin(manifest.origin, expected, name)
            if apart := sorted(members.keys() ^ manifest.files.keys()):
                raise _refused(name, f"{apart[0]!r:.80} is in the archive or in the manifest, and not in both")
            for place, info in members.items():
                facts = manifest.files[place]
                content = _read(packed, info, facts.size, name)
                if len(content) != facts.size or hashlib.sha256(content).hexdigest() != facts.sha256:
                    raise _refused(name, f"{place!r:.80} is not the file of its manifest")
                _put(target, place, content)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError, OSError, RuntimeError) as error:
        raise _refused(name, f"no archive that can be read ({error!s:.100})") from None
    except (ValueError, zlib.error) as error:
        raise _refused(name, f"damaged ({error!s:.100})") from None
    return manifest


def _members(packed: zipfile.ZipFile, archive: str) -> dict[str, zipfile.ZipInfo]:
    """The files of an archive by their places, of which all are plain, inside, different and bounded."""
    infos = [info for info in packed.infolist() if not info.filename.endswith("/")]
    if len(infos) > MOST_FILES + 1:
        raise _refused(archive, f"{len(infos)} files, and at most {MOST_FILES} are read")
    if sum(info.file_size for info in infos) > LARGEST_TOTAL:
        raise _refused(archive, f"more than {LARGEST_TOTAL} bytes when it is unpacked")
    found: dict[str, zipfile.ZipInfo] = {}
    folded: set[str] = set()
    for info in infos:
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise _refused(archive, f"{info.filename!r:.80} is a link or a device")
        if not _is_place(info.filename) or info.orig_filename != info.filename:
            raise _refused(archive, f"{info.orig_filename!r:.80} leads out of its folder, or is hidden")
        if info.filename.casefold() in folded:
            raise _refused(archive, f"{info.filename!r:.80} is in it twice")
        if info.flag_bits & 1:
            raise _refused(archive, "it is encrypted")
        folded.add(info.filename.casefold())
        found[info.filename] = info
    return found


def _read(packed: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int, archive: str) -> bytes:
    """All of a file that has at most ``limit`` bytes."""
    if limit > LARGEST_FILE or info.file_size > limit:
        raise _refused(archive, f"{info.filename!r:.80} has {info.file_size} bytes, and at most {limit} are read")
    with packed.open(info) as file:  # which reads no more than the archive says
        return file.read(limit)


def _manifest(text: bytes, archive: str) -> ArtifactManifest:
    try:
        return ArtifactManifest.from_json(parse_json(text))
    except ValueError as error:
        raise _refused(archive, f"its manifest is none ({error!s:.200})") from None


def _check_origin(found: Origin, expected: Origin, archive: str) -> None:
    for name, value in expected.to_json().items():
        if getattr(found, name) != value:
            raise _refused(archive, f"its {name} is {getattr(found, name)!r:.80}, and it should be {value!r:.80}")


def _put(target: Path, place: str, content: bytes) -> None:
    path = inside(target, place)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(content)
    except OSError as error:
        raise writing_failed(path, error) from None


def _refused(name: str, why: str) -> SlmError:
    return SlmError(f"artifact {name:.100}: refused: {why}", slug="ci-artifact")
