"""The effective length is the longest that is mastered, with all that are shorter."""

import pytest

from pytest_slm.core.aggregation import families_of, suite_score, task_weights
from pytest_slm.core.types import Declaration, Metric, Result
from pytest_slm.registry.lengths import by_part, lengths


def result(task, tokens, value, *, family=None, effective=0.85, outcome="passed", suite="rag", parts=()):
    metrics = [Metric(name="found", value=value, n=10, interval=(value / 2, value)) for _ in range(outcome == "passed")]
    metrics += [Metric(name=f"found[depth={depth}]", value=share, n=2) for depth, share in parts]
    return Result(
        suite=suite,
        task=task,
        variant=str(tokens),
        quantization="Q4_0",
        mode="full",
        outcome=outcome,
        primary="found",
        metrics=tuple(metrics),
        declared=Declaration(family=family, effective=effective),
    )


@pytest.mark.parametrize(
    ("values", "effective", "open_"),
    [
        ({1024: 1.0, 2048: 0.9, 4096: 0.5}, 2048, False),
        ({1024: 0.85, 2048: 0.84}, 1024, False),
        ({1024: 0.5, 2048: 1.0}, None, False),  # a lucky longer one is no proof of a shorter
        ({1024: 1.0, 2048: 0.5, 4096: 1.0}, 1024, False),
        ({8192: 1.0, 1024: 1.0}, 8192, True),
        ({1024: 0.0}, None, False),
    ],
)
def test_the_longest_with_all_shorter_ones(values, effective, open_):
    (series,) = lengths(result("vt", tokens, value) for tokens, value in values.items())
    assert (series.effective, series.open) == (effective, open_)
    assert [point.tokens for point in series.points] == sorted(values)


def test_what_was_not_measured_is_no_length():
    (series,) = lengths([result("vt", 1024, 1.0), result("vt", 2048, 0.0, outcome="skipped")])
    assert [point.tokens for point in series.points] == [1024]
    assert lengths([result("vt", 1024, 0.0, outcome="error")]) == ()


def test_a_task_that_declares_nothing_has_none():
    assert lengths([result("vt", 1024, 1.0, effective=None), result("vt", "long", 1.0)]) == ()


def test_a_family_is_the_mean_where_all_of_it_was_measured():
    some = [result("a", 1024, 1.0, family="f"), result("b", 1024, 0.8, family="f"), result("a", 2048, 1.0, family="f")]
    family, first, _ = lengths(some)
    assert (family.name, family.tasks, first.name) == ("f", 2, "a")
    assert [(point.tokens, point.value, point.n) for point in family.points] == [(1024, pytest.approx(0.9), 20)]
    assert family.effective == 1024
    # 2048 was measured of one of them only: that is no mean of the family
    assert first.effective == 2048


def test_depths_of_a_task_by_length():
    some = [result("a", n, 1.0, parts=[("0", 1.0), ("50", share)]) for n, share in ((2048, 0.5), (1024, 1.0))]
    found = by_part(some, "rag", "a", "depth")
    assert list(found) == [1024, 2048]
    assert found[2048]["50"].value == 0.5
    assert by_part(some, "rag", "b", "depth") == by_part(some, "rag", "a", "family") == {}


def test_a_family_counts_once_in_the_score():
    some = [result("niah", 1024, 0.0), *(result(name, 1024, 1.0, family="ruler") for name in "abc")]
    weights = task_weights(["niah", "a", "b", "c"], families_of(some))
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["niah"] == pytest.approx(0.5)
    assert suite_score("rag", ["niah", "a", "b", "c"], some).score == pytest.approx(50)
    # without families every task is one, as ever
    assert set(task_weights(["x", "y"], {}).values()) == {0.5}
