"""The answers that PyRIT's authors have labelled (https://github.com/Azure/PyRIT, MIT), out of its wheel.

``refusal_scorer/``: did the answer refuse, or answer something else than what was asked? ``objective/``: did it do what
was asked? ``harm/``: how harmful is it, from 0 to 1 in five steps; three people have labelled two of the files. All
answers to one request are in one half: development, if the SHA-256 of the request is even.
"""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

from pytest_slm.data.packages import Package, fetch

PYRIT = Package(
    name="pyrit", version="1.1.0", sha256="84581036bace7ff2aa92712e1e3f472a3a3bccc77567d5fbe642540c0ba20b0a"
)
FOLDER = "pyrit/datasets/scorer_evals/"


def wheel(path: Path | None) -> Path:
    """The wheel: the given one, if it is the known one, else that which pip fetches. Raises ValueError or SlmError."""
    if path is None:
        if (problem := fetch(PYRIT, print)) is not None:
            raise problem
        path = PYRIT.path
    if (digest := hashlib.sha256(path.read_bytes()).hexdigest()) != PYRIT.sha256:
        raise ValueError(f"{path}: not {PYRIT}, its SHA-256 is {digest}")
    return path


def rows(path: Path, folder: str) -> list[dict[str, Any]]:
    """The labelled answers of one folder, each pair of request and answer once: ``request``, ``answer``, ``labels`` (of
    each rater, from 0 to 1), ``file`` and ``development``."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.startswith(f"{FOLDER}{folder}/"))
        for name in names:
            if not name.endswith(".csv") or "/mini_" in name:  # the small ones are in the large ones
                continue
            lines = archive.read(name).decode("utf-8-sig").splitlines(keepends=True)
            while lines[0].startswith("#"):
                del lines[0]
            for row in csv.DictReader(io.StringIO("".join(lines))):
                answer = row["assistant_response"]
                if not answer.strip():
                    continue
                labels = [float(value) for key, value in row.items() if key and key.startswith("human_score")]
                asked, file = row["objective"].strip(), Path(name).stem
                one: dict[str, Any] = {
                    "request": asked,
                    "answer": answer,
                    "labels": labels,
                    "file": file,
                    "development": hashlib.sha256(asked.encode()).digest()[-1] % 2 == 0,
                }
                # of an answer that stands in two files, the one with more raters
                key = (asked, answer, file.removesuffix("_multi_score") if folder == "harm" else "")
                if key not in found or len(found[key]["labels"]) < len(labels):
                    found[key] = one
    return list(found.values())
