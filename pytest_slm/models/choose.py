"""Which quantizations are meant, and where their weights lie on disk."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from pytest_slm.core.config import RunConfig
from pytest_slm.core.request import PLAIN
from pytest_slm.core.submission import KERNELS
from pytest_slm.core.types import EngineSettings, Quantization, Submission
from pytest_slm.errors import UsageError, did_you_mean
from pytest_slm.models.derive import best_source, derive, type_named
from pytest_slm.models.naming import models_among, plain_quantization, split_parts
from pytest_slm.models.packages import packaged_files
from pytest_slm.models.resolve import SERVED

FAVOURITE = "Q4_K_M"


def variants(
    chosen: Iterable[Quantization], engines: Sequence[str], kernels: Sequence[str]
) -> tuple[Quantization, ...]:
    """Every GGUF in each of these ways, under names such as ``Q4_1+F16+ik``; what is no GGUF as it is. No engines: the
    one that is set. Kernels are of KERNELS, or ``native``: those of the file's own type."""
    found: list[Quantization] = []
    for one in chosen:
        if one.format != "gguf":
            found.append(one)
            continue
        for kernel, engine in itertools.product(kernels, engines or (None,)):
            unpacked = None if kernel == "native" or plain_quantization(one.name) in map(str.lower, KERNELS) else kernel
            name = "+".join(filter(None, (one.name, unpacked, engine)))
            settings = one.engine.overridden_by(EngineSettings(engine=engine))
            made = replace(one, name=name, base=one.name, kernels=unpacked, engine=settings)
            if made not in found:
                found.append(made)
    return tuple(found)


def select(submission: Submission, names: str | None) -> tuple[Quantization, ...]:
    """The quantizations that ``--slm-quant`` names: ``all``, or a list with commas in which case does not matter.

    Without names it is the only one, else Q4_K_M if there is one, else the first. Where the submission says ``derive``,
    a name that it does not list is a type that is made from its best GGUF. Raises UsageError (unknown-quantization)
    with the list of what there is.
    """
    offered = submission.quantizations
    if not offered:
        raise UsageError(
            f"{submission.slug}: no quantizations are known; name them in the submission", slug="unknown-quantization"
        )
    if names is None:
        favourites = (item for item in offered if plain_quantization(item.name) == plain_quantization(FAVOURITE))
        return (next(favourites, offered[0]),)
    if names.strip().casefold() == "all":
        return offered
    by_name = {plain_quantization(item.name): item for item in offered}
    chosen: dict[str, Quantization] = {}
    for name in filter(None, (part.strip() for part in names.split(","))):
        found = by_name.get(plain_quantization(name)) or _derived(submission, name)
        if found is None:
            known = [item.name for item in offered]
            raise UsageError(
                f"--slm-quant={names:.200}: {submission.slug} has no quantization {name!r:.80}. "
                f"{did_you_mean(name.upper()[:80], known)} There are: {', '.join(known)}; or all. Others can be made: "
                "`pytest-slm quantize`, or `derive: true` in a submission.",
                slug="unknown-quantization",
            )
        chosen[found.name] = found
    if not chosen:
        raise UsageError(
            f"--slm-quant={names!r:.200} names nothing; write a name, a list with commas, or all",
            slug="unknown-quantization",
        )
    return tuple(chosen.values())


def _derived(submission: Submission, name: str) -> Quantization | None:
    source = best_source(submission.quantizations) if submission.derive else None
    if source is None:
        return None
    return replace(source, name=type_named(name), file=None, derived_from=source.name)


def locate(submission: Submission, quantization: Quantization, *, offline: bool = False) -> Path:
    """The file (of a split one the first part) or the folder with the weights; from the Hub they are downloaded first.

    A derived one is made first. The fake backend's format has no weights: its script's path, or an empty path. Raises
    UsageError, or what making a derived one raises.
    """
    if quantization.made is not None:
        original = original_of(submission, quantization)
        return derive(locate(submission, original, offline=offline), quantization.made)
    if quantization.format == "fake":
        return Path(quantization.file or "")
    source = quantization.source or submission.hf_repo
    if source is None:
        raise UsageError(
            f"{submission.slug}: {quantization.name} has no source; name one in the submission", slug="unknown-model"
        )
    if source.startswith("pkg:"):
        return _in_package(source, quantization)
    if _is_local(source):
        return _in_folder(submission, source, quantization)
    from pytest_slm.models import hub  # at use: the client is an optional package

    return hub.download(*repo_of(submission, source), quantization, offline=offline)


