"""The files of a model as tables about many models show them: in JSON's own types, so that they can be kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pytest_slm.core.statistics import Interval
from pytest_slm.registry.entry import AggregateScore, RegistryEntry, UseCase
from pytest_slm.registry.rows import Row
from pytest_slm.site import numbers
from pytest_slm.site.compare import listed
from pytest_slm.site.home.columns import COLUMNS, PLACES, TIMED, Plain, license_of
from pytest_slm.site.titles.wording import profile_title
from pytest_slm.site.tools.data import tool_row
from pytest_slm.site.views import sampled


class ScoreBasis(NamedTuple):
    """What scores have in common that may be compared: their tasks, versions, mode and limit as one text, ``quick``
    where they are not from full runs as tasks ask, the share that was measured, and all that in words."""

    basis: str
    quick: str
    coverage: float
    told: str


class Score(NamedTuple):
    """A score from 0 to 100. ``note`` says what it is made of; of a profile, what is said where it has no rank."""

    score: float
    interval: Interval | None
    chance: float | None
    kind: ScoreBasis
    note: str


class FileFacts(NamedTuple):
    """A file on a machine. ``place`` is where and with what it was timed, ``search`` what else of its model is looked
    for, ``values`` and ``notes`` stand in the columns of tables, ``tool`` in the data of calculators; ``lengths`` has
    by column what stands there for each length that was timed, ``at`` the one that does, with its place among those of
    the machine (``at_common_lengths``); ``totals`` are the scores of profiles, ``scores`` those of use cases."""

    model: str
    name: str
    quantization: str
    machine: str
    id: str
    machine_title: str
    place: str
    about: str
    search: str
    server: bool
    fits: bool
    size_bytes: int | None
    values: Sequence[Plain]
    notes: Sequence[str]
    tool: Sequence[Any] | None
    lengths: Mapping[str, Mapping[str, Sequence[Any]]]
    at: Mapping[str, tuple[int, str]]
    totals: Mapping[str, Score]
    scores: Mapping[str, Score]


class ModelFacts(NamedTuple):
    """A model: ``listed`` is what the list of those that can be compared says of it."""

    id: str
    name: str
    listed: list[Any] | None
    files: tuple[FileFacts, ...]


def model_facts(entry: RegistryEntry, rows: Sequence[Row]) -> ModelFacts:
    """What is needed of a model and its rows; no ranks, which depend on all others."""
    return ModelFacts(id=entry.id, name=entry.name, listed=listed(entry), files=tuple(map(_file, rows)))


def _file(row: Row) -> FileFacts:
    found = [column.value(row) for column in COLUMNS]
    lengths = {column.key: timed for column in TIMED if (timed := column.by_length(row))}
    return FileFacts(
        model=row.model,
        name=row.name,
        quantization=row.quantization,
        machine=row.machine,
        id=row.id,
        machine_title=row.machine_title,
        place=_place(row),
        about=" · ".join(_about(row)),
        search=_search(row),
        server=bool(row.server),
        fits=bool(row.fits),
        size_bytes=row.size_bytes,
        values=[value for value, _ in found],
        notes=[note for _, note in found],
        tool=tool_row(row),
        lengths=lengths,
        at={key: (0, of) for key, timed in lengths.items() for of in timed if tuple(timed[of]) == found[PLACES[key]]},
        # The machine is in no basis: it says how fast a file is, and the score of a file is that of the file.
        totals={name: _score(total, row.basis(name)[1:]) for name, total in row.aggregates.items()},
        scores={name: _score(case, _basis(case)) for name, case in row.scores.items()},
    )


def _about(row: Row) -> tuple[str, ...]:
    """Parameters, license, and whether a server answered."""
    counted = numbers.parameters(row.parameters) if row.parameters else ""
    return tuple(filter(None, (counted, license_of(row), "server, weights not verified" if row.server else "")))


def _place(row: Row) -> str:
    """Where and with what a row was timed: within one such place speeds are put in an order."""
    machine = row.machine_title or "a machine that is not known"
    return f"{machine}, {row.speed.engine_name}" if row.speed and row.speed.engine_name else machine


def _search(row: Row) -> str:
    """What else of a model is searched: what its name and its id do not say already."""
    said = f"{row.name} {row.model}".casefold()
    return " ".join(word for word in map(str.casefold, filter(None, (row.family, *row.tags))) if word not in said)


def _basis(case: UseCase) -> tuple[object, ...]:
    tasks = sorted((task.task, task.version, task.measured_variants, *(task.part or ())) for task in case.benchmarks)
    return (case.mode, str(case.limit), case.settings, round(case.coverage, 4), *tasks)


def _score(score: UseCase | AggregateScore, basis: tuple[object, ...]) -> Score:
    if isinstance(score, AggregateScore):
        note = f"{numbers.percent(score.coverage)}, not ranked"
    else:
        done, declared = len(score.benchmarks), len(score.declared)
        part = " · part of the data" if any(task.part for task in score.benchmarks) else ""
        note = f"n {numbers.number(score.n, 0)} · {done} of {declared} task{'' if declared == 1 else 's'}{part}"
    quick = sampled(score.mode, score.limit, score.settings)
    kind = ScoreBasis(basis=str(basis), quick=quick, coverage=score.coverage, told=_told(score, quick))
    return Score(score=score.score, interval=score.interval, chance=score.chance, kind=kind, note=note)


def _told(score: UseCase | AggregateScore, quick: str) -> str:
    """What the scores of a group are made of."""
    kind = f"{quick} runs" if quick else "full runs"
    limit = "" if score.limit is None else f" of at most {numbers.number(score.limit, 0)} samples a task"
    of = f"of the {profile_title(score.profile).lower()} score" if isinstance(score, AggregateScore) else "of its tasks"
    return f"{kind}{limit}, {numbers.percent(score.coverage)} {of} measured"


# -- kept ---------------------------------------------------------------------------------------------------------


def packed(model: ModelFacts) -> list[Any]:
    """The facts for JSON: each kind of score once."""
    kinds: dict[ScoreBasis, int] = {}

    def scores(found: Mapping[str, Score]) -> dict[str, list[Any]]:
        return {name: [*one[:3], kinds.setdefault(one.kind, len(kinds)), one.note] for name, one in found.items()}

    files = [[*one[:-2], scores(one.totals), scores(one.scores)] for one in model.files]
    return [model.id, model.name, model.listed, files, list(kinds)]


def unpacked(found: Iterable[Any]) -> tuple[ModelFacts, ...]:
    """The facts of what ``packed`` made of several models. Raises ValueError or TypeError for what it did not make."""
    every: dict[ScoreBasis, ScoreBasis] = {}
    return tuple(_model(one, every) for one in found)


def _model(data: Any, every: dict[ScoreBasis, ScoreBasis]) -> ModelFacts:
    name, title, comparable, files, kinds = data
    # Most models were measured in the same way: of equal kinds there is one.
    known = [every.setdefault(kind, kind) for kind in map(ScoreBasis._make, kinds)]

    def scored(found: Mapping[str, Any]) -> dict[str, Score]:
        return {
            name: Score(value, interval, chance, known[place], note)
            for name, (value, interval, chance, place, note) in found.items()
        }

    made = tuple(FileFacts._make((*facts, scored(totals), scored(scores))) for *facts, totals, scores in files)
    return ModelFacts(name, title, comparable, made)
