"""Files to the rows of a table of files, and to the chooser above it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pytest_slm.core.statistics import Interval
from pytest_slm.machine.devices import DeviceClass, device_table
from pytest_slm.site import numbers
from pytest_slm.site.facts.files import FileFacts
from pytest_slm.site.facts.wide import Wide
from pytest_slm.site.home.columns import BY_KEY, COLUMNS, SHOWN, Column, written
from pytest_slm.site.home.scores import Scale, ScoreMark
from pytest_slm.site.titles.wording import profile_title
from pytest_slm.site.views import score_plot

NO_SCORE = "no score measured"
PAGE = 50
"""Rows of one page."""


class DotPlot(NamedTuple):
    """A score as a dot with its interval, in percent of the width; ``text`` says it in words."""

    value: float
    low: float | None
    high: float | None
    text: str
    chance: float | None


class FileRow(NamedTuple):
    """One file on one machine, as the table writes it. ``cells`` are (whether it holds words, label, text, note);
    ``group`` is the line above it where a new group begins, empty where none does."""

    name: str
    quantization: str
    href: str
    about: str
    quick: str
    score: str
    interval: str
    note: str
    plot: DotPlot | None
    cells: Sequence[tuple[bool, str, str, str]]
    group: str = ""


@dataclass(frozen=True, kw_only=True)
class FileTable:
    """A table of files, or one page of it."""

    title: str
    score: str
    """What the score is of."""
    columns: tuple[Column, ...]
    rows: tuple[FileRow, ...]


@dataclass(frozen=True, kw_only=True)
class HomeView:
    """What the home page is told: all that can be chosen, and the first files."""

    models: int
    files: int
    updated: str
    state: str
    """What all of its numbers have in common that a reader should know; empty where they are of several kinds."""
    scales: tuple[tuple[str, str], ...]
    devices: tuple[DeviceClass, ...]
    licenses: tuple[tuple[str, int], ...]
    machines: tuple[tuple[str, int], ...]
    columns: tuple[tuple[Column, bool], ...]
    table: FileTable
    pages: Sequence[tuple[int, str]]
    """Those pages of the table that this one leads to, of so many in ``count``."""
    count: int


def shown_columns(files: Sequence[FileFacts]) -> tuple[Column, ...]:
    """Those that stand there at first, of which something is known: with the machine, where there are several."""
    several = len({file.machine for file in files}) > 1
    wanted = [column for column in COLUMNS if column.key in SHOWN or (several and column.key == "machine")]
    # A column in which nothing stands is no help; whoever wants it finds it among the columns.
    return tuple(column for column in wanted if any(column.told(file)[0] is not None for file in files))


def file_table(
    title: str,
    scale: Scale,
    files: Sequence[FileFacts],
    root: str,
    columns: Sequence[Column],
    *,
    grouped: bool = True,
) -> FileTable:
    """The table of files in the order they are given; ``root`` is the way to the site's top from there. ``grouped``
    tells where scores begin that cannot be compared with those above."""
    made, last = [], -1
    for file in files:
        mark = scale.marks.get(file.id)
        group = mark.group if mark else len(scale.groups)
        told = scale.heading(group) if grouped and group != last else ""
        made.append(_row(file, mark, f"{root}models/{file.model}.html", columns, told))
        last = group
    return FileTable(title=title, score=scale.title, columns=tuple(columns), rows=tuple(made))


def _row(file: FileFacts, mark: ScoreMark | None, href: str, columns: Sequence[Column], group: str) -> FileRow:
    score, interval = numbers.points(mark.score, mark.interval) if mark else (numbers.MISSING, "")
    return FileRow(
        name=file.name,
        quantization=file.quantization,
        href=href,
        about=file.about,
        quick=mark.quick if mark else "",
        score=score,
        interval=interval,
        note=mark.note if mark else NO_SCORE,
        plot=dotted(mark.score, mark.interval, mark.chance, (score, interval)) if mark else None,
        cells=[_cell(file, column) for column in columns],
        group=group,
    )


def _cell(file: FileFacts, column: Column) -> tuple[bool, str, str, str]:
    value, note = column.told(file)
    return column.form == "text", column.label, written(column.form, value, column.unit), note


def dotted(value: float, interval: Interval | None, chance: float | None, told: tuple[str, str]) -> DotPlot:
    """The dot of a score; its words say the chance level, too."""
    plot = score_plot(value, interval, told=told)
    level = None if chance is None else round(chance, 2)
    said = "" if chance is None else f", chance {chance_text(chance)}"
    return DotPlot(plot.value, plot.low, plot.high, plot.text + said, level)


def chance_text(chance: float) -> str:
    """A chance level in words: ``25``, ``33.3``."""
    return numbers.number(chance, 1).removesuffix(".0")


def home_view(wide: Wide, files: Sequence[FileFacts], found: Sequence[Scale], pages: Sequence[str]) -> HomeView:
    """The home page: ``files`` in their order, and the paths of all pages of the table."""
    licenses = Counter(name for file in files if (name := BY_KEY["license"].told(file)[0]))
    machines = Counter(file.machine_title or "Machine not known" for file in files)
    columns = shown_columns(files)
    return HomeView(
        models=len(wide.models),
        files=len({(file.model, file.quantization) for file in files}),
        state=_state(wide, found[0], numbers.percent(wide.rules.ranked_coverage)),
        updated=wide.updated,
        scales=tuple((scale.name, scale.title) for scale in found),
        devices=tuple(device_table()),
        licenses=tuple(sorted((str(name), count) for name, count in licenses.items())),
        machines=tuple(sorted(machines.items(), key=lambda pair: (-pair[1], pair[0]))),
        columns=tuple((column, column in columns) for column in COLUMNS),
        table=file_table("Files, best first", found[0], files[:PAGE], "", columns),
        pages=near(pages, 1),
        count=len(pages),
    )


def near(pages: Sequence[str], number: int) -> list[tuple[int, str]]:
    """The pages that one of them leads to, by number: the first, the last and its neighbours; without a path where
    others are left out."""
    count = len(pages)
    shown, gaps = {1, number - 1, number, number + 1, count}, {number - 2, number + 2}
    return [(n, pages[n - 1] if n in shown else "") for n in sorted(shown | gaps) if 1 <= n <= count]


def _state(wide: Wide, overall: Scale, needed: str) -> str:
    """What a site says of itself that has few or only quick results."""
    first, *others = (profile.name for profile in wide.rules.profiles)
    ranked = {profile for (*_, profile), one in wide.places.items() if one.place}
    if not wide.files or first in ranked:
        return ""
    if overall.marks and all(mark.quick for mark in overall.marks.values()):
        told = (
            "All overall scores so far are from quick runs: a sample of each task, which tells roughly where a file "
            f"stands. Ranks need full runs that cover at least {needed} of the overall score."
        )
    else:
        told = f"No file is ranked by its overall score: that needs full runs that cover at least {needed} of it."
    titles = [f"{profile_title(name)} score" for name in others if name in ranked]
    return f"{told} Ranked so far: the {' and the '.join(titles)}." if titles else told
