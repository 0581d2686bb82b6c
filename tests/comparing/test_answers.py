"""Answers of two runs, question by question: better, worse, equivalent, not told apart, and what is no pair."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import replace

import pytest

from pytest_slm.comparing import compare, reasons, told, verdict
from pytest_slm.comparing.gate import NO_WORSE, NOT_KNOWN, WORSE
from pytest_slm.core.types import Declaration, Metric, MetricSpec
from pytest_slm.errors import ReportError


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
    assert f"n = 100 can see differences from {100 * one.detectable:.2g} points on" in told(found)


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


def test_flips_of_harmful_answers_are_hashes_unless_the_run_shows_what_may_hurt(answered):
    a, b = (
        replace(one, run=replace(one.run, results=(replace(one.run.results[0], harmful=True),)))
        for one in (answered("10"), answered("01"))
    )
    b = replace(b, run=replace(b.run, show_harmful=True))
    (first, _) = compare(a, b, flips=True).scores[0].flips
    assert first.answer_a == f"sha256:{hashlib.sha256(b'answer 1').hexdigest()[:16]}"
    assert first.answer_b == "answer 0"


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
