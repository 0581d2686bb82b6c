"""``submissions/<slug>.yml``: a model that somebody offers for measurement."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from pytest_slm.core.record import is_file_name, stays_inside
from pytest_slm.core.submission import CHOICES, ENGINE_KEYS, WHOLE_NUMBERS
from pytest_slm.core.types import EngineSettings, Quantization, Submission
from pytest_slm.errors import UsageError
from pytest_slm.load.document import Value, read
from pytest_slm.load.fields import Fields
from pytest_slm.load.mistakes import Mistakes

MODEL_KEYS = (
    *("name", "family", "hf_repo", "revision", "parameters", "architecture", "context_length", "license"),
    *("quantizations", "categories", "tags", "submitted_by", "submitted_date", "contact"),
    *("engine", "derive"),
)
MODEL_HINTS: Mapping[str, str] = {"trust_remote_code": "Code from a model's repository is never run; remove the key."}
QUANTIZATION_KEYS = ("name", "format", "source", "file", "engine")
FORMATS = ("gguf", "safetensors")
REQUIRED = ("name", "family", "hf_repo", "parameters", "architecture", "license", "submitted_by")
"""What a submission must say before its results can be published."""

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")
REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
REVISION = re.compile(r"[\w][\w./-]{0,127}", re.ASCII)
PACKAGE = re.compile(r"pkg:[A-Za-z0-9]([\w.-]{0,98}[A-Za-z0-9])?", re.ASCII)
SLUG = re.compile(r"[a-z0-9_][a-z0-9._-]{0,99}")
PARAMETERS = re.compile(r"\d{1,15}(\.\d{1,6})?\s?[KMBT]?", re.ASCII | re.IGNORECASE)
DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def load_submission(path: Path) -> Submission:
    """The submission that a YAML file declares; the file's name is its slug. Raises UsageError with a line
    for every mistake."""
    if not SLUG.fullmatch(path.stem):
        raise UsageError(
            f"{path}:1: the file name is the slug of the model, and {path.stem!r:.80} is none; rename the file "
            "(lower-case letters, digits, '.', '_', '-')",
            slug="submission-bad-value",
        )
    mistakes = Mistakes(path)
    outer = Fields(read(path, mistakes), mistakes=mistakes, what="submission", known=("model",))
    value = outer.required("model") or Value(data=None, line=1, broken=True)
    fields = outer.below(value, "model", MODEL_KEYS, MODEL_HINTS)
    hf_repo = _matching(fields, "hf_repo", REPO, "a Hub repo id (org/name)")
    quantizations = _quantizations(fields)
    nothing = hf_repo is None and not quantizations
    if nothing and not (fields.told or mistakes.at("model.hf_repo") or mistakes.at("model.quantizations")):
        fields.fail(None, "model: needs 'hf_repo', or 'quantizations' that each name a 'source'; add one of them")
    submission = Submission(
        slug=path.stem,
        name=fields.name("name", hf_repo.split("/")[1] if hf_repo else path.stem),
        quantizations=quantizations,
        family=fields.optional_name("family"),
        hf_repo=hf_repo,
        revision=_matching(fields, "revision", REVISION, "a commit, tag or branch"),
        parameters=_matching(fields, "parameters", PARAMETERS, "a number such as 1.7B or 135M"),
        architecture=fields.optional_name("architecture"),
        context_length=fields.whole("context_length", None),
        license=fields.optional_name("license"),
        categories=fields.names("categories"),
        tags=fields.names("tags"),
        submitted_by=fields.optional_name("submitted_by"),
        submitted_date=_matching(fields, "submitted_date", DATE, "a date such as 2026-01-31"),
        contact=fields.optional_name("contact"),
        engine=_engine(fields),
        derive=fields.flag("derive"),
        origin=str(path),
    )
    mistakes.check()
    return submission


def submission_problems(submission: Submission) -> tuple[str, ...]:
    """What keeps a submission from being published: one sentence for each required key that is missing."""
    place = submission.origin or submission.slug
    return tuple(
        f"{place}: 'model.{key}' is missing; publishing needs it" for key in REQUIRED if not getattr(submission, key)
    )


def _matching(fields: Fields, key: str, pattern: re.Pattern[str], wanted: str) -> str | None:
    text = fields.written(key)
    if text is None or (pattern.fullmatch(text) and ".." not in text):
        return text
    fields.wrong(f"model.{key}", fields.values[key], wanted)
    return None


def _quantizations(fields: Fields) -> tuple[Quantization, ...]:
    found: list[Quantization] = []
    for index, value in enumerate(fields.items("quantizations")):
        quantization = _quantization(fields, value, f"model.quantizations[{index}]")
        if quantization.name.casefold() in (known.name.casefold() for known in found):
            fields.add(
                value,
                f"model.quantizations[{index}]: {quantization.name!r:.80} is declared twice; rename or remove one",
            )
        found.append(quantization)
    return tuple(found)


def _quantization(fields: Fields, value: Value, where: str) -> Quantization:
    entry = fields.below(value, where, QUANTIZATION_KEYS)
    name, source, file = entry.text("name", where), entry.optional_text("source"), entry.optional_text("file")
    entry.required("name")
    if entry.text("format").lower() in ("pickle", "pytorch", "bin", "pt", "pth", "ckpt"):
        _refuse_pickle(entry, "format")
        format_ = None
    else:
        format_ = entry.one_of("format", FORMATS)
    if "source" not in entry and "hf_repo" not in fields and not entry.told:
        entry.fail(None, f"{where}: needs a 'source', because the model has no 'hf_repo'; add one of them")
    if source is not None:
        _check_source(entry, source)
    if file is not None:
        entry.relative_path("file", file)
        if not stays_inside(file):
            file = None
        elif PurePosixPath(file).suffix.lower() in PICKLES:
            _refuse_pickle(entry, "file")
    if "name" in entry and not (re.fullmatch(r"[\w.+-]{1,64}", name, re.ASCII) and is_file_name(name)):
        entry.wrong(f"{where}.name", entry.values["name"], "a name such as Q4_K_M or BF16")
        name = where
    return Quantization(name=name, format=format_ or FORMATS[0], source=source, file=file, engine=_engine(entry))


def _engine(fields: Fields) -> EngineSettings:
    if "engine" not in fields:
        return EngineSettings()
    entry = fields.below(fields.values["engine"], f"{fields.within}.engine", ENGINE_KEYS)
    said: dict[str, Any] = {key: entry.whole(key, None) for key in WHOLE_NUMBERS}
    said |= {key: entry.one_of(key, known) for key, known in CHOICES.items() if key in entry}
    if "flash_attention" in entry:
        said["flash_attention"] = entry.flag("flash_attention")
    return EngineSettings(**said)


def _check_source(entry: Fields, source: str) -> None:
    """``org/name``, ``org/name@revision``, ``pkg:NAME``, or ``./folder`` beside the submission."""
    repo, _, revision = source.partition("@")
    if source.startswith("pkg:"):
        if not PACKAGE.fullmatch(source):
            entry.fail(
                "source", f"{entry.within}.source: expected pkg:NAME of an installed package, got {source!r:.80}"
            )
    elif not (REPO.fullmatch(repo) and ".." not in repo and (not revision or REVISION.fullmatch(revision))):
        entry.relative_path("source", source)


def _refuse_pickle(entry: Fields, key: str) -> None:
    entry.fail(
        key,
        f"{entry.within}.{key}: pickled weights can run code when they are loaded and are refused; "
        "convert them to safetensors or GGUF",
    )
