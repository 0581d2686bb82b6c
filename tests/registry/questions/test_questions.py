"""The score of each question, packed: what goes in comes out, and what does not make the item's number is left out."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from pytest_slm.core.metrics.units import made_of, mean
from pytest_slm.core.record import RecordError
from pytest_slm.core.types import Metric, MetricSpec
from pytest_slm.registry import find_reports
from pytest_slm.registry.questions import QuestionScores, canonical, question_scores
from pytest_slm.registry.questions.lines import unit_of
from pytest_slm.registry.questions.record import pack, runs_of, unpack


def lines(scores, **more):
    return [
        {"task": "core/math", "doc_id": str(number), "target_sha256": "b" * 64, "score": score, **more}
        for number, score in enumerate(scores)
    ]


@pytest.fixture
def item(factory):
    """An item of that value, whose primary metric is declared as ``spec`` says."""

    def make(value, spec=None, **changes):
        made = factory.scored("core", "math", "", "Q8_0", "full", Metric(name="accuracy", value=value, n=4))
        return replace(made, declared=replace(made.declared, primary=spec), **changes)

    return make


@pytest.mark.parametrize("kinds", [1, 2, 3, 4, 5, 16, 17, 256, 257, 65536])
def test_numbers_come_out_of_their_bits_as_they_went_in(kinds):
    rng = random.Random(kinds)
    for n in (1, 7, 8, 9, 100):
        numbers = [rng.randrange(kinds) for _ in range(n)]
        assert unpack(pack(numbers, kinds), n, kinds) == numbers


def test_right_and_wrong_take_a_bit_a_question(item):
    found = question_scores(item(0.5), lines([1.0, 0.0] * 4000))
    assert len(found.scores) == 1336  # base64 of 1,000 bytes
    assert found.ids == (("", 0, 8000),)


def test_the_order_of_the_lines_does_not_matter(item):
    asked = lines([1.0, 0.0, 0.5, None, *[0.0] * 9, 1.0])
    found = question_scores(item(2.5 / 13), asked)
    assert found is not None
    assert found == question_scores(item(2.5 / 13), asked[::-1])


def test_units_are_those_of_the_lines(item):
    asked = lines([1.0, 0.0, 0.5, None])
    asked[1]["cluster"] = asked[2]["cluster"] = "passage"
    found = question_scores(item(0.5), asked)
    assert [unit.value for unit in found.units] == [1.0, 0.0, 0.5, None]
    assert [unit.cluster for unit in found.units] == [0, 1, 1, 2]
    assert found.names == ("0", "1", "2", "3")
    assert QuestionScores.from_json(found.to_json()) == found


def test_a_balanced_metric_is_made_of_what_was_packed(item):
    spec = MetricSpec(name="accuracy", balance=("one", "two"))
    asked = [
        {**line, "groups": ["one" if number else "two"]} for number, line in enumerate(lines([1.0, 1.0, 0.0, 0.0]))
    ]
    whole = mean(made_of(spec, [unit_of(line, spec) for line in asked]))
    found = question_scores(item(whole, spec), asked)
    assert mean(made_of(spec, found.units)) == pytest.approx(whole) == pytest.approx((1 + 1 / 3) / 2)


def test_twins_are_one_question_and_unscored_where_one_is(item):
    spec = MetricSpec(name="accuracy", aggregate="twins")
    asked = lines([1.0, 1.0, 1.0, 0.0, 1.0, None])
    for number, line in enumerate(asked):
        line["cluster"] = str(number // 2)
    found = question_scores(item(0.5, spec), asked)
    assert [unit.value for unit in found.units] == [1.0, 0.0, None]
    assert found.names == ("0", "1", "2")


def test_only_the_lines_of_the_declared_group_count(item):
    spec = MetricSpec(name="accuracy", group="asked")
    asked = [{**line, "groups": ["asked"] if number < 2 else []} for number, line in enumerate(lines([1.0, 0.0, 1.0]))]
    assert question_scores(item(0.5, spec), asked).n == 2


@pytest.mark.parametrize(
    ("value", "spec"),
    [
        (0.3, None),
        (0.5, MetricSpec(name="accuracy", aggregate="macro_f1")),
        (0.5, MetricSpec(name="accuracy", group="none")),
        (0.5, MetricSpec(name="accuracy", balance=("one", "none"))),
    ],
)
def test_a_number_that_the_lines_do_not_make_has_no_questions(item, value, spec):
    assert question_scores(item(value, spec), lines([1.0, 0.0], groups=["one"])) is None


def test_other_questions_have_another_hash(item):
    one, same = (question_scores(item(0.5), lines(scores)) for scores in ([1.0, 0.0], [0.0, 1.0]))
    assert one.questions == same.questions
    others = [
        question_scores(item(0.5), [{**line, "target_sha256": "c" * 64} for line in lines([1.0, 0.0])]),
        question_scores(item(0.5, version=2), lines([1.0, 0.0])),
        question_scores(item(0.5, seeded=True), lines([1.0, 0.0])),
        question_scores(item(0.5, seeded=True, seed=1), lines([1.0, 0.0])),
        question_scores(item(0.5), lines([1.0, 0.0, 1.0, 0.0])),
    ]
    assert len({one.questions, *(other.questions for other in others)}) == 6


def test_a_question_that_stands_there_twice_has_no_score():
    twice = lines([1.0, 0.0]) + lines([1.0])
    assert [line["score"] for line in canonical(twice).values()] == [None, 0.0]


def test_hostile_ids_and_scores_are_harmless(item):
    asked = [
        {"doc_id": one, "score": score}
        for one, score in (("9" * 5000, 1.0), ("\ud800", 0.0), ("<script>", float("nan")), (None, 2**70), ({}, True))
    ]
    found = question_scores(item(0.5), asked)
    assert [unit.value for unit in found.units].count(None) == 3
    assert max(map(len, found.names)) <= 80
    assert QuestionScores.from_json(found.to_json()) == found


def test_ids_that_go_on_counting_are_one_run():
    found = runs_of(["a_1", "a_2", "a_3", "b", "7", "007", "9"])
    assert found == (("a_", 1, 3), ("b", 0, 0), ("", 7, 1), ("007", 0, 0), ("", 9, 1))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 2**40),
        ("n", 0),
        ("scores", "!"),
        ("scores", "AAAA"),
        ("levels", (0.0, 7.0)),
        ("n_clusters", 3),
        ("ids", (("", 0, 10**9),)),
        ("ids", (("", 0, -1),)),
        ("levels", ()),
    ],
)
def test_what_a_hostile_registry_says_is_refused_when_it_is_read(item, field, value):
    found = question_scores(item(0.5), lines([1.0, 0.0]))
    with pytest.raises(RecordError):
        QuestionScores.from_json({**found.to_json(), field: value})


def test_reports_are_found_with_the_scores_of_their_questions(factory, tmp_path):
    run = factory.make_run()
    samples = factory.make_samples(run)
    factory.store_run(tmp_path, factory.agreeing(run, samples), samples)
    (stored,), errors = find_reports(tmp_path)
    assert not errors
    assert {"samples/core.math.jsonl", "samples/rag.niah.1024.jsonl"} <= set(stored.questions)
    assert all(scores.n == 12 for scores in stored.questions.values())
