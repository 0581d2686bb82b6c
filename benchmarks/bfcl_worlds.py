"""Whether our verdicts on BFCL's conversations are those of BFCL's own checker, and what many at once are worth.

python -m benchmarks.bfcl_worlds --data DIR

``verdicts``: every gold trajectory of the data, and ``--broken`` seeded broken ones (a call left out, an argument
changed, a call too many, calls in another order, a turn without calls). Theirs is `multi_turn_checker` of bfcl-eval, in
an environment of its own that this script makes (``--python`` names one that is there); ours runs the same classes in
the sandbox. ``together``: the same scenarios asked all at once, and one after the other, with ``--model``.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import subprocess
import sys
import tempfile
import venv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import arguments
from benchmarks.common.outcome import Progress, recorded, table
from pytest_slm.bfcl.rows import Row, docs_of, read_rows
from pytest_slm.bfcl.worlds.checking import check
from pytest_slm.bfcl.worlds.kind import Category, WorldsOptions
from pytest_slm.bfcl.worlds.library import ToolClasses
from pytest_slm.bfcl.worlds.scenario import Scenario, gold_call, scenario_of
from pytest_slm.core.config import RunConfig
from pytest_slm.core.types import Task
from pytest_slm.core.worlds import Execution
from pytest_slm.data.packages import Package, fetch
from pytest_slm.kinds.options import read_options
from pytest_slm.load import load_suite, load_task
from pytest_slm.load.builtin import suites_folder
from pytest_slm.sandbox import Worlds

WORKER = Path(__file__).parent / "common" / "bfcl_worker.py"
BREAKS = ("left out", "changed", "too many", "reordered", "empty turn")
EXTRA = {
    "GorillaFileSystem": "mkdir(dir_name='zzz')",
    "MathAPI": "add(a=1.0,b=2.0)",
    "MessageAPI": "add_contact(user_name='Zzz')",
    "TwitterAPI": "post_tweet(content='zzz')",
    "TicketAPI": "create_ticket(title='zzz')",
    "TradingBot": "add_to_watchlist(stock='ZETA')",
    "TravelAPI": "set_budget_limit(access_token='x', budget_limit=1.0)",
    "VehicleControlAPI": "adjustClimateControl(temperature=13.0)",
}
"""A call for each class that nobody has asked for; most change its state."""

Calls = list[list[str]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """Calls that a model might have made in a scenario, as text: in each turn one step."""

    name: str
    row: Row
    scenario: Scenario
    turns: Calls


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="data sets, laid out as the Hub is")
    parser.add_argument("--broken", type=arguments.count, default=200, metavar="N", help="broken trajectories")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the broken trajectories")
    parser.add_argument("--python", metavar="PATH", help="an interpreter with bfcl-eval and mpmath")
    parser.add_argument("--model", metavar="REF", help="a model for `together`; left out without one")
    parser.add_argument("--scenarios", type=arguments.count, default=6, metavar="N", help="of the category base")
    options = arguments.checked(arguments.with_out(parser), ["wasmtime", "datasets"])
    task = _task()
    tools = read_options(WorldsOptions, task.options).tools
    gold = gold_cases(task, tools, RunConfig(model="none", data=str(options.data)))
    broken = broken_cases(gold, options.broken, options.seed)
    progress = Progress(2 + 2 * bool(options.model))
    with recorded(options.out, "bfcl_worlds", {"seed": options.seed}) as document:
        theirs = official([*gold, *broken], tools.package, options.python)
        progress.step("theirs")
        mine = ours([*gold, *broken])
        progress.step("ours")
        for what, first, last in (("gold", 0, len(gold)), ("broken", len(gold), len(theirs))):
            document["rounds"].append(
                compared(what, [*gold, *broken][first:last], mine[first:last], theirs[first:last])
            )
        print(table([tuple(map(str, one.values())) for one in document["rounds"]], tuple(document["rounds"][0])))
        if options.model:
            for workers in ("together", "one at a time"):
                found = throughput(options, together=workers == "together")
                document["rounds"].append({"what": workers, **found})
                progress.step(f"{workers}: {found}")


def gold_cases(task: Task, tools: ToolClasses, config: RunConfig) -> list[Case]:
    """The gold trajectory of every row of every variant."""
    library, docs = tools.library(), docs_of(tools.docs, config)
    cases = []
    for variant in map(Category.from_json, task.variants.values()):
        for row in read_rows(variant.category, config)[0]:
            scenario = scenario_of(row, variant.category, library, docs, long_context=variant.long_context)
            cases.append(Case(name="gold", row=row, scenario=scenario, turns=row["ground_truth"]))
    return cases


def broken_cases(gold: Sequence[Case], n: int, seed: int) -> list[Case]:
    """So many trajectories that differ from a gold one, each kind of break equally often."""
    chance = random.Random(seed)
    cases: list[Case] = []
    while len(cases) < n:
        case, kind = chance.choice(gold), BREAKS[len(cases) % len(BREAKS)]
        turns = broken(case, kind, chance)
        if turns is not None and turns != case.turns:
            cases.append(dataclasses.replace(case, name=kind, turns=turns))
    return cases


def broken(case: Case, kind: str, chance: random.Random) -> Calls | None:
    """The calls of a case with one break in them; None where it has no place for that."""
    turns = [list(turn) for turn in case.turns]
    place = chance.choice([place for place, turn in enumerate(turns) if turn])
    at = chance.randrange(len(turns[place]))
    if kind == "left out":
        del turns[place][at]
    elif kind == "empty turn":
        turns[place] = []
    elif kind == "too many":
        turns[place].insert(at, EXTRA[chance.choice(case.scenario.world.classes)])
    elif kind == "reordered":
        if len(turns[place]) < 2:
            return None
        turns[place].reverse()
    else:
        call = gold_call(turns[place][at])
        if not call.arguments:
            return None
        name = chance.choice(sorted(call.arguments))
        values = {**call.arguments, name: _other(call.arguments[name])}
        turns[place][at] = f"{call.name}({', '.join(f'{key}={value!r}' for key, value in values.items())})"
    return turns


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return f"{value}x" if isinstance(value, str) else [*value, "x"] if isinstance(value, list) else {}


def official(cases: Sequence[Case], package: Package, python: str | None) -> list[dict[str, Any]]:
    """The verdicts of BFCL's checker, in a process of an environment that has its package and little else."""
    told = [
        {
            "entry": dict(case.row),
            "gold": case.row["ground_truth"],
            "turns": [[turn] if turn else [] for turn in case.turns],
        }
        for case in cases
    ]
    with tempfile.TemporaryDirectory() as folder:
        if python is None:
            if (problem := fetch(package, lambda _line: None)) is not None:
                raise problem
            venv.create(folder, with_pip=True)
            python = str(Path(folder) / "bin" / "python")
            wheel = Path(folder) / f"{package.name.replace('-', '_')}-{package.version}-py3-none-any.whl"
            wheel.write_bytes(package.path.read_bytes())
            subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", str(wheel), "mpmath==1.3.0"], check=True)
        done = subprocess.run(
            [python, str(WORKER)], input=json.dumps(told), capture_output=True, text=True, check=False
        )
    if done.returncode:
        sys.exit(f"BFCL's checker failed: {done.stderr[-500:]}")
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def ours(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """Our verdicts on the same."""
    with Worlds() as worlds:
        made = [tuple(tuple(map(gold_call, turn)) for turn in case.turns) for case in cases]
        waiting = [
            worlds.submit(Execution(world=case.scenario.world, turns=turns, gold=case.scenario.gold))
            for case, turns in zip(cases, made, strict=True)
        ]
        found = []
        for case, turns, future in zip(cases, made, waiting, strict=True):
            executed = future.result()
            finding = check(turns, case.scenario.gold, executed.turns) if executed.ending == "done" else None
            valid, error = (finding.valid, finding.error) if finding else (False, executed.ending)
            found.append({"valid": valid, "error": error})
    return found


def compared(
    what: str, cases: Sequence[Case], mine: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """How many verdicts are the same, and how many for the same reason."""
    pairs = list(zip(cases, mine, theirs, strict=True))
    return {
        "what": what,
        "trajectories": len(pairs),
        "theirs_right": sum(one["valid"] for one in theirs),
        "same_verdict": sum(one["valid"] == other["valid"] for _, one, other in pairs),
        "same_reason": sum(one == other for _, one, other in pairs),
        "reasons": dict(Counter(one["error"] for one in theirs if one["error"])),
        "differing": [f"{case.scenario.id}: {case.name}" for case, one, other in pairs if one != other],
    }


def throughput(options: argparse.Namespace, *, together: bool) -> dict[str, Any]:
    """Tokens a second of some scenarios, all in flight at once or each by itself, and of the model's share of it."""
    raise NotImplementedError


def _task() -> Task:
    folder = suites_folder() / "function_calling"
    return load_task(folder / "bfcl_multi_turn.yaml", load_suite(folder / "suite.yaml"))


if __name__ == "__main__":
    main()
