"""Devices: only by memory that was measured with the context that they are compared by."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.types import Measurement
from pytest_slm.machine.devices import DeviceClass, DeviceTable
from pytest_slm.registry import build_registry
from pytest_slm.registry.points import AggregateScore
from pytest_slm.registry.rows import Row
from pytest_slm.registry.rows.choosing import deployment_targets
from pytest_slm.registry.speeds import Quantity, QuantizationSpeed
from pytest_slm.registry.store import StoredReport

BITS = {"F16": 16.0, "Q8_0": 8.5, "Q4_0": 4.5}


def table(*usable: float) -> DeviceTable:
    return DeviceTable(
        device=tuple(
            DeviceClass(
                name=f"d{number}", title="", total_bytes=10**12, usable_bytes=int(size * 1e9), basis="assumption",
                reasoning="a test", sources=("https://example.org",),
            )
            for number, size in enumerate(usable)
        )
    )  # fmt: skip


def row(
    name: str,
    peak: float | None,
    lower: float | None = None,
    *,
    machine: str = "m-1",
    memory: str = "peak_rss_2k",
    coverage: float = 1.0,
    mode: str = "full",
) -> Row:
    known = {} if peak is None else {memory: Quantity(value=peak * 1e9, unit="B", n=1)}
    about = {"coverage": coverage, "quantization": name, "mode": mode, "complete": True, "machine": machine}
    total = AggregateScore(
        profile="p", score=50 if lower is None else lower + 5, interval=lower and (lower, lower + 10), **about
    )
    return Row(
        model="m", name="M", quantization=name, machine=machine, machine_title="", headline=False, format="gguf",
        bits_per_weight=BITS[name], speed=QuantizationSpeed(mode="full", engine=None, report="", memory=known),
        aggregates={} if lower is None else {"p": total},
    )  # fmt: skip


def named(rows, *usable: float) -> list[tuple[str, str, bool]]:
    return [(one.device, one.quantization, one.fits) for one in deployment_targets(rows, "p", table(*usable))]


def test_all_that_fit_are_named_and_what_is_surely_best_comes_first():
    # More bits are no better score: the F16 of few questions is not as sure as the Q8_0.
    rows = [row("F16", 6.0, 30.0), row("Q8_0", 3.0, 50.0), row("Q4_0", 1.8, 40.0)]
    assert named(rows, 16, 4, 2, 1) == [
        *(("d0", name, True) for name in ("Q8_0", "Q4_0", "F16")),
        *(("d1", name, True) for name in ("Q8_0", "Q4_0")),
        ("d2", "Q4_0", True),
        ("d3", "Q4_0", False),  # nothing fits: the smallest says by how much
    ]
    last = deployment_targets(rows, "p", table(1))[0]
    assert (last.peak_ram_gb, last.usable_ram_gb, last.score, last.lower) == (1.8, 1.0, 45, 40)


def test_without_scores_it_is_the_most_precise_one():
    assert named([row(name, 1.0) for name in ("Q4_0", "F16", "Q8_0")], 16)[0] == ("d0", "F16", True)


@pytest.mark.parametrize("less", [{"coverage": 0.5}, {"mode": "quick"}])
def test_a_score_of_less_says_less(less):
    assert named([row("F16", 1.0, 90.0, **less), row("Q4_0", 1.0, 20.0)], 16)[0][1] == "Q4_0"


def test_what_was_not_measured_is_not_listed():
    # 0.0 GB once passed everywhere
    for peaks in ({}, {"F16": None}, {"F16": 0.0}):
        assert named([row(name, peak) for name, peak in peaks.items()], 16) == []


def test_the_peak_with_another_context_says_nothing():
    assert named([row("F16", 1.0, memory="peak_rss")], 16) == []


def test_an_unmeasured_better_quantization_does_not_hide_a_measured_one():
    assert named([row("F16", None), row("Q4_0", 1.0)], 16) == [("d0", "Q4_0", True)]


def test_of_two_machines_the_one_that_knows_more_counts():
    rows = [row("Q4_0", 9.0, machine="m-1"), row("Q4_0", 1.0, 50.0, machine="m-2")]
    (one,) = deployment_targets(rows, "p", table(4))
    assert (one.machine, one.fits) == ("m-2", True)


@given(st.dictionaries(st.sampled_from(sorted(BITS)), st.floats(0.1, 20), min_size=1), st.floats(0.1, 30))
def test_everything_that_fits_is_named_and_nothing_else(peaks, usable):
    told = named([row(name, peak) for name, peak in peaks.items()], usable)
    fitting = {name for name, peak in peaks.items() if peak * 1e9 <= int(usable * 1e9)}
    assert {one for _, one, _ in told} == (fitting or {min(peaks, key=lambda name: (peaks[name], name))})
    assert {fits for *_, fits in told} == {bool(fitting)}


def test_a_registry_names_the_quantization_for_every_device(factory):
    runs = [factory.make_run(name, modern=True) for name in ("FP16", "Q4_0")]
    (entry,) = build_registry([StoredReport(path=str(n), sha256="", run=run) for n, run in enumerate(runs)]).models
    assert {one.device for one in entry.deployment_targets} >= {"raspberry_pi_5_4gb", "16gb_laptop", "ci_runner_2core"}
    assert {one.quantization for one in entry.deployment_targets} == {"FP16", "Q4_0"}
    first = entry.deployment_targets[0]
    assert first.tps == entry.performance.quantizations[first.quantization].tps_output
    assert first.lower == entry.quantizations[first.quantization].aggregates["marketplace"].interval[0]


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
