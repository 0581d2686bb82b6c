"""Speed and memory: only what was measured, each with the length it was measured at, never two machines in one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_slm.core.backend_info import Agreement
from pytest_slm.core.types import Measurement, Result
from pytest_slm.registry.performance import numbers, performances, speed
from pytest_slm.registry.scores import strata
from pytest_slm.registry.store import StoredReport


@pytest.fixture
def row(factory):
    """The speed row of a run."""

    def make(**changes):
        run = factory.make_run(**changes)
        return speed(run.results, run.mode, "engine", "report.json", None)

    return make


def test_the_standard_columns_are_500_and_2048_tokens(row):
    found = row()
    assert (found.tps_output.of, found.ttft_ms.of) == ("500 tokens", "2048 tokens")
    assert [quantity.of for quantity in found.decode] == ["100 tokens", "500 tokens", "1000 tokens"]


def test_a_quick_run_shows_what_it_has_with_its_length(row):
    found = row(mode="quick")
    assert (found.tps_output.of, found.ttft_ms.of) == ("100 tokens", "512 tokens")


def test_seconds_become_milliseconds_with_all_that_belongs_to_them(factory):
    values = (0.9, 1.0, 1.1, 1.0, 1.0, 1.0)
    result = factory.timing("ttft", "2048", "Q8_0", "full", "ttft", "s", values)
    ttft = speed([result], "full", None, "", None).ttft_ms
    assert (ttft.value, ttft.unit, ttft.n) == (1000.0, "ms", 6)
    assert ttft.spread == (900.0, 1100.0)
    assert ttft.interval == (900.0, 1100.0)
    assert ttft.cv == pytest.approx(0.0632, abs=1e-3)


def test_what_was_not_measured_is_none(row):
    assert row(results=[]) is None


def test_memory_without_a_peak_has_no_ram(factory):
    result = Result(
        suite="performance", task="memory", variant="", quantization="Q8_0", mode="full", outcome="passed",
        measurements=(Measurement(name="file_size", unit="B", values=(2e9,)),),
    )  # fmt: skip
    found = speed([result], "full", None, "", None)
    assert (found.ram_gb, found.size_gb.value, found.size_gb.unit) == (None, 2.0, "GB")


def test_an_item_that_failed_to_measure_gives_nothing():
    error = Result(suite="performance", task="decode", variant="500", quantization="Q8_0", mode="full", outcome="error")
    assert numbers(error) == {}
    assert speed([error], "full", None, "", None) is None


def test_one_round_has_neither_spread_nor_interval(factory):
    result = factory.timing("decode", "500", "Q8_0", "full", "decode_tps", "tok/s", (100.0,))
    (found,) = speed([result], "full", None, "", None).decode
    assert (found.spread, found.interval, found.cv) == (None, None, None)


def test_a_number_of_an_unknown_name_is_kept(factory):
    result = factory.timing("energy", "100", "Q8_0", "full", "joule_per_token", "J", (0.4, 0.5))
    assert list(speed([result], "full", None, "", None).other) == ["energy-100-joule_per_token"]


def test_machines_are_kept_apart_and_the_newest_is_first(factory):
    runs = [factory.make_run(day=1), factory.make_run(day=2, machine={"fingerprint": "m-2", "cpu": "Other"})]
    found = [StoredReport(path=str(day), sha256="", run=run) for day, run in enumerate(runs)]
    assert [one.machine for one in performances(strata(found), {})] == ["m-2", "m-3f9a1c"]


def test_a_gpu_is_another_machine_and_is_named_among_the_hardware(factory):
    gpu = {"device": "cuda", "engine_build": "torch 2.11.0, AVX512, NVIDIA H100"}
    runs = [factory.make_run(day=1), factory.make_run(day=2, backend=gpu)]
    found = [StoredReport(path=str(day), sha256="", run=run) for day, run in enumerate(runs)]
    first, second = performances(strata(found), {})
    assert (first.hardware["device"], first.hardware["engine_build"]) == tuple(gpu.values())
    assert second.machine == "m-3f9a1c"
    assert "device" not in second.hardware


def test_full_rounds_win_over_newer_quick_ones(factory):
    runs = [factory.make_run(day=1), factory.make_run(mode="quick", day=2)]
    found = [StoredReport(path=str(day), sha256="", run=run) for day, run in enumerate(runs)]
    (one,) = performances(strata(found), {})
    assert one.quantizations["Q8_0"].mode == "full"


def test_the_report_of_a_row_is_the_newest_that_gave_it_a_number(factory):
    decode, ttft = (
        [result for result in factory.make_run(day=2).results if result.task == task] for task in ("decode", "ttft")
    )
    runs = {"b/new": factory.make_run(day=2, results=ttft), "z/old": factory.make_run(day=1, results=decode)}
    (one,) = performances(strata(StoredReport(path=path, sha256="", run=run) for path, run in runs.items()), {})
    assert one.quantizations["Q8_0"].report == "b/new"


@pytest.fixture
def modern(row):
    """The row of a run with everything that is timed today."""
    return row(modern=True)


def test_the_engine_alone_is_not_mixed_with_what_a_user_waits_for(modern):
    assert (modern.prefill_tps.of, modern.generate_tps.of) == ("512 tokens", "128 tokens")
    # generate is the engine's decode_tps too, but has no place among the lengths that users wait for
    assert [quantity.of for quantity in modern.decode] == ["100 tokens", "500 tokens", "1000 tokens"]


def test_a_series_is_in_the_order_of_its_settings_and_context_is_a_number(modern):
    # As text, 2048 comes before 512.
    assert [point.at for point in modern.depth] == [0, 512, 2048, 3584]
    assert [point.at for point in modern.parallel] == [1, 4, 16]
    assert {name for point in modern.depth for name in point.quantities} == {"prefill_tps", "decode_tps"}
    assert modern.depth[3].quantities["decode_tps"].of == "3584 tokens deep"


def test_the_depth_of_the_context_is_read_and_never_guessed(factory):
    item = factory.rounds("depth", "context", "Q8_0", "full", {"decode_tps": ("tok/s", (1, 2))})
    found = speed([item], "full", None, "", None)
    assert found.depth == ()
    assert list(found.other) == ["depth-context-decode_tps"]


def test_the_parts_of_the_wait_add_up_to_it(modern):
    for point, whole in zip(modern.ttft_parts, modern.ttft, strict=True):
        assert set(point.quantities) == {"tokenize", "prefill", "sample", "detokenize"}
        assert sum(q.value for q in point.quantities.values()) == pytest.approx(whole.value, rel=0.01)
        assert {q.unit for q in point.quantities.values()} == {"ms"}


def test_parts_of_older_reports_are_kept_where_they_were(factory):
    item = factory.rounds("ttft", "512", "Q8_0", "full", {"ttft": ("s", (1, 2)), "ttft_prefill": ("s", (1, 2))}, told=1)
    found = speed([item], "full", None, "", None)
    assert found.ttft_parts == ()
    assert list(found.other) == ["ttft-512-prefill"]


def test_percentiles_have_as_many_samples_as_tokens(modern):
    median = modern.latency[1].quantities["itl_p50"]
    assert (modern.latency[1].at, median.n, median.unit, median.interval) == (500, 3500, "ms", None)


def test_verdicts_travel_with_their_reason(modern, factory):
    stable, noisy = modern.decode[1], modern.decode[2]
    assert (stable.verdict, stable.reason) == ("stable", "")
    assert (noisy.verdict, noisy.reason) == ("noisy", factory.STEAL)
    assert modern.memory["peak_rss"].verdict is None  # one value is neither


def test_one_round_can_be_noisy_but_not_stable(factory):
    def verdict(noise):
        item = factory.rounds("decode", "500", "Q8_0", "full", {"decode_tps": ("tok/s", (100,))}, noise=noise)
        found = speed([item], "full", None, "", None).tps_output
        return found.verdict, found.reason

    assert verdict("steal") == ("noisy", "steal")
    assert verdict("") == (None, "")


def test_energy_is_a_number_or_has_a_reason(modern, factory):
    assert (modern.energy_per_token, modern.energy_reason[:20]) == (None, "the counters of ener")
    values = {"decode_tps": ("tok/s", (100, 101)), "energy_per_token": ("J", (0.4, 0.5))}
    found = speed([factory.rounds("decode", "500", "Q8_0", "full", values, energy="RAPL")], "full", None, "", None)
    assert (found.energy_per_token.value, found.energy_per_token.unit, found.energy_reason) == (0.45, "J", "")


def test_energy_of_the_engine_alone_is_not_mixed_with_that_of_whole_answers(factory):
    def item(task, variant, joules):
        values = {"decode_tps": ("tok/s", (100, 101)), "energy_per_token": ("J", (joules, joules))}
        return factory.rounds(task, variant, "Q8_0", "full", values, energy="RAPL")

    # 512 is nearer to 500 than what a user's item measured.
    found = speed([item("decode", "100", 0.5), item("generate", "512", 0.3)], "full", None, "", None)
    assert (found.energy_per_token.value, found.energy_per_token.of) == (0.5, "100 tokens")
    assert found.other["generate-512-energy_per_token"].value == 0.3


def test_loading_is_told_cold_and_warm(modern):
    assert {name: quantity.unit for name, quantity in modern.load.items()} == {"cold": "s", "warm": "s"}
    assert modern.load["cold"].value > modern.load["warm"].value


def test_an_older_report_has_none_of_it(row):
    found = row()
    assert (found.prefill_tps, found.generate_tps, found.energy_per_token, found.energy_reason) == (
        None,
        None,
        None,
        "",
    )
    assert not any((found.depth, found.parallel, found.latency, found.ttft_parts, found.load))


def test_the_worst_that_reports_tell_of_an_engines_logits_stands_beside_its_speeds(factory):
    def told(nmse, beside):
        one = Agreement(reference="a CPU", nmse=beside, greatest=0.1, same=154, places=155)
        return {"kernels_nmse": nmse, "kernels_beside": (one,)}

    runs = [factory.make_run(day=day, backend=told(*found)) for day, found in ((1, (0.002, 0.01)), (2, (0.001, 0.2)))]
    found = [StoredReport(path=str(day), sha256="", run=run) for day, run in enumerate(runs)]
    (stratum,) = strata(found)
    timed = [result for _, result in stratum.chosen if result.suite == "performance"]
    both = replace(stratum, chosen=tuple(zip(found, timed[:2], strict=True)))
    row = performances([both], {})[0].quantizations["Q8_0"]
    assert (row.kernels_nmse, row.kernels_beside[0].nmse) == (0.002, 0.2)
    assert [line.split(", ")[0] for line in row.correctness] == [
        "correct while timed: llamacpp 0.3.36",
        "perhaps wrong while timed: llamacpp 0.3.36",
    ]
    # What nobody has looked at is not right, and not wrong.
    untold = performances(strata([StoredReport(path="", sha256="", run=factory.make_run())]), {})[0]
    assert untold.quantizations["Q8_0"].kernels_nmse is None
    assert untold.quantizations["Q8_0"].correctness == ()
