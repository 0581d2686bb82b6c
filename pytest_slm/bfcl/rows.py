"""Rows of BFCL's data set: every column but ``id`` is the JSON of a field of the upstream line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_slm.bfcl.categories import DATASET, SPLIT
from pytest_slm.core.config import RunConfig
from pytest_slm.core.types import Dataset
from pytest_slm.data import tables
from pytest_slm.data.tables import Table
from pytest_slm.errors import BackendError
from pytest_slm.files import parse_json

FUNC_DOC = "multi_turn_func_doc"
"""The configuration that says what models are told of the functions of each class of tools."""

Row = Mapping[str, Any]
"""A row with its fields as values; a field that the upstream line does not have is None."""


def read_rows(config_name: str, config: RunConfig) -> tuple[list[Row], Table]:
    """The rows of a configuration in their order, and the table that they stand in.

    Raises what reading a table raises, and BackendError (``data-broken``) where a field is no JSON, or an id is missing
    or there twice.
    """
    table = tables.read(Dataset(path=DATASET, config=config_name, split=SPLIT), config)
    return decoded(table.rows, f"{DATASET} ({config_name})"), table


def decoded(raw: Any, where: str) -> list[Row]:
    """Rows with the JSON in their columns read, from any iterable of mappings."""
    seen: set[str] = set()
    rows: list[Row] = []
    for number, row in enumerate(raw):
        identity = row.get("id", row.get("file"))
        if not isinstance(identity, str) or not identity.strip():
            raise broken(f"{where}: row {number} has no id")
        if identity in seen:
            raise broken(f"{where}: the id {identity!r:.80} is there twice")
        seen.add(identity)
        rows.append({key: _value(key, value, f"{where}: {identity!r:.80}") for key, value in row.items()})
    return rows


def _value(key: str, value: Any, where: str) -> Any:
    if key in ("id", "file") or value is None:
        return value
    try:
        return parse_json(value)
    except (ValueError, TypeError, AttributeError) as error:
        raise broken(f"{where}: the column {key!r:.80} is no JSON ({error!s:.120})") from None


def broken(told: str) -> BackendError:
    """The error for data that are not what BFCL publishes; ``told`` says where and what."""
    remedy = "`pytest-slm data verify DIR` says whether the file is what it was, `pytest-slm data pull` gets it again"
    return BackendError(f"{told}; {remedy}", slug="data-broken")


def read_documents(config_name: str, config: RunConfig) -> tuple[dict[str, list[Row]], Table]:
    """The lines of each file of a configuration of files, and the table that they stand in. Raises what `read_rows`
    raises."""
    where = f"{DATASET} ({config_name})"
    table = tables.read(Dataset(path=DATASET, config=config_name, split=SPLIT), config)
    files: dict[str, list[Row]] = {}
    for number, row in enumerate(table.rows):
        file, line = row.get("file"), _value("doc", row.get("doc"), where)
        if not isinstance(file, str) or not isinstance(line, dict):
            raise broken(f"{where}: row {number} is no line of a file")
        files.setdefault(file, []).append(line)
    return files, table


def docs_of(files: Mapping[str, str], config: RunConfig) -> dict[str, list[Row]]:
    """What models are told of the functions of each class, by the file that the data set has for it.

    Raises what `read_rows` raises, and BackendError (``data-broken``) where a file has no rows.
    """
    found, _ = read_documents(FUNC_DOC, config)
    docs = {name: found.get(f"{file}.json", []) for name, file in files.items()}
    for name, functions in docs.items():
        if not functions or not all(isinstance(one.get("name"), str) for one in functions):
            raise broken(f"{DATASET} ({FUNC_DOC}): {files[name]}.json does not say which functions {name} has")
    return docs
