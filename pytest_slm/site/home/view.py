"""Rows of the registry to the rows of a table of files, and to the chooser above it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_slm.machine.devices import Device, device_table
from pytest_slm.registry.entry import Registry
from pytest_slm.registry.rows import Row
from pytest_slm.site import numbers
from pytest_slm.site.home.columns import BY_KEY, COLUMNS, SHOWN, Cell, Column
from pytest_slm.site.home.scores import Mark, Scale, case_scale, profile_scale
from pytest_slm.site.titles.wording import profile_title, words
from pytest_slm.site.views import Plot, score_plot

NO_SCORE = "no score measured"
PAGE = 50
"""Rows of one page."""


@dataclass(frozen=True, kw_only=True)
class FileRow:
    """One file on one machine. ``group`` is the line above it where a new group begins; empty where none does."""

    name: str
    quantization: str
    href: str
    about: str
    quick: str
    score: Cell
    note: str
    plot: Plot | None
    chance: float | None
    cells: tuple[tuple[Column, Cell], ...]
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
    devices: tuple[Device, ...]
    licenses: tuple[tuple[str, int], ...]
    machines: tuple[tuple[str, int], ...]
    columns: tuple[tuple[Column, bool], ...]
    table: FileTable
    pages: tuple[str, ...]
    """The addresses of all pages of the table."""


def scales(registry: Registry, rows: Sequence[Row]) -> tuple[Scale, ...]:
    """The scale of each profile, the first one first, and of each use case by title; each has a name of its own."""
    titles = {name: title for row in rows for name, title in row.titles.items()}
    cases = sorted(titles.items(), key=lambda pair: (pair[1].casefold(), pair[0]))
    first, *others = (profile.name for profile in registry.rules.profiles)
    known = {name for row in rows for name in row.aggregates}
    return (
        _of_profile(rows, first, first),
        *(_of_profile(rows, one, f"{one}-profile" if one in titles else one) for one in others if one in known),
        *(case_scale(rows, name, words(title)) for name, title in cases),
    )


def _of_profile(rows: Sequence[Row], profile: str, name: str) -> Scale:
    return replace(profile_scale(rows, profile, f"{profile_title(profile)} score"), name=name)


def shown_columns(rows: Sequence[Row]) -> tuple[Column, ...]:
    """Those that stand there at first, of which something is known: with the machine, where there are several."""
    several = len({row.machine for row in rows}) > 1
    wanted = [column for column in COLUMNS if column.key in SHOWN or (several and column.key == "machine")]
    # A column in which nothing stands is no help; whoever wants it finds it among the columns.
    return tuple(column for column in wanted if any(column.value(row)[0] is not None for row in rows))


def file_table(
    title: str,
    scale: Scale,
    rows: Sequence[Row],
    address: Callable[[str], str],
    columns: Sequence[Column],
    *,
    grouped: bool = True,
) -> FileTable:
    """The table of rows in the order they are given; ``address`` is the page of a model, by its id. ``grouped`` tells
    where scores begin that cannot be compared with those above."""
    made, last = [], -1
    for row in rows:
        mark = scale.marks.get(row.id)
        group = mark.group if mark else len(scale.groups)
        told = scale.heading(group) if grouped and group != last else ""
        made.append(_row(row, mark, address(row.model), columns, told))
        last = group
    return FileTable(title=title, score=scale.title, columns=tuple(columns), rows=tuple(made))


def _row(row: Row, mark: Mark | None, href: str, columns: Sequence[Column], group: str) -> FileRow:
    score = numbers.points(mark.score, mark.interval) if mark else (numbers.MISSING, "")
    return FileRow(
        name=row.name,
        quantization=row.quantization,
        href=href,
        about=" · ".join(about(row)),
        quick=mark.quick if mark else "",
        score=Cell(text=score[0], note=score[1]),
        note=mark.note if mark else NO_SCORE,
        plot=score_plot(mark.score, mark.interval) if mark else None,
        chance=round(mark.chance, 2) if mark and mark.chance is not None else None,
        cells=tuple((column, column.cell(row)) for column in columns),
        group=group,
    )


def about(row: Row) -> tuple[str, ...]:
    """Parameters, license, and whether a server answered."""
    counted = BY_KEY["params"].cell(row).text if row.parameters else ""
    return tuple(filter(None, (counted, row.license or "", "server, weights not verified" if row.server else "")))


def home_view(registry: Registry, rows: Sequence[Row], found: Sequence[Scale], pages: Sequence[str]) -> HomeView:
    """The home page: ``rows`` in their order, and the addresses of all pages of the table."""
    licenses = Counter(row.license for row in rows if row.license)
    machines = Counter(row.machine_title or "Machine not known" for row in rows)
    columns = shown_columns(rows)
    return HomeView(
        models=len(registry.models),
        files=len({(row.model, row.quantization) for row in rows}),
        state=_state(rows, found[0], numbers.percent(registry.rules.ranked_coverage)),
        updated=numbers.day(registry.metadata.last_updated) if registry.metadata.last_updated else "",
        scales=tuple((scale.name, scale.title) for scale in found),
        devices=tuple(device_table()),
        licenses=tuple(sorted(licenses.items())),
        machines=tuple(sorted(machines.items(), key=lambda pair: (-pair[1], pair[0]))),
        columns=tuple((column, column in columns) for column in COLUMNS),
        table=file_table("Files, best first", found[0], rows[:PAGE], model_address(""), columns),
        pages=tuple(pages),
    )


def _state(rows: Sequence[Row], overall: Scale, needed: str) -> str:
    """What a site says of itself that has few or only quick results."""
    if not rows or any(row.aggregates and any(one.rank for one in row.aggregates.values()) for row in rows):
        return ""
    if overall.marks and all(mark.quick for mark in overall.marks.values()):
        return (
            "All scores so far are from quick runs: a sample of each task, which tells roughly where a file stands. "
            f"Ranks need full runs that cover at least {needed} of the overall score."
        )
    return f"No file is ranked yet: ranks need full runs that cover at least {needed} of the overall score."


def model_address(root: str) -> Callable[[str], str]:
    """The address of a model's page, from a page whose way to the top is ``root``."""
    return lambda model: f"{root}models/{model}.html"


def facts_of(rows: Sequence[Row]) -> Mapping[str, Row]:
    """One row of each model, in the order of the rows."""
    found: dict[str, Row] = {}
    for row in rows:
        found.setdefault(row.model, row)
    return found
