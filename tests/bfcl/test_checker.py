"""BFCL's rules, one by one, with the trap of each."""

import pytest

from pytest_slm.bfcl.checker import OURS, PUBLISHED, STRICT, problem
from pytest_slm.core.types import ToolCall

LIST = {"type": "array", "items": {"type": "string"}}
FLOATS = {"type": "array", "items": {"type": "float"}}
DICTS = {"type": "array", "items": {"type": "dict"}}


def call(_name="f", /, **arguments):
    return ToolCall(name=_name, arguments=arguments)


@pytest.mark.parametrize(
    ("kind", "accepted", "right", "wrong"),
    [
        ("integer", [5], [5], [5.0, "5", True, None, 6, 2**70]),
        ("integer", [1], [1], [True, "1"]),  # a boolean is no integer
        ("boolean", [True], [True], [1, "true", False]),
        ("float", [5.0], [5.0, 5], ["5", True, float("nan"), float("inf"), 2**70, 10**400]),  # an integer is a float
        ("string", ["April 1, 2024"], ["april 1 2024", "April-1_2024.", "APRIL1,2024"], ["April 2, 2024", 5, ""]),
        ("string", ["it's"], ['it"s'], ["its"]),
        ("string", ["2.5"], ["25"], ["2;5"]),  # a decimal point is not heard either
        ("string", ["Café"], ["CAFÉ"], ["Cafe", "Cafe\u0301", "Саfé"]),  # Unicode is compared as it is
        ("any", ["x"], ["X"], [5]),
        ("tuple", [[1, 2]], [[1, 2], (1, 2)], [[2, 1], "1,2"]),
        (
            LIST,
            [["a b", "c"]],
            [["AB", "c."]],
            [["c", "a b"], ("a b", "c"), ["a b", 5], []],
        ),  # no tuple where a list is
        (LIST, [["a"], ""], [["a"], []], [["b"]]),  # may be left out, so it may be empty
        (FLOATS, [[1.0, 2.0]], [[1.0, 2.0]], [[1, 2]]),  # an integer is no float inside of a list
        (
            "dict",
            [{"k": ["v"], "o": ["", 1]}],
            [{"k": "V"}, {"k": "v", "o": 1}],
            [{}, {"k": "w"}, {"k": "v", "z": 1}, []],
        ),
        (DICTS, [[{"k": ["a"]}, {"k": ["b"]}]], [[{"k": "A"}, {"k": "b"}]], [[{"k": "b"}, {"k": "a"}], [{"k": "a"}]]),
        ("integer", ["x"], ["x"], ["X", 5]),  # a variable: a text where none is wanted, and then letter by letter
    ],
)
def test_values(question, kind, accepted, right, wrong):
    asked = question({"f": {"a": accepted}}, a=kind)
    assert [value for value in right if problem(asked, [call(a=value)])] == []
    assert [value for value in wrong if not problem(asked, [call(a=value)])] == []


def test_required_unknown_and_optional_arguments(question):
    asked = question({"f": {"a": [1], "b": ["", 2], "c": [3]}}, a="integer", b="integer", c="integer", d="integer")
    assert problem(asked, [call(a=1, c=3)]) is None
    assert problem(asked, [call(a=1, b=2, c=3)]) is None
    assert problem(asked, [call(c=3)]) == "f: the argument 'a' is missing"
    assert problem(asked, [call(a=1)]) == "f: the argument 'c' is missing"
    assert "was not asked for" in str(problem(asked, [call(a=1, c=3, d=4)]))  # the function has it, the answer has not
    assert "was not asked for" in str(problem(asked, [call(a=1, c=3, e=4)]))
    assert "called g, expected f" in str(problem(asked, [call("g", a=1, c=3)]))
    assert "cannot be read" in str(problem(asked, [ToolCall(name="f")]))


def test_calls_in_parallel_come_in_any_order_and_are_taken_greedily(question):
    asked = question({"f": {"a": [1, 2]}}, {"f": {"a": [1]}}, category="parallel", a="integer")
    assert problem(asked, [call(a=2), call(a=1)]) is None
    # The first right call takes what the second needs: another order of the same calls is wrong, as in BFCL.
    assert problem(asked, [call(a=1), call(a=2)]) is not None
    assert "3 calls, expected 2" in str(problem(asked, [call(a=1), call(a=2), call(a=1)]))
    assert "0 calls" in str(problem(asked, []))


