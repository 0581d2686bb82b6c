"""One split of a data set as rows, with what a report says of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_slm.core.config import RunConfig
from pytest_slm.core.types import Dataset
from pytest_slm.data import mirror, rows
from pytest_slm.errors import BackendError, NotAvailableError


@dataclass(frozen=True, kw_only=True)
class Table:
    """The rows of a split, in the data set's order. ``source`` says for the report where they are from (``data_from``:
    mirror, hub or cache, and ``data_sha256``, the hash of a mirror's files); ``rows_sha256`` is the hash of the rows
    themselves, wherever they are from."""

    dataset: Dataset
    rows: tuple[Mapping[str, Any], ...]
    source: Mapping[str, Any]
    rows_sha256: str


def read(dataset: Dataset, config: RunConfig) -> Table:
    """The rows of a data set: of a mirror (``config.data``), else of the Hub or its cache.

    Raises NotAvailableError if they cannot be had (``data-unreachable``, ``data-config``, ``data-not-public``,
    ``data-library``), BackendError if they cannot be read (``data-broken``) or there are none (``data-empty``).
    """
    if dataset.absent and mirror.locate(config.data, dataset.path, dataset.config) is None:
        raise NotAvailableError(
            f"data set {dataset.path} is not available: {' '.join(dataset.absent.split())}", slug="data-not-public"
        )
    found, source = rows.split_rows(dataset.path, dataset.config, dataset.split, config, dataset.revision)
    if not found:
        where = f"{told_name(dataset)} ({source['data_from']})"
        raise BackendError(f"{where} has no rows; get the data again", slug="data-empty")
    text = json.dumps(found, sort_keys=True, ensure_ascii=False, default=str)
    return Table(
        dataset=dataset,
        rows=tuple(found),
        source=source,
        rows_sha256=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
    )


def told_name(dataset: Dataset) -> str:
    """The data set as a line names it: ``org/name (config), split 'test'``."""
    config = f" ({dataset.config})" if dataset.config else ""
    return f"{dataset.path}{config}, split {dataset.split!r:.80}"
