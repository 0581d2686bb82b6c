"""Two runs: faster, slower, better, worse, no difference, and what is not compared at all."""

from __future__ import annotations

import statistics
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.comparing import compare, read_run, reasons, told, verdict
from pytest_slm.comparing.comparison import StoredRun
from pytest_slm.comparing.gate import NO_WORSE, NOT_KNOWN, WORSE
from pytest_slm.comparing.timings import compare_timings
from pytest_slm.core.backend_info import HostInfo
from pytest_slm.core.rounds import Shape
from pytest_slm.core.types import Declaration, Metric, MetricSpec
from pytest_slm.errors import ReportError

CALM = (100.0, 100.4, 99.7, 100.2, 99.9, 100.1, 99.8)


@pytest.fixture
def timed(factory):
    """A run with one timing, decode[500]; ``variants`` for more of the same."""

    def make(values, *, unit="tok/s", name="decode_tps", variants=("500",), noise="", **changes):
        results = [
            factory.rounds("decode", variant, "Q8_0", "full", {name: (unit, values)}, noise=noise)
            for variant in variants
        ]
        return StoredRun(path=Path("run"), run=factory.make_run(results=results, **changes), samples={})

    return make


@pytest.fixture
def answered(factory):
    """A run with one item and lines of answers, right or wrong as a text of 1, 0 and ? says."""

    def make(marks, *, ids=None, clusters=None, n_clusters=None, groups=None, metric=None, **changes):
        worth = [{"1": 1.0, "0": 0.0, "½": 0.5}[mark] for mark in marks if mark in "10½"]
        metric = metric or Metric(name="accuracy", value=statistics.fmean(worth), n=len(worth))
        result = factory.scored("core", "math", "", "Q8_0", "full", metric, **changes)
        result = replace(result, clusters=n_clusters)
        lines = [
            {
                "task": "core/math",
                "doc_id": str(number),
                "target_sha256": "b" * 64,
                "prompt_sha256": f"{number}{marks}",  # another template, another prompt
                "score": {"1": 1.0, "0": 0.0, "½": 0.5, "!": 1e9}.get(mark),
                "answer": f"answer {mark}",
                **({"cluster": cluster} if cluster else {}),
                **({"groups": [group]} if group else {}),
            }
            for number, mark, cluster, group in zip(
                ids or range(len(marks)),
                marks,
                clusters or [None] * len(marks),
                groups or [None] * len(marks),
                strict=True,
            )
        ]
        return StoredRun(path=Path("run"), run=factory.make_run(results=[result]), samples={result.samples: lines})

    return make


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
    assert f"A is noisy: {factory.STEAL}" in told(found)


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


def test_answers_are_paired_by_question_not_by_place(answered):
    a, b = answered("1" * 20 + "0" * 20), answered("0" * 20 + "1" * 20, ids=[*range(20, 40), *range(20)])
    (one,) = compare(a, b).scores
    assert (one.only_a, one.only_b, one.difference, one.p, one.verdict) == (0, 0, 0.0, 1.0, "not told apart")


def test_better_and_worse_are_said_of_b(answered):
    a, b = answered("1" * 10 + "0" * 30), answered("1" * 30 + "0" * 10)
    (one,) = compare(a, b).scores
    assert (one.a, one.b, one.only_a, one.only_b, one.verdict) == (0.25, 0.75, 0, 20, "better")
    assert one.interval[0] <= one.difference <= one.interval[1]
    assert compare(b, a).scores[0].verdict == "worse"


def test_a_paired_test_finds_what_an_unpaired_one_does_not(answered):
    # 60 of 100 and 68 of 100 are 8 points with intervals 19 points wide, but never the other way round.
    (one,) = compare(answered("1" * 60 + "0" * 40), answered("1" * 68 + "0" * 32)).scores
    assert one.verdict == "better"
    assert one.p == pytest.approx(2 / 2**8)


def test_the_text_has_the_shares_of_both_sides(answered):
    words = told(compare(answered("1" * 60 + "0" * 40), answered("1" * 68 + "0" * 32))).split()
    assert "60.0" in words
    assert "68.0" in words
    assert "+8.0" in words


