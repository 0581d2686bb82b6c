"""What goes on around a round: the kernel's counters, and what is made of them."""

import dataclasses
import os
import subprocess
import sys
import time

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.machine import conditions
from pytest_slm.machine.conditions import Conditions, Watch, disturbance, foreign_cores

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

QUIET = Conditions(
    **{"seconds": 1.0, "steal_share": 0.0, "foreign_cores": 0.0, "load_1m": 1.0, "throttled": 0},
    **{"voluntary_switches": 3, "involuntary_switches": 5, "frequency_mhz": 3000.0, "quota_waits": 0},
)
BURN = "import time; e = time.perf_counter() + {s}\nwhile time.perf_counter() < e: pass"


def burn(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def but(**changes):
    return dataclasses.replace(QUIET, **changes)


class Times:
    """CPU times of a pretended system, advanced by hand."""

    def __init__(self, monkeypatch, **steal):
        self.system = {"user": 10.0, "nice": 0.0, "system": 1.0, "idle": 50.0, **steal}
        self.own, self.clock = 4.0, 100.0
        monkeypatch.setattr(conditions.psutil, "cpu_times", lambda: type("T", (), dict(self.system)))
        monkeypatch.setattr(conditions, "_cpu_of", lambda pids: self.own)
        monkeypatch.setattr(conditions.time, "perf_counter", lambda: self.clock)

    def round(self, tree, seconds=1.0, own=0.0, others=0.0, idle=0.0, stolen=0.0):
        watch = Watch(root=tree({}))
        watch.start()
        self.clock += seconds
        self.own += own
        self.system["user"] += own + others
        self.system["idle"] += idle
        if stolen:
            self.system["steal"] += stolen
        return watch.stop()


def test_cpu_of_others_is_what_is_busy_and_not_ours(tree, monkeypatch):
    found = Times(monkeypatch).round(tree, seconds=2.0, own=2.0, others=1.0, idle=5.0)
    assert found.foreign_cores == pytest.approx(0.5)
    assert found.seconds == pytest.approx(2.0)


def test_steal_is_a_share_of_what_was_asked_for(tree, monkeypatch):
    # idle CPUs ask for nothing: on 64 of them the theft from one thread must not look small
    found = Times(monkeypatch, steal=7.0).round(tree, own=0.75, idle=63.0, stolen=0.25)
    assert found.steal_share == pytest.approx(0.25)


def test_a_system_that_does_not_count_steal_has_none(tree, monkeypatch):
    found = Times(monkeypatch).round(tree, own=1.0)
    assert found.steal_share is None
    assert found.foreign_cores == 0.0


def test_a_round_of_a_few_ticks_has_no_shares(tree, monkeypatch):
    # one tick of 10 ms stolen from a round of 30 ms would be 33 %
    found = Times(monkeypatch, steal=0.0).round(tree, seconds=0.03, own=0.02, stolen=0.01)
    assert found.steal_share is None
    assert found.foreign_cores is None


def test_an_idle_machine_has_no_steal(tree, monkeypatch):
    assert Times(monkeypatch, steal=0.0).round(tree).steal_share == 0.0


def test_ticks_that_come_late_are_never_negative_load(tree, monkeypatch):
    assert Times(monkeypatch).round(tree, own=1.0, others=-0.02).foreign_cores == 0.0


@given(seconds=st.floats(0.1, 1e4), own=st.floats(0, 1e4), others=st.floats(0, 1e4), stolen=st.floats(0, 1e4))
def test_shares_are_shares(seconds, own, others, stolen):
    before, after = object.__new__(conditions._Cpu), object.__new__(conditions._Cpu)
    before.clock, before.busy, before.steal, before.own = 0.0, 0.0, 0.0, 0.0
    after.clock, after.busy, after.steal, after.own = seconds, own + others, stolen, own
    assert 0 <= conditions._steal_share(before, after) <= 1
    assert conditions._foreign(before, after) == pytest.approx(others / seconds, abs=1e-6)


def test_without_counters_everything_but_the_time_is_null(tree, monkeypatch):
    # as on Android, where no app may read /proc/stat
    def refuse():
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(conditions.psutil, "cpu_times", refuse)
    monkeypatch.delattr(os, "getloadavg", raising=False)
    watch = Watch(root=tree({}))
    watch.start()
    burn(conditions.SHORT_S)
    found = watch.stop()
    unknown = {name for name, value in found.to_json().items() if value is None}
    assert unknown == {field.name for field in dataclasses.fields(Conditions)} - {"seconds"}
    assert foreign_cores(conditions.SHORT_S) is None


def test_events_of_heat_and_of_the_quota_are_counted_apart(tree):
    cpu = "sys/devices/system/cpu"
    group = {"proc/self/cgroup": "0::/"}
    heat = {f"{cpu}/cpu{n}/thermal_throttle/{kind}_throttle_count": 5 for n in (0, 1) for kind in ("core", "package")}
    root = tree({**group, **heat, "sys/fs/cgroup/cpu.stat": "nr_periods 10\nnr_throttled 2"})
    watch = Watch(root=root)
    watch.start()
    tree({f"{cpu}/cpu1/thermal_throttle/core_throttle_count": 8, "sys/fs/cgroup/cpu.stat": "nr_throttled 6"})
    found = watch.stop()
    assert found.throttled == 3
    assert found.quota_waits == 4


def test_a_watch_that_was_not_started_is_a_bug():
    with pytest.raises(RuntimeError, match="without start"):
        Watch().stop()


def thread(tree, pid, tid, voluntary, involuntary):
    status = f"Name:\tx\nvoluntary_ctxt_switches:\t{voluntary}\nnonvoluntary_ctxt_switches:\t{involuntary}"
    return tree({f"proc/{pid}/task/{tid}/status": status})


def test_switches_are_those_of_all_threads(tree):
    # /proc/<pid>/status speaks of the first thread; an engine computes in others, and starts some for a round
    pid = os.getpid()
    thread(tree, pid, 1, 10, 20)
    root = thread(tree, pid, 2, 100, 200)
    watch = Watch(root=root)
    watch.start()
    thread(tree, pid, 1, 11, 20)
    thread(tree, pid, 2, 105, 250)
    thread(tree, pid, 3, 1000, 2000)
    found = watch.stop()
    assert (found.voluntary_switches, found.involuntary_switches) == (1 + 5 + 1000, 50 + 2000)


def test_a_clock_that_only_the_nominal_is_told_of_is_unknown(tree):
    # in most virtual machines "cpu MHz" never changes
    cpuinfo = "flags\t: fpu {}\ncpu MHz\t\t: 2400.000\n\nprocessor : 1\ncpu MHz\t\t: 3100.5"
    assert conditions._frequency(tree({"proc/cpuinfo": cpuinfo.format("")})) is None
    assert conditions._frequency(tree({"proc/cpuinfo": cpuinfo.format("aperfmperf")})) == 3100.5
    root = tree({"sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": 2750000})
    assert conditions._frequency(root) == 2750.0


def test_a_quiet_machine_is_not_accused():
    assert disturbance([]) == ""
    assert disturbance([QUIET] * 6) == ""
    nothing = {field.name: None for field in dataclasses.fields(Conditions)} | {"seconds": 1.0}
    assert disturbance([Conditions(**nothing)]) == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steal_share": 0.07}, "the hypervisor took 7 % of the CPU (steal)"),
        ({"foreign_cores": 0.84}, "other programs took 0.8 cores (load)"),
        ({"throttled": 2}, "the CPU was slowed down for heat (2 events of throttling)"),
        ({"quota_waits": 3}, "the CPU limit of the control group made the model wait 3 times"),
    ],
)
def test_what_disturbs_is_told_in_words(change, words):
    assert disturbance([but(**change)]) == words