def test_strict_takes_texts_letter_by_letter_and_true_is_not_1(question):
    text = question({"f": {"a": ["Café du Nord"]}}, a="string")
    assert problem(text, [call(a="cafédunord")], OURS) is None
    assert problem(text, [call(a="cafédunord")], STRICT) is not None
    assert problem(text, [call(a="Cafe\u0301 du Nord")], STRICT) is None
    inside = question({"f": {"a": [{"k": [1]}]}}, a="dict")
    assert problem(inside, [call(a={"k": True})], PUBLISHED) is None
    assert problem(inside, [call(a={"k": True})], STRICT) is not None


def test_where_bfcl_accepts_no_value_at_all_we_take_an_empty_list(question):
    asked = question({"f": {"a": []}}, a=LIST)
    assert problem(asked, [call(a=[])], PUBLISHED) is not None
    assert problem(asked, [call(a=[])], OURS) is None
    assert problem(asked, [call(a=["x"])], OURS) is not None


@pytest.mark.parametrize(
    ("kind", "accepted", "right", "wrong"),
    [
        ("integer", [5], ["5"], [5, "5L", "5.0", "٥"]),
        ("long", [5], ["5L", "5l"], ["5"]),
        ("float", [2.5], ["2.5f", "25e-1F"], ["2.5", 2.5]),
        ("double", [2.5], ["2.5", "2.5e0"], ["2.5f"]),
        ("boolean", [True], ["true"], ["True", True]),
        ("String", ["a b"], ["A b"], ['"c"', 5]),
        ("HashMap", [{"k": ["v"]}], ['new HashMap<String, String>() {{ put("k", "v"); }}'], ["new HashMap<>()", "{}"]),
        (
            {"type": "ArrayList", "items": {"type": "String"}},
            [["a", "b"]],
            ['new ArrayList<>(Arrays.asList("a", "b"))', 'new ArrayList<String>() {{ add("a"); add("b"); }}'],
            ["new ArrayList<>()", '["a", "b"]'],
        ),
        (
            {"type": "Array", "items": {"type": "integer"}},
            [[1, 2]],
            ["new int[]{1, 2}", "new int[] { 1,2 }"],
            ["{1, 2}"],
        ),
    ],
)
def test_java(question, kind, accepted, right, wrong):
    asked = question({"f": {"a": accepted}}, category="simple_java", a=kind)
    assert [value for value in right if problem(asked, [call(a=value)])] == []
    assert [value for value in wrong if not problem(asked, [call(a=value)])] == []


@pytest.mark.parametrize(
    ("kind", "accepted", "right", "wrong"),
    [
        ("String", ["a"], ["a", "'a'", '"A"'], [5, "'b'"]),
        ("integer", [5], ["5"], ["5n", 5, "5.0"]),
        ("Bigint", [5], ["5n"], ["5"]),
        ("float", [2.5, 3.0], ["2.5", "3"], ["2.5e0"]),
        ("Boolean", [False], ["false"], [False, "0"]),
        ("dict", [{"k": ["v"], "l": [["a"]]}], ["{k: 'v', \"l\": ['a']}"], ["{k: 'v'}", "{}"]),
        ("dict", [{}], ["{}"], ["{a: 1}"]),
        (
            {"type": "array", "items": {"type": "float"}},
            [[60, 30]],
            ["[60, 30]", "new Array(60, 30)"],
            ["60, 30", "[60]"],
        ),
        ({"type": "array", "items": {"type": "array"}}, [[[1, 2], [3]]], ["[[1, 2], [3]]"], ["[[1], [3]]"]),
    ],
)
def test_javascript(question, kind, accepted, right, wrong):
    asked = question({"f": {"a": accepted}}, category="simple_javascript", a=kind)
    assert [value for value in right if problem(asked, [call(a=value)])] == []
    assert [value for value in wrong if not problem(asked, [call(a=value)])] == []


def test_commas_and_quotes_in_lists_are_bfcls_fault_and_not_ours(question):
    java = {"type": "Array", "items": {"type": "String"}}
    asked = question({"f": {"a": [["x, y", "z"]]}}, category="simple_java", a=java)
    written = [call(a='new String[]{"x, y", "z"}')]
    assert problem(asked, written, PUBLISHED) is not None
    assert problem(asked, written, OURS) is None
