"""Devices: only by memory that was measured with the context that they are compared by."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.types import Measurement
from pytest_slm.machine.devices import Device, DeviceTable
from pytest_slm.registry import build_registry
from pytest_slm.registry.speeds import Performance, Quantity, QuantizationSpeed
from pytest_slm.registry.store import StoredReport
from pytest_slm.registry.targets import deployment_targets

BITS = {"F16": 16.0, "Q8_0": 8.5, "Q4_0": 4.5}


def table(*usable: float) -> DeviceTable:
    return DeviceTable(
        device=tuple(
            Device(
                name=f"d{number}", title="", total_bytes=10**12, usable_bytes=int(size * 1e9), basis="assumption",
                reasoning="a test", sources=("https://example.org",),
            )
            for number, size in enumerate(usable)
        )
    )  # fmt: skip


def machine(peaks: dict[str, float | None], name: str = "m-1", memory: str = "peak_rss_2k") -> Performance:
    def row(peak: float | None) -> QuantizationSpeed:
        known = {} if peak is None else {memory: Quantity(value=peak * 1e9, unit="B", n=1)}
        return QuantizationSpeed(mode="full", engine=None, report="", memory=known)

    return Performance(machine=name, hardware={}, quantizations={q: row(peak) for q, peak in peaks.items()})


def test_the_best_quantization_that_fits_is_named():
    found = deployment_targets([machine({"F16": 6.0, "Q8_0": 3.0, "Q4_0": 1.8})], BITS, table(16, 4, 2, 1))
    assert [(one.device, one.quantization, one.fits) for one in found] == [
        ("d0", "F16", True),
        ("d1", "Q8_0", True),
        ("d2", "Q4_0", True),
        ("d3", "Q4_0", False),  # nothing fits: the smallest says by how much
    ]
    assert (found[3].peak_ram_gb, found[3].usable_ram_gb) == (1.8, 1.0)


def test_what_was_not_measured_is_not_listed():
    # 0.0 GB once passed everywhere
    for peaks in ({}, {"F16": None}, {"F16": 0.0}):
        assert deployment_targets([machine(peaks)], BITS, table(16)) == ()


def test_the_peak_with_another_context_says_nothing():
    assert deployment_targets([machine({"F16": 1.0}, memory="peak_rss")], BITS, table(16)) == ()


def test_an_unmeasured_better_quantization_does_not_hide_a_measured_one():
    (one,) = deployment_targets([machine({"F16": None, "Q4_0": 1.0})], BITS, table(16))
    assert one.quantization == "Q4_0"


def test_of_two_machines_the_first_one_counts():
    (one,) = deployment_targets([machine({"Q4_0": 1.0}), machine({"Q4_0": 9.0}, "m-2")], BITS, table(4))
    assert (one.machine, one.fits) == ("m-1", True)


@given(st.dictionaries(st.sampled_from(sorted(BITS)), st.floats(0.1, 20), min_size=1), st.floats(0.1, 30))
def test_nothing_that_fits_has_more_bits_than_what_is_named(peaks, usable):
    (one,) = deployment_targets([machine(peaks)], BITS, table(usable))
    fitting = [name for name, peak in peaks.items() if peak * 1e9 <= int(usable * 1e9)]
    assert one.fits == bool(fitting)
    if fitting:
        assert one.quantization == max(fitting, key=BITS.__getitem__)


def test_a_registry_names_the_quantization_for_every_device(factory):
    runs = [factory.make_run(name, modern=True) for name in ("FP16", "Q4_0")]
    (entry,) = build_registry([StoredReport(path=str(n), sha256="", run=run) for n, run in enumerate(runs)]).models
    assert {one.device for one in entry.deployment_targets} >= {"raspberry_pi_5_4gb", "16gb_laptop", "ci_runner_2core"}
    assert {one.quantization for one in entry.deployment_targets} == {"FP16"}
    assert entry.deployment_targets[0].tps == entry.performance.quantizations["FP16"].tps_output


def test_an_older_report_is_listed_for_no_device(factory):
    (entry,) = build_registry([StoredReport(path="", sha256="", run=factory.make_run())]).models
    assert entry.deployment_targets == ()


def test_a_model_that_is_too_large_is_listed_as_that(factory):
    run = factory.make_run("FP16", modern=True)
    huge = Measurement(name="peak_rss_2k", unit="B", values=(9e10,))
    results = tuple(
        replace(result, measurements=(huge,)) if result.task == "memory" else result for result in run.results
    )
    (entry,) = build_registry([StoredReport(path="", sha256="", run=replace(run, results=results))]).models
    assert {one.fits for one in entry.deployment_targets} == {False}


@pytest.mark.parametrize("modern", [True, False])
def test_the_registry_says_the_same_twice(factory, modern):
    found = [StoredReport(path="", sha256="", run=factory.make_run(modern=modern))]
    assert build_registry(found).to_json() == build_registry(found).to_json()
