"""Folders of exported files: those of models that are gone go, too, and nothing that somebody else has put there."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_slm import files
from pytest_slm.core.record import Inside, Record, Sha256, Slug
from pytest_slm.registry.store import write_json, write_text

LIST = ".pytest-slm-export.json"
"""What an export has written below a folder, so that the next one knows which files are its own."""

Written = Mapping[Slug, Mapping[Inside, Sha256]]
"""By model the files that were written, with the hashes of their bytes."""


@dataclass(frozen=True, kw_only=True)
class ExportedFiles(Record):
    """By format the files that were written."""

    forms: Mapping[str, Written] = field(default_factory=dict)


def write_files(
    form: str, made: Iterable[tuple[str, Mapping[str, str]]], folder: Path, *, all_models: bool
) -> Sequence[Path]:
    """Write the texts of each model by their paths below the folder; returns the paths. What an earlier export in this
    form has left of these models, or of others where these are ``all_models``, is removed, unless it was changed."""
    before = _exported(folder)
    known = before.forms.get(form, {})
    now: dict[str, Mapping[str, str]] = {}
    for model, texts in made:
        for path, text in texts.items():
            write_text(folder / path, text)
        now[model] = {path: _hash(text.encode("utf-8", "backslashreplace")) for path, text in texts.items()}
    kept = {path for paths in now.values() for path in paths}
    for model, paths in known.items():
        if all_models or model in now:
            for path in sorted(paths.keys() - kept):
                _remove(folder, path, paths[path])
        else:
            now[model] = paths
    after = ExportedFiles(forms={**before.forms, form: {model: paths for model, paths in sorted(now.items()) if paths}})
    if after != before and (before.forms or after.forms[form]):
        write_json(folder / LIST, after)
    return [folder / path for path in sorted(kept)]


def _exported(folder: Path) -> ExportedFiles:
    """What is known of a folder; nothing where the list is not there or not to be read: then nothing is removed."""
    try:
        return ExportedFiles.from_json(files.read_json(folder / LIST))
    except (OSError, ValueError):
        return ExportedFiles()


def _remove(folder: Path, path: str, sha256: str) -> None:
    """Take away a file that is as we wrote it, and the folders that are empty then."""
    with contextlib.suppress(OSError):
        place = files.inside(folder, path)
        if _hash(files.read_bytes(place)) == sha256:
            place.unlink()
            for parent in (folder / path).relative_to(folder).parents:
                (folder / parent).rmdir()  # ends with the first one that is not empty


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
