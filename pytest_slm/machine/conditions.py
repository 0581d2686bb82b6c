"""What went on around a measured round, so that a noisy number can be told from a slow model.

The kernel counts CPU time in ticks, mostly of 10 ms: shares of a round shorter than SHORT_S would be made of two or
three ticks, and are None. Everything else is None where the system does not count it (docs/machine.md says which).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from pytest_slm.core.record import Record
from pytest_slm.core.rounds import Conditions
from pytest_slm.machine import cgroup
from pytest_slm.machine.energy import EnergyMeter
from pytest_slm.machine.files import ROOT, read_int, read_keyed, read_text
from pytest_slm.machine.memory import MemorySampler

SHORT_S = 0.1
STEAL_SHARE = 0.01
"""More steal than this is told as a disturbance."""
FOREIGN_CORES = 0.2
"""So is more than this, taken by other programs: a quiet desktop stays below."""
CLOCK_SHARE = 0.05
"""And a clock that differs by more than this between rounds."""


class Watch:
    """Looks at the system when a round starts and when it stops; costs a millisecond or so, outside of the round.

    The round is work of this process; its CPU time and that of the processes ``own`` are not foreign.
    """

    def __init__(self, own: Iterable[int] = (), *, root: Path = ROOT) -> None:
        self._own = {os.getpid(), *own}
        self._root = root
        self._before: tuple[_Counters, _Cpu] | None = None

    def start(self) -> None:
        """The round begins now."""
        # The times are read last here and first in stop(), so that little but the round is between.
        counters = _Counters(os.getpid(), self._root)
        self._before = counters, _Cpu(self._own)

    def stop(self, child: int | None = None) -> Conditions:
        """The round has ended; it was the work of ``child``, where this process was started meanwhile. RuntimeError if
        no round has begun."""
        cpu = _Cpu({*self._own, child or os.getpid()})
        if self._before is None:
            raise RuntimeError("Watch.stop() without start()")
        (counters_before, cpu_before), self._before = self._before, None
        counters = _Counters(child or os.getpid(), self._root)
        voluntary, involuntary = _switched(counters_before.switches, counters.switches)
        return Conditions(
            seconds=cpu.clock - cpu_before.clock,
            steal_share=_steal_share(cpu_before, cpu),
            foreign_cores=_foreign(cpu_before, cpu),
            load_1m=_load(),
            throttled=_grown(counters_before.throttled, counters.throttled),
            voluntary_switches=voluntary,
            involuntary_switches=involuntary,
            frequency_mhz=_frequency(self._root),
            quota_waits=_grown(counters_before.quota_waits, counters.quota_waits),
        )


@dataclass(frozen=True, kw_only=True)
class Observation(Record):
    """What was seen. ``joules``: what the round took, None where no counter was read; ``energy``: which counter it was,
    or why there was none; ``peak_pss``: bytes, where memory was looked at."""

    conditions: Conditions
    joules: float | None = None
    energy: str = ""
    peak_pss: int | None = None


class Observer:
    """Watches one round of this process: its conditions, and energy and memory where they are asked for.

    ``own``: other processes whose work is not foreign; ``gpu``: whether the GPU's counter is the one that counts.
    """

    def __init__(
        self, own: Iterable[int] = (), *, energy: bool = False, gpu: bool = False, memory: bool = False
    ) -> None:
        self._watch = Watch(own)
        self._meter = EnergyMeter(gpu=gpu) if energy else None
        self._sampler = MemorySampler() if memory else None

    def start(self) -> None:
        """The round begins now."""
        if self._sampler:
            self._sampler.__enter__()
        if self._meter:
            self._meter.start()
        self._watch.start()

    def stop(self) -> Observation:
        """The round has ended."""
        conditions = self._watch.stop()
        joules = self._meter.stop() if self._meter else None
        if self._sampler:
            self._sampler.__exit__()
        return Observation(
            conditions=conditions,
            joules=joules,
            energy=self._told(joules),
            peak_pss=self._sampler.peak_pss if self._sampler else None,
        )

    def _told(self, joules: float | None) -> str:
        if self._meter is None:
            return ""
        source = self._meter.source if joules is not None else None
        return source or self._meter.reason or "the counter could not be read"


def foreign_cores(seconds: float = 1.0, own: Iterable[int] = ()) -> float | None:
    """CPU that other programs take now, in cores: watched for ``seconds``; this process and ``own`` left out."""
    own = {os.getpid(), *own}
    before = _Cpu(own)
    time.sleep(seconds)
    return _foreign(before, _Cpu(own))


def disturbance(rounds: Sequence[Conditions]) -> str:
    """What disturbed these rounds, in words; '' if nothing did. Shares are means over the rounds' time."""
    reasons = []
    steal = _mean([(c.steal_share, c.seconds) for c in rounds])
    if steal is not None and steal > STEAL_SHARE:
        reasons.append(f"the hypervisor took {100 * steal:.0f} % of the CPU (steal)")
    foreign = _mean([(c.foreign_cores, c.seconds) for c in rounds])
    if foreign is not None and foreign > FOREIGN_CORES:
        reasons.append(f"other programs took {foreign:.1f} cores (load)")
    throttled = sum(c.throttled or 0 for c in rounds)
    if throttled:
        reasons.append(f"the CPU was slowed down for heat ({throttled} events of throttling)")
    waits = sum(c.quota_waits or 0 for c in rounds)
    if waits:
        reasons.append(f"the CPU limit of the control group made the model wait {waits} times")
    clocks = [c.frequency_mhz for c in rounds if c.frequency_mhz]
    if clocks and min(clocks) < (1 - CLOCK_SHARE) * max(clocks):
        reasons.append(f"the clock went from {max(clocks):.0f} to {min(clocks):.0f} MHz")
    return "; ".join(reasons)