def test_bytes_are_told_as_megabytes(timed):
    found = compare(timed((250e6,), unit="B", name="peak_rss"), timed((500e6,), unit="B", name="peak_rss"))
    assert "250 MB" in told(found)
    assert "500 MB" in told(found)


def test_unscored_answers_are_left_out_and_told(answered):
    (one,) = compare(answered("11?0"), answered("1?00")).scores
    assert (one.n, one.only_a) == (2, 0)
    assert one.notes == ("2 of 4 questions are scored in both",)


def test_a_question_that_stands_there_twice_is_no_pair(answered):
    a = answered("110", ids=[1, 1, 2])
    (one,) = compare(a, answered("00", ids=[1, 2])).scores
    assert one.n == 1


def test_partly_right_answers_are_compared_by_their_mean_scores(answered):
    (one,) = compare(answered("½" * 20 + "10"), answered("1" * 20 + "01")).scores
    assert (one.a, one.b, one.only_a, one.only_b) == (0.5, pytest.approx(21 / 22), 1, 21)
    assert one.difference == pytest.approx(10 / 22)
    assert one.verdict == "better"
    assert 0 < one.interval[0] < one.difference < one.interval[1] <= 1


def test_half_a_point_for_both_makes_no_difference_and_no_certainty(answered):
    (one,) = compare(answered("½" * 20), answered("½" * 20)).scores
    assert (one.difference, one.p, one.verdict) == (0, 1, "not told apart")
    assert one.interval[0] < 0 < one.interval[1]


def test_a_score_that_is_no_share_is_no_score(answered):
    (one,) = compare(answered("1!0"), answered("110")).scores
    assert one.n == 2


