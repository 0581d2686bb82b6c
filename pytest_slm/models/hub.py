"""Models on the Hugging Face Hub, through its own client.

A question to the Hub is asked once and given up after ten seconds; a download comes only after the Hub has answered,
because the client would try an unreachable one for minutes. What lies in the client's cache at a pinned revision is
used without asking.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from pytest_slm import hub
from pytest_slm.core.record import stays_inside
from pytest_slm.core.types import Quantization, Submission
from pytest_slm.errors import UsageError, did_you_mean
from pytest_slm.load import PICKLES
from pytest_slm.models.naming import SPLIT, as_file_name, models_among, part_names, plain_quantization, repo_slug
from pytest_slm.models.safetensors import read_table, weight_files

COMMIT = re.compile(r"[0-9a-f]{40}")
SMALL_FILES = (".json", ".jinja", ".model", ".txt")
"""Beside the weights a folder of safetensors needs its configuration and its tokenizer; never its Python files."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a repo holds at one commit. ``gated`` is None where only the cache was asked."""

    repo: str
    revision: str
    files: tuple[str, ...]
    quantizations: tuple[Quantization, ...]
    sizes: dict[str, int]
    gated: bool | None = None
    license: str | None = None
    architecture: str | None = None


def listing(repo: str, revision: str | None = None, *, offline: bool = False) -> Listing:
    """The files of ``repo`` and the quantizations among them. Raises UsageError: hub-not-found, hub-gated,
    hub-unreachable, hub-offline, hub-no-weights, pickle-refused; NotAvailableError without the client."""
    client = hub_client()
    if offline or client.constants.HF_HUB_OFFLINE:
        return _cached_listing(client, repo, revision)
    api = client.HfApi()
    info = ask(
        repo, revision, lambda: api.model_info(repo, revision=revision, files_metadata=True, timeout=hub.TIMEOUT_S)
    )
    _check_answer(repo, info)
    # A name that leads out of the repo is none of its files, whoever answers in the Hub's place.
    names = (sibling.rfilename for sibling in info.siblings or ())
    files = tuple(sorted(name for name in names if stays_inside(name)))
    config = getattr(info, "config", None) or {}
    return Listing(
        repo=repo,
        revision=info.sha,
        files=files,
        quantizations=_quantizations(repo, files, lambda: _remote_dtype(api, info, repo)),
        sizes={sibling.rfilename: sibling.size for sibling in info.siblings or () if sibling.size is not None},
        gated=bool(info.gated) if info.gated is not None else None,
        license=_license(info),
        architecture=config.get("model_type") or (getattr(info, "gguf", None) or {}).get("architecture"),
    )


def _check_answer(repo: str, info: Any) -> None:
    """Raise UsageError for an answer in the client's own form that holds something else than a Hub says."""
    names = [sibling.rfilename for sibling in info.siblings or ()]
    sizes = [sibling.size for sibling in info.siblings or ()]
    sound = (
        isinstance(info.sha, str)
        and COMMIT.fullmatch(info.sha)
        and all(isinstance(name, str) for name in names)
        and all(size is None or isinstance(size, int) for size in sizes)
        and hasattr(getattr(info, "card_data", None) or {}, "get")
        and isinstance(info.tags or [], list)
        and all(isinstance(tag, str) for tag in info.tags or [])
        and isinstance(getattr(info, "config", None) or {}, dict)
        and isinstance(getattr(info, "gguf", None) or {}, dict)
    )
    if not sound:
        raise hub.no_answer(repo, "commit and files are not told as a Hub does")


def as_submission(found: Listing, *, origin: str) -> Submission:
    """A Submission for a repo that nobody has declared, pinned to the commit that was listed."""
    return Submission(
        slug=repo_slug(found.repo),
        name=found.repo.split("/")[1],
        quantizations=found.quantizations,
        hf_repo=found.repo,
        revision=found.revision,
        architecture=found.architecture,
        license=found.license,
        origin=origin,
    )


