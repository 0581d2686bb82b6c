"""A backend that keeps answers, batch by batch, and takes over those that are there already."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pytest_slm import __version__
from pytest_slm.answers.batches import split
from pytest_slm.answers.store import AnswerStore, digest
from pytest_slm.backends.protocol import Backend, Delivery, Progress, ignored, silent
from pytest_slm.core.backend_info import ANSWERS, BackendInfo
from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.request import LogLikelihood
from pytest_slm.core.types import AnswerCounts, Generation, Request

R = TypeVar("R", bound=Record)

Kept = Callable[[], None]
"""Called when so much of the work as was told by now had been done before."""


def ignore_kept() -> None:
    """The callback of those who do not ask what was done before."""


PART_S = 8.0
"""A batch that takes longer is kept in parts, one after so many seconds. One that does not is kept as a whole: a run
that was killed in it computes the same batch again, and gets the same answers to the last bit."""

BEGUN = "+begun"
"""Behind the name of a batch: its answers that are no answers yet, as tokens."""

CHARACTERS = 4
"""Of a token, roughly: what the longest answer adds to the weight of a request."""


class Keeper:
    """The answers of one item. ``about`` names the item and its seed; with ``resume`` it begins with what is there.

    ``kept`` is called after every batch that was there already, until the first that the model answers: so much of the
    item took no time.
    """

    def __init__(self, path: Path, about: Mapping[str, Any], *, resume: bool, kept: Kept = ignore_kept) -> None:
        self._path = path
        self._about = about
        self._resume = resume
        self._kept = kept
        self._notes: list[str] = []
        self._store: AnswerStore | None = None
        self.asked = 0
        """Requests that were made in all."""
        self.taken = 0
        """Requests of them whose answer was there already."""
        self._rest = 0
        self._exact = False
        self._all_kept = True

    def take(self, n: int) -> None:
        """So many answers more were there already, and are told."""
        self.taken += n
        if self._all_kept:
            self._kept()

    def miss(self, rest: int = 0) -> None:
        """From now on the model has answered too: so many requests of a batch of which a part was there."""
        self._all_kept = False
        self._rest += rest

    def watch(self, backend: Backend) -> Backend:
        """The backend, with memory; as it is if it does not say which weights it holds, because then nobody could tell
        its answers from those of another model. A server's word for its model is taken, and told."""
        description = backend.describe()
        if description.server:
            self._notes = [f"the weights behind {description.server} are unverified: those of all answers may differ"]
        elif not description.weights_sha256:
            self._notes = ["this backend does not say which weights it holds, so its answers are not kept"]
            return backend
        self._exact = bool(description.exact)
        key = key_of(description, self._about)
        self._store = AnswerStore(self._path, key, resume=self._resume or self._store is not None)
        return KeepingBackend(backend, self._store, key, self)

    def told(self) -> AnswerCounts:
        """For the report: how many answers were taken over, of how many, and what was not taken over, and why."""
        notes = [*self._notes, *(self._store.notes if self._store else ())]
        if self._rest and not self._exact:
            notes.append(
                f"{self._rest} answers were computed without those that an interruption had left of their batch: they "
                "may be rounded in another way than in a run that nobody interrupts"
            )
        return AnswerCounts(asked=self.asked, taken=self.taken, notes=tuple(notes))


def key_of(backend: BackendInfo, about: Mapping[str, Any]) -> str:
    """The hash of all that answers depend on besides the requests: weights, engine and its settings, chat template,
    pytest-slm, task, its version, and the seed."""
    engine = {name: value for name, value in backend.to_json().items() if name in ANSWERS}
    return digest({"engine": engine, "pytest_slm": __version__, "about": dict(about)})


