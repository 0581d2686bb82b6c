"""The rows of a data set: from a mirror (``--slm-data``), the Hub, or what ``datasets`` once downloaded.

The parquet files of a mirror are read as they are: the cache of ``datasets`` is keyed by the folder's name, and
57 configurations through its builders take six seconds, this way one.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_slm.core.config import RunConfig
from pytest_slm.errors import BackendError, NotAvailableError, SlmError
from pytest_slm.runners import mirror

Rows = tuple[Any, Mapping[str, Any]]
"""A ``datasets.DatasetDict`` (splits by name), and for the report where its rows are from."""


def load(name: str, part: str | None, splits: Sequence[str], config: RunConfig, more: Mapping[str, Any]) -> Rows:
    """The splits of the configuration ``part`` of a data set; ``more`` is what the task asks of ``load_dataset``.

    Raises NotAvailableError if it cannot be had (``data-unreachable``, ``data-config``), BackendError if what is there
    cannot be read (``data-broken``).
    """
    import datasets

    datasets.disable_progress_bars()
    about = {"dataset": name, "dataset_config": part}
    found = mirror.locate(config.data, name, part)
    if found is None:
        offline = config.offline or not hub_answers()
        try:
            with _hub_offline(offline):
                return datasets.load_dataset(name, part, **more), {**about, "data_from": "cache" if offline else "hub"}
        except Exception as error:  # datasets raises a dozen kinds for "not there"; all mean that it could not be read
            raise _unreachable(name, part, offline, error) from error
    try:
        rows = _parquet(found.folder, part, splits) if not set(more) - {"trust_remote_code"} else None
        if rows is None:
            with _hub_offline(True):
                rows = datasets.load_dataset(str(found.folder), part, **{**more, "cache_dir": str(found.cache)})
    except SlmError:
        raise
    except Exception as error:
        raise BackendError(
            f"{found.folder}: the mirror's copy of {name} cannot be read ({_first_line(error)}); "
            f"`pytest-slm data verify {config.data}` says which file, `pytest-slm data pull` gets it again",
            slug="data-broken",
        ) from error
    return rows, {**about, "data_from": "mirror", "data_sha256": found.sha256}


def hub_answers(timeout: float = 3.0) -> bool:
    """Whether the Hub can be connected to at all. Its own client would try for half a minute before it says no."""
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return True  # then the proxy knows, and the client knows how to ask it
    endpoint = urllib.parse.urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    port = endpoint.port or (443 if endpoint.scheme == "https" else 80)
    try:
        socket.create_connection((endpoint.hostname or "", port), timeout).close()
    except OSError:
        return False
    return True


def data_files(folder: Path, part: str | None) -> Mapping[str, tuple[Path, ...]] | None:
    """The files of each split of a configuration, by the data set's card; None where the card does not list them.

    Raises NotAvailableError (``data-config``) if the card lists configurations, but not this one.
    """
    configs = configurations(folder / "README.md")
    if not configs:
        return None
    wanted = part or ("default" if "default" in configs or len(configs) > 1 else next(iter(configs)))
    if wanted not in configs:
        raise NotAvailableError(
            f"{folder}: the mirror has no configuration {wanted!r} of this data set, but {_few(list(configs))}; "
            "`pytest-slm data pull` gets it",
            slug="data-config",
        )
    listed = configs[wanted]
    if not isinstance(listed, list) or not all(isinstance(entry, dict) and "split" in entry for entry in listed):
        return None
    files: dict[str, tuple[Path, ...]] = {}
    for entry in listed:
        patterns = entry.get("path")
        matches = [sorted(folder.glob(str(p))) for p in ([patterns] if isinstance(patterns, str) else patterns or ())]
        inside = [path for found in matches for path in found if path.resolve().is_relative_to(folder.resolve())]
        files[str(entry["split"])] = tuple(inside)
    return files


def _parquet(folder: Path, part: str | None, splits: Sequence[str]) -> Any | None:
    """The splits, read directly where the card lists parquet files that say their own column types; else None."""
    import datasets
    from pyarrow import concat_tables, parquet

    files = data_files(folder, part)
    if files is None or any(path.suffix != ".parquet" for paths in files.values() for path in paths):
        return None
    rows = {}
    for split in splits:
        paths = files.get(split, ())
        missing = [split] if not paths else [path.name for path in paths if not path.is_file()]
        if missing:
            raise FileNotFoundError(f"no file of the split {split!r} is there")
        tables = [parquet.read_table(path) for path in paths]
        if any(b"huggingface" not in (table.schema.metadata or {}) for table in tables):
            return None  # then the card may declare types, such as the names of classes
        rows[split] = datasets.Dataset(concat_tables(tables), split=datasets.Split(split))
    return datasets.DatasetDict(rows)


@functools.lru_cache(maxsize=64)
def _configs_of(path: str, _changed: float) -> Mapping[str, Any]:
    from huggingface_hub import DatasetCard

    card = DatasetCard.load(path, ignore_metadata_errors=True).data.to_dict()
    return {str(entry.get("config_name", "default")): entry.get("data_files") for entry in card.get("configs") or ()}


def configurations(card: Path) -> Mapping[str, Any]:
    """The configurations that a data set's card lists, with what it says of their files; empty without a card."""
    return _configs_of(str(card), card.stat().st_mtime) if card.is_file() else {}


@contextlib.contextmanager
def _hub_offline(offline: bool) -> Iterator[None]:
    import datasets.config

    before = datasets.config.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = offline or before
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE = before


def _unreachable(name: str, part: str | None, offline: bool, error: Exception) -> SlmError:
    reason = (
        "the Hub does not answer or is not to be asked, and the local cache does not have it"
        if offline
        else _first_line(error)
    )
    inside = f"{name} ({part})" if part else name
    return NotAvailableError(
        f"data set {inside} cannot be reached ({reason}). Name a folder that mirrors the Hub's layout: --slm-data=DIR, "
        f"with the data in DIR/{name}; `pytest-slm data pull DIR` makes one where the Hub can be reached",
        slug="data-unreachable",
    )


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip() or '?').splitlines()[0][:200]}"


def _few(names: list[str]) -> str:
    return f"{', '.join(names[:8])}{f' and {len(names) - 8} more' if len(names) > 8 else ''}"