class _Cpu:
    """CPU seconds so far: of all, stolen, and of the processes that are not foreign. None: that cannot be read."""

    def __init__(self, own: Iterable[int]) -> None:
        self.clock = time.perf_counter()
        self.busy, self.steal = _cpu_of_all()
        self.own = _cpu_of(own)


class _Counters:
    """What else has been counted so far."""

    def __init__(self, pid: int, root: Path) -> None:
        self.throttled = _throttled(root)
        self.quota_waits = cgroup.times_throttled(root, pid)
        self.switches = _switches(pid, root)


def _cpu_of_all() -> tuple[float | None, float | None]:
    try:
        times = psutil.cpu_times()
    except (OSError, psutil.Error):  # Android lets no app read /proc/stat
        return None, None
    # Guest time is within user time. Waiting for a disk is idle.
    busy = sum(getattr(times, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq"))
    return busy, getattr(times, "steal", None)


def _cpu_of(pids: Iterable[int]) -> float | None:
    try:
        return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in set(pids))
    except psutil.Error:
        return None


def _foreign(before: _Cpu, after: _Cpu) -> float | None:
    seconds = after.clock - before.clock
    busy, own = _taken(before.busy, after.busy), _taken(before.own, after.own)
    return None if seconds < SHORT_S or busy is None or own is None else max(0.0, busy - own) / seconds


def _steal_share(before: _Cpu, after: _Cpu) -> float | None:
    busy, stolen = _taken(before.busy, after.busy), _taken(before.steal, after.steal)
    if after.clock - before.clock < SHORT_S or busy is None or stolen is None:
        return None
    return stolen / (stolen + busy) if stolen + busy > 0 else 0.0


def _taken(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else max(0.0, after - before)


def _grown(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else max(0, after - before)


def _throttled(root: Path) -> int | None:
    # Intel's counters; other CPUs do not say. A package's events are counted once for each of its CPUs.
    counts = [read_int(path) for path in (root / "sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/*_count")]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _switches(pid: int, root: Path) -> Mapping[str, tuple[int, int]]:
    """By thread: ``/proc/<pid>/status`` itself speaks of the first thread only."""
    found = {}
    for path in (root / "proc" / str(pid) / "task").glob("*/status"):
        numbers = read_keyed(path)
        if "voluntary_ctxt_switches" in numbers:
            found[path.parent.name] = (numbers["voluntary_ctxt_switches"], numbers["nonvoluntary_ctxt_switches"])
    return found


def _switched(
    before: Mapping[str, tuple[int, int]], after: Mapping[str, tuple[int, int]]
) -> tuple[int | None, int | None]:
    """What the threads that still live have done; those that ended in between have taken their counts with them."""
    if not after:
        return None, None
    grown = [(now[0] - then[0], now[1] - then[1]) for tid, now in after.items() for then in [before.get(tid, (0, 0))]]
    return sum(a for a, _ in grown), sum(b for _, b in grown)


def _load() -> float | None:
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):  # Windows has no such thing
        return None


def _frequency(root: Path) -> float | None:
    if root == ROOT and sys.platform != "linux":
        return None  # psutil knows the nominal clock there, which says nothing about a round
    clocks = [read_int(path) for path in (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq")]
    known = [clock / 1000 for clock in clocks if clock]
    if known:
        return max(known)
    text = read_text(root / "proc/cpuinfo") or ""
    if "aperfmperf" not in text:  # without these counters (most virtual machines) "cpu MHz" is the nominal clock
        return None
    words = [line.partition(":")[2] for line in text.splitlines() if line.startswith("cpu MHz")]
    return max((float(word) for word in words), default=None)


def _mean(weighted: Iterable[tuple[float | None, float]]) -> float | None:
    known = [(value, weight) for value, weight in weighted if value is not None]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total > 0 else None
