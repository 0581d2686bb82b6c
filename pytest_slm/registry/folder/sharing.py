"""Runs that may be handed on: copies without a word of what was asked, expected or answered.

Benchmarks have licences, and their authors ask that answers do not stand on the open web. What is left is enough to
build the registry to the last byte and to compare runs question by question: ids, hashes, scores, lengths. Questions of
tasks that are ``public`` may stand anywhere: their texts are left where they are wanted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from pytest_slm.core.record import is_name, jsonable
from pytest_slm.core.sample import cluster_id
from pytest_slm.core.types import Generation, Result
from pytest_slm.errors import ReportError
from pytest_slm.registry.store import REPORT_NAME, find_reports, read_samples, to_text, write_text


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_id(value: object) -> bool:
    return isinstance(value, str) or _is_number(value)


def _is_worth(value: object) -> bool:
    return all(map(_is_worth, value)) if isinstance(value, list) else value is None or _is_number(value)


KEPT: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("task", "doc_id", "cluster"), _is_id),
    **dict.fromkeys(("prompt_sha256", "target_sha256"), lambda value: bool(re.fullmatch("[0-9a-f]{64}", str(value)))),
    **dict.fromkeys(("score", "confidence", "repeat", "turns"), _is_number),
    **dict.fromkeys(("n_prompt", "n_unshown", "n_output", "n_reasoning"), _is_number),
    "finish": get_args(get_type_hints(Generation)["finish"]).__contains__,
    "values": lambda value: isinstance(value, Mapping),
    "groups": lambda value: isinstance(value, list),
}
"""What is left of the line of a sample, where it is what it should be: nothing that somebody, or a model, has
written."""

USUAL: Mapping[str, Any] = {"repeat": 0, "turns": 1, "n_unshown": 0, "values": {}, "groups": []}
"""What a line does not say where it is so."""

LONGEST_ID = 200
"""Characters of an id: what is longer is a text, and the run is refused."""
LONGEST_GROUP = 40
"""Characters of the key of a value, and of the name of a group of which the report says nothing: what is longer, or
more than a line, is a text, and left out."""


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
        groups = {result.samples: _declared(result) for result in stored.run.results if result.samples}
        try:
            lines = {
                name: list(samples)
                if name in whole
                else [_bare(line, stored.path, groups.get(name, ())) for line in samples]
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


def _declared(result: Result) -> tuple[str, ...]:
    """The groups that the primary metric is made of."""
    spec = result.declared.primary
    return () if spec is None else (*spec.balance, *filter(None, [spec.group]))


def _bare(line: Mapping[str, Any], path: str, declared: Collection[str]) -> dict[str, Any]:
    bare = {key: line[key] for key, fits in KEPT.items() if line.get(key) is not None and fits(line[key])}
    if max(len(str(bare.get(key, ""))) for key in ("task", "doc_id")) > LONGEST_ID:
        raise ReportError(
            f"{path}: {line.get('task')!s:.80}: a question is called by a text of more than {LONGEST_ID} characters; "
            "give the rows of this task short ids, or leave the run out",
            slug="report-text",
        )
    if "cluster" in bare:
        bare["cluster"] = cluster_id(str(bare["cluster"]))
    values, groups = bare.get("values", {}), bare.get("groups", ())
    bare["values"] = {key: value for key, value in values.items() if _is_short(key) and _is_worth(value)}
    bare["groups"] = [group for group in groups if group in declared or _is_short(group)]
    return {"score": None, **{key: value for key, value in bare.items() if value != USUAL.get(key)}}


def _is_short(name: object) -> bool:
    return isinstance(name, str) and len(name) <= LONGEST_GROUP and is_name(name)
