"""What the script of the home page reads: two kinds of files that assign plain JSON, with columns rather than records.

``files.js`` has everything but the scores of use cases, of which each has a file that is loaded when it is asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from jinja2.utils import htmlsafe_json_dumps

from pytest_slm.registry.rows import Row
from pytest_slm.site.compare import file_key
from pytest_slm.site.home.columns import COLUMNS, Column
from pytest_slm.site.home.scores import Scale
from pytest_slm.site.home.view import NO_SCORE, facts_of

MODEL_COLUMNS = ("params", "ctx", "license")
"""Columns that are the same for all rows of a model."""


def files_script(rows: Sequence[Row], found: Sequence[Scale], compared: set[tuple[str, str]]) -> str:
    """``files.js``: the rows in their order, their models, the columns, and the scores of the first scale; ``compared``
    are the model and the quantization of all files that the page of comparisons has."""
    models = facts_of(rows)
    places = {model: number for number, model in enumerate(models)}
    machines = [(row.machine_title or "Machine not known", _place(row)) for row in rows]
    counted = Counter(place for _, place in machines)
    order = {place: n for n, place in enumerate(sorted(counted, key=lambda place: (-counted[place], place)))}
    document = {
        "model": [places[row.model] for row in rows],
        **_words("quantization", [row.quantization for row in rows]),
        **_words("machine", [title for title, _ in machines]),
        "place": [order[place] for _, place in machines],
        "places": list(order),
        "pairs": [int((row.model, row.quantization) in compared) for row in rows],
        "keys": [file_key(name) for name in dict.fromkeys(row.quantization for row in rows)],
        "fits": [int(bool(row.fits)) for row in rows],
        "server": [int(bool(row.server)) for row in rows],
        "names": [row.name for row in models.values()],
        "ids": list(models),
        "search": [_search(row) for row in models.values()],
        "columns": {column.key: _column(column, rows, list(models.values())) for column in COLUMNS},
        "scales": [scale.name for scale in found],
        "scores": {0: _scores(rows, found[0])},
    }
    return f"var slm = {script_json(document)};\n"


def scale_script(rows: Sequence[Row], scale: Scale, number: int) -> str:
    """The scores of one more scale, put beside the others."""
    return f"slm.scores[{number}] = {script_json(_scores(rows, scale))};\n"


def script_json(document: Any) -> str:
    """JSON that is the same in a script: ASCII alone, and nothing that ends a script."""
    return str(htmlsafe_json_dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":")))


def _place(row: Row) -> str:
    """Where and with what a row was timed: within one such place speeds are put in an order."""
    machine = row.machine_title or "a machine that is not known"
    return f"{machine}, {row.speed.engine_name}" if row.speed and row.speed.engine_name else machine


def _search(row: Row) -> str:
    """What else of a model is searched: what its name and its id do not say already."""
    said = f"{row.name} {row.model}".casefold()
    return " ".join(word for word in map(str.casefold, filter(None, (row.family, *row.tags))) if word not in said)


def _words(name: str, values: Iterable[str]) -> dict[str, Any]:
    """Texts of which most are the same, as numbers and a list: ``quantization`` and ``quantizationWords``."""
    values = list(values)
    known = {text: number for number, text in enumerate(dict.fromkeys(values))}
    return {name: [known[text] for text in values], f"{name}Words": list(known)}


def _column(column: Column, rows: Sequence[Row], models: Sequence[Row]) -> dict[str, Any]:
    of = models if column.key in MODEL_COLUMNS else rows
    found = [column.value(row) for row in of]
    values = [value for value, _ in found]
    made: dict[str, Any] = {"model": int(of is models)}
    if column.form == "text":
        made |= _words("values", ["" if value is None else str(value) for value in values])
    else:
        made["values"] = values
    return made | (_words("notes", [note for _, note in found]) if any(note for _, note in found) else {})


def _scores(rows: Sequence[Row], scale: Scale) -> dict[str, Any]:
    """Points in tenths, as they are shown."""
    marks = [scale.marks.get(row.id) for row in rows]
    return {
        "score": [mark and round(10 * mark.score) for mark in marks],
        "low": [round(10 * mark.interval[0]) if mark and mark.interval else None for mark in marks],
        "high": [round(10 * mark.interval[1]) if mark and mark.interval else None for mark in marks],
        "chance": [round(10 * mark.chance) if mark and mark.chance is not None else None for mark in marks],
        "group": [mark.group if mark else len(scale.groups) for mark in marks],
        "groups": [*map(scale.heading, range(len(scale.groups) + 1))],
        **_words("quick", [mark.quick if mark else "" for mark in marks]),
        **_words("notes", [mark.note if mark else NO_SCORE for mark in marks]),
    }
