"""One conversation about one sample, from its first question to its verdict."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_slm.core.request import Aside, Ask, Likelihoods, ModelAsk, Together
from pytest_slm.core.types import JudgedSample, Request, Verdict
from pytest_slm.errors import NotAvailableError, ScoringError, SlmError
from pytest_slm.kinds.kind import Kind
from pytest_slm.run.records import SampleRecord, Turn, ending_of, sample_record

PACKAGE = Path(__file__).parents[1]


class Conversation:
    """What was asked and answered so far; ``ask`` is what it waits for, None at its end.

    Whatever a scorer or a task's own code raises ends this conversation and no other: ``problem`` is told when all
    answers are there, so that none of them is lost.
    """

    def __init__(self, kind: Kind[Any, Any], sample: Any, repeat: int = 0) -> None:
        self.sample = kind.describe(sample)
        self.repeat = repeat
        self._generation = kind.context.config.generation
        self.turns: list[Turn] = []
        self.ask: Ask | None = None
        self.problem: SlmError | None = None
        self._task = f"{kind.task.suite}/{kind.task.name}"
        self._counts_cuts = kind.counts_cuts
        self._harmful, self._keep = kind.task.harmful, kind.context.config.keep_prompts
        self._right: Callable[[ModelAsk], Any] = functools.partial(kind.right, sample)
        self._talk = kind.converse(sample)
        self._verdict: Verdict | None = None

    def begin(self) -> None:
        """Find the first question."""
        self._go(lambda: next(self._talk))

    def in_cluster(self) -> None:
        """Let its sample be one of several answers to one question, which are no independent observations."""
        self.sample = replace(self.sample, cluster=self.sample.cluster or self.sample.id)

    def answer(self, answer: Any) -> None:
        """Take the answer to ``ask``, and find the next question."""
        assert self.ask is not None
        self.turns.append((self.ask, answer))
        self._go(lambda: self._talk.send(answer))

    def refuse(self, error: Exception) -> None:
        """End with the error that came instead of the answer to ``ask``, unless the conversation goes on without it."""
        trace = error.__traceback__  # one error may end many conversations, and each would make its traceback longer
        self._go(lambda: self._talk.throw(error))
        error.__traceback__ = trace

    @property
    def model_turns(self) -> list[Turn]:
        """The turns that were the model's."""
        return [turn for turn in self.turns if not isinstance(turn[0], Aside)]

    def requests(self) -> list[Request]:
        """The texts that the model was asked for until now."""
        asked = [*(ask for ask, _ in self.turns), *([] if self.ask is None else [self.ask])]
        parts = [part for ask in asked for part in (ask.asks if isinstance(ask, Together) else (ask,))]
        return [part for part in parts if isinstance(part, Request)]

    def judged(self) -> JudgedSample:
        """The sample with its verdict. Raises the error that ended the conversation."""
        if self.problem is not None:
            raise self.problem
        assert self._verdict is not None
        ending = ending_of(self.turns, opening_only=not self._counts_cuts)
        return JudgedSample(sample=self.sample, verdict=self._verdict, ending=ending, repeat=self.repeat)

    def record(self) -> SampleRecord:
        """The line of this conversation; what could not be scored has the reason."""
        verdict = self._verdict or Verdict(value=None, answer="", explanation=str(self.problem))
        right = self._marks() if self._keep else ()
        return sample_record(self._task, self.sample, self.turns, verdict, self.repeat, kept=self._keep, right=right)

    def _marks(self) -> tuple[bool, ...]:
        """Which of the continuations that it asked for first are right; nothing where its kind does not say."""
        first = next((ask for ask, _ in self.turns if not isinstance(ask, Aside)), None)
        if first is None:
            return ()
        parts = first.asks if isinstance(first, Together) else (first,)
        if not all(isinstance(part, Likelihoods) for part in parts):
            return ()
        try:
            found = self._right(first)
        except NotAvailableError:
            return ()
        return tuple(bool(one) for part in found for one in (part if isinstance(part, tuple) else (part,)))

    def _go(self, step: Callable[[], Ask]) -> None:
        try:
            self.ask = self._wanted(step())
        except StopIteration as end:
            self.ask, self._verdict = None, end.value
            if not isinstance(end.value, Verdict):
                self._verdict = None
                self.problem = self._failed(f"{type(end.value).__name__} was returned, not a Verdict", "")
        except SlmError as error:
            self.ask, self.problem = None, error
        except Exception as error:  # of a scorer, or of a task's own code: it says nothing about the model
            # The reason stands on pages and in the registry, where no harmful text does: it may quote the answer.
            told = type(error).__name__ if self._harmful else " ".join(f"{type(error).__name__}: {error}".split())
            self.ask, self.problem = None, self._failed(f"{told:.300}", _frame(error))
            self.problem.__cause__ = error

    def _wanted(self, ask: Any) -> Any:
        """What a kind asks, as the user wants it asked."""
        if isinstance(ask, Together):
            return replace(ask, asks=tuple(map(self._wanted, ask.asks)))
        if isinstance(ask, Request):
            return self._generation.applied(ask, repeat=self.repeat, of=self.sample.id)
        return ask

    def _failed(self, what: str, where: str) -> ScoringError:
        return ScoringError(
            f"{self._task}: the answer to {self.sample.id!r:.80} cannot be scored: {what}{where}. All answers are "
            "kept: correct what scores them, then --slm-rescore this run"
        )


def _frame(error: Exception) -> str:
    """Where it was raised: the innermost frame that is not this package's own, since that is what can be mended."""
    frames = traceback.extract_tb(error.__traceback__)
    foreign = [frame for frame in frames if not Path(frame.filename).is_relative_to(PACKAGE)]
    frame = (foreign or frames)[-1]
    return f" ({frame.filename}:{frame.lineno}, in {frame.name})"
