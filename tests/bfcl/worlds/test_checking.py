"""BFCL's rules for conversations, without a sandbox."""

from pytest_slm.bfcl.worlds.checking import check, needless_turns
from pytest_slm.core.worlds import TurnComparison, WorldCall

CALL = WorldCall(name="f")


def found(results=(), gold=(), differing=()):
    return TurnComparison(results=tuple(results), gold_results=tuple(gold), differing=tuple(differing))


def errors(made, gold, compared):
    return (finding := check(made, gold, compared)).error, finding.turn


def test_states_are_equal_and_results_contained_after_each_turn():
    gold = [(CALL,), (CALL,)]
    assert check(gold, gold, [found("a", "a"), found("b", "b")]).valid
    assert errors(gold, gold, [found("a", "a"), found("b", "b", ["Box.x"])]) == ("instance_state_mismatch", 1)
    assert errors(gold, gold, [found("a", "a"), found("c", "b")]) == ("execution_response_mismatch", 1)


def test_a_result_of_an_earlier_turn_counts_and_as_often_as_it_was_had():
    gold = [(CALL,), (CALL, CALL)]
    assert check(gold, gold, [found("ab", "a"), found("a", "ba")]).valid  # in whatever order
    assert errors(gold, gold, [found("ab", "a"), found("x", "bb")]) == ("execution_response_mismatch", 1)


def test_a_turn_with_gold_calls_must_have_some_and_one_without_is_not_judged():
    assert errors([()], [(CALL,)], [found("", "")]) == ("empty_turn_model_response", 0)
    # the state is wrong only where there is something to compare with
    assert check([(CALL,), (CALL,)], [(), (CALL,)], [found("a", "", ["Box.x"]), found("b", "b")]).valid
    assert errors([(CALL,), (CALL,)], [(), (CALL,)], [found("a"), found("b", "b", ["Box.x"])])[1] == 1
    assert needless_turns([(CALL,), (CALL,), ()], [(), (CALL,), ()]) == 1


def test_an_empty_turn_is_told_before_a_state_that_differs():
    assert errors([()], [(CALL,)], [found("", "a", ["Box.x"])]) == ("empty_turn_model_response", 0)
