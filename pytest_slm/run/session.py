"""One run: which model, which quantizations, where they are opened, and where the results go. Knows no pytest."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_slm import answers
from pytest_slm.answers import Keeper, Kept, ignore_kept
from pytest_slm.backends.lookup import BackendEntry
from pytest_slm.backends.protocol import Backend, ModelSpec, Progress, silent
from pytest_slm.core.config import RunConfig
from pytest_slm.core.record import Record
from pytest_slm.core.types import (
    Declaration,
    EngineSettings,
    Gate,
    ItemId,
    Measurement,
    Metric,
    Quantization,
    Result,
    Submission,
    SuiteFacts,
    Task,
    WeightsHeader,
)
from pytest_slm.errors import BackendError, NotAvailableError, ReportError, SlmError, UsageError, writing_failed
from pytest_slm.extensions import Extensions
from pytest_slm.hosts.remote import RemoteBackend
from pytest_slm.hosts.sources import HostSource, Opening
from pytest_slm.kinds.checking import make_kind
from pytest_slm.kinds.context import RunContext
from pytest_slm.kinds.kind import Kind
from pytest_slm.models import check_declared, check_quantization, check_writes, detect, known_sha256, locate
from pytest_slm.run import canary
from pytest_slm.run.drive import drive
from pytest_slm.run.folders import make_folder
from pytest_slm.run.gates import judge
from pytest_slm.run.recorded import RecordedRun
from pytest_slm.run.served import served_as


@dataclass(kw_only=True)
class Run:
    """The state of one run in one process; ``hosts`` is set when the first item needs a model."""

    config: RunConfig
    submission: Submission
    quantizations: tuple[Quantization, ...]
    extensions: Extensions
    hosts: HostSource | None = None
    recorded: RecordedRun | None = None
    """The run whose answers are scored again."""
    tasks_of: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The tasks that each suite's score is the mean of."""
    suites: dict[str, SuiteFacts] = field(default_factory=dict)
    """What each suite that was collected says of itself."""
    versions: dict[tuple[str, str], int] = field(default_factory=dict)
    """The version of each task (its suite and its name) that was collected."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """Samples of single items (``str(ItemId)``), where a time budget or the run that goes on has decided them."""
    resumed: bool = False  # whether this session goes on with a run that is not finished
    budget: Mapping[str, object] | None = None  # what was chosen for a time budget, and why
    notice: str = ""
    """What came of looking for such a run."""
    _detected: dict[str, WeightsHeader | None] = field(default_factory=dict)
    _paths: dict[str, Path | None] = field(default_factory=dict)
    _sound: dict[str, RemoteBackend] = field(default_factory=dict)
    """The backends that have passed the canary; a new process is tried again."""
    _folders: list[Path] = field(default_factory=list)
    """The run folders that it made itself or goes on with: others may be those of a run that is still going on."""

    # -- the model -----------------------------------------------------------------------------------------------

    def quantization(self, name: str) -> Quantization:
        """The quantization of that name."""
        return next(quantization for quantization in self.quantizations if quantization.name == name)

    def path(self, quantization: str) -> Path | None:
        """The local file or folder of a quantization, downloaded now if need be; None for models without files."""
        if quantization not in self._paths:
            chosen = self.quantization(quantization)
            stored = bool(chosen.source or chosen.file)
            self._paths[quantization] = locate(self.submission, chosen, offline=self.config.offline) if stored else None
        return self._paths[quantization]

    def detected(self, quantization: str) -> WeightsHeader | None:
        """What the headers of its weights say; None where there are none."""
        if quantization not in self._detected:
            path = self.path(quantization)
            readable = path is not None and self.quantization(quantization).format in ("gguf", "safetensors")
            self._detected[quantization] = detect(path) if path is not None and readable else None
        return self._detected[quantization]

    def backend_entry(self, quantization: str) -> BackendEntry:
        """The backend that opens it. Raises UsageError if none does, or if its engine is not installed."""
        entry = self.extensions.backends.find(self.quantization(quantization).format, self.config.backend)
        entry.check_installed(self.settings(quantization))
        return entry

    def settings(self, quantization: str) -> EngineSettings:
        """How its engine is set up: what the command line says, else its own part of the submission, else all of it."""
        own = self.quantization(quantization).engine.overridden_by(self.config.engine)
        return self.submission.engine.overridden_by(own)

    def openings(self) -> Mapping[str, Opening]:
        """For every quantization, how to find what is opened."""

        def opening(name: str) -> tuple[BackendEntry, ModelSpec]:
            path = self.path(name)
            detected = self.detected(name)  # a broken header is told before an engine is started on it
            limit, n_ctx = detected.context_length if detected else None, self.settings(name).n_ctx
            if limit and n_ctx and n_ctx > limit:
                asked = "--slm-n-ctx" if self.config.engine.n_ctx else "engine.n_ctx"
                problem = f"{asked}={n_ctx}: the context of {path} has {limit} tokens; ask for no more"
                raise BackendError(problem, slug="context-too-long")
            served = served_as(self.config, self.submission, self.quantization(name))
            spec = ModelSpec(
                **{"path": None if path is None else str(path), **served},
                format=self.quantization(name).format,
                settings=self.settings(name),
                exact=self.config.exact,
                thinking=self.config.thinking,
                chat_template=self.config.template,
                sha256=known_sha256(path, detected) if path else None,
            )
            if detected is not None:
                self.check(name, detected)
            return self.backend_entry(name), spec

        return {q.name: (lambda name=q.name: opening(name)) for q in self.quantizations}  # type: ignore[misc]

    def check(self, quantization: str, detected: WeightsHeader) -> None:
        """Raise UsageError if the weights are not what the submission declares, so that no number gets a wrong name."""
        other = check_quantization(self.quantization(quantization), detected)
        check_writes(str(self.path(quantization)), detected)
        if differences := [*check_declared(self.submission, detected), *filter(None, [other])]:
            raise UsageError(f"{self.submission.slug}: {'; '.join(differences)}", slug="not-as-declared")

    def open(self, quantization: str) -> RemoteBackend:
        """The open model. Raises BackendError if it computes nonsense."""
        if self.hosts is None:
            raise RuntimeError("no hosts were given to this run")
        backend = self.hosts.open(quantization)
        if self.config.canary and self.recorded is None and backend is not self._sound.get(quantization):
            canary.check(backend)
            self._sound[quantization] = backend
        return backend

    def reopen(self, quantization: str, between: Callable[[], None]) -> RemoteBackend:
        """The model in a fresh process, which was asked nothing yet; ``between`` is called when the old one is gone."""
        if self.hosts is None:
            raise RuntimeError("no hosts were given to this run")
        self.hosts.end(quantization)
        between()
        return self.hosts.open(quantization)

    # -- the items -----------------------------------------------------------------------------------------------

    def measure(
        self, task: Task, variant: str, quantization: str, progress: Progress = silent, kept: Kept = ignore_kept
    ) -> Result:
        """Run one task variant on one quantization. Raises SlmError when it cannot be measured."""
        identity = ItemId(suite=task.suite, task=task.name, variant=variant, quantization=quantization)
        keeper = self.keeper(identity, task, kept)
        with self.recorder(identity) as (record, path):
            kind = self.kind(task, identity, lambda: self._kept(keeper, quantization), record, progress)
            result = drive(kind).with_chance(task)
        if self.recorded is not None:
            result = self.recorded.marked(result)
        return dataclasses.replace(
            result,
            gate=task.gate,
            declared=Declaration.of(task, self.tasks_of.get(task.suite, ())),
            answers=keeper.told() if kind.recorded else None,
            samples=path() if kind.recorded else None,
        )

    def _kept(self, keeper: Keeper, quantization: str) -> Backend:
        """The open model with a memory for its answers; answers that are recorded need none."""
        backend = self.open(quantization)
        return backend if self.recorded else keeper.watch(backend)

    def kind(
        self,
        task: Task,
        item: ItemId,
        open_: Callable[[], Backend],
        record: Callable[[Record], None] = lambda _line: None,  # a plan has no samples yet
        progress: Progress = silent,
    ) -> Kind[Any, Any]:
        """The work of an item. Raises UsageError if its task cannot be meant."""
        context = RunContext(
            config=dataclasses.replace(self.config, limit=self.limits.get(str(item), self.config.limit)),
            submission=self.submission,
            quantization=self.quantization(item.quantization),
            detect=lambda: self.detected(item.quantization),
            open=open_,
            record=record,
            extensions=self.extensions,
            recorded=self.recorded.answers(item) if self.recorded else None,
            progress=progress,
        )
        return make_kind(task, item.variant, context)

    def keeper(self, item: ItemId, task: Task, kept: Kept = ignore_kept) -> Keeper:
        """What keeps the answers of an item, beside its samples."""
        about = {"task": f"{task.suite}/{task.name}", "version": task.version, "variant": item.variant}
        path = self.folder(item.quantization) / answers.FOLDER / f"{answers.file_name(item)}.jsonl"
        return Keeper(path, {**about, "seed": self.config.seed}, resume=self.config.resume, kept=kept)

    def timed(
        self,
        identity: ItemId,
        measurements: tuple[Measurement, ...],
        metrics: tuple[Metric, ...],
        primary: str | None,
        provenance: Mapping[str, object],
        **known: Any,
    ) -> Result:
        """The result of a test function that measured something itself; ``timing`` and ``shape`` where it has them."""
        return Result.of(
            identity,
            mode=self.config.mode,
            outcome="passed",
            kind="function",
            seed=self.config.seed,
            measurements=measurements,
            metrics=metrics,
            primary=primary,
            provenance=provenance,
            **known,
        )

    def judged(self, result: Result) -> Result:
        """The result with its machine and its verdict: failed, and why, if the primary metric misses the gate."""
        there = self.hosts.descriptions.get(result.quantization) if self.hosts else None
        if there is not None and not result.taken_over:  # that one was measured elsewhere, or another day
            result = dataclasses.replace(result, machine=there.machine_id)
        return judge(result, self._gate(result))

    def _gate(self, result: Result) -> Gate | None:
        for key in (f"{result.suite}/{result.task}", result.suite):
            if key in self.config.gates and result.primary:
                return Gate(metric=result.primary, limit=self.config.gates[key])
        return result.gate

    def unmeasured(self, identity: ItemId, error: BaseException, *, task: Task | None = None) -> Result:
        """The result of an item that could not be measured: skipped if something is missing, else an error."""
        skipped = isinstance(error, NotAvailableError)
        reason = str(error) if isinstance(error, SlmError) else f"{type(error).__name__}: {error}"
        return Result.of(
            identity,
            mode=self.config.mode,
            outcome="skipped" if skipped else "error",
            reason=reason,
            version=task.version if task else 1,
            kind=task.kind if task else "",
            harmful=task is not None and task.harmful,
            seed=self.config.seed,
            samples=self._samples_of(identity),
            canary=self.config.canary,
        )

    def _samples_of(self, identity: ItemId) -> str | None:
        """The file of samples of an item that ended without a result, if it wrote any."""
        name = f"samples/{answers.file_name(identity)}.jsonl"
        return name if (self.folder(identity.quantization) / name).is_file() else None

    # -- the run folder ------------------------------------------------------------------------------------------

    def folder(self, quantization: str) -> Path:
        """``reports/<model>/<quantization>/<run id>``."""
        return Path(self.config.reports) / self.submission.slug / quantization / (self.config.run_id or "-")

    def resume(self, new_id: Callable[[], str]) -> None:
        """Go on with an unfinished run if there is one, else begin one with a new id. Raises UsageError."""
        places = [self.folder(quantization.name).parent for quantization in self.quantizations]
        beginning, self.notice = answers.choose(self.config, places)
        self.resumed = beginning is not None
        run_id = beginning.run_id if beginning else self.config.run_id or new_id()
        self.limits, self.budget = (dict(beginning.limits), beginning.budget) if beginning else ({}, None)
        self.config = dataclasses.replace(self.config, run_id=run_id)

    def choose(self, limits: Mapping[str, int], budget: Mapping[str, object]) -> None:
        """Take these numbers of samples, for this reason; a run that goes on with this one will take them too."""
        self.limits, self.budget = limits, budget
        if not self.config.plan:
            for quantization in self.quantizations:
                answers.begin(self.folder(quantization.name), self.config, limits, budget)

    def create_folders(self) -> None:
        """Make the run folders. They must be new, so that two runs never write into one, or else those of an unfinished
        run that goes on. Raises UsageError."""
        for quantization in self.quantizations:
            folder = self.folder(quantization.name)
            make_folder(folder, resumed=self.resumed)
            self._folders.append(folder)
            if self.config.mode != "validate":
                with contextlib.suppress(ReportError):  # then it cannot be resumed; its items will tell of the disk
                    answers.begin(folder, self.config, self.limits, self.budget)

    def drop_empty_folders(self) -> None:
        """Remove its run folders in which nothing was written."""
        for folder in self._folders:
            answers.close(folder, complete=False)
            for path in (folder / "samples", folder, folder.parent, folder.parent.parent):
                with contextlib.suppress(OSError):
                    path.rmdir()

    def recorder(self, item: ItemId) -> AbstractContextManager[tuple[Callable[[Record], None], Callable[[], str]]]:
        """A function that appends one sample line at once, and one that tells the file's path in the run folder."""
        name = f"samples/{answers.file_name(item)}.jsonl"
        return answers.lines(self.folder(item.quantization) / name, name)

    def journal(self, result: Result) -> None:
        """Append a result to ``results.jsonl`` as soon as it is known, so that even kill -9 leaves it behind."""
        path = self.folder(result.quantization) / "results.jsonl"
        try:
            with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(json.dumps(result.to_json(), ensure_ascii=False, allow_nan=False) + "\n")
        except OSError as error:
            raise writing_failed(path, error) from None
