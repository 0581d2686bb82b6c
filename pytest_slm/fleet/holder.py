"""What runs on a node: it holds one worker's session, and so one model. An actor of Ray is made of it."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import platformdirs

from pytest_slm.backends.files import sha256_of
from pytest_slm.core.record import Record
from pytest_slm.errors import BackendError, SlmError
from pytest_slm.fleet.job import GroupJob, WeightsFile
from pytest_slm.fleet.worker import WorkerProcess

Told = dict[str, Any]
"""A record as JSON behind the name of its kind, or ``lost`` and why."""


class Holder:
    """One group on this node. Whatever goes wrong is told and not raised, so that no exception has to travel."""

    def __init__(self, job: Told, node: str, root: str | None = None) -> None:
        self._job = GroupJob.from_json(job)
        self._root = Path(root) if root else Path(platformdirs.user_cache_dir("pytest-slm")) / "fleet"
        # The same for this group on this node, whoever asks: what was answered before a crash is taken over there.
        name = hashlib.sha256(f"{node} {sorted(job.items())}".encode()).hexdigest()[:24]
        self._folder = self._root / "work" / name
        self._process: WorkerProcess | None = None
        self._arriving: Any = None

    def lacks(self) -> bool:
        """Whether this node has not the weights that the job names by hash."""
        return self._job.weights is not None and self._place(self._job.weights) is None

    def receive(self, chunk: bytes) -> None:
        """Take the next part of the weights."""
        assert self._job.weights is not None
        target = self._fetched(self._job.weights)
        if self._arriving is None:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._arriving = target.with_name(f".{target.name}.{os.getpid()}").open("wb")
        self._arriving.write(chunk)

    def received(self) -> None:
        """All parts are there. What has another hash is thrown away, and the worker's start will say so."""
        weights, part = self._job.weights, Path(self._arriving.name)
        assert weights is not None
        self._arriving.close()
        self._arriving = None
        if sha256_of([part]) == weights.sha256:
            part.replace(self._fetched(weights))
        else:
            part.unlink()

    def hello(self) -> Told:
        """Begin the session, and say what it offers."""
        return self._told(lambda: self._started().hello())

    def measure(self, item: str, _lease: object = None) -> Told:
        """Measure an item, once the lease is there, and say what came of it."""
        return self._told(lambda: self._running().measure(item))

    def close(self) -> Told:
        """End the session, and remove what it has left here."""
        told = self._told(lambda: self._running().close())
        shutil.rmtree(self._folder, ignore_errors=True)
        return told

    def _started(self) -> WorkerProcess:
        job = self._job
        if job.weights is not None:
            place = self._place(job.weights)
            if place is None:
                raise BackendError(f"{job.model}: the weights did not arrive with their hash", slug="fleet-weights")
            job = replace(job, model=str(place))
        self._process = WorkerProcess(job, self._folder)
        return self._process

    def _running(self) -> WorkerProcess:
        if self._process is None:
            raise BackendError("its session was never begun", slug="fleet-worker")
        return self._process

    def _fetched(self, weights: WeightsFile) -> Path:
        return self._root / "weights" / weights.sha256 / Path(weights.path).name

    def _place(self, weights: WeightsFile) -> Path | None:
        """Where the weights are on this node, by their hash."""
        for path in (Path(weights.path), self._fetched(weights)):
            if path.is_file() and path.stat().st_size == weights.size and sha256_of([path]) == weights.sha256:
                return path
        return None

    def _told(self, call: Callable[[], Record]) -> Told:
        try:
            said = call()
            return {type(said).__name__: said.to_json()}
        except (SlmError, OSError, ValueError) as error:
            return {"lost": str(error)}