def download(repo: str, revision: str | None, quantization: Quantization, *, offline: bool = False) -> Path:
    """The local file (of a split GGUF the first part) or folder, downloaded if it is not there. Raises UsageError."""
    client = hub_client()
    offline = offline or client.constants.HF_HUB_OFFLINE
    if not offline and revision and COMMIT.fullmatch(revision):
        cached = _cached(client, repo, revision, quantization)
        if cached is not None:
            return cached
    found = listing(repo, revision, offline=offline)
    paths = [_fetch(client, found, file, offline=offline) for file in needed(found, quantization)]
    return paths[0].parent if quantization.format == "safetensors" else paths[0]


def _cached(client: Any, repo: str, revision: str, quantization: Quantization) -> Path | None:
    """A GGUF that is completely in the cache at this commit. Folders are always compared with the Hub's list."""
    if quantization.file is None or quantization.format != "gguf":
        return None
    hits = [client.try_to_load_from_cache(repo, file, revision=revision) for file in part_names(quantization.file)]
    return Path(hits[0]) if all(isinstance(hit, str) for hit in hits) else None


def cached(found: Listing, files: list[str]) -> list[Path] | None:
    """Where these files of a listing have been downloaded to, if all of them have."""
    client = hub_client()
    hits = [client.try_to_load_from_cache(found.repo, file, revision=found.revision) for file in files]
    return [Path(hit) for hit in hits] if files and all(isinstance(hit, str) for hit in hits) else None


def cache_folder() -> Path:
    """Where downloads go."""
    return Path(hub_client().constants.HF_HUB_CACHE)


def needed(found: Listing, quantization: Quantization) -> list[str]:
    """The files of a repo that a quantization is made of. Raises UsageError where there are none."""
    if quantization.format == "safetensors":
        weights = weight_files(list(found.files))
        if not weights:
            raise UsageError(
                f"{found.repo}: holds no safetensors at {found.revision}; name the repo that does, or a GGUF of it",
                slug="hub-not-found",
            )
        return [*weights, *(file for file in found.files if "/" not in file and file.endswith(SMALL_FILES))]
    file = quantization.file
    if file is None:
        models = {plain_quantization(name): name_file for name, name_file in models_among(found.files).items()}
        file = models.get(plain_quantization(quantization.declared))
    parts = part_names(file) if file else ()
    if not parts or not set(parts) <= set(found.files):
        wanted = quantization.file or quantization.declared
        hint = did_you_mean(wanted, [name for name in found.files if name.endswith(".gguf")])
        raise UsageError(f"{found.repo}: holds no file for {wanted} at {found.revision}. {hint}", slug="hub-not-found")
    return list(parts)


def _fetch(client: Any, found: Listing, file: str, *, offline: bool) -> Path:
    path = ask(
        found.repo,
        found.revision,
        lambda: client.hf_hub_download(found.repo, file, revision=found.revision, local_files_only=offline),
        offline=offline,
    )
    return Path(path)


def _quantizations(repo: str, files: tuple[str, ...], dtype: Callable[[], str]) -> tuple[Quantization, ...]:
    models = models_among(files)
    ggufs = [Quantization(name=name, format="gguf", source=repo, file=file) for name, file in models.items()]
    if weight_files(list(files)) and "config.json" in files:
        folder = Quantization(name=as_file_name(dtype()), format="safetensors", source=repo)
        # Run folders, reports and --slm-quant go by names: a GGUF that is called like the folder keeps its file's.
        alike = plain_quantization(folder.name)
        return (folder, *(_renamed(q, models) if plain_quantization(q.name) == alike else q for q in ggufs))
    if ggufs:
        return tuple(ggufs)
    pickles = [file for file in files if PurePosixPath(file).suffix.lower() in PICKLES]
    if pickles:
        raise UsageError(
            f"{repo}: holds only pickled weights ({pickles[0]}), which can run code when they are loaded; "
            "choose a repo with safetensors or GGUF",
            slug="pickle-refused",
        )
    raise UsageError(
        f"{repo}: holds no GGUF and no safetensors with a config.json; choose another repo", slug="hub-no-weights"
    )


