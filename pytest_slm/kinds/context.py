"""What a kind is given besides its task: the run's settings, an open model on demand, and what is known by name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pytest_slm.backends.protocol import CHAT, LETTERS, LOGLIKELIHOOD, Backend, Progress, silent
from pytest_slm.core.config import RunConfig
from pytest_slm.core.record import Record
from pytest_slm.core.types import Quantization, Submission, Task, WeightsHeader
from pytest_slm.errors import NotAvailableError
from pytest_slm.extensions import Extensions
from pytest_slm.prompts.template import TEMPLATE_REMEDY


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """The surroundings of one item."""

    config: RunConfig
    submission: Submission
    quantization: Quantization
    detect: Callable[[], WeightsHeader | None]
    """What the headers of its weights say; None where there are none."""
    open: Callable[[], Backend]
    record: Callable[[Record], None]
    """Appends a line to the item's file of samples."""
    extensions: Extensions
    recorded: Callable[[Any, Any], Any] | None = None
    """Answers a conversation's ask from an earlier run, where that is scored again."""
    progress: Progress = silent
    """Told (samples that are done, all)."""

    def backend(self, task: Task, needs: Iterable[str] = ()) -> Backend:
        """The open model. Raises NotAvailableError if it lacks a capability that is needed."""
        backend = self.open()
        offered = backend.capabilities | ({LETTERS} if LOGLIKELIHOOD in backend.capabilities else set())
        missing = [name for name in (*task.requires, *sorted(needs)) if name not in offered]
        if missing:
            remedy = f"; it has no chat template: {TEMPLATE_REMEDY}" if missing[0] == CHAT else ""
            why = getattr(backend, "lacks", {}).get(missing[0])
            remedy = f": {why}" if why else remedy
            raise NotAvailableError(
                f"{task.suite}/{task.name} requires {missing[0]!r}, which this model and backend do not offer{remedy}",
                slug="missing-capability",
            )
        return backend

    def limit(self, task: Task) -> int | None:
        """How many samples to take at most: the least of the user's word and the task's for this mode; None is all."""
        plan = task.modes.get(self.config.mode)
        limits = [limit for limit in (self.config.limit, plan.limit if plan else None) if limit is not None]
        return min(limits, default=None)


def sha256(*parts: str) -> str:
    """SHA-256 over texts, each ended by NUL, so that ("ab", "c") and ("a", "bc") differ."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()


def sha256_of(samples: Iterable[Record]) -> str:
    """SHA-256 over samples, each as it stands in JSON."""
    return sha256(*(json.dumps(sample.to_json(), sort_keys=True) for sample in samples))
