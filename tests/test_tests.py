"""What would make a test that cannot fail, looked for in every test of this folder."""

import ast
from collections.abc import Set
from functools import cache
from pathlib import Path

FILES = sorted(Path(__file__).parent.rglob("*.py"))
CONFTESTS = {path for path in FILES if path.name == "conftest.py"}

CHECKS = {"raises", "warns", "fail", "assert_outcomes", "fnmatch_lines", "re_match_lines", "no_fnmatch_line"}
"""Calls that fail a test by themselves. What our own code checks (``check_task(task)``) has the word in its name."""

BY_COMING_BACK = {
    "test_closing_twice_is_allowed",
    "test_a_stranger_who_says_nothing_is_hung_up_on",
    "test_any_bytes_behind_the_magic_are_read_or_refused",
    "test_any_headers_are_read_or_refused",
    "test_any_message_is_a_value_or_unfit",
}
"""Tests of which a line is the check: it raises something else than it may, or never ends."""

Function = ast.FunctionDef


@cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text("utf-8"))))


@cache
def functions(path: Path) -> list[Function]:
    return [node for node in nodes(path) if isinstance(node, Function)]


def all_tests() -> list[tuple[Path, Function]]:
    files = [path for path in FILES if path.name.startswith("test_")]
    return [(path, node) for path in files for node in functions(path) if node.name.startswith("test_")]


@cache
def said(node: ast.AST) -> tuple[bool, Set[str]]:
    """Whether it asserts something, and the last name of everything that is called in it."""
    inside = list(ast.walk(node))
    names = {ast.unparse(call.func).rpartition(".")[2] for call in inside if isinstance(call, ast.Call)}
    return any(isinstance(inner, ast.Assert) for inner in inside), names


@cache
def helpers(path: Path) -> frozenset[str]:
    """Functions and fixtures that this file can see and that check something, by themselves or through each other."""
    places = {path, *(place for place in CONFTESTS if path.is_relative_to(place.parent))}
    seen = [node for place in places for node in functions(place)]
    found: set[str] = set()
    while more := {node.name for node in seen if node.name not in found and checks(node, found)}:
        found |= more
    return frozenset(found)


def checks(node: ast.AST, known: Set[str]) -> bool:
    asserts, names = said(node)
    return asserts or bool(names & (CHECKS | known)) or any(name.startswith(("check", "validate")) for name in names)


def always_true(test: ast.expr) -> bool:
    """Whether an asserted expression holds whatever the code does."""
    if isinstance(test, ast.Constant | ast.JoinedStr | ast.Tuple | ast.Lambda):
        return not isinstance(test, ast.Constant) or bool(test.value)
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
        return any(always_true(value) for value in test.values)
    if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq | ast.Is | ast.LtE | ast.GtE):
        sides = [test.left, *test.comparators]
        # The same call twice says that it gives the same twice.
        plain = not any(isinstance(inner, ast.Call | ast.Attribute) for inner in ast.walk(test.left))
        return plain and len({ast.unparse(side) for side in sides}) == 1
    return False


def test_every_test_can_fail():
    assert len(all_tests()) > 1000
    idle = [
        f"{path.parent.name}/{path.name}: {node.name}" for path, node in all_tests() if not checks(node, helpers(path))
    ]
    assert [where for where in idle if where.rpartition(" ")[2] not in BY_COMING_BACK] == []


def test_nothing_is_asserted_that_always_holds():
    wrong = [
        f"{path.name}:{node.lineno}: {ast.unparse(node)}"
        for path in FILES
        for node in nodes(path)
        if isinstance(node, ast.Assert) and always_true(node.test)
    ]
    assert wrong == []


def test_both_find_what_they_look_for():
    def parsed(text: str) -> Function:
        return next(node for node in ast.walk(ast.parse(text)) if isinstance(node, Function))

    known = helpers(Path(__file__).parent / "plugin" / "test_bad_input.py")
    assert not checks(parsed("def test_it(run):\n    run('suites')"), known)
    assert checks(parsed("def test_it(run):\n    run('suites').assert_outcomes(passed=1)"), known)
    assert checks(parsed("def test_it(run):\n    usage(run('suites'), 'x')"), known)
    held = ("x or True", "x == x", "(x, 'why')", "1", "'text'", "f'{x}'", "lambda: x")
    assert [text for text in held if not always_true(ast.parse(text, mode="eval").body)] == []
    open_ = ("x == y", "f() == f()", "x", "not x", "x and True", "x.a == x.a", "x <= y <= z")
    assert [text for text in open_ if always_true(ast.parse(text, mode="eval").body)] == []
