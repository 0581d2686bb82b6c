"""Items that measure time, as the session runs them: a quiet machine, rounds, interleaving, pytest-benchmark.

pytest-benchmark times what it calls, in this process; our times are stamped in the model's process, and how many rounds
there are is known only when they are over. So the rounds are played first, and then handed to ``benchmark.pedantic``
on a clock that goes forward by what each of them took (docs/decisions/0013).
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from pytest_slm.core.rounds import RoundRule, Shape, Timing
from pytest_slm.core.types import ItemId, Measurement, Metric
from pytest_slm.errors import SlmError, UsageError
from pytest_slm.hosts.remote import RemoteBackend
from pytest_slm.machine.hardware import usable_memory
from pytest_slm.machine.quiet import Quiet, wait_until_quiet
from pytest_slm.models.naming import split_parts
from pytest_slm.performance import RoundPlayer, Rounds, RoundsResult, Subject, check_rates, play
from pytest_slm.plugin.baselines.keys import BESIDE
from pytest_slm.plugin.cells.keys import kept
from pytest_slm.plugin.items import IDENTITY, RUN, report_result, skipping
from pytest_slm.plugin.marks import mark_of
from pytest_slm.run.served import server_of
from pytest_slm.run.session import Run

DEFAULT_BUDGET_S = 30.0
QUIET_S = {"quick": 5.0, "full": 60.0}
"""How long a session waits for other programs to end, in all."""

ROOM = 2.0
"""Memory that a model may need for each byte of its file: some engines keep a second copy, and there is KV memory."""

Make = Callable[[Subject], Rounds]


@dataclass
class Timings:
    """What items that measure time share in one session."""

    kept: dict[ItemId, RoundsResult | SlmError] = field(default_factory=dict)
    """What was measured together with another item, for the item that it belongs to."""
    quiet: Quiet | None = None
    """What came of waiting for a quiet machine, before the first of them."""


TIMINGS: pytest.StashKey[Timings] = pytest.StashKey()


class Timer:
    """The fixture ``slm_time``: measures an item, hands it to the report, and its rounds to pytest-benchmark."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        self._run: Run = item.config.stash[RUN]
        self._identity = item.stash[IDENTITY]
        self._shared = item.config.stash.setdefault(TIMINGS, Timings())
        self._began = time.perf_counter()

    def __call__(self, benchmark: Any, make: Make) -> RoundsResult:
        """Play the rounds that ``make`` makes for a quantization, of several ones in turn with ``--slm-interleave``."""
        with skipping():
            measured = self._measured(make)
        hand_over(benchmark, measured)
        about: dict[str, Any] = {"timing": measured.timing, "shape": measured.shape}
        if measured.timing.interleaved:  # the first item of them has taken the time of all
            about["seconds"] = measured.seconds
        self._hand_in(measured.measurements, measured.metrics, measured.primary, measured.provenance, **about)
        return measured

    def once(self, measure: Callable[[Subject], tuple[tuple[Measurement, ...], Shape, Mapping[str, Any]]]) -> None:
        """Hand in what ``measure`` finds out without rounds: measurements, of what, and how they came about."""
        with skipping():
            measurements, shape, provenance = measure(self._subject(self._identity.quantization))
        self._hand_in(measurements, (), None, provenance, shape=shape)

    def _hand_in(
        self,
        measurements: tuple[Measurement, ...],
        metrics: tuple[Metric, ...],
        primary: str | None,
        provenance: Mapping[str, Any],
        **known: Timing | Shape | float | None,
    ) -> None:
        known.setdefault("seconds", time.perf_counter() - self._began)
        result = self._run.timed(self._identity, measurements, metrics, primary, provenance, **known)
        report_result(self._item, kept(self._item, self._run.judged(result)))

    def _measured(self, make: Make) -> RoundsResult:
        if self._identity not in self._shared.kept:
            self._play(make, self._look_around())
        kept = self._shared.kept.pop(self._identity)
        if isinstance(kept, SlmError):
            raise kept
        return kept

    def _play(self, make: Make, quiet: Quiet) -> None:
        items = self._together()
        around: dict[str, Any] = {"quiet": quiet.to_json()}
        turns = tuple(item.quantization for item in items) if len(items) > 1 else ()
        players: dict[ItemId, tuple[RoundPlayer, Subject]] = {}
        kept = self._shared.kept
        for item in items:
            try:
                subject = self._subject(item.quantization)
                players[item] = RoundPlayer(make(subject), self.rule), subject
            except SlmError as error:
                kept[item] = error
        play([player for player, _ in players.values()])
        for item, (player, subject) in players.items():
            try:
                measured = player.measured()
                check_rates(measured, subject)
                kept[item] = dataclasses.replace(
                    measured,
                    timing=dataclasses.replace(measured.timing, interleaved=turns),
                    provenance={**measured.provenance, **around},
                )
            except SlmError as error:
                kept[item] = error

    def _together(self) -> list[ItemId]:
        """The items whose rounds alternate: this task and variant on every quantization of the session, and on the
        weights of the baseline."""
        mine = self._identity
        if not self._run.config.interleave:
            return [mine]
        found = [item.stash[IDENTITY] for item in self._item.session.items if IDENTITY in item.stash]
        beside = self._item.config.stash.get(BESIDE, None)
        return [
            item for item in found if (item.suite, item.task, item.variant) == (mine.suite, mine.task, mine.variant)
        ] + ([dataclasses.replace(mine, quantization=beside)] if beside else [])

    @property
    def rule(self) -> RoundRule:
        """The rule of this item, with the time that its marker gives it (``budget_s``, a number or one by variant)."""
        mark = mark_of(self._item)
        return RoundRule(budget_s=(mark and mark.budget(self._identity.variant)) or DEFAULT_BUDGET_S)

    def _subject(self, quantization: str) -> Subject:
        run = self._run

        def reopen(between: Callable[[], None]) -> RemoteBackend:
            return run.reopen(quantization, between)

        return Subject(
            quantization=quantization,
            open=lambda: run.open(quantization),
            reopen=reopen,
            files=weight_files(run.path(quantization)),
            bytes_per_token=found.bytes_per_token if (found := run.detected(quantization)) else None,
            server=server_of(run.submission, run.quantization(quantization)),
        )

    def _look_around(self) -> Quiet:
        """Once in a session: wait while other programs keep the machine busy, but not for long; then warn."""
        if self._shared.quiet is None:
            limit = QUIET_S.get(self._run.config.mode, 0.0)
            self._shared.quiet = wait_until_quiet(limit, self._run.open(self._identity.quantization).foreign_cores)
            if self._shared.quiet.warning:
                self._item.warn(pytest.PytestWarning(self._shared.quiet.warning))
        return self._shared.quiet


