"""A gate is the least value of a score that passes, or the greatest where lower is better."""

from types import SimpleNamespace

import pytest

from pytest_slm.core.types import Gate
from pytest_slm.run.assembly import unchecked_gates


def test_without_a_gate_every_score_passes(run, result):
    assert run().judged(result(0.0)).outcome == "passed"


@pytest.mark.parametrize(("value", "outcome"), [(0.49, "failed"), (0.5, "passed"), (0.51, "passed")])
def test_a_gate_is_the_least_value_that_passes(run, result, value, outcome):
    assert run(gates={"geo/capitals": 0.5}).judged(result(value)).outcome == outcome


@pytest.mark.parametrize(("value", "outcome"), [(0.51, "failed"), (0.5, "passed"), (0.49, "passed")])
def test_where_lower_is_better_it_is_the_greatest(run, result, value, outcome):
    assert run(gates={"geo/capitals": 0.5}).judged(result(value, higher=False)).outcome == outcome


def test_a_failed_gate_tells_value_doubt_and_limit(run, result):
    judged = run(gates={"geo": 0.9}).judged(result(0.5))
    assert judged.reason == "acc 0.500 (n=10, 95 % interval 0.200 to 0.800) is below its gate 0.9"
    assert judged.gate == Gate(metric="acc", limit=0.9)
    assert judged.metrics  # it was measured


def test_a_gate_from_above_says_above(run, result):
    assert "is above its gate 0.1" in run(gates={"geo": 0.1}).judged(result(0.5, higher=False)).reason


def test_a_gate_on_what_was_not_measured_fails(run, result):
    # it would pass for ever, and nobody would know
    judged = run().judged(result(0.5, gate=Gate(metric="precision", limit=0.9)))
    assert (judged.outcome, judged.reason) == ("failed", "the gate is on precision, which was not measured")


def test_the_command_lines_gate_comes_before_the_tasks_and_the_tasks_before_the_suites(run, result):
    own = result(0.5, gate=Gate(metric="acc", limit=0.9))
    assert run().judged(own).outcome == "failed"
    assert run(gates={"geo": 0.1}).judged(own).outcome == "passed"
    assert run(gates={"geo": 0.1, "geo/capitals": 0.8}).judged(own).outcome == "failed"


def test_another_suites_gate_is_not_this_ones(run, result):
    assert run(gates={"geography": 0.9, "geo/rivers": 0.9}).judged(result(0.5)).outcome == "passed"


@pytest.mark.parametrize("outcome", ["skipped", "error", "not_run"])
def test_what_was_not_measured_is_not_judged(run, result, outcome):
    nothing = result(metrics=(), outcome=outcome, reason="why")
    judged = run(gates={"geo": 0.9}).judged(nothing)
    assert (judged.outcome, judged.reason) == (outcome, "why")


def test_a_gate_on_a_group_without_a_score_was_not_checked(result):
    # parts of it are missing: it has numbers, but none of them is its score
    partial = result(primary=None, reason="partial: no data for 1 of the 57 subtasks")
    (line,) = unchecked_gates({"geo": 0.5}, [SimpleNamespace(results=(partial,))])
    assert line.startswith("the gate geo was not checked: geo/capitals[Q8_0] is passed (partial: ")
    judged = result(gate=Gate(metric="acc", limit=0.5))
    assert not unchecked_gates({"geo": 0.5}, [SimpleNamespace(results=(judged,))])