def _renamed(gguf: Quantization, taken: Container[str]) -> Quantization:
    base = PurePosixPath(gguf.file or gguf.name).name
    split = SPLIT.fullmatch(base)
    stem = split["stem"] if split else base[: -len(".gguf")]
    free = stem not in taken and plain_quantization(stem) != plain_quantization(gguf.name)
    return replace(gguf, name=as_file_name(stem if free else base))


def _remote_dtype(api: Any, info: Any, repo: str) -> str:
    counts = getattr(getattr(info, "safetensors", None), "parameters", None)
    if not counts:
        counts = ask(repo, info.sha, lambda: api.get_safetensors_metadata(repo, revision=info.sha)).parameter_count
    return max(counts, key=counts.__getitem__) if counts else "safetensors"


def _license(info: Any) -> str | None:
    card = getattr(info, "card_data", None)
    declared = card.get("license") if card is not None else None
    if isinstance(declared, str):
        return declared
    return next((tag.removeprefix("license:") for tag in info.tags or () if tag.startswith("license:")), None)


def _cached_listing(client: Any, repo: str, revision: str | None) -> Listing:
    try:
        repos = client.scan_cache_dir().repos
    except client.errors.CacheNotFound:
        repos = ()
    cached = next((item for item in repos if item.repo_type == "model" and item.repo_id.lower() == repo.lower()), None)
    revisions = sorted(cached.revisions, key=lambda item: item.last_modified, reverse=True) if cached else []
    if revision is not None:
        revisions = [item for item in revisions if revision in item.refs or item.commit_hash.startswith(revision)]
    else:
        revisions.sort(key=lambda item: "main" not in item.refs)
    if not revisions:
        raise _offline_error(repo, revision)
    chosen = revisions[0]
    paths = {file.file_path.relative_to(chosen.snapshot_path).as_posix(): file for file in chosen.files}
    files = tuple(sorted(paths))

    def dtype() -> str:
        counts: Counter[str] = Counter()
        for kind, shape in read_table(chosen.snapshot_path / weight_files(list(files))[0]).values():
            counts[kind] += math.prod(shape)
        return counts.most_common(1)[0][0] if counts else "safetensors"

    return Listing(
        repo=repo,
        revision=chosen.commit_hash,
        files=files,
        quantizations=_quantizations(repo, files, dtype),
        sizes={name: file.size_on_disk for name, file in paths.items()},
    )


def hub_client() -> Any:
    """The client. Raises NotAvailableError where it is not installed."""
    return hub.client("a model on the Hub")


def ask(repo: str, revision: str | None, question: Callable[[], T], *, offline: bool = False) -> T:
    """The answer to ``question``; the client's own errors become one line with a remedy, bugs keep their traceback."""
    from huggingface_hub import constants, errors

    def answered() -> T:
        try:
            return question()
        except (errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError) as error:
            if not offline and isinstance(error, errors.LocalEntryNotFoundError):
                raise
            raise _offline_error(repo, revision) from None

    way_out = "check network and HF_ENDPOINT and try again, or use what is already downloaded with --slm-offline"
    try:
        return hub.asked(repo, revision, answered, page=repo, way_out=way_out)
    except OSError as error:
        if not hub.is_of_disk(error):
            raise
        raise UsageError(
            f"{repo}: the download cannot be written to {constants.HF_HUB_CACHE} ({error.strerror}); free some space, "
            "or choose another folder with HF_HOME",
            slug="hub-download",
        ) from None


def _offline_error(repo: str, revision: str | None) -> UsageError:
    from huggingface_hub import constants

    at = f" at {revision}" if revision else ""
    return UsageError(
        f"{repo}: not downloaded{at} (looked in {constants.HF_HUB_CACHE}), and the Hub may not be asked; run once "
        f"without --slm-offline and HF_HUB_OFFLINE, or `hf download {repo}`",
        slug="hub-offline",
    )