class KeepingBackend:
    """A backend that asks in batches, so that nearly always a batch is known as a whole or not at all."""

    def __init__(self, inner: Backend, store: AnswerStore, key: str, keeper: Keeper) -> None:
        self._inner = inner
        self._store = store
        self._key = key
        self._keeper = keeper
        self.capabilities = inner.capabilities
        self.lacks: Mapping[str, str] = getattr(inner, "lacks", {})

    def describe(self) -> BackendInfo:
        return self._inner.describe()

    def count_tokens(self, requests: Sequence[Request]) -> Sequence[int]:
        return self._inner.count_tokens(requests)

    def generate(
        self,
        requests: Sequence[Request],
        progress: Progress = silent,
        finished: Delivery[Generation] = ignored,
    ) -> list[Generation]:
        # What is no answer yet is kept where the backend tells it.
        in_parts = getattr(self._inner, "generate_in_parts", None)

        def ask(mine: Sequence[int], relay: _Relay) -> Sequence[Generation]:
            wanted = [dataclasses.replace(requests[place], begun=relay.known_begun(place)) for place in mine]
            if in_parts is None:
                return self._inner.generate(wanted, relay.progress, relay.finished)
            answers: Sequence[Generation] = in_parts(wanted, relay.progress, relay.finished, relay.begun)
            return answers

        asked = _Asked("generate", [request.to_json() for request in requests], batches_of_requests(requests))
        return self._answered(asked, Generation, ask, progress, finished)

    def loglikelihood(
        self,
        pairs: Sequence[tuple[str, str]],
        progress: Progress = silent,
        finished: Delivery[LogLikelihood] = ignored,
    ) -> list[LogLikelihood]:
        def ask(mine: Sequence[int], relay: _Relay) -> Sequence[LogLikelihood]:
            return self._inner.loglikelihood([pairs[place] for place in mine], relay.progress, relay.finished)

        asked = _Asked("loglikelihood", [list(pair) for pair in pairs], batches_of_pairs(pairs))
        return self._answered(asked, LogLikelihood, ask, progress, finished)

    def loglikelihood_rolling(self, texts: Sequence[str], progress: Progress = silent) -> list[LogLikelihood]:
        def ask(mine: Sequence[int], relay: _Relay) -> Sequence[LogLikelihood]:
            return self._inner.loglikelihood_rolling([texts[place] for place in mine], relay.progress)

        asked = _Asked("loglikelihood_rolling", list(texts), split(texts, [0] * len(texts)))
        return self._answered(asked, LogLikelihood, ask, progress, ignored)

    def close(self) -> None:
        self._inner.close()

    def _answered(
        self,
        asked: _Asked,
        kind: type[R],
        ask: Callable[[Sequence[int], _Relay], Sequence[R]],
        progress: Progress,
        finished: Delivery[R],
    ) -> list[R]:
        found: dict[int, R] = {}
        self._keeper.asked += len(asked.items)
        for mine in asked.batches:
            part = _Part(self._store, asked.digest(self._key, mine), mine)
            for place, result in part.known(kind):
                found[place] = result
                finished(place, result)
            missing = [place for place in mine if place not in found]
            if taken := len(mine) - len(missing):
                progress(len(found), len(asked.items))
                self._keeper.take(taken)
            if not missing:
                continue
            self._keeper.miss(len(missing) if taken or part.was_begun else 0)
            relay = _Relay(missing, len(found), len(asked.items), progress, finished, part)
            results = dict(zip(missing, ask(missing, relay), strict=True))
            found.update(results)
            part.keep(results)
        return [found[place] for place in range(len(asked.items))]


