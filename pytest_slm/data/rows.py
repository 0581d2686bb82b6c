"""The rows of a data set: from a mirror (``--slm-data``), the Hub, or what ``datasets`` once downloaded.

The parquet files of a mirror are read as they are: the cache of ``datasets`` is keyed by the folder's name, and
57 configurations through its builders take six seconds, this way one.
"""

from __future__ import annotations

import contextlib
import fnmatch
import functools
import os
import re
import socket
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pytest_slm import hub
from pytest_slm.core.config import RunConfig
from pytest_slm.data import mirror
from pytest_slm.errors import BackendError, NotAvailableError, SlmError

Rows = tuple[Any, Mapping[str, Any]]
"""A ``datasets.DatasetDict`` (splits by name), and for the report where its rows are from."""

SHARD = re.compile(r"(?P<number>\d{5})-of-(?P<total>\d{5})")
"""In a file's name: one of so many files that are a split together."""


@dataclass(frozen=True, kw_only=True)
class SplitFiles:
    """The files that a card lists for a split: those that are there, and names or patterns of those that are not."""

    there: tuple[Path, ...]
    missing: tuple[str, ...]


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
    more = {key: value for key, value in more.items() if key != "revision"}  # a mirror has one
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
    endpoint = urllib.parse.urlsplit(hub.endpoint())
    port = endpoint.port or (443 if endpoint.scheme == "https" else 80)
    try:
        socket.create_connection((endpoint.hostname or "", port), timeout).close()
    except OSError:
        return False
    return True


def data_files(folder: Path, part: str | None) -> Mapping[str, SplitFiles] | None:
    """The files of each split of a configuration, by the data set's card; None where the card does not list them.

    Raises NotAvailableError (``data-config``) if the card lists configurations, but not this one, BackendError
    (``data-broken``) if the card cannot be read.
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
    files: dict[str, SplitFiles] = {}
    for entry in listed:
        patterns = entry.get("path")
        there: list[Path] = []
        missing: list[str] = []
        for pattern in map(str, [patterns] if isinstance(patterns, str) else patterns or ()):
            found = _matches(folder, pattern)
            there += found
            missing += _missing_shards(folder, found, pattern) if found else [pattern]
        files[str(entry["split"])] = SplitFiles(there=tuple(there), missing=tuple(missing))
    return files


def _matches(folder: Path, pattern: str) -> list[Path]:
    """The files of a pattern, without those that a link or ``..`` takes out of the folder."""
    if not pattern or PurePosixPath(pattern).is_absolute():
        return []
    found = sorted(folder.glob(f"{pattern}/*" if pattern.endswith("**") else pattern))
    return [path for path in found if path.is_file() and path.resolve().is_relative_to(folder.resolve())]


def _missing_shards(folder: Path, found: Sequence[Path], pattern: str) -> list[str]:
    """The first missing file of every series (``test-00000-of-00002.parquet``) that begins among those found. A pattern
    that asks for some of a series only, as one that is a name does, gets those."""
    series: dict[tuple[Path, str, int], dict[int, str]] = {}
    for path in found:
        if (match := SHARD.search(path.name)) is not None:
            before, after = path.name[: match.start()], path.name[match.end("number") :]
            series.setdefault((path.parent, before, int(match["total"])), {})[int(match["number"])] = after
    missing = []
    for (parent, before, total), numbers in series.items():
        after = next(iter(numbers.values()))
        names = (f"{before}{number:05}{after}" for number in range(total) if number not in numbers)
        first = next((name for name in names if fnmatch.fnmatch(name, PurePosixPath(pattern).name)), None)
        missing += [(parent / first).relative_to(folder).as_posix()] if first else []
    return missing


def _parquet(folder: Path, part: str | None, splits: Sequence[str]) -> Any | None:
    """The splits, read directly where the card lists parquet files that say their own column types; else None.

    Raises FileNotFoundError for a file that the card lists for them and that is not there, in whatever format.
    """
    import datasets
    from pyarrow import concat_tables, parquet

    files = data_files(folder, part)
    if files is None:
        return None
    for split in splits:
        if split in files and files[split].missing:  # part of a split would be scored as if it were all of it
            raise FileNotFoundError(f"{files[split].missing[0]} of the split {split!r} is not there")
    if any(path.suffix != ".parquet" for listed in files.values() for path in listed.there):
        return None
    rows = {}
    for split in splits:
        if split not in files or not files[split].there:
            raise FileNotFoundError(f"no file of the split {split!r} is there")
        tables = [parquet.read_table(path) for path in files[split].there]
        if any(b"huggingface" not in (table.schema.metadata or {}) for table in tables):
            return None  # then the card may declare types, such as the names of classes
        rows[split] = datasets.Dataset(concat_tables(tables), split=datasets.Split(split))
    return datasets.DatasetDict(rows)


@functools.lru_cache(maxsize=64)
def _configs_of(path: str, _changed: float) -> Mapping[str, Any]:
    listed = facts(Path(path)).get("configs") or ()
    if not isinstance(listed, list | tuple) or not all(isinstance(entry, dict) for entry in listed):
        raise _broken_card(Path(path), "configs is no list of configurations")
    return {str(entry.get("config_name", "default")): entry.get("data_files") for entry in listed}


def configurations(card: Path) -> Mapping[str, Any]:
    """The configurations that a data set's card lists, with what it says of their files; empty without a card.

    Raises BackendError (``data-broken``) if the card cannot be read.
    """
    return _configs_of(str(card), card.stat().st_mtime) if card.is_file() else {}


def facts(card: Path) -> Mapping[str, Any]:
    """What the head of a data set's card says, by key. Raises BackendError (``data-broken``) if it cannot be read."""
    from huggingface_hub import DatasetCard

    try:
        found: dict[str, Any] = DatasetCard.load(card, ignore_metadata_errors=True).data.to_dict()
    except Exception as error:  # of YAML, of the encoding, of a head that is a list
        raise _broken_card(card, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from error
    return found


def _broken_card(card: Path, why: str) -> BackendError:
    return BackendError(
        f"{card}: this card says nothing that can be read ({why}); correct it, or get the data set again with "
        "`pytest-slm data pull`, from another source if that is what it has",
        slug="data-broken",
    )


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