def original_of(submission: Submission, quantization: Quantization) -> Quantization:
    """What a quantization is made from that is derived, or unpacked."""
    if quantization.kernels is not None:
        return replace(quantization, name=quantization.declared, base=None, kernels=None)
    return next(item for item in submission.quantizations if item.name == quantization.derived_from)


def repo_of(submission: Submission, source: str) -> tuple[str, str | None]:
    """The Hub repo of a source and its revision; that of the submission is one of its own repo only."""
    repo, _, revision = source.partition("@")
    if not revision and repo == submission.hf_repo:
        revision = submission.revision or ""
    return repo, revision or None


def place_on_hub(submission: Submission, quantization: Quantization) -> tuple[str, str | None] | None:
    """The Hub repo that a quantization's weights are published in, and its revision; None for all other places."""
    source = quantization.source or submission.hf_repo
    elsewhere = quantization.made is not None or quantization.format not in ("gguf", "safetensors")
    if elsewhere or source is None or source.startswith("pkg:") or _is_local(source):
        return None
    return repo_of(submission, source)


def _is_local(source: str) -> bool:
    return Path(source).is_absolute() or source.startswith(".") or source.partition("@")[0].count("/") != 1


def _in_package(source: str, quantization: Quantization) -> Path:
    files, _ = packaged_files(source.removeprefix("pkg:"))
    return files[_pick(source, quantization, files)]


def _in_folder(submission: Submission, source: str, quantization: Quantization) -> Path:
    # A relative source is relative to the submission that says it, so that the current folder does not matter.
    folder = Path(submission.origin).parent / source
    if quantization.format == "safetensors":
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder; check the source", slug="weights-unreadable")
        return folder
    if folder.is_file():
        return split_parts(folder)[0]
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    path = folder / (quantization.file or _pick(str(folder), quantization, names))
    if not path.is_file():
        raise UsageError(
            f"{path}: no such file. {did_you_mean(path.name, models_among(names).values())}", slug="weights-unreadable"
        )
    return split_parts(path)[0]


def _pick(source: str, quantization: Quantization, files: object) -> str:
    """The file of ``quantization`` among ``files``: by its declared name, else by what the names tell, else the only
    one."""
    listed = [str(file) for file in files] if isinstance(files, list | dict | tuple) else []
    if quantization.file is not None:
        for file in listed:
            if file == quantization.file or file.endswith(f"/{quantization.file}"):
                return file
    else:
        models = models_among(listed)
        wanted = {plain_quantization(name): file for name, file in models.items()}
        if plain_quantization(quantization.declared) in wanted:
            return wanted[plain_quantization(quantization.declared)]
        if len(models) == 1:
            return next(iter(models.values()))
    raise UsageError(
        f"{source}: holds no file for {quantization.file or quantization.declared}. "
        f"{did_you_mean(quantization.file or quantization.declared, listed)}",
        slug="weights-unreadable",
    )


def check_served(config: RunConfig, submission: Submission) -> None:
    """Raise UsageError for options that mean something for servers only, or nothing for them."""
    server = any(quantization.format == SERVED for quantization in submission.quantizations)
    names = ("exact", "backend", "every_engine") if server else ("served_model", "concurrency")
    given = {name: getattr(config, name) for name in names}
    if server:  # a context length is what prompts are fitted to, whoever computes
        given |= {name: value for name, value in config.engine.to_json().items() if name != "n_ctx"}
        given["chat_template"] = config.template if config.template != PLAIN else None
        given["kernels"] = config.kernels != ("native",)
    for name, value in given.items():
        if value not in (None, False):
            option = f"--slm-{name.removeprefix('every_').replace('_', '-')}"
            why = "a server decides that itself" if server else "it is for a model that a server holds (http://...)"
            raise UsageError(
                f"{option} with --slm-model={submission.origin}: {why}; leave it out", slug="server-option"
            )
    if server and not isinstance(config.thinking, str):
        raise UsageError(
            f"--slm-thinking={config.thinking}: no server counts what a model thinks; take off or on",
            slug="server-option",
        )
