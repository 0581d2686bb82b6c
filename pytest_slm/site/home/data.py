"""What the script of the home page reads: two kinds of files that assign plain JSON, with columns rather than records.

``files.js`` has everything but the scores of use cases, of which each has a file that is loaded when it is asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from jinja2.utils import htmlsafe_json_dumps

from pytest_slm.site import numbers
from pytest_slm.site.compare import file_key
from pytest_slm.site.facts.files import FileFacts
from pytest_slm.site.home.columns import COLUMNS, PLACES, Column, length
from pytest_slm.site.home.scores import Scale, ScoreMark
from pytest_slm.site.home.view import NO_SCORE

MODEL_COLUMNS = ("params", "ctx", "license")
"""Columns that are the same for all rows of a model."""


def files_script(files: Sequence[FileFacts], found: Sequence[Scale], compared: set[tuple[str, str]]) -> str:
    """``files.js``: the files in their order, their models, the columns, and the scores of the first scale;
    ``compared`` are the model and the quantization of all files that the page of comparisons has."""
    models: dict[str, FileFacts] = {}
    for file in files:
        models.setdefault(file.model, file)
    places = {model: number for number, model in enumerate(models)}
    counted = Counter(file.place for file in files)
    order = {place: n for n, place in enumerate(sorted(counted, key=lambda place: (-counted[place], place)))}
    document = {
        "model": [places[file.model] for file in files],
        **_words("quantization", [file.quantization for file in files]),
        **_words("machine", [file.machine_title or "Machine not known" for file in files]),
        "place": [order[file.place] for file in files],
        "places": list(order),
        "pairs": [int((file.model, file.quantization) in compared) for file in files],
        "keys": [file_key(name) for name in dict.fromkeys(file.quantization for file in files)],
        "fits": [int(file.fits) for file in files],
        "server": [int(file.server) for file in files],
        "names": [file.name for file in models.values()],
        "ids": list(models),
        "search": [file.search for file in models.values()],
        "columns": {column.key: _column(column, files, list(models.values())) for column in COLUMNS},
        "scales": [scale.name for scale in found],
        "scores": {0: _scores(files, found[0])},
    }
    return f"var slm = {script_json(document)};\n"


def scale_script(files: Sequence[FileFacts], scale: Scale, number: int) -> str:
    """The scores of one more scale, put beside the others."""
    return f"slm.scores[{number}] = {script_json(_scores(files, scale))};\n"


def script_json(document: Any) -> str:
    """JSON that is the same in a script: ASCII alone, and nothing that ends a script."""
    return str(htmlsafe_json_dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":")))


def _words(name: str, values: Iterable[str]) -> dict[str, Any]:
    """Texts of which most are the same, as numbers and a list: ``quantization`` and ``quantizationWords``."""
    values = list(values)
    known = {text: number for number, text in enumerate(dict.fromkeys(values))}
    return {name: [known[text] for text in values], f"{name}Words": list(known)}


def _column(column: Column, files: Sequence[FileFacts], models: Sequence[FileFacts]) -> dict[str, Any]:
    of = models if column.key in MODEL_COLUMNS else files
    place = PLACES[column.key]
    values, notes = [file.values[place] for file in of], [file.notes[place] for file in of]
    made: dict[str, Any] = {"model": int(of is models)}
    if column.form == "text":
        made |= _words("values", ["" if value is None else str(value) for value in values])
    else:
        made["values"] = values
    if any(place for place, _ in (file.at.get(column.key, (0, "")) for file in files)):
        made |= _apart(column.key, files)
    return made | (_words("notes", notes) if any(notes) else {})


def _apart(key: str, files: Sequence[FileFacts]) -> dict[str, Any]:
    """Of numbers of several lengths: the place of each length, what was not timed behind all of them, and its words."""
    lengths = [file.at.get(key) for file in files]
    last = 1 + max(found[0] for found in lengths if found)
    return {
        "apart": [found[0] if found else last for found in lengths],
        **_words("at", [length(found[1]) if found else "" for found in lengths]),
    }


def _scores(files: Sequence[FileFacts], scale: Scale) -> dict[str, Any]:
    """The points of each file, told as ``Tenths``, and its place in the order of the scale, which is that of the files
    themselves for the scale that they are ordered by."""
    nothing = (Tenths(None, None, None, None, 0), len(scale.groups), "", NO_SCORE)
    marks = [scale.marks.get(file.id) for file in files]
    told = [(tenths(mark), mark.group, mark.quick, mark.note) if mark else nothing for mark in marks]
    points, group, quick, notes = zip(*told, strict=True)
    places = {file.id: place for place, file in enumerate(scale.ordered(files))}
    order = [places[file.id] for file in files]
    return {
        **{name: [getattr(one, name) for one in points] for name in Tenths._fields},
        **({} if order == sorted(order) else {"order": order}),
        "group": group,
        "groups": [*map(scale.heading, range(len(scale.groups) + 1))],
        **_words("quick", quick),
        **_words("notes", notes),
    }


class Tenths(NamedTuple):
    """A score with its interval and the chance level in tenths of a point; ``whole`` is 1 where it is told without
    decimals."""

    score: int | None
    low: int | None
    high: int | None
    chance: int | None
    whole: int


def tenths(mark: ScoreMark) -> Tenths:
    """What the script writes as all pages do: of 62.46 that is told as 62 there is 62.4, since 62.5 would be 63."""
    whole = numbers.points_places(mark.score, mark.interval) == 0
    told = _whole if whole else _tenth
    low, high = (told(mark.interval[0]), told(mark.interval[1])) if mark.interval else (None, None)
    return Tenths(told(mark.score), low, high, None if mark.chance is None else _tenth(mark.chance), int(whole))


def _tenth(value: float) -> int:
    return _rounded(10 * value, value, 1)


def _whole(value: float) -> int:
    """Tenths that are told as the number that the value is told as."""
    whole = _rounded(value, value, 0)
    return min(max(round(10 * value), 10 * whole - 5), 10 * whole + 4)


def _rounded(scaled: float, value: float, places: int) -> int:
    """What ``numbers.number`` writes of a value, without its point; only near a tie, where the last digit of
    ``scaled`` decides, is it asked: there are hundreds of thousands of them."""
    nearest = round(scaled)
    if abs(scaled - nearest) < 0.499999:
        return nearest
    text = numbers.number(value, places).replace(numbers.THIN, "")
    return round(float(text) * (10 if places else 1))
