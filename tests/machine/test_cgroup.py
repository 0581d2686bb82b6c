"""Limits and counters of control groups, as both versions of the interface write them."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.rounds import Conditions
from pytest_slm.machine import cgroup
from pytest_slm.machine.conditions import disturbance
from pytest_slm.machine.hardware import usable_cores, usable_memory

V2 = "sys/fs/cgroup"
V1_MEMORY, V1_CPU = "sys/fs/cgroup/memory", "sys/fs/cgroup/cpu"


def test_without_control_groups_nothing_is_known(tree):
    root = tree({})
    assert cgroup.groups("memory", root) == []
    assert cgroup.memory_limit(root) is None
    assert cgroup.cpu_limit(root) is None
    assert cgroup.times_throttled(root) is None
    assert cgroup.memory_kills(root) is None


@pytest.mark.parametrize(
    ("files", "cpus", "memory"),
    [
        ({f"{V2}/cpu.max": "150000 100000", f"{V2}/memory.max": "1073741824"}, 1.5, 2**30),
        ({f"{V2}/cpu.max": "max 100000", f"{V2}/memory.max": "max"}, None, None),
        (
            {
                f"{V1_CPU}/cpu.cfs_quota_us": "50000",
                f"{V1_CPU}/cpu.cfs_period_us": "100000",
                f"{V1_MEMORY}/memory.limit_in_bytes": "9223372036854771712",
            },
            0.5,
            None,
        ),
        ({f"{V1_CPU}/cpu.cfs_quota_us": "-1", f"{V1_CPU}/cpu.cfs_period_us": "100000"}, None, None),
    ],
)
def test_limits_of_a_container_stand_at_the_root_that_it_sees(tree, files, cpus, memory):
    # in a container without a namespace of its own the path is the machine's, and does not exist here
    root = tree({"proc/self/cgroup": "0::/docker/0123\n4:memory:/docker/0123\n1:cpu:/docker/0123", **files})
    assert cgroup.cpu_limit(root) == cpus
    assert cgroup.memory_limit(root) == memory


@pytest.mark.parametrize(
    ("quota", "cpus", "cores"), [(199_999, 1.99, 1), (150_000, 1.5, 1), (90_000, 0.9, 1), (100, 0.01, 1)]
)
def test_a_part_of_a_core_is_none(tree, quota, cpus, cores):
    # a second thread under a quota of 1.5 waits half of the time, and the first one waits for it
    root = tree({"proc/self/cgroup": "0::/", f"{V2}/cpu.max": f"{quota} 100000"})
    assert (cgroup.cpu_limit(root), usable_cores(root)) == (cpus, cores)


def test_the_least_limit_on_the_way_up_counts(tree):
    # systemd-run --scope -p MemoryMax=..., in a slice with a limit of its own; the neighbour's limit is not ours
    root = tree(
        {
            "proc/self/cgroup": "0::/user.slice/run.scope",
            f"{V2}/user.slice/memory.max": 2 * 2**30,
            f"{V2}/user.slice/cpu.max": "400000 100000",
            f"{V2}/user.slice/run.scope/memory.max": 3 * 2**30,
            f"{V2}/user.slice/run.scope/cpu.max": "100000 100000",
            f"{V2}/user.slice/other.scope/memory.max": 2**20,
        }
    )
    assert cgroup.memory_limit(root) == usable_memory(root) == 2 * 2**30
    assert cgroup.cpu_limit(root) == usable_cores(root) == 1


def test_both_versions_side_by_side(tree):
    root = tree(
        {
            "proc/7/cgroup": "5:cpuacct,cpu:/box\n4:memory:/box\n0::/box",
            "sys/fs/cgroup/unified/box/cgroup.procs": "7",
            f"{V1_MEMORY}/box/memory.limit_in_bytes": 5 * 10**8,
            f"{V1_MEMORY}/box/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3",
            f"{V1_CPU}/box/cpu.cfs_quota_us": 25000,
            f"{V1_CPU}/box/cpu.cfs_period_us": 100000,
            f"{V1_CPU}/box/cpu.stat": "nr_periods 9\nnr_throttled 4\nthrottled_time 12345",
        }
    )
    assert cgroup.memory_limit(root, 7) == 5 * 10**8
    assert cgroup.memory_kills(root, 7) == 3
    assert cgroup.cpu_limit(root, 7) == 0.25
    assert cgroup.times_throttled(root, 7) == 4


def test_a_path_cannot_lead_out_of_the_mount(tree):
    root = tree({"proc/self/cgroup": "0::/../../../etc", f"{V2}/memory.max": "max", "etc/memory.max": "5"})
    assert cgroup.memory_limit(root) is None


@pytest.mark.parametrize("text", ["", "nonsense", "1:2", "0::", ":::", "max"])
def test_what_makes_no_sense_is_no_limit(tree, text):
    root = tree({"proc/self/cgroup": text, f"{V2}/memory.max": text, f"{V2}/cpu.max": text or "max"})
    assert cgroup.memory_limit(root) is None
    assert cgroup.cpu_limit(root) is None


@given(st.text())
def test_no_text_makes_it_fail_or_leave_the_mount(text):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "proc/self").mkdir(parents=True)
        (root / V2).mkdir(parents=True)
        (root / "proc/self/cgroup").write_text(text, "utf-8", "surrogateescape")
        found = cgroup.groups("memory", root)
        assert all(group.resolve().is_relative_to((root / V2).resolve()) for group in found)


def test_a_real_limit_is_found_and_its_waits_are_counted(cpu_group):
    program = (
        "import json, time\nfrom pytest_slm.machine.conditions import Watch\ninput()\nwatch = Watch()\nwatch.start()\n"
        "end = time.perf_counter() + 1\nwhile time.perf_counter() < end: pass\n"
        "print(json.dumps(watch.stop().to_json()))"
    )
    busy = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    (cpu_group / "cgroup.procs").write_text(str(busy.pid))
    assert cgroup.cpu_limit(pid=busy.pid) == 0.2
    found = Conditions.from_json(json.loads(busy.communicate("\n")[0]))
    assert found.quota_waits
    assert "control group made the model wait" in disturbance([found])
