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
    ``missing-extra``), BackendError if they cannot be read (``data-broken``) or there are none (``data-empty``).
    """
    if dataset.absent and mirror.locate(config.data, dataset.path, dataset.config) is None:
        raise NotAvailableError(
            f"data set {dataset.path} is not available: {' '.join(dataset.absent.split())}", slug="data-not-public"
        )
    try:
        import datasets  # noqa: F401
    except ImportError as problem:
        told = f"the rows of {dataset.path} are read with `datasets` ({problem}): pip install 'pytest-slm[data]'"
        raise NotAvailableError(told, slug="missing-extra") from None
    more = {} if dataset.revision is None else {"revision": dataset.revision}
    splits, source = rows.load(dataset.path, dataset.config, (dataset.split,), config, more)
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


def told_name(dataset: Dataset) -> str:
    """The data set as a line names it: ``org/name (config), split 'test'``."""
    config = f" ({dataset.config})" if dataset.config else ""
    return f"{dataset.path}{config}, split {dataset.split!r:.80}"
