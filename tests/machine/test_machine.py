"""The machine as the system tells it."""

import os
import sys

import psutil
import pytest

from pytest_slm.core.record import jsonable
from pytest_slm.machine import hardware
from pytest_slm.machine.memory import memory_use, reset_peak


def test_what_is_known_is_json_and_has_a_fingerprint():
    facts = hardware.describe_machine()
    jsonable(facts)
    assert facts["ram_bytes"] == psutil.virtual_memory().total
    assert facts["cores_logical"] == os.cpu_count()
    assert len(facts["fingerprint"]) == 16


def test_the_fingerprint_ignores_what_changes_by_itself():
    facts = hardware.describe_machine()
    assert hardware.fingerprint({**facts, "load_average": [9, 9, 9], "frequency_mhz": 1}) == facts["fingerprint"]


@pytest.mark.parametrize("key", hardware.FINGERPRINT)
def test_the_fingerprint_changes_with_what_changes_speed(key):
    facts = hardware.describe_machine()
    assert hardware.fingerprint({**facts, key: "other"}) != facts["fingerprint"]


def test_versions_are_of_what_is_installed():
    versions = hardware.installed_versions(["pytest", "no-such-distribution"])
    assert versions["pytest"] == pytest.__version__
    assert "no-such-distribution" not in versions


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_what_the_kernel_says():
    block = bytearray(os.urandom(1)) * (64 * 2**20)
    with_block = memory_use()
    assert with_block.rss == pytest.approx(psutil.Process().memory_info().rss, rel=0.05)
    assert with_block.private <= with_block.rss
    assert with_block.peak >= with_block.rss * 0.99
    del block
    assert memory_use().peak >= with_block.peak * 0.99  # a high-water mark stays


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_new_high_water_mark_begins_at_what_is_used_now():
    block = bytearray(b"x") * (64 * 2**20)
    assert len(block)
    high = memory_use().peak
    del block
    if not reset_peak():
        pytest.skip("this kernel does not let a process reset its high-water mark")
    assert memory_use().peak < high
