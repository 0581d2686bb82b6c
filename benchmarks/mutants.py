"""Whether the tests notice when the code is changed.

pip install cosmic-ray
python -m benchmarks.mutants --mutants 150

A seeded sample of the changes that cosmic-ray's operators can make (``<`` becomes ``<=``, ``+`` becomes ``-``, a number
grows by one, a ``not`` goes, ...) in the rooms that reckon: each in a copy of the checkout, in which the tests that
reach its line run until one fails (those of its own room first), and all tests of ``--wider`` where none does: a value
that is kept is made by the first test only that asks for it. A mutant that no test notices *survives*: either a test is
missing, or the change changes nothing. Changes of the types of arguments and local names are left out: nothing reads
them.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import itertools
import math
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import arguments
from benchmarks.common.outcome import Progress, recorded
from benchmarks.common.reached import Reached, reached

ROOMS = ("core", "scorers", "registry/merge.py", "comparing")
WIDER = ("core", "scorers", "registry", "comparing", "kinds", "run", "terminal")
PATIENCE = 4
"""A change that makes tests take so many times the processor time of all of them without it is noticed."""
IDLE = 40
"""Seconds by the clock for one of the processor's: a busy machine is patient, and a test that only waits ends, too."""
Place = tuple[Path, str, int]
"""A module, an operator, and which of its places in there."""
QUICK = "not slow and not engine and not browser and not nightly"


def main() -> None:
    """Try the sample, a mutant after the other."""
    parser = argparse.ArgumentParser(description=str(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=arguments.count, default=150, metavar="N", help="how many (default: 150)")
    parser.add_argument("--seed", type=int, default=0, help="which of all (default: 0)")
    parser.add_argument("--rooms", default=",".join(ROOMS), metavar="NAMES", help="folders or files below pytest_slm")
    parser.add_argument("--wider", default=",".join(WIDER), metavar="NAMES", help="folders below tests")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), metavar="DIR", help="for mutants.json")
    options = parser.parse_args()
    if importlib.util.find_spec("cosmic_ray") is None:
        parser.error("the operators are cosmic-ray's: pip install cosmic-ray")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "checkout"
        subprocess.run(["git", "clone", "--quiet", ".", str(copy)], check=True)
        places = mutations(copy, options.rooms.split(","))
        random.Random(options.seed).shuffle(places)
        changes = (one for place in places if (one := changed(copy, place)) is not None)
        chosen = list(itertools.islice(changes, options.mutants))
        wider = [f"tests/{name}" for name in options.wider.split(",")]
        began = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        if told := failed(copy, wider, None):
            sys.exit(f"the tests fail without any change: mend them first\n{told}")
        limit_s = math.ceil(PATIENCE * (resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - began))
        data = Path(folder) / "reached"
        counted = ("--cov=pytest_slm", "--cov-context=test", "--cov-report=")
        if told := failed(copy, [*counted, *wider], None, COVERAGE_FILE=str(data)):
            sys.exit(f"the tests fail when what they reach is counted\n{told}")
        tests = reached(data, copy)
        progress, ended = Progress(len(chosen)), Counter[str]()
        with recorded(options.out, "mutants", {"places": len(places), "seed": options.seed}) as document:
            for one in chosen:
                one |= {"outcome": tried(copy, one, tests, wider, limit_s)}
                ended[one["outcome"]] += 1
                document["rounds"].append({name: value for name, value in one.items() if name != "code"})
                progress.step(f"{one['module']}:{one['line']} {one['operator']}: {one['outcome']}")
            document["outcomes"] = dict(ended)
        survivors = [one for one in chosen if one["outcome"] == "survived"]
        for one in survivors:
            print(f"{one['module']}:{one['line']}  {one['operator']}\n    - {one['before']}\n    + {one['after']}")
        print(f"{len(chosen)} mutants, from {len(places)} places: {dict(ended)}")


def mutations(copy: Path, rooms: Sequence[str]) -> list[Place]:
    """All places at which an operator can change something, of all modules of the rooms."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    operators = {name: get_operator(name) for name in sorted(operator_names())}
    operators = {name: one() for name, one in operators.items() if not one.arguments()}
    found = []
    for room in rooms:
        place = copy / "pytest_slm" / room
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            nodes = list(ast_nodes(get_ast(path.read_text())))
            for name, operator in operators.items():
                n = sum(1 for node in nodes for _ in operator.mutation_positions(node))
                found += [(path.relative_to(copy), name, occurrence) for occurrence in range(n)]
    return found


def changed(copy: Path, place: Place) -> dict[str, Any] | None:
    """A module with one change; None where that leaves the same code, or none that can be read."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    module, name, occurrence = place
    source = (copy / module).read_text()
    code = mutate_code(source.encode(), get_operator(name)(), occurrence)
    if code is None or not _differ(source, code):
        return None
    pairs = zip(source.splitlines(), code.splitlines(), strict=False)
    number, (before, after) = next((n, pair) for n, pair in enumerate(pairs, 1) if pair[0] != pair[1])
    return {
        "module": str(module),
        "line": number,
        "operator": name.removeprefix("core/"),
        "before": before.strip(),
        "after": after.strip(),
        "code": code,
    }


def tried(copy: Path, mutant: dict[str, Any], tests: Reached, wider: Sequence[str], limit_s: int) -> str:
    """``killed`` by a test that reaches it, ``killed by wider tests``, or ``survived``."""
    module = Path(mutant["module"])
    path, room = copy / module, f"tests/{module.parts[1]}"
    mine = sorted(tests.get(module, {}).get(mutant["line"], ()), key=lambda test: (not test.startswith(room), test))
    source, chosen = path.read_text(), copy.with_name("chosen")
    path.write_text(mutant["code"])
    try:
        if mine:
            chosen.write_text("\0".join(mine))
            files = dict.fromkeys(test.partition("::")[0] for test in mine)
            if failed(copy, ["-p", "benchmarks.common.reached", f"--reached={chosen}", *files], limit_s):
                return "killed"
        return "killed by wider tests" if failed(copy, wider, limit_s) else "survived"
    finally:
        path.write_text(source)


def failed(copy: Path, arguments: Sequence[str], limit_s: int | None, **variables: str) -> str:
    """What pytest says where one of the tests fails, or they take more than ``limit_s`` of the processor; '' where all
    pass."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n0", "-p", "no:cacheprovider", "-m", QUICK, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", **variables}

    def limited() -> None:
        if limit_s is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s))

    run = subprocess.Popen(
        command, cwd=copy, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=limited
    )
    try:
        told, _ = run.communicate(timeout=limit_s and IDLE * limit_s)
    except subprocess.TimeoutExpired:
        run.kill()
        told, _ = run.communicate()
    return "" if run.returncode == 0 else told.decode(errors="replace")[-2000:] or f"exit {run.returncode}"


def _differ(source: str, code: str) -> bool:
    try:
        return ast.dump(_without_types(source)) != ast.dump(_without_types(code))
    except SyntaxError:
        return False


def _without_types(source: str) -> ast.Module:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
            for inner in ast.walk(node):
                if isinstance(inner, ast.AnnAssign):  # of a local name; a field's type of a record is read
                    inner.annotation = ast.Constant(None)
        if isinstance(node, ast.arg):
            node.annotation = None
    return tree


if __name__ == "__main__":
    main()
