"""The tidy table as CSV, Parquet and SQLite."""

from __future__ import annotations

import contextlib
import csv
import io
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pytest_slm.errors import NotAvailableError, ReportError, writing_failed
from pytest_slm.registry.entry import Registry
from pytest_slm.registry.exports.table import RESULT, table
from pytest_slm.registry.store import write_text

FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""With these, the last four of full width, a spreadsheet takes the text of a cell for a formula, which anybody may have
written into a name; some pass over white space before it."""
TYPES = {str: "TEXT", float: "REAL", int: "INTEGER", bool: "INTEGER"}


def write_csv(registry: Registry, path: Path) -> Sequence[Path]:
    """UTF-8 with a line of names; null is an empty cell, truth is ``true`` or ``false``."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(RESULT), lineterminator="\n")
    writer.writeheader()
    for result in table(registry):
        writer.writerow({name: _cell(value) for name, value in result.items()})
    write_text(path, text.getvalue())
    return (path,)


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return value
    # Not every Python puts quotes around a text for the sake of a \r, and readers end a line with it.
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{text}" if text.lstrip().startswith(FORMULA) or text[:1].isspace() else text


def write_sqlite(registry: Registry, path: Path) -> Sequence[Path]:
    """A database with one table, ``results``."""

    def write(fresh: Path) -> None:
        with contextlib.closing(sqlite3.connect(fresh)) as database, database:
            columns = ", ".join(f'"{name}" {TYPES[kind]}' for name, kind in RESULT.items())
            database.execute(f"CREATE TABLE results ({columns})")
            marks = ", ".join("?" for _ in RESULT)
            rows = (tuple(map(_storable, result.values())) for result in table(registry))
            database.executemany(f"INSERT INTO results VALUES ({marks})", rows)  # noqa: S608 - question marks

    return _replace(path, write)


def _storable(value: Any) -> Any:
    """Half a character of a pair is no UTF-8."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def write_parquet(registry: Registry, path: Path) -> Sequence[Path]:
    """Parquet, compressed with Zstandard. Needs pyarrow; raises NotAvailableError without it."""
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        problem = "Parquet needs pyarrow: pip install 'pytest-slm[parquet]'"
        raise NotAvailableError(problem, slug="parquet-missing") from None
    types = {str: arrow.string(), float: arrow.float64(), int: arrow.int64(), bool: arrow.bool_()}
    schema = arrow.schema([(name, types[kind]) for name, kind in RESULT.items()])
    results = [{name: _storable(value) for name, value in result.items()} for result in table(registry)]

    def write(fresh: Path) -> None:
        parquet.write_table(arrow.Table.from_pylist(results, schema=schema), fresh, compression="zstd")

    return _replace(path, write)


def _replace(path: Path, write: Callable[[Path], None]) -> Sequence[Path]:
    """All of a file or nothing, as ``write_text`` does it."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(fresh)
        fresh.replace(path)
    except OSError as error:
        raise writing_failed(path, error) from error
    except sqlite3.Error as error:
        raise ReportError(f"{path}: cannot be written ({error}); is the disk full?", slug="report-write") from error
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
    return (path,)
