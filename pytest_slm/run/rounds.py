"""Rounds of questions: everything that open conversations ask the model goes to it together, round after round."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from pytest_slm.backends.protocol import TOKENS
from pytest_slm.core.request import (
    Ask,
    Grading,
    Likelihoods,
    LogLikelihood,
    RollingLikelihood,
    Together,
    Trial,
)
from pytest_slm.core.types import Generation, Request
from pytest_slm.core.worlds import Chain, ChainResult, Execution, ExecutionResult, Handover
from pytest_slm.errors import ScoringError
from pytest_slm.kinds.kind import Kind
from pytest_slm.kinds.reading import read_answer
from pytest_slm.run.conversation import Conversation
from pytest_slm.sandbox import Chains, ProgramOutcome, Sandbox, Worlds

A = TypeVar("A", Request, Likelihoods, RollingLikelihood)


class _Slot:
    """A place for one answer: a part of what a conversation has asked."""

    def __init__(self, sheet: _Sheet, place: int, ask: Any) -> None:
        self.sheet, self.place, self.ask = sheet, place, ask

    def fill(self, answer: Any) -> None:
        self.sheet.fill(self.place, answer)


class _Sheet:
    """All that one conversation asks in a round; ``done`` is called with it when the last answer is there."""

    def __init__(self, conversation: Conversation, done: Callable[[Conversation, Any], None]) -> None:
        ask = conversation.ask
        self.conversation, self._done = conversation, done
        self._together = isinstance(ask, Together)
        parts: tuple[Any, ...] = ask.asks if isinstance(ask, Together) else (ask,)
        self.slots = [_Slot(self, place, part) for place, part in enumerate(parts)]
        self._answers: dict[int, Any] = {}

    def fill(self, place: int, answer: Any) -> None:
        self._answers[place] = answer
        if len(self._answers) == len(self.slots):
            answers = tuple(self._answers[place] for place in range(len(self.slots)))
            self._done(self.conversation, answers if self._together else answers[0])


class QuestionRounds:
    """The rounds of one item. ``graders`` says at the end which graders have judged."""

    def __init__(self, kind: Kind[Any, Any], conversations: Sequence[Conversation]) -> None:
        self._kind = kind
        self._conversations = conversations
        self._asking: list[Conversation] = []
        self._grading: list[Conversation] = []
        self._waiting: list[Conversation] = []
        self._trials: dict[
            int, tuple[Conversation, Future[ProgramOutcome] | Future[ExecutionResult] | Future[ChainResult]]
        ] = {}
        self._ended = 0
        self._resources = contextlib.ExitStack()
        self._sandbox: Sandbox | None = None
        self._worlds: Worlds | None = None
        self._chains: Chains | None = None
        self.graders: dict[str, Any] = {}

    def begin(self) -> None:
        """Put every conversation, which has begun, where it waits for its first answer."""
        for conversation in self._conversations:
            self._sort(conversation)

    def hold(self) -> None:
        """Ask until every conversation has ended."""
        with self._resources:
            self.begin()
            while self._asking or self._grading or self._trials or self._waiting:
                self._hand_over()
                if self._asking:
                    self._ask()
                self._take_trials(wait=True)
                if not self._asking:  # graders come last: they may be models themselves
                    self._grade()

    def pending(self, kind: type[A]) -> list[A]:
        """What is asked of the model now, of one sort."""
        parts = [part for one in self._asking for part in _parts(one.ask)]
        return [part for part in parts if isinstance(part, kind)]

    def pending_texts(self) -> list[tuple[str, str]]:
        """Texts whose likelihood as a whole is asked now, as pairs without a context."""
        return [("", ask.text) for ask in self.pending(RollingLikelihood)]

    # -- one round -------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        recorded = self._kind.context.recorded
        if recorded is not None:
            asking, self._asking = self._asking, []
            for conversation in asking:
                assert conversation.ask is not None
                self._answered(conversation, recorded(conversation, conversation.ask))
            return
        slots = [slot for one in self._asking for slot in _Sheet(one, self._answered).slots]
        self._asking = []
        backend = self._kind.backend
        likelihoods = [slot for slot in slots if isinstance(slot.ask, Likelihoods)]
        if likelihoods:
            self._ask_likelihoods(likelihoods)
        rolling = [slot for slot in slots if isinstance(slot.ask, RollingLikelihood)]
        if rolling:
            texts = [slot.ask.text for slot in rolling]
            for slot, answer in zip(rolling, backend.loglikelihood_rolling(texts, self._progress), strict=True):
                slot.fill(answer)
        writing = self._fitting([slot for slot in slots if isinstance(slot.ask, Request)])
        if writing:

            def wrote(number: int, generation: Generation) -> None:
                slot = writing[number]
                tools = bool(slot.sheet.conversation.sample.tools)
                slot.fill(read_answer(generation, tools=tools))
                self._take_trials(wait=False)

            writing.sort(key=lambda slot: slot.ask.alone)
            together = sum(not slot.ask.alone for slot in writing)
            for start, end in [(0, together), *((place, place + 1) for place in range(together, len(writing)))]:
                if start < end:
                    self._write([slot.ask for slot in writing[start:end]], start, wrote)

    def _write(self, requests: Sequence[Request], first: int, wrote: Callable[[int, Generation], None]) -> None:
        backend = self._kind.backend
        _each_once(
            len(requests),
            lambda number, generation: wrote(first + number, generation),
            lambda told: backend.generate(requests, self._progress, told),
        )

    def _fitting(self, slots: list[_Slot]) -> list[_Slot]:
        """Those whose prompts fit the context; what need not fit and does not is answered here."""
        backend = self._kind.backend
        unsure = [slot for slot in slots if slot.ask.may_not_fit] if TOKENS in backend.capabilities else []
        n_ctx = backend.describe().n_ctx if unsure else None
        if n_ctx is None:
            return slots
        counts = backend.count_tokens([slot.ask for slot in unsure])
        too_long = {id(slot): n for slot, n in zip(unsure, counts, strict=True) if n > n_ctx}
        for slot in unsure:
            if (n := too_long.get(id(slot))) is not None:
                slot.fill(Generation(text="", n_prompt=n, n_output=0, n_reasoning=0, tool_calls=(), finish="context"))
        return [slot for slot in slots if id(slot) not in too_long]

    def _ask_likelihoods(self, slots: Sequence[_Slot]) -> None:
        places = [(slot, pair) for slot in slots for pair in slot.ask.pairs]
        found: dict[int, list[tuple[int, LogLikelihood]]] = {}

        def scored(number: int, answer: LogLikelihood) -> None:
            slot = places[number][0]
            mine = found.setdefault(id(slot), [])
            mine.append((number, answer))
            if len(mine) == len(slot.ask.pairs):
                slot.fill(tuple(answer for _, answer in sorted(mine, key=lambda one: one[0])))

        backend = self._kind.backend
        _each_once(
            len(places), scored, lambda told: backend.loglikelihood([pair for _, pair in places], self._progress, told)
        )

    def _answered(self, conversation: Conversation, answer: Any) -> None:
        conversation.answer(answer)
        self._sort(conversation)

    def _sort(self, conversation: Conversation) -> None:
        """Put a conversation where it waits for its next answer."""
        ask = conversation.ask
        if ask is None:
            self._ended += 1
            if self._kind.recorded:
                self._kind.context.record(conversation.record())
                self._beat()
        elif isinstance(ask, Trial):
            if self._sandbox is None:
                self._sandbox = self._resources.enter_context(Sandbox())
            outcome = self._sandbox.submit(ask.program, ask.tests, ask.given, ask.entry_point)
            self._trials[id(conversation)] = (conversation, outcome)
        elif isinstance(ask, Execution):
            if self._worlds is None:
                self._worlds = self._resources.enter_context(Worlds())
            self._trials[id(conversation)] = (conversation, self._worlds.submit(ask))
        elif isinstance(ask, Chain):
            if self._chains is None:
                self._chains = self._resources.enter_context(Chains())
            self._trials[id(conversation)] = (conversation, self._chains.submit(ask))
        elif isinstance(ask, Grading):
            self._grading.append(conversation)
        elif isinstance(ask, Handover):
            self._waiting.append(conversation)
        else:
            self._asking.append(conversation)

    def _take_trials(self, *, wait: bool) -> None:
        for key, (conversation, future) in list(self._trials.items()):
            if wait or future.done():
                del self._trials[key]
                self._answered(conversation, future.result())

    def _hand_over(self) -> None:
        """Answer those that wait for another conversation, as far as it has found out what they want."""
        stuck = not (self._asking or self._grading or self._trials)  # nobody is left who could
        waiting, self._waiting = self._waiting, []
        for conversation in waiting:
            ask = conversation.ask
            assert isinstance(ask, Handover)
            if ask.given:
                self._answered(conversation, ask.value)
            elif ask.ended or stuck:
                conversation.refuse(
                    ScoringError("the conversation that this one goes on from has come to nothing; see its line")
                )
                self._sort(conversation)
            else:
                self._waiting.append(conversation)

    def _grade(self) -> None:
        waiting, self._grading = self._grading, []
        for name in dict.fromkeys(ask.grader for one in waiting if isinstance(ask := one.ask, Grading)):
            mine = [(one, ask) for one in waiting if isinstance(ask := one.ask, Grading) and ask.grader == name]
            try:
                grader = self._kind.context.extensions.graders.lookup(name)
                verdicts = grader.grade([(ask.sample, ask.generation) for _, ask in mine])
                if len(verdicts) != len(mine):
                    problem = f"the grader {name!r} gave {len(verdicts)} verdicts on {len(mine)} answers"
                    raise ScoringError(problem, slug="answers-missing")
                self.graders.setdefault("graders", {})[name] = grader.info.to_json()
            except Exception as error:  # whatever it is, what the model has answered is kept
                for conversation, _ in mine:
                    conversation.refuse(error)
                    self._sort(conversation)
                continue
            for (conversation, _), verdict in zip(mine, verdicts, strict=True):
                self._answered(conversation, verdict)

    # -- progress --------------------------------------------------------------------------------------------------

    def _progress(self, _done: int, _total: int) -> None:
        """A sign of life of the engine: what is told is how many conversations have come to their end."""
        self._beat()

    def _beat(self) -> None:
        self._kind.context.progress(self._ended, len(self._conversations))


def _parts(ask: Ask | None) -> Sequence[Any]:
    return ask.asks if isinstance(ask, Together) else (ask,)


def _each_once(
    n: int, take: Callable[[int, Any], None], ask: Callable[[Callable[[int, Any], None]], Sequence[Any]]
) -> None:
    """Take every result of a call once: as it comes, or, where a backend tells of it at its end only, then."""
    seen: set[int] = set()

    def told(number: int, result: Any) -> None:
        seen.add(number)
        take(number, result)

    results = ask(told)
    for number in range(n):
        if number not in seen:
            take(number, results[number])
