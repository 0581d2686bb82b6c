"""Rounds of one item, and how they are played: warm-ups, then as many as its rule wants, with what went on around each.

Several models can be played against each other: their rounds alternate (A-B-A-B), so that what disturbs the machine for
a while disturbs all of them.
"""

from __future__ import annotations

import abc
import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_slm.core.rounds import Conditions, Profile, RoundRule, Shape, Timing
from pytest_slm.core.statistics import median, median_interval
from pytest_slm.core.types import Measurement, Metric
from pytest_slm.errors import NotAvailableError, SlmError
from pytest_slm.hosts.remote import RemoteBackend
from pytest_slm.machine.conditions import disturbance

ENERGY = "energy_per_token"


@dataclass(frozen=True, kw_only=True)
class QuantitySpec:
    """Something that every round measures. Those that ``decide`` are told as medians, and end the rounds."""

    name: str
    unit: str
    higher_is_better: bool = False
    decides: bool = False


@dataclass(frozen=True, kw_only=True)
class Round:
    """What one round gave: a value for each quantity, and ``seconds`` in the model's process."""

    values: Mapping[str, float]
    seconds: float
    conditions: Conditions | None = None
    """What went on around it, where somebody has looked."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A quantization under test: its open model, a new process with it, and its files.

    ``reopen`` ends the process, calls what it is given, and opens the model again in a fresh one.
    """

    quantization: str
    open: Callable[[], RemoteBackend]
    reopen: Callable[[Callable[[], None]], RemoteBackend]
    files: tuple[Path, ...] = ()
    bytes_per_token: int | None = None
    """Bytes of its weights that every token reads, or fewer; None where the headers do not tell."""
    server: str | None = None
    """The address of the server that holds it, in a process that nobody here has started or can look into."""

    def require_own(self, what: str) -> None:
        """Raise NotAvailableError if the model is a server's: ``what`` would be measured of the wrong process."""
        if self.server is not None:
            raise NotAvailableError(
                f"{self.server}: {what} of a server's own process cannot be seen from here; measure the file itself",
                slug="server-own-process",
            )


class Rounds(abc.ABC):
    """Rounds of one shape on one model. Times are stamped in the model's process."""

    profile: Profile = "user"
    quantities: tuple[QuantitySpec, ...]
    energy_tokens: int | None = None
    """Tokens of a round that its energy is divided by; None where energy is not told."""
    observed: RemoteBackend | None = None
    """Observes the rounds, as the process of its model. None where every round has one of its own: its starter does."""
    fresh = False
    """Whether every round has a process of its own: then nothing but the file gets warm, and one warm-up is enough."""

    def setup(self) -> None:
        """What all rounds need, once before the first; its time is none of theirs."""
        return

    def prepare(self) -> None:
        """What the next round needs, outside of any timing."""
        return

    @abc.abstractmethod
    def run(self) -> Round:
        """One round. Raises BackendError if the engine did not compute exactly what was asked."""

    def metrics(self, n_warmups: int) -> Sequence[Metric]:
        """Numbers about all rounds after the warm-ups together, besides the medians."""
        return ()

    @property
    def shape(self) -> Shape | None:
        """What is measured, where the name of the item does not say it."""
        return None

    def provenance(self) -> Mapping[str, Any]:
        """What else the numbers depend on."""
        return {}


@dataclass(frozen=True, kw_only=True)
class RoundsResult:
    """An item's rounds, and what is told of them."""

    warmups: tuple[Round, ...]
    rounds: tuple[Round, ...]
    measurements: tuple[Measurement, ...]
    metrics: tuple[Metric, ...]
    primary: str
    timing: Timing
    shape: Shape | None
    provenance: Mapping[str, Any]
    seconds: float
    """That its rounds took, with what each needed before it, and without those of others that alternated with them."""


