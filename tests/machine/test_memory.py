"""Memory as the kernel counts it, once and again and again."""

import os
import subprocess
import sys
import time

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.machine import memory
from pytest_slm.machine.memory import MemorySampler, MemoryUse, memory_use, reset_peak

MB = 2**20
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@linux
def test_memory_is_what_the_kernel_says():
    block = bytearray(os.urandom(1)) * (64 * 2**20)
    with_block = memory_use()
    assert with_block.rss == pytest.approx(psutil.Process().memory_info().rss, rel=0.05)
    assert with_block.private <= with_block.rss
    assert with_block.peak >= with_block.rss * 0.99
    del block
    assert memory_use().peak >= with_block.peak * 0.99  # a high-water mark stays


@linux
def test_a_new_high_water_mark_begins_at_what_is_used_now():
    block = bytearray(b"x") * (64 * 2**20)
    assert len(block)
    high = memory_use().peak
    del block
    if not reset_peak():
        pytest.skip("this kernel does not let a process reset its high-water mark")
    assert memory_use().peak < high


@linux
def test_private_mapped_and_shared_pages_are_told_apart(tmp_path):
    import mmap

    file = tmp_path / "weights"
    file.write_bytes(os.urandom(32 * MB))
    before = memory_use()
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as weights:
        assert sum(weights[:: mmap.PAGESIZE]) > 0
        after = memory_use()
    assert after.mapped - before.mapped == pytest.approx(32 * MB, rel=0.1)
    assert after.pss - before.pss == pytest.approx(32 * MB, rel=0.1)


PEAK = """
import time
from pytest_slm.machine.memory import MemorySampler, memory_use
before = memory_use()
with MemorySampler(0.005) as sampler:
    block = bytearray(b"x") * 64_000_000
    looks, deadline = sampler.n, time.monotonic() + 10
    while sampler.n < looks + 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    del block
assert sampler.peak_pss - before.pss > 60_000_000
assert sampler.peaks.private - before.private > 60_000_000
assert sampler.peaks.peak >= sampler.peaks.rss  # the kernel's mark misses nothing
assert 0 < sampler.cost_s < sampler.seconds
"""


@linux
def test_a_short_peak_of_private_memory_is_kept():
    # in a process of its own: the tests' one gives out memory again that it has had before
    done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@linux
def test_another_process_can_be_sampled_and_may_end_meanwhile():
    program = f"x = b'x' * {48 * MB}; print('ready', flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"ready\n"
    with MemorySampler(0.01, pid=child.pid) as sampler:
        child.communicate(b"\n")
    assert sampler.peaks.rss > 48 * MB
    assert sampler.peak_pss > 48 * MB


def test_nothing_sampled_is_no_peak():
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with MemorySampler(pid=gone.pid) as sampler:
        pass
    with pytest.raises(RuntimeError, match="nothing was sampled"):
        sampler.peak_pss  # noqa: B018


@pytest.mark.parametrize("interval", [0, -1, float("nan")])
def test_an_interval_of_nothing_is_refused(interval):
    with pytest.raises(ValueError, match="above 0"):
        MemorySampler(interval)


def test_looks_that_take_long_become_rare(monkeypatch):
    # PSS of a large model may cost 100 ms a look: at 20 looks a second nothing else would be done
    def slow(pid):
        time.sleep(0.02)
        return MemoryUse(rss=1, private=None, pss=None, mapped=None, peak=None)

    monkeypatch.setattr(memory, "memory_use", slow)
    with MemorySampler(0.001) as sampler:
        time.sleep(0.5)
    assert sampler.n <= 5
    assert sampler.peak_pss is None


USES = st.builds(
    MemoryUse,
    rss=st.integers(0, 2**40),
    **{name: st.none() | st.integers(0, 2**40) for name in ("private", "pss", "mapped", "peak")},
)


@given(st.lists(USES, min_size=1, max_size=5))
def test_the_greatest_of_each_kind_is_kept_and_unknown_is_not_zero(uses):
    from functools import reduce

    kept = reduce(memory._greatest, uses).to_json()
    for name, value in kept.items():
        assert value == max((use.to_json()[name] for use in uses if use.to_json()[name] is not None), default=None)


def test_without_proc_there_is_still_a_size(monkeypatch):
    monkeypatch.setattr(memory, "read_keyed", lambda path: {})
    use = memory_use()
    assert use.rss == pytest.approx(psutil.Process().memory_info().rss, rel=0.1)
    assert use.pss is None
    assert use.mapped is None
    assert use.peak
