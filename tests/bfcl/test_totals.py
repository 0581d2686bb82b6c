"""BFCL's totals over several tasks, as the suite declares them."""

from pathlib import Path

import pytest

from pytest_slm.core.metrics.composites import suite_composites
from pytest_slm.core.types import Declaration, ItemId, Metric, Result
from pytest_slm.load import load_suite, load_task

FOLDER = Path(__file__).parents[2] / "suites" / "function_calling"
SUITE = load_suite(FOLDER / "suite.yaml")


def result(task, variant="", **shares):
    declared = load_task(FOLDER / f"{task}.yaml", SUITE)
    assert {*shares} <= {spec.name for spec in declared.metrics}
    return Result.of(
        ItemId(suite=SUITE.name, task=task, variant=variant, quantization="Q"),
        mode="full",
        outcome="passed",
        metrics=tuple(Metric(name=name, value=share, n=100, interval=(share, share)) for name, share in shares.items()),
        declared=Declaration(task_variants=tuple(declared.variants)),
    )


SINGLE = result("bfcl", non_live=0.4, live=0.5, irrelevance_detection=0.9)
TURNS = [
    result("bfcl_multi_turn", variant, accuracy=share)
    for variant, share in (("base", 0.4), ("miss_func", 0.1), ("miss_param", 0.2), ("long_context", 0.1))
]


def totals(*results):
    return {one.name: one for one in suite_composites(SUITE.name, SUITE.facts, results)}


def test_multi_turn_is_the_mean_of_its_four_categories_and_counts_half():
    found = totals(SINGLE, *TURNS)
    assert found["multi_turn"].value == pytest.approx(0.2)
    assert found["multi_turn"].n == 400
    assert found["bfcl_v4_without_agentic"].value == pytest.approx((10 * 0.4 + 10 * 0.5 + 10 * 0.9 + 30 * 0.2) / 60)


def test_no_total_is_made_of_what_was_measured_in_part():
    assert totals(SINGLE) == totals(SINGLE, *TURNS[:3]) == {}
    assert [*totals(*TURNS)] == ["multi_turn"]