def weight_files(path: Path | None) -> tuple[Path, ...]:
    """The files of the weights at a path: one GGUF with all its parts, or those of a folder."""
    if path is None:
        return ()
    if path.is_file():
        return split_parts(path)
    return tuple(sorted(file for file in path.glob("*.safetensors") if file.is_file()))


# -- pytest-benchmark ---------------------------------------------------------------------------------------------


class HostClock:
    """A clock that stands still, and goes forward by what a round took in the model's process."""

    def __init__(self) -> None:
        self.now = 0.0

    def advance(self, seconds: float) -> None:
        """A round of so many seconds."""
        self.now += seconds


CLOCK = HostClock()


def host_clock() -> float:
    """Seconds that rounds have taken in the model's process, as pytest-benchmark's ``timer``."""
    return CLOCK.now


def use_host_clock(item: pytest.Item) -> None:
    """Let pytest-benchmark use that clock for a test that measures time, and group its tests by task."""
    timed = item.get_closest_marker("slm_timing") is not None and "benchmark" in getattr(item, "fixturenames", ())
    if timed and IDENTITY in item.stash and item.config.pluginmanager.has_plugin("benchmark"):
        item.add_marker(pytest.mark.benchmark(timer=host_clock, group=item.stash[IDENTITY].task))


def hand_over(benchmark: Any, measured: RoundsResult) -> None:
    """Give the rounds to pytest-benchmark, warm-ups apart, as if it had just called them."""
    seconds = iter([one.seconds for one in (*measured.warmups, *measured.rounds)])
    timing = measured.timing
    benchmark.extra_info.update(
        {"profile": timing.profile, "verdict": timing.verdict, "reason": timing.reason}
        | {"rounds_reason": timing.rounds_reason}
        | {metric.name: metric.value for metric in measured.metrics}
    )
    benchmark.pedantic(
        # A profile (--benchmark-cprofile) asks for one round more than there are.
        lambda: CLOCK.advance(next(seconds, 0.0)),
        rounds=len(measured.rounds),
        warmup_rounds=len(measured.warmups),
        iterations=1,
    )


class WithoutBenchmark:
    """Takes the place of pytest-benchmark under ``-p no:benchmark``: our rounds do not need it, only its tables do."""

    def __init__(self) -> None:
        self.extra_info: dict[str, Any] = {}

    @pytest.fixture
    def benchmark(self) -> WithoutBenchmark:
        """What timing tests call."""
        return self

    def pedantic(self, *_args: object, **_options: object) -> None:
        """Nothing: the rounds are measured already."""


# -- interleaving -------------------------------------------------------------------------------------------------


def check_interleave(run: Run) -> None:
    """Raise UsageError if rounds cannot alternate: one quantization only, or no memory for all of them at once."""
    if len(run.quantizations) < 2:
        raise UsageError(
            "--slm-interleave alternates the rounds of several quantizations, and there is one: choose more with "
            "--slm-quant",
            slug="interleave-alone",
        )
    needed = 0.0
    for quantization in run.quantizations:
        needed += ROOM * sum(file.stat().st_size for file in weight_files(run.path(quantization.name)))
    # In a container the machine has more free than the control group lets this process take.
    free = min(psutil.virtual_memory().available, usable_memory())
    if needed > free:
        raise UsageError(
            f"--slm-interleave keeps {len(run.quantizations)} models in memory: about {needed / 1e9:.1f} GB are "
            f"needed, {free / 1e9:.1f} GB are free; choose fewer with --slm-quant",
            slug="interleave-memory",
        )
