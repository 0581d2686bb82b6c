"""Two runs: faster, slower, better, worse, no difference, and what is not compared at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.comparing import compare, read_run, told
from pytest_slm.comparing.comparison import StoredRun
from pytest_slm.comparing.timings import compare_timings
from pytest_slm.core.backend_info import HostInfo
from pytest_slm.core.rounds import Shape
from pytest_slm.errors import ReportError

CALM = (100.0, 100.4, 99.7, 100.2, 99.9, 100.1, 99.8)


def times(values, factor):
    return [value * factor for value in values]


@pytest.mark.parametrize(
    ("unit", "factor", "verdict"),
    [
        ("tok/s", 1.2, "faster"),
        ("tok/s", 0.8, "slower"),
        ("s", 1.2, "slower"),
        ("s", 0.8, "faster"),
        ("J", 1.2, "more"),
    ],
)
def test_more_tokens_and_fewer_seconds_are_faster(timed, unit, factor, verdict):
    (one,) = compare(timed(CALM, unit=unit), timed(times(CALM, factor), unit=unit)).timings
    assert one.verdict == verdict
    assert one.ratio == pytest.approx(factor, rel=0.01)
    assert one.interval[0] <= one.ratio <= one.interval[1]
    assert (one.a.n, one.b.n) == (7, 7)


def test_a_run_and_itself_make_no_difference(timed):
    (one,) = compare(timed(CALM), timed(CALM)).timings
    assert (one.verdict, one.ratio, one.p) == ("equivalent", 1.0, 1.0)


def test_two_percent_are_equivalent_however_sure_the_difference(timed):
    # Rounds of one process agree with one another more than two processes do.
    (one,) = compare(timed(CALM), timed(times(CALM, 1.02))).timings
    assert one.p < 0.001
    assert (one.verdict, one.reason) == ("equivalent", "they differ by less than 3%")
    assert one.p_equivalent < 0.05
    (one,) = compare(timed(CALM), timed(times(CALM, 1.02)), smallest=0.01).timings
    assert one.verdict == "faster"


def test_a_difference_beyond_doubt_of_less_than_three_percent_that_may_be_more_is_neither(timed):
    (one,) = compare(timed(CALM), timed(times(CALM, 1.028))).timings
    assert one.p < 0.001
    assert one.verdict == "not told apart"
    assert "less than 3%" in one.reason


def test_rounds_that_overlap_are_not_told_apart_and_say_what_they_would_have_shown(timed):
    noisy = (90, 130, 100, 70, 115, 85, 105)
    (one,) = compare(timed(noisy), timed(times(noisy, 1.05))).timings
    assert one.verdict == "not told apart"
    assert one.reason == f"the rounds of both overlap too much; a ratio of {one.detectable:.2f} would be seen"
    assert one.interval[1] / one.ratio < one.detectable
    assert compare(timed(noisy), timed(times(noisy, one.detectable * 1.2))).timings[0].verdict == "faster"


def test_a_difference_that_does_not_outlast_the_correction_is_told_as_that(timed):
    near = (100, 101, 102, 103, 104, 105, 106)
    variants = [str(number) for number in range(5)]
    far = (104.5, 105.5, 106.5, 107, 108, 109, 101.5)
    (first, *_) = compare(timed(near, variants=variants), timed(far, variants=variants)).timings
    assert first.p <= 0.05 < first.p_corrected
    assert first.verdict == "not told apart"
    assert first.reason.startswith("what is seen may be luck among 5 tests; a ratio of 1.")


def test_among_many_tests_six_rounds_cannot_show_a_difference_and_that_is_said(timed):
    variants = [str(number) for number in range(24)]
    found = compare(timed(CALM[:6], variants=variants), timed(times(CALM[:6], 2), variants=variants)).timings
    assert {one.verdict for one in found} == {"too few"}
    assert found[0].reason == "6 and 6 rounds cannot show a difference among 24 tests"
    found = compare(timed(CALM[:6], variants=variants[:23]), timed(times(CALM[:6], 2), variants=variants[:23])).timings
    assert {one.verdict for one in found} == {"faster"}


def test_three_rounds_say_nothing_even_alone(timed):
    (one,) = compare(timed(CALM[:3]), timed(times(CALM[:3], 2))).timings
    assert (one.verdict, one.interval) == ("too few", None)


def test_one_value_has_a_ratio_and_no_test(timed):
    (one,) = compare(timed((4e8,), unit="B", name="peak_rss"), timed((3e8,), unit="B", name="peak_rss")).timings
    assert (one.verdict, one.p, one.ratio) == ("one value", None, pytest.approx(0.75))


def test_noise_is_told_with_its_reason(timed, factory):
    found = compare(timed(CALM, noise=factory.STEAL), timed(times(CALM, 0.5)))
    (one,) = found.timings
    assert (one.a.noise, one.b.noise) == (factory.STEAL, "")
    assert f"A is noisy, {factory.STEAL}: performance/" in told(found)


def test_older_reports_without_verdicts_are_judged_by_their_variation(factory):
    values = (100, 150, 80, 120, 90, 140)
    old = factory.make_run(results=[factory.timing("decode", "500", "Q8_0", "full", "decode_tps", "tok/s", values)])
    side = StoredRun(path=Path("run"), run=old, samples={})
    assert compare(side, side).timings[0].a.noise == "coefficient of variation 25%"


def test_parts_are_told_on_request_only_and_count_then(factory):
    side = StoredRun(path=Path("run"), run=factory.make_run(modern=True), samples={})
    few, many = compare(side, side).timings, compare(side, side, every=True).timings
    assert "tpot" not in {one.quantity for one in few}
    assert {"tpot", "ttft_tokenize"} <= {one.quantity for one in many}
    assert {(one.item, one.quantity) for one in few} < {(one.item, one.quantity) for one in many}
    assert {"performance/depth[context]", "performance/load[cold]", "performance/parallel[16]"} <= {
        one.item for one in few
    }


def test_two_machines_are_refused_with_what_differs(timed, answered):
    other = {"fingerprint": "m-2", "cpu": "Apple M3"}
    with pytest.raises(ReportError, match=r"cpu is 'AMD EPYC 9R14 96-Core Processor' and 'Apple M3'.*compare-nothing"):
        compare(timed(CALM), timed(CALM, machine=other))


@pytest.mark.parametrize(
    ("build", "message"),
    [(None, "device is 'cpu' and 'cuda'"), ("torch, T4", "engine_build is 'torch, T4' and 'torch, H100'")],
)
def test_two_devices_of_one_host_are_refused_with_their_names(timed, build, message):
    one = timed(CALM, backend={"device": "cuda", "engine_build": build} if build else {"device": "cpu"})
    with pytest.raises(ReportError, match=f"never compared: {message} "):
        compare(one, timed(CALM, backend={"device": "cuda", "engine_build": "torch, H100"}))


def test_questions_made_from_two_seeds_are_not_the_same_whatever_they_are_called(answered):
    same = compare(answered("1100", seed=1, seeded=True), answered("1000", seed=1, seeded=True))
    assert same.scores[0].n == 4
    with pytest.raises(ReportError, match="questions are made from the seed, 1 in one run and 2 in the other"):
        compare(answered("1100", seed=1, seeded=True), answered("1000", seed=2, seeded=True))
    # questions of a file are the same ones whichever of them a seed has chosen
    assert compare(answered("1100", seed=1), answered("1000", seed=2)).scores[0].n == 4


def test_answers_are_compared_whatever_the_machine(answered, timed):
    a, b = answered("1100"), answered("1110")
    timing = timed(CALM)
    a = replace(a, run=replace(a.run, results=(*a.run.results, *timing.run.results)))
    b = replace(b, run=replace(b.run, machine={"fingerprint": "m-2"}, results=(*b.run.results, *timing.run.results)))
    found = compare(a, b)
    assert (len(found.timings), len(found.scores)) == (0, 1)
    assert "never compared" in found.refused[0]


def test_a_machine_that_is_not_known_is_no_machine(timed):
    with pytest.raises(ReportError, match="does not say which machine"):
        compare(timed(CALM, machine={"fingerprint": None}), timed(CALM, machine={"fingerprint": None}))


def test_two_versions_of_a_task_are_two_tasks(answered):
    with pytest.raises(ReportError, match="core/math: version 1 and version 2 are two tasks"):
        compare(answered("1010"), answered("1010", version=2))


def test_two_depths_are_not_compared_though_both_are_the_context(factory):
    def side(depth):
        rounds = [
            factory.rounds(
                "depth", "context", "Q8_0", "full", {"decode_tps": ("tok/s", CALM)}, shape=Shape(depth=depth)
            ),
            factory.rounds("depth", "512", "Q8_0", "full", {"decode_tps": ("tok/s", CALM)}, shape=Shape(depth=512)),
        ]
        return StoredRun(path=Path("run"), run=factory.make_run(results=rounds), samples={})

    found = compare(side(3584), side(1536))
    assert [one.item for one in found.timings] == ["performance/depth[512]"]
    assert found.refused == ("performance/depth[context]: depth 3584 and depth 1536 are two measures",)


def test_noise_of_an_item_is_told_once_though_it_has_two_rates(factory):
    values = {"prefill_tps": ("tok/s", CALM), "decode_tps": ("tok/s", CALM)}
    item = factory.rounds("depth", "0", "Q8_0", "full", values, told=2, noise=factory.STEAL, shape=Shape(depth=0))
    side = StoredRun(path=Path("run"), run=factory.make_run(results=[item]), samples={})
    assert told(compare(side, side)).count("A is noisy") == 1


def test_what_else_differs_is_listed(timed):
    found = compare(timed(CALM), timed(CALM, backend={"threads": 8, "engine_version": "0.3.40"}))
    assert found.differs == {"engine": ("llamacpp 0.3.36", "llamacpp 0.3.40"), "threads": ("2", "8")}
    assert "threads: 2 | 8" in told(found)


def test_two_runs_of_the_same_are_told_as_that(timed):
    found = told(compare(timed([10.0] * 6), timed([20.0] * 6)))
    assert "the same weights, engine and settings" in found
    other = timed([20.0] * 6, backend={"engine_version": "0.3.40"})
    assert "the same weights" not in told(compare(timed([10.0] * 6), other))


def test_how_threads_waited_is_told_where_it_differs(timed):
    found = compare(
        timed(CALM), timed(CALM, host=HostInfo(pid=1, capabilities=(), load_s=1.0, thread_wait="GOMP_SPINCOUNT=1000"))
    )
    assert found.differs == {"thread_wait": ("None", "GOMP_SPINCOUNT=1000")}


def test_a_run_is_a_folder_or_its_report(factory, tmp_path):
    run = factory.make_run(modern=True)
    samples = factory.make_samples(run)
    run = factory.agreeing(run, samples)
    path = factory.store_run(tmp_path, run, samples)
    by_folder, by_file = read_run(path.parent), read_run(path)
    assert by_folder.run == by_file.run
    found = compare(by_folder, by_file)
    assert len(found.scores) == len([result for result in run.results if result.samples])
    assert type(found).from_json(found.to_json()) == found


def test_a_part_that_took_no_time_has_no_ratio(timed):
    side = timed((0.0, 0.0), unit="s", name="load_s")
    with pytest.raises(ReportError, match="compare-nothing"):
        compare(side, side)


def test_times_beyond_all_measure_are_not_compared(timed):
    # their ratios are 0 or infinity
    for values in ((5e-324, 140.0), (1.0, 1e308), (1e-200, 1e200), (1e150, 1e-150)):
        with pytest.raises(ReportError, match="compare-nothing"):
            compare(timed(values, unit="s", name="load_s"), timed((1.0, 2.0), unit="s", name="load_s"))


@given(st.lists(st.floats(1, 100), min_size=2, max_size=8), st.lists(st.floats(1, 100), min_size=2, max_size=8))
def test_swapping_the_sides_turns_the_verdict_round(factory, one, other):
    def result(values):
        return factory.rounds("decode", "1", "Q8_0", "full", {"decode_tps": ("tok/s", values)})

    (forward,) = compare_timings([(result(one), result(other))], smallest=0)
    (back,) = compare_timings([(result(other), result(one))], smallest=0)
    turned = {"faster": "slower", "slower": "faster"}
    assert turned.get(forward.verdict, forward.verdict) == back.verdict
    assert forward.ratio == pytest.approx(1 / back.ratio)
