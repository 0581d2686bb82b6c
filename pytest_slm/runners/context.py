"""What a runner is given besides its task: the run's settings, an open model on demand, and a place for its records."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_slm.backends.protocol import Backend, Progress, silent
from pytest_slm.core.config import RunConfig
from pytest_slm.core.record import Record
from pytest_slm.core.types import Detected, Quantization, Request, Result, Submission, Task
from pytest_slm.errors import NotAvailableError
from pytest_slm.scorers import Scorers


@dataclass(frozen=True, kw_only=True)
class SampleRecord(Record):
    """One line of a per-sample file: what was asked (by hash), what came, and what it was worth."""

    task: str
    doc_id: str
    prompt_sha256: str
    target_sha256: str
    response: Any
    """Generated text, or for every choice its log-likelihood and whether it is the greedy answer."""
    score: float | None
    answer: str
    explanation: str
    n_prompt: int | None = None
    n_output: int | None = None
    finish: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    """How it was asked, without the text: greatest length, stop strings, seed, temperature; or for likelihoods."""


def _nobody(_samples: int, /) -> None:
    """Only a plan wants to know it."""


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """The surroundings of one item."""

    config: RunConfig
    submission: Submission
    quantization: Quantization
    detected: Detected | None
    open: Callable[[], Backend]
    record: Callable[[SampleRecord], None]
    scorers: Scorers
    progress: Progress = silent
    asks: Callable[[int], None] = _nobody
    """Told how many samples the requests are of, before they are asked, where that is not one each."""

    def backend(self, task: Task) -> Backend:
        """The open model. Raises NotAvailableError if it lacks a capability that the task requires."""
        backend = self.open()
        missing = [name for name in task.requires if name not in backend.capabilities]
        if missing:
            remedy = "; a model with a chat template has it" if missing == ["chat"] else ""
            raise NotAvailableError(
                f"{task.suite}/{task.name} requires {missing[0]!r}, which this model and backend do not offer{remedy}",
                slug="missing-capability",
            )
        return backend

    def result(self, task: Task, variant: str, started: float, **measured: Any) -> Result:
        """The result of a task variant: what identifies it, and what was ``measured`` since ``started`` (the monotonic
        clock, ``time.perf_counter``)."""
        return Result(
            suite=task.suite,
            task=task.name,
            variant=variant,
            quantization=self.quantization.name,
            mode=self.config.mode,
            version=task.version,
            kind=task.kind,
            seed=self.config.seed,
            seconds=time.perf_counter() - started,
            **{"outcome": "passed", "primary": task.primary, **measured},
        )

    def limit(self, task: Task) -> int | None:
        """How many samples to take at most: the user's word, else the task's for this mode; None is all."""
        plan = task.modes.get(self.config.mode)
        return self.config.limit or (plan.limit if plan else None)


def sha256(*parts: str) -> str:
    """SHA-256 over texts, each ended by NUL, so that ("ab", "c") and ("a", "bc") differ."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()


def terms(request: Request) -> dict[str, Any]:
    """How a request asks, without what it asks: its fields that are not their defaults, but for the texts."""
    plain = Request(prompt="").to_json()
    return {
        "kind": "generate",
        "max_tokens": request.max_tokens,
        "seed": request.seed,
        "temperature": request.temperature,
        **{
            name: value
            for name, value in request.to_json().items()
            if name not in ("messages", "prompt", "prompt_ids", "tools") and value != plain[name]
        },
    }


def request_sha256(request: Request) -> str:
    """The hash of what a request shows the model, before any template: its messages, then its tools as JSON."""
    turns = (text for message in request.messages or () for text in (message.role, message.content))
    return sha256(*turns, *(json.dumps(tool, sort_keys=True, ensure_ascii=False) for tool in request.tools))
