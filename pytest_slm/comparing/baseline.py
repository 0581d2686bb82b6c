"""The run that another one is held against: a run folder, or a row of a registry whose runs are here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pytest_slm import files
from pytest_slm.comparing.answers import CannotCompareError
from pytest_slm.comparing.comparison import StoredRun, read_run
from pytest_slm.comparing.timings import name_of
from pytest_slm.core.types import MEASURED, ItemId, Result
from pytest_slm.errors import ReportError, UsageError, did_you_mean
from pytest_slm.registry.folder import read_registry
from pytest_slm.registry.store import REPORT_NAME

Key = tuple[str, str, str]
"""Suite, task and variant: the same item, whatever the quantization."""


def key_of(item: ItemId | Result) -> Key:
    """Which item of a baseline an item is held against."""
    return item.suite, item.task, item.variant


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The items of a baseline, each in the run that measured it; ``absent`` says why others cannot be compared."""

    name: str
    items: Mapping[Key, tuple[StoredRun, Result]]
    absent: Mapping[Key, str]

    @classmethod
    def of(cls, text: str, reports: Path) -> Self:
        """``DIR``, ``DIR/report.json``, or ``REGISTRY#MODEL/QUANTIZATION``, whose runs lie beside the registry, in
        its folder ``reports`` or in this one. Raises UsageError where nothing can be compared with it."""
        place, mark, row = text.partition("#")
        try:
            made = cls._of_row(Path(place), row, reports) if mark else cls._of_run(Path(place))
        except ReportError as error:
            raise UsageError(f"--slm-baseline={text:.200}: {error.args[0]}", slug="baseline") from None
        if not made.items:
            why = next(iter(made.absent.values()), "nothing was measured in it")
            raise UsageError(f"--slm-baseline={text:.200}: nothing to compare with: {why}", slug="baseline")
        return made

    @property
    def runs(self) -> tuple[StoredRun, ...]:
        """Its runs, each once."""
        return tuple({run.run.run_id: run for run, _ in self.items.values()}.values())

    def has(self, item: ItemId) -> bool:
        """Whether the item is in the baseline, be it measured or not."""
        return key_of(item) in self.items or key_of(item) in self.absent

    def measured(self, item: ItemId) -> bool:
        """Whether the item has a number there."""
        return key_of(item) in self.items

    def find(self, result: Result) -> tuple[StoredRun, Result]:
        """The same item there, and its run. Raises CannotCompareError."""
        key = key_of(result)
        if key not in self.items:
            raise CannotCompareError(self.absent.get(key, "the baseline does not have it"))
        run, theirs = self.items[key]
        if theirs.version != result.version:
            raise CannotCompareError(f"version {theirs.version} and version {result.version} are two tasks")
        return run, theirs

    @classmethod
    def _of_run(cls, path: Path) -> Self:
        run = read_run(path)
        name = f"{run.run.submission.name} {run.run.quantization}, {path}"
        items, absent = _sorted((run, result) for result in run.run.results)
        return cls(name=name, items=items, absent=absent)

    @classmethod
    def _of_row(cls, path: Path, row: str, reports: Path) -> Self:
        registry = read_registry(path)
        slug, _, name = row.partition("/")
        entry = next((model for model in registry.models if model.id == slug), None)
        if entry is None:
            known = did_you_mean(slug, (model.id for model in registry.models))
            raise ReportError(f"the registry has no model {slug:.80}. {known}")
        wanted = entry.quantizations.get(name)
        if wanted is None:
            raise ReportError(f"{slug} has no quantization {name!r:.80}. {did_you_mean(name, entry.quantizations)}")
        hashes = {one.path: one.sha256 for one in entry.provenance.reports}
        runs: dict[str, StoredRun | str] = {}
        found: list[tuple[StoredRun, Result]] = []
        absent: dict[Key, str] = {}
        for item in wanted.items:
            if item.report not in runs:
                runs[item.report] = _stored(item.report, hashes.get(item.report, ""), (path.parent, reports))
            run, key = runs[item.report], (item.suite, item.task, item.variant)
            if isinstance(run, str):
                absent[key] = run
            else:
                found += [(run, result) for result in run.run.results if key_of(result) == key]
        items, others = _sorted(found)
        return cls(name=f"{entry.name} {name}, {path}", items=items, absent={**absent, **others})


def _sorted(
    found: Iterable[tuple[StoredRun, Result]],
) -> tuple[dict[Key, tuple[StoredRun, Result]], dict[Key, str]]:
    """Items that were measured, and why others were not."""
    items: dict[Key, tuple[StoredRun, Result]] = {}
    absent: dict[Key, str] = {}
    for run, result in found:
        if result.outcome in MEASURED:
            items[key_of(result)] = run, result
        else:
            absent[key_of(result)] = f"{result.outcome} in the baseline ({result.reason or name_of(result)})"
    return items, absent


def _stored(report: str, sha256: str, places: Iterable[Path]) -> StoredRun | str:
    """A run that a registry names, or why it cannot be had: its scores alone have no questions."""
    for folder in [inner for place in places for inner in (place, place / "reports")]:
        try:
            file = files.inside(folder, report)
            content = files.read_bytes(file)
        except OSError:
            continue
        if hashlib.sha256(content).hexdigest() != sha256:
            return f"{file} is not the report that the registry was made from"
        return read_run(file.parent if file.name == REPORT_NAME else file)
    return f"the run {report} is not beside the registry: a score alone has no questions to compare"
