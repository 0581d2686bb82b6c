"""The requests of an item, found by running its runner up to its first question to the model.

So a plan asks exactly what the run will ask: same data, same sample of it, same prompts, same code. What a runner would
ask after the first answers cannot be known without them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_slm.backends.protocol import Backend, Finished, LogLikelihood, Progress, ignored, silent
from pytest_slm.core.backend_info import BackendInfo
from pytest_slm.core.types import Generation, Request, Task
from pytest_slm.runners import runner_for
from pytest_slm.runners.context import RunContext


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The first question of an item: requests for text, or pairs for likelihoods; an item that asks nothing has
    neither. ``seconds``: what it took to make them."""

    requests: tuple[Request, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    samples: int | None = None
    """What they are of, where the runner says so; else each is a sample."""
    seconds: float = 0.0


class _Question(BaseException):
    """Ends a runner where it asks; no error, so that nobody catches it as one."""

    def __init__(self, asked: Asked) -> None:
        super().__init__()
        self.asked = asked


def first_question(task: Task, variant: str, context: RunContext) -> Asked:
    """What an item asks first, in these surroundings. Raises SlmError where the item cannot be measured."""
    started = time.perf_counter()
    opened = context.open
    asked = Asked()
    told: list[int] = []
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # progress bars of what makes the requests
            runner_for(task)(task, variant, dataclasses.replace(context, open=lambda: Dry(opened()), asks=told.append))
    except _Question as question:
        asked = question.asked
    samples = told[-1] if told else len(asked.requests) or len(asked.pairs)
    return dataclasses.replace(asked, samples=samples, seconds=time.perf_counter() - started)


class Dry:
    """A backend that counts and describes, but ends whoever asks it for an answer."""

    def __init__(self, inner: Backend) -> None:
        self._inner = inner
        self.capabilities = inner.capabilities

    def describe(self) -> BackendInfo:
        return self._inner.describe()

    def count_tokens(self, requests: Sequence[Request]) -> Sequence[int]:
        return self._inner.count_tokens(requests)

    def generate(
        self,
        requests: Sequence[Request],
        progress: Progress = silent,
        finished: Finished[Generation] = ignored,
    ) -> Sequence[Generation]:
        raise _Question(Asked(requests=tuple(requests)))

    def loglikelihood(
        self,
        pairs: Sequence[tuple[str, str]],
        progress: Progress = silent,
        finished: Finished[LogLikelihood] = ignored,
    ) -> Sequence[LogLikelihood]:
        raise _Question(Asked(pairs=tuple((context, continuation) for context, continuation in pairs)))

    def loglikelihood_rolling(self, texts: Sequence[str], progress: Progress = silent) -> Sequence[LogLikelihood]:
        raise _Question(Asked(pairs=tuple(("", text) for text in texts)))

    def close(self) -> None:
        """The model is not ours to close."""
