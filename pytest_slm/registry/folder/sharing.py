"""Runs that may be handed on: copies without a word of what was asked, expected or answered.

Benchmarks have licences, and their authors ask that answers do not stand on the open web. What is left is enough to
build the registry to the last byte and to compare runs question by question: ids, hashes, scores, lengths. Questions of
tasks that are ``public`` may stand anywhere: their texts are left where they are wanted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_slm.core.record import jsonable
from pytest_slm.core.sample import cluster_id
from pytest_slm.errors import ReportError
from pytest_slm.registry.store import REPORT_NAME, find_reports, read_samples, to_text, write_text

KEPT = (
    *("task", "doc_id", "repeat", "turns", "prompt_sha256", "target_sha256", "score", "values", "confidence"),
    *("cluster", "groups", "n_prompt", "n_unshown", "n_output", "n_reasoning", "finish"),
)
"""What is left of the line of a sample: nothing that somebody, or a model, has written."""

USUAL: Mapping[str, Any] = {"repeat": 0, "turns": 1, "n_unshown": 0, "values": {}, "groups": []}
"""What a line does not say where it is so."""

LONGEST_ID = 200
"""Characters of an id: what is longer is a text, and the run is refused."""


@dataclass(frozen=True, kw_only=True)
class ShareResult:
    """Runs that were copied, by the path of their report, and those that were not, with the reason."""

    copied: tuple[str, ...]
    refused: tuple[ReportError, ...]


def share(reports: Path, output: Path, *, public: bool = False) -> ShareResult:
    """Copy all runs below ``reports`` to the same places below ``output``, without texts; with ``public`` those of
    tasks stay whose questions may stand in public and do not hurt. Runs that were interrupted are copied, too; files
    that are no reports are told. Raises ReportError where nothing can be written."""
    found, refused = find_reports(reports)
    copied = []
    for stored in found:
        results = [result for result in stored.run.results if public and result.public and not result.harmful]
        whole = {result.samples for result in results}
        try:
            lines = {
                name: list(samples) if name in whole else [_bare(line, stored.path) for line in samples]
                for name, samples in read_samples((reports / stored.path).parent, stored.run).items()
            }
        except ReportError as error:
            refused = (*refused, error)
            continue
        target = output / stored.path
        for name, bare in lines.items():
            text = "".join(json.dumps(line, sort_keys=True, separators=(",", ":")) + "\n" for line in bare)
            write_text(target.parent / name, text)
        write_text(target.with_name(REPORT_NAME), to_text({"slm": jsonable(stored.run.to_json())}))
        copied.append(stored.path)
    return ShareResult(copied=tuple(copied), refused=refused)


def _bare(line: Mapping[str, Any], path: str) -> dict[str, Any]:
    bare = {key: line[key] for key in KEPT if key in line and line[key] is not None and line[key] != USUAL.get(key)}
    if len(str(bare.get("doc_id", ""))) > LONGEST_ID:
        raise ReportError(
            f"{path}: {line.get('task')}: a question is called by a text of more than {LONGEST_ID} characters; give "
            "the rows of this task short ids, or leave the run out",
            slug="report-text",
        )
    if "cluster" in bare:
        bare["cluster"] = cluster_id(str(bare["cluster"]))
    return {"score": None, **bare}