class RoundPlayer:
    """Plays the rounds of one model, one ``step`` at a time, until ``done``."""

    def __init__(self, rounds: Rounds, rule: RoundRule) -> None:
        self._rounds = rounds
        self._rule = rule
        self._warmups: list[Round] = []
        self._values: list[Round] = []
        self._seconds: tuple[list[float], list[float]] = ([], [])
        self._energy = ""
        self._warm = False
        self._agreed: bool | None = None
        self._reason = ""
        self.error: SlmError | None = None

    @property
    def done(self) -> bool:
        """Whether there is nothing left to play."""
        return bool(self._reason) or self.error is not None

    def step(self) -> None:
        """One more round; a failure of the model ends its rounds and is kept as ``error``."""
        try:
            if not self._warmups:
                self._rounds.setup()
            began = time.perf_counter()
            self._rounds.prepare()
            round_ = self._observed()
        except SlmError as error:
            self.error = error
            return
        mine, seconds = (self._values if self._warm else self._warmups), self._seconds[self._warm]
        mine.append(round_)
        seconds.append(time.perf_counter() - began)
        series = [[one.values[name] for one in mine] for name in self._deciding()]
        if self._warm:
            self._reason = self._rule.stop(series, seconds, sum(self._seconds[False]))
        else:
            self._warm = self._rounds.fresh or self._rule.warm_enough(series, seconds)
            self._agreed = None if self._rounds.fresh else self._rule.warm(series, seconds)

    def measured(self) -> RoundsResult:
        """What came out. Raises the error that ended the rounds."""
        if self.error is not None:
            raise self.error
        measurements = tuple(self._measurement(q) for q in self._quantities() if q.name in self._values[0].values)
        told = [m for m in measurements if m.name in self._deciding()]
        verdict, why = self._rule.verdict([m.values for m in told], disturbance(_conditions(self._values)))
        return RoundsResult(
            warmups=tuple(self._warmups),
            rounds=tuple(self._values),
            measurements=measurements,
            metrics=(*map(median_metric, told), *self._rounds.metrics(len(self._warmups))),
            primary=self._deciding()[0],
            timing=Timing(
                profile=self._rounds.profile,
                verdict=verdict,
                reason=why,
                rounds_reason=self._reason,
                warmups_agree=self._agreed,
                rule=self._rule,
                conditions=tuple(_conditions([*self._warmups, *self._values])),
                energy=self._energy,
            ),
            shape=self._rounds.shape,
            provenance=self._rounds.provenance(),
            seconds=sum(map(sum, self._seconds)),
        )

    def _observed(self) -> Round:
        backend, tokens = self._rounds.observed, self._rounds.energy_tokens
        if backend is None:
            return self._rounds.run()
        with backend.watch(energy=tokens is not None) as sight:
            round_ = self._rounds.run()
        seen, values = sight.seen, dict(round_.values)
        self._energy = seen.energy
        if seen.joules is not None and tokens:
            values[ENERGY] = seen.joules / tokens
        return dataclasses.replace(round_, values=values, conditions=seen.conditions)

    def _quantities(self) -> tuple[QuantitySpec, ...]:
        return (*self._rounds.quantities, QuantitySpec(name=ENERGY, unit="J"))

    def _deciding(self) -> list[str]:
        return [quantity.name for quantity in self._rounds.quantities if quantity.decides]

    def _measurement(self, quantity: QuantitySpec) -> Measurement:
        def known(rounds: Iterable[Round]) -> tuple[float, ...]:
            return tuple(one.values[quantity.name] for one in rounds if quantity.name in one.values)

        return Measurement(
            name=quantity.name,
            unit=quantity.unit,
            values=known(self._values),
            warmups=known(self._warmups),
            higher_is_better=quantity.higher_is_better,
        )


def _conditions(rounds: Iterable[Round]) -> list[Conditions]:
    return [one.conditions for one in rounds if one.conditions is not None]


def play(players: Sequence[RoundPlayer]) -> None:
    """Play all rounds, in turn: one of each model that is not done, then the next of each."""
    while waiting := [player for player in players if not player.done]:
        for player in waiting:
            player.step()


def median_metric(measurement: Measurement) -> Metric:
    """The median of the rounds with its distribution-free 95 % interval (None with fewer than 6 rounds)."""
    return Metric(
        name=measurement.name,
        value=median(measurement.values),
        n=len(measurement.values),
        interval=median_interval(measurement.values),
        unit=measurement.unit,
        higher_is_better=bool(measurement.higher_is_better),
    )


def require_context(backend: Any, n_tokens: int) -> None:
    """Raise NotAvailableError if the model's context cannot hold so many tokens."""
    n_ctx = backend.describe().n_ctx
    if n_ctx is not None and n_tokens > n_ctx:
        raise NotAvailableError(
            f"{n_tokens} tokens do not fit into the context of {n_ctx}: there is nothing to measure at this length",
            slug="context-too-short",
        )