def test_shares_are_weighed_by_time():
    # a tick in a short round is no reason; nor is a long quiet round spoiled by it
    assert disturbance([but(seconds=0.1, foreign_cores=1.0), but(seconds=9.9)]) == ""
    assert disturbance([but(seconds=9.0, foreign_cores=1.0), but(seconds=1.0)])


def test_a_clock_that_falls_is_told():
    assert disturbance([but(frequency_mhz=3900.0), but(frequency_mhz=3100.0)]) == "the clock went from 3900 to 3100 MHz"
    assert disturbance([but(frequency_mhz=3900.0), but(frequency_mhz=3850.0)]) == ""


def test_two_reasons_are_both_told():
    assert disturbance([but(steal_share=0.02, foreign_cores=1.0)]).count(";") == 1


@linux
def test_own_work_is_not_foreign_and_another_programs_work_is():
    other = subprocess.Popen([sys.executable, "-c", BURN.format(s=60)])
    try:
        watch, seen_as_own = Watch(), Watch([other.pid])
        before = psutil.Process(other.pid).cpu_times()
        watch.start()
        seen_as_own.start()
        burn(1.0)
        foreign, less = watch.stop(), seen_as_own.stop()
        after = psutil.Process(other.pid).cpu_times()
    finally:
        other.kill()
        other.wait()
    # Whatever else runs here is in both numbers: they differ by what the other program took, in ticks of 10 ms.
    taken = (sum(after[:2]) - sum(before[:2])) / foreign.seconds
    assert foreign.foreign_cores - less.foreign_cores == pytest.approx(taken, abs=0.06)
    assert foreign.voluntary_switches is not None


@linux
def test_a_child_that_was_started_meanwhile_is_not_foreign():
    program = f"import sys\n{BURN.format(s=1)}\nprint(flush=True)\nsys.stdin.read()"
    watch, stranger = Watch(), Watch()
    watch.start()
    stranger.start()
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        child.stdout.readline()
        taken = sum(psutil.Process(child.pid).cpu_times()[:2])
        found, less = watch.stop(child.pid), stranger.stop()
    finally:
        child.communicate()
    assert less.foreign_cores - found.foreign_cores == pytest.approx(taken / found.seconds, abs=0.06)
    assert found.involuntary_switches is not None


@linux
def test_what_others_take_now():
    other = subprocess.Popen([sys.executable, "-c", BURN.format(s=60)])
    try:
        assert foreign_cores(0.5) > 0
    finally:
        other.kill()
        other.wait()
    assert foreign_cores(0.5, own=[other.pid]) is None  # it has ended: what it took cannot be left out


@linux
def test_a_process_that_is_gone_leaves_no_number_that_would_be_wrong():
    other = subprocess.Popen([sys.executable, "-c", BURN.format(s=20)])
    watch = Watch([other.pid])
    watch.start()
    other.kill()
    other.wait()
    burn(0.2)
    found = watch.stop(other.pid)
    assert found.foreign_cores is None
    assert found.voluntary_switches is None
    assert found.seconds >= 0.2
