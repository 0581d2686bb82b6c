"""One look at everything around a round, by the process that works on it."""

import sys

import pytest

from pytest_slm.machine.conditions import Observation, Observer


def seen(**asked):
    observer = Observer(**asked)
    observer.start()
    held = b"\1" * 2**24
    found = observer.stop()
    assert held
    return found


def test_conditions_are_always_seen_and_the_rest_is_asked_for():
    found = seen()
    assert found.conditions.seconds > 0
    assert (found.joules, found.energy, found.peak_pss) == (None, "", None)
    assert Observation.from_json(found.to_json()) == found


def test_energy_has_a_source_or_a_reason():
    found = seen(energy=True)
    assert found.energy
    assert (found.joules is None) == (found.energy != "RAPL")


def test_energy_of_a_gpu_is_asked_of_its_own_counter():
    found = seen(energy=True, gpu=True)
    assert "NVML" in found.energy


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_looked_at_while_the_round_lasts():
    assert seen(memory=True).peak_pss > 2**24
