"""Counters of energy: read, wrapped, or not there; never guessed."""

import os
import sys
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.machine.energy import EnergyMeter, wrapped

ZONES = "sys/class/powercap"
RANGE = 262_143_328_850


def package(number, energy, limit=RANGE, name=None):
    zone = f"{ZONES}/intel-rapl:{number}"
    return {
        f"{zone}/name": name or f"package-{number}",
        f"{zone}/energy_uj": energy,
        f"{zone}/max_energy_range_uj": limit,
    }


def test_packages_are_added_and_their_parts_and_the_board_are_not(tree):
    parts = {
        f"{ZONES}/intel-rapl:0:0/name": "core",
        f"{ZONES}/intel-rapl:0:0/energy_uj": 5,
        **package(7, 5, name="psys"),
    }
    meter = EnergyMeter(root=tree({**package(0, 1_000_000), **package(1, 5_000_000), **parts}))
    assert (meter.readable, meter.reason, meter.source) == (True, "", "RAPL")
    meter.start()
    tree({**package(0, 3_500_000), **package(1, 5_250_000), f"{ZONES}/intel-rapl:0:0/energy_uj": 10**9})
    assert meter.stop() == pytest.approx(2.75)


@given(limit=st.integers(1, 2**63), data=st.data())
def test_a_counter_that_starts_again_is_read_right(limit, data):
    before = data.draw(st.integers(0, limit))
    used = data.draw(st.integers(0, limit))
    assert wrapped(before, (before + used) % (limit + 1), limit) == used


def test_a_counter_that_starts_again_within_a_round(tree):
    meter = EnergyMeter(root=tree(package(0, RANGE - 1_000_000)))
    meter.start()
    tree(package(0, 2_000_000))
    assert meter.stop() == pytest.approx(3.0, abs=1e-5)


def test_a_counter_that_falls_without_a_range_is_no_number(tree):
    meter = EnergyMeter(root=tree(package(0, 1000, limit="")))
    meter.start()
    tree(package(0, 10, limit=""))
    assert meter.stop() is None


def test_a_machine_without_counters_says_so(tree):
    meter = EnergyMeter(root=tree({}))
    assert not meter.readable
    assert meter.source is None
    assert "no RAPL" in meter.reason
    meter.start()
    assert meter.stop() is None


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="rights of Unix")
def test_counters_for_root_only_are_told_with_the_remedy(tree, monkeypatch):
    from pathlib import Path

    root = tree(package(0, 1))
    file = root / ZONES / "intel-rapl:0/energy_uj"
    file.chmod(0)
    if os.geteuid() == 0:  # whom no rights stop: let the system say what it would say to others
        read = Path.read_text

        def refuse(path, *args, **options):
            if path == file:
                raise PermissionError(13, "Permission denied")
            return read(path, *args, **options)

        monkeypatch.setattr(Path, "read_text", refuse)
    meter = EnergyMeter(root=root)
    assert not meter.readable
    assert "let this user read /sys/class/powercap/intel-rapl:0/energy_uj" in meter.reason


def test_a_counter_that_vanishes_costs_the_number_and_not_the_round(tree):
    root = tree(package(0, 1))
    meter = EnergyMeter(root=root)
    meter.start()
    (root / ZONES / "intel-rapl:0/energy_uj").unlink()
    assert meter.stop() is None
    meter.start()
    assert meter.stop() is None


def test_stop_without_start_is_no_number(tree):
    assert EnergyMeter(root=tree(package(0, 1))).stop() is None


def test_without_its_package_the_gpu_is_not_read(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    meter = EnergyMeter(gpu=True)
    assert not meter.readable
    assert "pytest-slm[energy]" in meter.reason


def test_a_machine_without_the_driver_says_so():
    nvml = pytest.importorskip("pynvml")
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        meter = EnergyMeter(gpu=True)
        assert "no NVML" in meter.reason
        assert not meter.readable
    else:
        pytest.skip("this machine has the driver")


def test_the_gpus_counters_are_millijoules(monkeypatch):
    # no GPU here: the functions of NVML by their documented names and units
    counters = [5_000, 70_000]
    nvml = types.ModuleType("pynvml")
    nvml.NVMLError = type("NVMLError", (Exception,), {})
    nvml.nvmlInit = lambda: None
    nvml.nvmlDeviceGetCount = lambda: 2
    nvml.nvmlDeviceGetHandleByIndex = lambda n: n
    nvml.nvmlDeviceGetTotalEnergyConsumption = counters.__getitem__
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    meter = EnergyMeter(gpu=True)
    meter.start()
    counters[:] = [6_500, 70_250]
    assert (meter.source, meter.stop()) == ("NVML", pytest.approx(1.75))


def test_the_pretended_names_are_those_of_the_package():
    nvml = pytest.importorskip("pynvml")
    for name in ("Init", "DeviceGetCount", "DeviceGetHandleByIndex", "DeviceGetTotalEnergyConsumption"):
        assert callable(getattr(nvml, f"nvml{name}"))
