"""Files of questions to plain values: JSONL, CSV with a header, or YAML, by the ending of the name.

A cell of a CSV file is a text. ``metadata.level`` in the header is the key ``level`` of ``metadata``; ``options.1`` and
``options.2`` make a list; below ``scoring`` a cell is read as JSON where it is JSON (``0.5``, ``true``). A YAML file is
a list of mappings, in which what is asked and compared with is text as it is written: ``No`` is a word there.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_slm.errors import UsageError
from pytest_slm.files import parse_json
from pytest_slm.load.document import MAX_BYTES, Value, parse
from pytest_slm.load.mistakes import Mistakes

MOST_BYTES = 64 << 20
"""Of a CSV file; JSONL may be longer, and YAML is for what people write by hand."""
MOST_COLUMNS = 1000
LONGEST_CELL = 1 << 20
AS_JSON = ("scoring",)
TYPED = ("metadata", "scoring", "tools")
"""Keys of a YAML file below which a scalar is what YAML makes of it."""


def read_rows(data: bytes, path: Path, what: str) -> Iterator[tuple[int, Any]]:
    """(line, value) of every question in the bytes of a file. Raises UsageError with file and line for what is none."""
    if path.suffix.lower() == ".csv":
        return _csv(data, path, what)
    if path.suffix.lower() in (".yaml", ".yml"):
        return _yaml(data, path, what)
    return _jsonl(data, path, what)


def _jsonl(data: bytes, path: Path, what: str) -> Iterator[tuple[int, Any]]:
    # Bytes end a line at line feeds only; str.splitlines would cut a text at U+2028 too, which JSON allows in it.
    for number, line in enumerate(data.splitlines(), start=1):
        if line.strip():
            try:
                yield number, parse_json(line)
            except ValueError as error:
                raise _wrong(path, number, f"not a {what} ({error})") from None


def _wrong(path: Path, line: int, problem: str) -> UsageError:
    return UsageError(f"{path}:{line}: {problem}", slug="samples-invalid")


def _text(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _wrong(path, line, "not UTF-8 text; save the file as UTF-8 (in Excel: CSV UTF-8)") from None


# -- CSV --------------------------------------------------------------------------------------------------------------


def _csv(data: bytes, path: Path, what: str) -> Iterator[tuple[int, Any]]:
    if len(data) > MOST_BYTES:
        raise _wrong(path, 1, f"larger than {MOST_BYTES >> 20} MiB; write it as JSONL")
    text = _text(data, path)
    if (place := text.find("\0")) >= 0:
        raise _wrong(path, text.count("\n", 0, place) + 1, "a NUL character; save the file as UTF-8 text")
    rows = _cells(text, path)
    line, header = next(rows, (1, []))
    keys = [name.strip() for name in header]
    _check_header(keys, path, line)
    for line, row in rows:
        if len(row) != len(keys):
            problem = f"{len(row)} cells, the header has {len(keys)}; put a cell with a comma or quote into quotes"
            raise _wrong(path, line, problem)
        try:
            yield line, _nested(dict(zip(keys, row, strict=True)))
        except ValueError as error:
            raise _wrong(path, line, f"not a {what} ({error})") from None


def _cells(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """(first line, cells) of every row that is not empty."""
    # The module's own limit is of the whole process, and 128 KiB: a passage may be longer.
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        reader, line = csv.reader(io.StringIO(text, newline=""), strict=True), 1
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise _wrong(path, line, f"no valid CSV: {error}; a quote inside of a cell is written twice") from None
            if any(cell.strip() for cell in row):
                yield line, row
            line = reader.line_num + 1
    finally:
        csv.field_size_limit(before)


def _check_header(keys: list[str], path: Path, line: int) -> None:
    problem = ""
    if not any(keys):
        problem = "no header; the first row names the columns, as in id,input,target"
    elif len(keys) == 1 and re.search(r"[;\t|]", keys[0]):
        problem = f"the header {keys[0]!r:.80} has no commas; save the file with commas between the cells"
    elif len(keys) > MOST_COLUMNS:
        problem = f"{len(keys)} columns, and at most {MOST_COLUMNS} are read"
    elif "" in keys:
        problem = f"column {keys.index('') + 1} has no name; name it, or delete it"
    elif len(set(keys)) < len(keys):
        twice = next(key for place, key in enumerate(keys) if key in keys[:place])
        problem = f"the column {twice!r:.80} is there twice; keep one"
    if problem:
        raise _wrong(path, line, problem)


def _nested(cells: Mapping[str, str]) -> dict[str, Any]:
    """Cells by their dotted names as mappings and lists; an empty cell is no value."""
    found: dict[str, Any] = {}
    for name, cell in cells.items():
        *above, last = name.split(".")
        place = found
        for key in above:
            place = place.setdefault(key, {})
            if not isinstance(place, dict):
                raise ValueError(f"the column {name!r:.80} is below a column that has a value")
        if isinstance(place.get(last), dict):
            raise ValueError(f"the column {name!r:.80} has columns below it")
        if cell.strip():
            place[last] = _value(name, cell)
        elif above and last.isdecimal():
            place[last] = None  # a gap in a list is told, not closed: the letters of options would move
    return {key: made for key, value in found.items() if (made := _listed(key, value)) is not None}


def _value(name: str, cell: str) -> Any:
    if name.partition(".")[0] in AS_JSON:
        try:
            return parse_json(cell)
        except ValueError:
            return cell
    return cell


def _listed(name: str, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if not value or not all(key.isdecimal() for key in value):
        return {
            key: made for key, item in value.items() if (made := _listed(f"{name}.{key}", item)) is not None
        } or None
    items = [_listed(f"{name}.{key}", value[key]) for key in sorted(value, key=int)]
    while items and items[-1] is None:
        items.pop()
    if None in items:
        raise ValueError(f"{name}: cell {items.index(None) + 1} is empty, and one behind it is not")
    return items or None


# -- YAML -------------------------------------------------------------------------------------------------------------


def _yaml(data: bytes, path: Path, what: str) -> Iterator[tuple[int, Any]]:
    mistakes = Mistakes(path)
    document = parse(_checked_size(data, path), path, mistakes)
    mistakes.check()
    if not isinstance(document.data, list):
        raise _wrong(path, document.line, f"expected a list, each {what} behind a dash (- id: ...)")
    for value in document.data:
        if not isinstance(value.data, dict):
            raise _wrong(path, value.line, f"not a {what} (expected keys and values, as in `id: 1`)")
        yield value.line, {key: made for key, item in value.data.items() if (made := _told(key, item)) is not None}


def _checked_size(data: bytes, path: Path) -> str:
    if len(data) > MAX_BYTES:
        problem = f"{path}:1: larger than {MAX_BYTES // 1024} KiB; write it as JSONL or CSV"
        raise UsageError(problem, slug="yaml-too-large")
    return _text(data, path)


def _told(key: str, value: Value) -> Any:
    """What a key of a question says: texts as they are written, unless the key is one of those with types."""
    if key in TYPED or isinstance(value.data, dict):
        return value.plain()
    if isinstance(value.data, list):
        return [_told(key, item) for item in value.data]
    return None if value.data is None else value.written
