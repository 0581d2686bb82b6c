"""Numbers that no machine can have are errors, and what is merely fast is none."""

from types import SimpleNamespace

import pytest

from pytest_slm.core.backend_info import BackendInfo
from pytest_slm.core.types import Metric
from pytest_slm.errors import BackendError
from pytest_slm.machine.memory import bandwidth_of_machine, read_bandwidth
from pytest_slm.machine.processor import last_level_bytes
from pytest_slm.performance import Subject, bounds, check_rates

GB = 10**9


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(bounds, "PAUSE_S", 0.0)


class Machine:
    """The open model on a machine that gives so many bytes a second, another number at each look, and has caches."""

    def __init__(self, bandwidths, caches=GB // 100, device=None):
        self.bandwidths, self.caches, self.looks = bandwidths, caches, 0
        self.device = device

    def describe(self):
        return BackendInfo(name="fake", engine_version="1", n_ctx=100, device=self.device)

    def bandwidth(self):
        self.looks += 1
        return self.bandwidths[min(self.looks, len(self.bandwidths)) - 1], self.caches


def checked(machine, tps, size=GB, *, profile="engine", name="decode_tps"):
    subject = Subject(quantization="q", open=lambda: machine, reopen=lambda _: machine, bytes_per_token=size)
    metric = Metric(name=name, value=tps, n=9, unit="tok/s")
    check_rates(SimpleNamespace(timing=SimpleNamespace(profile=profile), metrics=(metric,)), subject)


def test_a_rate_that_memory_does_not_let_through_is_an_error():
    with pytest.raises(BackendError, match=r"100 tokens a second.*would read 100 GB.*gives 20 GB") as caught:
        checked(Machine([20 * GB]), 100)
    assert caught.value.slug == "impossible"


def test_what_is_fast_is_no_error():
    machine = Machine([20 * GB])
    checked(machine, 20 * bounds.ROOM)
    assert machine.looks == 1


def test_before_a_rate_is_refused_memory_is_looked_at_again():
    machine = Machine([2 * GB, 3 * GB, 20 * GB])  # others were at it
    checked(machine, 40)
    assert machine.looks == 3


@pytest.mark.parametrize(
    ("machine", "known"),
    [
        (Machine([GB], caches=None), {}),
        (Machine([None]), {}),
        (Machine([GB], caches=GB // 2 + 1), {}),  # weights that may stay in the caches
        (Machine([GB], device="NVIDIA T4"), {}),
        (Machine([GB]), {"size": None}),
        (Machine([GB]), {"profile": "user"}),  # drafts
        (Machine([GB]), {"name": "total_tps"}),  # many sequences read the weights once
        (Machine([GB]), {"name": "prefill_tps"}),
    ],
)
def test_what_has_no_bound_is_not_refused(machine, known):
    checked(machine, 10_000, **known)


def test_a_peak_below_the_weights_is_an_error():
    with pytest.raises(BackendError, match="a peak of 50 MB, with 100 MB of weights") as caught:
        bounds.check_resident(50_000_000, 100_000_000)
    assert caught.value.slug == "impossible"
    for peak, size in ((81, 100), (None, 100), (50, None)):
        bounds.check_resident(peak, size)


def test_memory_is_read_at_some_rate():
    assert read_bandwidth(2**22, 2) > 0
    assert bandwidth_of_machine() > 0


def test_caches_that_cpus_share_count_once(tmp_path):
    for cpu, shared in enumerate(["0-1", "0-1", "2-3", "2-3"]):
        for index, (level, size, cpus) in enumerate([("2", "512K", str(cpu)), ("3", "32768K", shared)]):
            folder = tmp_path / f"sys/devices/system/cpu/cpu{cpu}/cache/index{index}"
            folder.mkdir(parents=True)
            for name, text in (("level", level), ("size", size), ("shared_cpu_list", cpus), ("type", "Unified")):
                (folder / name).write_text(text + "\n")
    assert last_level_bytes(tmp_path) == 2 * 32 * 2**20
    assert last_level_bytes(tmp_path / "none") is None
