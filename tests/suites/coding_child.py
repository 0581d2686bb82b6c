"""Runs our own coding problems: solutions, examples, and mutants. Nothing here was written by a model under test.

Usage: ``python -I coding_child.py coding.jsonl``; prints JSON: id to what was found.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import doctest
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

SWAPPED: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Mod: ast.Add,
    ast.Lt: ast.GtE, ast.LtE: ast.Lt, ast.Gt: ast.LtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.And: ast.Or, ast.Or: ast.And, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
IDLE = ("return None", "return 0", "return ''", "return []", "return True", "return {}", "raise SystemExit(0)")


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """(what was changed, changed source): one operator, number, sign or method at a time."""
    tree = ast.parse(source)
    for index, node in enumerate(ast.walk(tree)):
        changed = copy.deepcopy(tree)
        target: Any = list(ast.walk(changed))[index]
        if isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp) and type(node.op) in SWAPPED:
            target.op = SWAPPED[type(node.op)]()
        elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPPED:
            target.ops[0] = SWAPPED[type(node.ops[0])]()
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            target.op = ast.UAdd()
        elif isinstance(node, ast.Constant) and type(node.value) is int:
            target.value += 1
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.args:
            target.func, target.args = ast.Name("list" if node.func.attr == "values" else "str"), [target.func.value]
        else:
            continue
        what = f"line {getattr(node, 'lineno', 0)}: {ast.unparse(node)} -> {ast.unparse(target)}"
        yield what, ast.unparse(ast.fix_missing_locations(changed))


def passes(source: str, problem: dict[str, Any]) -> bool:
    """Whether the tests of a problem pass with this solution, within half a second."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        space: dict[str, Any] = {}
        exec(source, space)
        exec(problem["test"], space)
        space["check"](space[problem["entry_point"]])
    except (Exception, SystemExit):
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return True


def examples(source: str, name: str) -> tuple[int, int]:
    """How many examples of the docstring were tried, and how many failed."""
    space: dict[str, Any] = {"__name__": "problem"}
    exec(source, space)
    (test,) = doctest.DocTestFinder(recurse=False).find(space[name], name, module=False, globs=space)
    with contextlib.redirect_stdout(sys.stderr):
        failed, attempted = doctest.DocTestRunner().run(test)
    return attempted, failed


def verdict(problem: dict[str, Any]) -> dict[str, Any]:
    source = problem["prompt"] + problem["canonical_solution"]
    tried = list(mutants(source))
    attempted, failed = examples(source, problem["entry_point"])
    return {
        "canonical": passes(source, problem),
        "examples": attempted,
        "examples_failed": failed,
        "idle_passed": [line for line in IDLE if passes(f"{problem['prompt']}    {line}\n", problem)],
        "mutants": len(tried),
        "survivors": [what for what, changed in tried if passes(changed, problem)],
    }


if __name__ == "__main__":
    os.environ.clear()
    lines = Path(sys.argv[1]).read_text("utf-8").splitlines()
    print(json.dumps({problem["id"]: verdict(problem) for problem in map(json.loads, lines)}))
