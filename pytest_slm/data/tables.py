"""One split of a data set as rows, with what a report says of them."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_slm.core.config import RunConfig
from pytest_slm.core.types import Dataset
from pytest_slm.data import mirror, rows
from pytest_slm.errors import BackendError, NotAvailableError


@dataclass(frozen=True, kw_only=True)
class Table:
    """The rows of a split, in the data set's order. ``data_from`` is mirror, hub or cache; ``data_sha256`` the hash of
    a mirror's files, None elsewhere; ``rows_sha256`` that of the rows themselves, wherever they are from."""

    dataset: Dataset
    rows: tuple[Mapping[str, Any], ...]
    data_from: str
    data_sha256: str | None
    rows_sha256: str


def read(dataset: Dataset, config: RunConfig) -> Table:
    """The rows of a data set: of a mirror (``config.data``), else of the Hub or its cache.

    Raises NotAvailableError if they cannot be had (``data-unreachable``, ``data-config``, ``data-not-public``,
    ``data-elsewhere``, ``missing-extra``), BackendError if they cannot be read (``data-broken``) or there are none
    (``data-empty``).
    """
    if not dataset.on_hub and mirror.locate(config.data, dataset.path, dataset.config) is None:
        raise _by_hand(dataset)
    if importlib.util.find_spec("datasets") is None:
        told = f"the rows of {dataset.path} are read with `datasets`: pip install 'pytest-slm[data]'"
        raise NotAvailableError(told, slug="missing-extra")
    more = {} if dataset.revision is None else {"revision": dataset.revision}
    try:
        splits, source = rows.load(dataset.path, dataset.config, (dataset.split,), config, more)
    except NotAvailableError as error:
        raise (error if dataset.on_hub else _by_hand(dataset)) from None
    where = f"{told_name(dataset)} ({source['data_from']})"
    if dataset.split not in splits:
        raise BackendError(f"{where} has no such split, but {', '.join(splits)}", slug="data-broken")
    found = tuple(splits[dataset.split].to_list())
    if not found:
        raise BackendError(f"{where} has no rows; get the data again", slug="data-empty")
    text = json.dumps(found, sort_keys=True, ensure_ascii=False, default=str)
    return Table(
        dataset=dataset,
        rows=found,
        data_from=str(source["data_from"]),
        data_sha256=source.get("data_sha256"),
        rows_sha256=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
    )


def _by_hand(dataset: Dataset) -> NotAvailableError:
    """Why a data set that the Hub does not have is not there, and how to bring it."""
    name = told_name(dataset)
    if dataset.unpublished:
        told = f"data set {name}, is not public: {' '.join(dataset.unpublished.split())}"
        return NotAvailableError(told, slug="data-not-public")
    told = f"data set {name}, is not on the Hub: {' '.join(dataset.elsewhere.split())}"
    return NotAvailableError(told, slug="data-elsewhere")


def provenance(tables: Iterable[Table]) -> Mapping[str, Any]:
    """What a report says of the rows that an item was made of: which, where they are from, and their hashes.
    ``data_sha256`` is None unless all are from a mirror."""
    read = sorted(tables, key=lambda table: told_name(table.dataset))
    files = [table.data_sha256 for table in read if table.data_sha256 is not None]
    return {
        "dataset": _each(table.dataset.path for table in read),
        "dataset_config": _each(table.dataset.config for table in read),
        "split": _each(table.dataset.split for table in read),
        "revision": _each(table.dataset.revision for table in read),
        "data_from": _each(table.data_from for table in read),
        "data_sha256": _sha256(files) if len(files) == len(read) else None,
        "rows_sha256": _sha256(table.rows_sha256 for table in read),
    }


def _each(names: Iterable[str | None]) -> str | None:
    return ", ".join(dict.fromkeys(filter(None, names))) or None


def _sha256(hashes: Iterable[str]) -> str:
    return hashlib.sha256("".join(f"{one}\0" for one in hashes).encode()).hexdigest()


def told_name(dataset: Dataset) -> str:
    """The data set as a line names it: ``org/name (config), split 'test'``."""
    config = f" ({dataset.config})" if dataset.config else ""
    return f"{dataset.path}{config}, split {dataset.split!r:.80}"
