"""One sync: which models, what the Hub says of them today, what of it is new, and what could not be asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from pytest_slm import hub
from pytest_slm.core.record import Record
from pytest_slm.errors import SlmError
from pytest_slm.handbook.facts import HubModel, HubModels, HubStats, SkippedModel, Trouble
from pytest_slm.handbook.featured import FeaturedList
from pytest_slm.handbook.storing import read_models, read_stats, write_data
from pytest_slm.handbook.sync.asking import ENDS, Questions
from pytest_slm.handbook.sync.changes import KEPT, changes, month_of
from pytest_slm.handbook.sync.reading import configured, derived_of, is_repo, model_of, parameters_of
from pytest_slm.models.naming import as_name

DERIVED = 20
"""Quantizations of a model in other repositories that are kept."""
FORGOTTEN_DAYS = 30
"""A model that is gone from the Hub, and that nobody has put on the list, keeps its page for so long."""


@dataclass(frozen=True, kw_only=True)
class SyncResult(Record):
    """What a sync did. ``warnings`` are lines for a person; ``read`` is how many models the Hub has told of today."""

    models: int
    read: int
    waiting: int
    asked: int
    changes: int
    written: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass
class _Work:
    """The models by repository in small letters, as they are known at this moment."""

    questions: Questions
    today: str
    models: dict[str, HubModel]
    read: set[str] = field(default_factory=set)
    left_out: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    ended: bool = False

    def each(self, what: Iterable[str], do: Callable[[str], None]) -> None:
        """Do it for each key until nothing more may be asked; what fails for one is a warning."""
        for key in what:
            if self.ended:
                return
            try:
                do(key)
            except SlmError as error:
                self.warnings.append(str(error))
                self.ended = error.slug in ENDS
                if not self.ended:
                    self.failed(key, error)

    def failed(self, key: str, error: SlmError) -> None:
        """Note why a model could not be read; what was known of it stays."""
        model = self.models.get(key)
        if model is None or key in self.read:
            return
        kind: Literal["gone", "unread"] = "gone" if error.slug in ("hub-not-found", "hub-private") else "unread"
        if model.revision is None:  # nothing was ever known of it
            self.left_out[key] = f"not read: {error.slug}"
            return
        same = model.trouble is not None and model.trouble.kind == kind
        since = model.trouble.since if model.trouble and same else self.today
        self.models[key] = replace(model, trouble=Trouble(kind=kind, since=since, slug=error.slug))


def sync(
    featured: FeaturedList,
    data: Path,
    *,
    now: datetime,
    requests: int = 300,
    patience: float = 600.0,
    sleep: Callable[[float], None] = time.sleep,
) -> SyncResult:
    """Ask the Hub for the facts of all models, at most ``requests`` times, and write them below ``data``.

    What could not be asked stays as it was known; where the Hub has told nothing at all, nothing is written. Raises
    NotAvailableError without the client, ReportError where a file cannot be read or written.
    """
    client = hub.client("pytest-slm hub sync")
    before, stats = read_models(data), read_stats(data)
    known = {model.repo.lower(): model for model in before.models}
    with hub.counted(client, requests) as meter:
        questions = Questions(client, meter, patience=patience, sleep=sleep)
        work = _Work(questions=questions, today=now.date().isoformat(), models=dict(known))
        selected = _select(work, featured)
        others = [key for key in known if key not in selected]
        work.each([*selected, *others], lambda key: _info(work, key))
        plain = [key for key, model in work.models.items() if key in work.read and not model.configured]
        work.each(plain, lambda key: _config(work, key))
        work.each(_in_turn(work, now.date()), lambda key: _derived(work, key))
    models = _kept(work, featured, now.date())
    if not work.read:
        return _told(work, meter, models, 0, ())
    found = changes(known, models.models, work.today)
    month = month_of(models.models, work.today[:7])
    stats = HubStats(
        synced=work.today,
        changes=(*found, *stats.changes)[:KEPT],
        months=(*(one for one in stats.months if one.month != month.month), month),
        left_out=tuple(SkippedModel(name=name, reason=reason) for name, reason in sorted(work.left_out.items())),
    )
    return _told(work, meter, models, len(found), write_data(data, models, stats))


def _told(work: _Work, meter: hub.Meter, models: HubModels, n_changes: int, written: tuple[str, ...]) -> SyncResult:
    return SyncResult(
        models=len(models.models),
        read=len(work.read),
        waiting=sum(_waits(model) for model in models.models),
        asked=meter.asked,
        changes=n_changes,
        written=written,
        warnings=tuple(work.warnings),
    )


def _waits(model: HubModel) -> bool:
    """Whether something of it has never been asked."""
    return not model.trouble and (not model.configured or model.derived is None)


def _select(work: _Work, featured: FeaturedList) -> list[str]:
    """The models of the list and of the filters, in that order; their tasks are those of today."""
    tasks: dict[str, list[str]] = {}
    for one in featured.models:
        key = one.repo.lower()
        tasks[key] = list(one.tasks)
        found = work.models.get(key) or HubModel(repo=one.repo)
        work.models[key] = replace(found, featured=True, notebook=one.notebook)
    filters = {f"filter {number}": one for number, one in enumerate(featured.filters)}

    def listed(name: str) -> None:
        one = filters[name]
        for info in work.questions.listed(one.tags, one.most, one.search):
            repo, size = str(getattr(info, "id", "")), parameters_of(info)
            if not is_repo(repo):
                work.left_out[as_name(repo)] = "no name of a repository"
            elif repo.lower() in tasks:
                tasks[repo.lower()].append(one.task)
            elif size is None or size > one.max_parameters:
                more = f"more than {one.max_parameters} parameters"
                work.left_out[repo] = "its parameters are not counted" if size is None else more
            else:
                tasks[repo.lower()] = [one.task]
                work.models.setdefault(repo.lower(), HubModel(repo=repo))

    work.each(filters, listed)
    lists = {one.repo.lower() for one in featured.models}
    for key, names in tasks.items():
        model = work.models[key]
        work.models[key] = replace(model, tasks=tuple(dict.fromkeys(names)), featured=key in lists)
        for name in {one for one in work.left_out if one.lower() == key}:
            del work.left_out[name]  # too large for one filter, and in another one
    return list(tasks)


def _info(work: _Work, key: str) -> None:
    model = work.models[key]
    work.models[key] = model_of(model.repo, work.questions.info(model.repo), model)
    work.read.add(key)


def _config(work: _Work, key: str) -> None:
    model = work.models[key]
    bases = [base.repo for base in model.bases if base.relation == "quantized"]
    own = model.has("config.json")
    source, revision = (model.repo, model.revision or "main") if own else (next(iter(bases), ""), "main")
    if not source:
        work.models[key] = replace(model, configured=True)
        return
    try:
        work.models[key] = configured(model, work.questions.config(source, revision), source)
    except SlmError as error:
        if error.slug not in ("hub-gated", "hub-not-found", "hub-answer"):
            raise
        work.models[key] = replace(model, configured=True)  # it says nothing to us, today as tomorrow


def _derived(work: _Work, key: str) -> None:
    model = work.models[key]
    found = work.questions.listed([f"base_model:quantized:{model.repo}"], DERIVED)
    work.models[key] = replace(model, derived=derived_of(found, model.repo))


def _in_turn(work: _Work, today: date) -> list[str]:
    """Those whose quantizations nobody has asked for yet, then the others, every day from another one on."""
    there = [key for key, model in work.models.items() if key in work.read]
    first = [key for key in there if work.models[key].derived is None]
    rest = sorted(key for key in there if work.models[key].derived is not None)
    turn = today.toordinal() % len(rest) if rest else 0
    return [*first, *rest[turn:], *rest[:turn]]


def _kept(work: _Work, featured: FeaturedList, today: date) -> HubModels:
    """All models of which anything is known, without those that are long gone and that nobody has listed."""
    lists = {one.repo.lower() for one in featured.models}

    def forgotten(key: str, model: HubModel) -> bool:
        gone = model.trouble is not None and model.trouble.kind == "gone"
        since = date.fromisoformat(model.trouble.since) if model.trouble else today
        return gone and key not in lists and (today - since).days > FORGOTTEN_DAYS

    found = [
        replace(model, featured=key in lists)
        for key, model in work.models.items()
        if model.revision is not None and not forgotten(key, model)
    ]
    return HubModels(models=tuple(sorted(found, key=lambda model: (model.repo.lower(), model.repo))))