def test_twenty_questions_about_four_passages_do_not_count_as_twenty(answered):
    passages = [str(number // 5) for number in range(20)]
    (alone,) = compare(answered("0" * 20), answered("1" * 20)).scores
    (together,) = compare(answered("0" * 20, clusters=passages), answered("1" * 20, clusters=passages)).scores
    assert alone.verdict == "better"
    assert together.p >= 2 / 2**4
    assert together.verdict == "too few"
    assert together.interval[0] < alone.interval[0]


MARGINS = [
    # right in A and in B, margin, verdict: the same with and without a difference beyond doubt
    ("1" * 100 + "0" * 100, "1" * 100 + "0" * 100, 0.05, "equivalent"),
    ("1" * 100 + "0" * 100, "1" * 100 + "0" * 100, None, "not told apart"),
    ("1" * 100 + "0" * 300, "1" * 108 + "0" * 292, 0.05, "equivalent"),
    ("1" * 100 + "0" * 300, "1" * 108 + "0" * 292, 0.01, "better"),
    ("1" * 100 + "0" * 300, "1" * 108 + "0" * 292, None, "better"),
    ("1" * 20 + "0" * 20, "1" * 20 + "0" * 20, 0.05, "not told apart"),
    ("1" * 4, "0" * 4, 0.05, "too few"),
]


@pytest.mark.parametrize(("a", "b", "margin", "verdict"), MARGINS)
def test_equivalent_is_said_only_inside_a_stated_margin(answered, a, b, margin, verdict):
    found = compare(answered(a), answered(b), margin=margin)
    (one,) = found.scores
    assert one.verdict == verdict
    assert (one.p_equivalent is None, one.p_no_worse is None) == (margin is None,) * 2
    assert verdict in told(found)


def test_what_would_have_been_seen_is_told_where_nothing_is(answered):
    found = compare(answered("10" * 50), answered("01" * 10 + "10" * 40))
    (one,) = found.scores
    assert 0.1 < one.detectable < 0.3
    assert f"100 questions would have shown {100 * one.detectable:.2g} points" in told(found)


@pytest.mark.parametrize(
    ("a", "b", "code"),
    [
        ("1" * 200 + "0" * 200, "1" * 200 + "0" * 200, NO_WORSE),
        ("1" * 200 + "0" * 200, "1" * 260 + "0" * 140, NO_WORSE),  # better is no worse
        ("1" * 200 + "0" * 200, "1" * 194 + "0" * 206, NO_WORSE),  # worse beyond doubt, and within the margin
        ("1" * 200 + "0" * 200, "1" * 140 + "0" * 260, WORSE),
        ("1" * 10 + "0" * 10, "1" * 10 + "0" * 10, NOT_KNOWN),  # too few to know
        ("10" * 50, "01" * 50, NOT_KNOWN),
    ],
)
def test_no_worse_worse_and_not_known(answered, a, b, code):
    found = compare(answered(a), answered(b), margin=0.05)
    assert verdict(found) == code
    assert list(reasons(found))


def test_an_item_that_b_has_not_is_not_known_and_named(answered, timed, factory):
    a, b = answered("1" * 400), answered("1" * 400)
    other = factory.scored("rag", "niah", "1024", "Q8_0", "full", factory.share("exact_match", 10, 10))
    a = replace(a, run=replace(a.run, results=(*a.run.results, other)))
    assert verdict(compare(b, b, margin=0.02)) == NO_WORSE
    found = compare(a, b, margin=0.02)
    assert (verdict(found), found.unknown) == (NOT_KNOWN, ("rag/niah[1024]",))
    assert "rag/niah[1024]: not measured in B" in found.refused
    assert "for want of a comparison: rag/niah[1024]" in " ".join(reasons(found))
    failed = replace(other, outcome="error", reason="the engine ended", metrics=(), primary=None)
    b = replace(b, run=replace(b.run, results=(*b.run.results, failed)))
    assert "rag/niah[1024]: error: the engine ended in B" in compare(a, b).refused
    assert verdict(compare(b, a, margin=0.02)) == NO_WORSE  # what A has not is nothing that B could be worse in


def test_the_number_is_that_of_the_report_where_groups_are_balanced(answered):
    # 30 of 40 and 1 of 10: the balanced metric is 42.5 %, and not 62 %
    groups = ["call"] * 40 + ["irrelevance"] * 10
    spec = MetricSpec(name="balanced_accuracy", balance=("call", "irrelevance"))
    sides = []
    for hits in (1, 5):
        value = (30 / 40 + hits / 10) / 2
        metric = Metric(name="balanced_accuracy", value=value, n=50)
        marks = "1" * 30 + "0" * 10 + "1" * hits + "0" * (10 - hits)
        sides.append(answered(marks, groups=groups, metric=metric, declared=Declaration(primary=spec)))
    (one,) = compare(*sides).scores
    assert (one.metric, one.n, one.a, one.b) == ("balanced_accuracy", 50, pytest.approx(0.425), pytest.approx(0.625))
    assert one.difference == pytest.approx(0.2)
    # four questions that weigh 2.5 each are four flips, and no ten
    assert (one.only_a, one.only_b, one.verdict) == (0, 4, "not told apart")


def test_fewer_attacks_that_succeed_are_better(answered):
    spec = MetricSpec(name="attack_success_rate", complement=True)

    def side(refused):
        metric = Metric(name=spec.name, value=1 - refused / 40, n=40, higher_is_better=False)
        marks = "1" * refused + "0" * (40 - refused)
        return answered(marks, metric=metric, declared=Declaration(primary=spec))

    (one,) = compare(side(10), side(30)).scores
    assert (one.a, one.b, one.difference, one.verdict) == (0.75, 0.25, -0.5, "better")
    assert one.interval[0] < one.difference < one.interval[1] < 0
    assert (one.only_a, one.only_b) == (0, 20)


def test_twins_count_as_one_and_only_together(answered):
    clusters = [str(number // 2) for number in range(40)]
    spec = MetricSpec(name="both", aggregate="twins")

    def side(marks, value):
        metric = Metric(name="both", value=value, n=20)
        return answered(marks, clusters=clusters, metric=metric, declared=Declaration(primary=spec))

    (one,) = compare(side("10" * 20, 0.0), side("11" * 10 + "10" * 10, 0.5)).scores
    assert (one.n, one.a, one.b, one.only_b, one.verdict) == (20, 0.0, 0.5, 10, "better")


def test_a_number_that_is_no_mean_over_questions_is_not_compared_by_them(answered):
    spec = MetricSpec(name="f1", aggregate="macro_f1")
    side = answered("1100", declared=Declaration(primary=spec))
    with pytest.raises(ReportError, match="its f1 is no mean over questions"):
        compare(side, side)


def test_samples_that_do_not_make_the_number_of_the_report_are_not_compared(answered):
    other = answered("1100", metric=Metric(name="accuracy", value=0.75, n=4))
    with pytest.raises(ReportError, match=r"accuracy is 0.7500 in the report and 0.5000 by its samples"):
        compare(answered("1100"), other)


def test_flips_are_listed_on_request_with_both_answers(answered):
    a, b = answered("1100"), answered("1010")
    assert compare(a, b).scores[0].flips == ()
    (one,) = compare(a, b, flips=True).scores
    assert [(flip.question, flip.a, flip.b) for flip in one.flips] == [("1", 1, 0), ("2", 0, 1)]
    assert (one.flips[0].answer_a, one.flips[0].answer_b) == ("answer 1", "answer 0")
    assert "core/math 1: 1 -> 0: 'answer 1' -> 'answer 0'" in told(compare(a, b, flips=True)).splitlines()


@pytest.mark.parametrize("hostile", ["\x1b[31mred\n\n", "a\u202eb\u2066", "x" * 5000, "\0\r\x08", "\ud800"])
def test_answers_of_flips_cannot_do_anything_to_a_terminal(answered, hostile):
    a, b = answered("10"), answered("01")
    (lines,) = b.samples.values()
    lines[0] |= {"answer": "", "response": hostile, "doc_id": hostile}
    a.samples[next(iter(a.samples))][0]["doc_id"] = hostile
    text = told(compare(a, b, flips=True))
    assert all(char == "\n" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in text)
    assert len([line for line in text.splitlines() if " -> " in line]) == 2


def test_clusters_that_one_run_names_are_enough_and_then_no_passages_are_told(answered):
    named = answered("1100", clusters=["a", "a", "b", "b"], n_clusters=2)
    (one,) = compare(answered("0000"), named).scores
    assert (one.p, one.notes) == (1.0, ())


def test_clusters_of_one_question_each_are_none(answered):
    plain, named = answered("1" * 10 + "0" * 5), answered("0" * 15, clusters=[str(number) for number in range(15)])
    assert compare(plain, named).scores == compare(plain, answered("0" * 15)).scores


def repeated(run, n):
    """The run as if each ``n`` neighbouring lines were the answers to one question."""
    lines = {
        path: [
            {**line, "doc_id": str(place // n), "repeat": place % n, "target_sha256": "t", "cluster": str(place // n)}
            for place, line in enumerate(mine)
        ]
        for path, mine in run.samples.items()
    }
    return replace(run, samples=lines)


def test_answers_to_questions_that_were_asked_several_times_are_pairs_of_one_cluster(answered):
    a, b = answered("1111" * 5), answered("0000" * 5)
    (one,) = compare(repeated(a, 4), repeated(b, 4)).scores
    assert one.n == 5 * 4
    (alone,) = compare(repeated(answered("1" * 5), 1), repeated(answered("0" * 5), 1)).scores
    assert one.p >= alone.p  # five questions, however often they were asked
    (less,) = compare(repeated(a, 4), repeated(answered("0" * 5), 1)).scores
    assert less.n == 5  # the first answer to each is what both have


def test_questions_about_one_passage_are_told(answered):
    (one,) = compare(answered("10", n_clusters=1), answered("11")).scores
    assert "share passages" in one.notes[0]


def test_without_samples_scores_are_not_compared(answered):
    with pytest.raises(ReportError, match="its samples are not beside both reports"):
        compare(answered("10"), replace(answered("10"), samples={}))


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
