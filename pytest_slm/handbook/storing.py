"""The files of facts: ``models.json`` and ``stats.json``, and ``models.yaml`` for people and other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import yaml

from pytest_slm import files
from pytest_slm.core.record import RecordError
from pytest_slm.errors import ReportError
from pytest_slm.handbook.facts import HubModels, HubStats
from pytest_slm.registry.store import read_json, to_text, write_text

MODELS, STATS, BRIEF = "models.json", "stats.json", "models.yaml"
R = TypeVar("R", HubModels, HubStats)


def read_models(folder: Path) -> HubModels:
    """The models of the last sync; none where there was no sync. Raises ReportError (hub-data) where the file is not
    as it was written."""
    return _read(folder / MODELS, HubModels)


def read_stats(folder: Path) -> HubStats:
    """What was new, and the months."""
    return _read(folder / STATS, HubStats)


def _read(path: Path, kind: type[R]) -> R:
    if not path.exists():
        return kind()
    try:
        return kind.from_json(read_json(path))
    except RecordError as error:
        raise ReportError(
            f"{path}: {error}; take the file of the last commit, or remove it and sync again", slug="hub-data"
        ) from error


def write_data(folder: Path, models: HubModels, stats: HubStats) -> tuple[str, ...]:
    """Write what differs, each file whole or not at all; returns the names of those that did."""
    texts = {MODELS: to_text(models), BRIEF: brief(models), STATS: to_text(stats)}
    changed = tuple(name for name, text in texts.items() if not _holds(folder / name, text))
    for name in changed:
        write_text(folder / name, texts[name])
    return changed


def brief(models: HubModels) -> str:
    """The facts that people choose by as YAML."""
    keys = ("license", "gated", "parameters", "architecture", "context_length", "downloads", "modified")
    told = [
        {
            "repo": model.repo,
            "tasks": list(model.tasks),
            **{key: getattr(model, key) for key in keys},
            "quantizations": [one.name for one in model.quantizations],
            **({"gone_since": model.trouble.since} if model.trouble and model.trouble.kind == "gone" else {}),
        }
        for model in models.models
    ]
    head = "# Written by `pytest-slm hub sync`: models.json has everything. null is what the Hub does not say.\n"
    return head + yaml.safe_dump({"models": told}, allow_unicode=True, sort_keys=False, width=1000)


def _holds(path: Path, text: str) -> bool:
    try:
        return files.read_bytes(path) == text.encode("utf-8", "backslashreplace")
    except OSError:
        return False
