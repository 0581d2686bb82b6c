"""A folder with one file for each cell that was measured, named by the cell's hash.

A file has the cell, its result, the lines of its samples, and what the process with the model said of itself; ``check``
is the hash of all that, so that half a file, or one that somebody has changed, is no result. Only what was measured is
ever kept. A file is written beside its place and then renamed, so that any number of machines may share the folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_slm import files
from pytest_slm.cells.cell import SCHEMA, Cell
from pytest_slm.core.backend_info import HostDescription
from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.types import MEASURED, Result
from pytest_slm.errors import ReportError, writing_failed
from pytest_slm.registry.store import write_text

SUFFIX = ".json"


@dataclass(frozen=True, kw_only=True)
class StoredCell(Record):
    """A cell that was measured. ``samples`` is its file of samples as it is; ``host`` None where the process with the
    model told nothing."""

    cell: Cell
    result: Result
    samples: str | None = None
    host: HostDescription | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.result.outcome not in MEASURED:
            raise RecordError(f"{self.cell}: what is {self.result.outcome} is not kept")
        mine, theirs = self.cell, self.result
        names = ("suite", "task", "variant", "quantization", "version", "mode", "seed")
        apart = [name for name in names if getattr(mine, name) != getattr(theirs, name)]
        if apart:
            raise RecordError(f"{mine}: the result has another {apart[0]}")


class CellStore:
    """The cells of a folder, which need not exist yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: str) -> Path:
        """Where the file of a cell is."""
        return self.folder / key[:2] / f"{key}{SUFFIX}"

    def get(self, key: str) -> StoredCell | None:
        """The cell of that hash, None where there is none. Raises ReportError (cell-broken) for a file that is not what
        was written."""
        path = self.path(key)
        try:
            return parse(path, files.read_bytes(path, files.LINES))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ReportError(f"{path}: cannot be read ({error.strerror or error})", slug="cell-broken") from None

    def put(self, stored: StoredCell) -> None:
        """Keep a cell, in place of what had its hash. Raises ReportError where the system refuses."""
        write_text(self.path(stored.cell.key), text_of(stored))

    def forget(self, key: str) -> None:
        """Take a cell out, if it is there. Raises ReportError where the system refuses."""
        try:
            self.path(key).unlink(missing_ok=True)
        except OSError as error:
            raise writing_failed(self.path(key), error) from None

    def __iter__(self) -> Iterator[Path]:
        """The files of all cells, in the order of their hashes."""
        return iter(sorted(self.folder.glob(f"??/*{SUFFIX}")))


def text_of(stored: StoredCell) -> str:
    """A cell as its file has it."""
    body = stored.to_json()
    return json.dumps({"schema": SCHEMA, **body, "check": _check(body)}, sort_keys=True, allow_nan=False) + "\n"


def parse(path: Path, content: bytes) -> StoredCell:
    """The cell in a file. Raises ReportError, with what is wrong: cut, changed, misnamed, or of another version."""

    def wrong(problem: str) -> ReportError:
        return ReportError(f"{path}: {problem}; it counts as not measured", slug="cell-broken")

    try:
        document = files.parse_json(content)
    except ValueError as error:
        raise wrong(f"cut or damaged ({error})") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        found = document.get("schema") if isinstance(document, dict) else None
        raise wrong(f"of another version of pytest-slm (schema {found!r:.40}, here {SCHEMA})")
    body = {name: value for name, value in document.items() if name not in ("schema", "check")}
    if document.get("check") != _check(body):
        raise wrong("not what was written")
    try:
        stored = StoredCell.from_json(body)
    except ValueError as error:
        raise wrong(str(error)) from None
    if path.name != f"{stored.cell.key}{SUFFIX}":
        raise wrong(f"it holds {stored.cell}, which has another hash")
    return stored


def _check(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, allow_nan=False).encode()).hexdigest()


def read_all(folder: Path) -> tuple[Sequence[StoredCell], Sequence[ReportError]]:
    """All cells of a store, and an error for each file that is none. Raises ReportError where it is not there."""
    if not folder.is_dir():
        raise ReportError(f"{folder}: no such folder. Measure with --slm-store={folder} first", slug="store-missing")
    found: list[StoredCell] = []
    errors: list[ReportError] = []
    for path in CellStore(folder):
        with contextlib.suppress(FileNotFoundError):  # another machine has just taken it out
            try:
                found.append(parse(path, files.read_bytes(path, files.LINES)))
            except ReportError as error:
                errors.append(error)
            except FileNotFoundError:
                raise
            except OSError as error:
                errors.append(ReportError(f"{path}: cannot be read ({error.strerror})", slug="cell-broken"))
    return found, errors