class _Part:
    """What is kept of one batch, whose requests have the places ``mine`` in the whole call."""

    def __init__(self, store: AnswerStore, name: str, mine: Sequence[int]) -> None:
        self._store, self._name, self._mine = store, name, mine
        self._numbers = {place: number for number, place in enumerate(mine)}
        self._last = time.monotonic()
        self._waiting: dict[int, Record] = {}
        self._kept: set[int] = set()
        self._begun: dict[int, Sequence[int]] = {}
        self._known_begun = store.get(name + BEGUN)

    def known(self, kind: type[R]) -> Iterator[tuple[int, R]]:
        """Place and answer of the requests that were answered before."""
        for number, answer in sorted(self._store.get(self._name).items()):
            with contextlib.suppress(RecordError):  # asked again, and then kept in the right form
                if 0 <= number < len(self._mine):
                    yield self._mine[number], kind.from_json(answer)

    @property
    def was_begun(self) -> bool:
        """Whether answers were begun before."""
        return bool(self._known_begun)

    def known_begun(self, place: int) -> tuple[int, ...]:
        """The tokens of an answer that was begun before."""
        ids = self._known_begun.get(self._numbers[place])
        return tuple(ids) if isinstance(ids, list) and all(type(token) is int for token in ids) else ()

    def add(self, place: int, result: Record) -> None:
        """An answer has come."""
        self._waiting[place] = result
        self._begun.pop(place, None)

    def begun(self, place: int, ids: Sequence[int]) -> None:
        """So much of an answer is there."""
        self._begun[place] = ids

    def keep_some(self) -> None:
        """Keep what has come, if the last time is long ago."""
        if (self._waiting or self._begun) and time.monotonic() - self._last >= PART_S:
            begun, self._begun = self._begun, {}
            if begun:
                self._store.add(self._name + BEGUN, {self._numbers[place]: list(ids) for place, ids in begun.items()})
            self.keep(self._waiting)

    def keep(self, results: Mapping[int, Record]) -> None:
        """Keep these answers, as far as they are not kept yet."""
        new = {place: result for place, result in results.items() if place not in self._kept}
        if new:
            self._store.add(self._name, {self._numbers[place]: _lasting(result) for place, result in new.items()})
        self._kept.update(new)
        self._waiting, self._last = {}, time.monotonic()


class _Asked:
    """The requests of one call, as JSON, and their batches."""

    def __init__(self, call: str, items: Sequence[Any], batches: Sequence[Sequence[int]]) -> None:
        self._call, self.items, self.batches = call, items, batches

    def digest(self, key: str, mine: Sequence[int]) -> str:
        """The name of a batch: what was asked, of whom."""
        return digest([key, self._call, [self.items[place] for place in mine]])


class _Relay:
    """Tells of the requests of a batch by their places in the whole call."""

    def __init__(
        self,
        mine: Sequence[int],
        before: int,
        total: int,
        progress: Progress,
        finished: Delivery[Any],
        part: _Part,
    ) -> None:
        self._mine, self._before, self._total = mine, before, total
        self._progress, self._finished, self._part = progress, finished, part

    def progress(self, done: int, _total: int) -> None:
        """So many of the batch are done."""
        self._part.keep_some()
        self._progress(self._before + done, self._total)

    def begun(self, number: int, ids: Sequence[int], /) -> None:
        """One of the batch has got so far."""
        self._part.begun(self._mine[number], ids)

    def known_begun(self, place: int) -> tuple[int, ...]:
        """How far a request of the whole call had got before."""
        return self._part.known_begun(place)

    def finished(self, number: int, result: Any, /) -> None:
        """One of the batch is done."""
        self._part.add(self._mine[number], result)
        self._finished(self._mine[number], result)


def batches_of_requests(requests: Sequence[Request]) -> list[list[int]]:
    """The batches in which requests for text are asked."""
    return split([_shown(request) for request in requests], [CHARACTERS * request.max_tokens for request in requests])


def batches_of_pairs(pairs: Sequence[tuple[str, str]]) -> list[list[int]]:
    """The batches in which likelihoods are asked."""
    return split([context + continuation for context, continuation in pairs], [0] * len(pairs))


def _shown(request: Request) -> str:
    if request.prompt_ids is not None:
        return " ".join(map(str, request.prompt_ids))
    if request.prompt is not None:
        return request.prompt
    tools = [json.dumps(tool, sort_keys=True) for tool in request.tools]
    turns = [f"{message.role}\n{message.content}" for message in request.messages or ()]
    return "\n".join([*tools, *turns])


def _lasting(result: Record) -> dict[str, Any]:
    """An answer without its times: they belong to the run that took them."""
    if isinstance(result, Generation):
        result = dataclasses.replace(result, timings=None)
    return result.to_json()
