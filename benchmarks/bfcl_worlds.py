"""Whether our verdicts on BFCL's conversations are those of BFCL's own checker, and what many at once are worth.

python -m benchmarks.bfcl_worlds --data DIR

``verdicts``: every gold trajectory of the data, and ``--broken`` seeded broken ones (a call left out, an argument
changed, a call too many, calls in another order, a turn without calls). Theirs is `multi_turn_checker` of bfcl-eval, in
an environment of its own that this script makes (``--python`` names one that is there); ours runs the same classes in
the sandbox. ``together``, with ``--model``: the same scenarios asked all at once and one after the other, in turn, each
conversation to its end; answers are short, since what takes long are the prompts. ``--only-together`` leaves the
verdicts out.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.common import arguments, official
from benchmarks.common.counting import OneWord
from benchmarks.common.outcome import Progress as Steps
from benchmarks.common.outcome import recorded, table
from benchmarks.common.peers import Ours
from pytest_slm.backends.protocol import Delivery, Progress, ignored, silent
from pytest_slm.bfcl.rows import Row, docs_of, read_rows
from pytest_slm.bfcl.worlds.asking import ToolOptions
from pytest_slm.bfcl.worlds.checking import check
from pytest_slm.bfcl.worlds.kind import Category
from pytest_slm.bfcl.worlds.library import ToolClasses
from pytest_slm.bfcl.worlds.scenario import Scenario, gold_call, scenario_of
from pytest_slm.core.config import RunConfig
from pytest_slm.core.types import Generation, Quantization, Request, Submission, Task
from pytest_slm.core.worlds import Execution
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.checking import make_kind
from pytest_slm.kinds.context import RunContext
from pytest_slm.kinds.options import read_options
from pytest_slm.load import load_suite, load_task
from pytest_slm.load.builtin import suites_folder
from pytest_slm.run.drive import drive
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
    parser.add_argument("--model", type=Path, metavar="GGUF", help="a model for `together`; left out without one")
    parser.add_argument("--threads", type=arguments.count, default=2, metavar="N", help="of the model")
    parser.add_argument("--counted", action="store_true", help="of `together` the counted tokens only, nothing timed")
    parser.add_argument("--scenarios", type=arguments.count, default=4, metavar="N", help="of the category base")
    parser.add_argument("--rounds", type=arguments.count, default=2, metavar="N", help="of `together`, alternating")
    parser.add_argument("--max-tokens", type=arguments.count, default=32, metavar="N", help="of each answer there")
    parser.add_argument("--only-together", action="store_true", help="no verdicts")
    options = arguments.checked(arguments.with_out(parser), ["wasmtime", "datasets"])
    timed = 2 * (1 if options.counted else options.rounds) if options.model else 0
    progress = Steps(timed + (0 if options.only_together else 2))
    with recorded(options.out, "bfcl_worlds", {"seed": options.seed}) as document:
        if not options.only_together:
            document["rounds"] += verdicts(options, progress)
            print(table([tuple(map(str, one.values())) for one in document["rounds"]], tuple(document["rounds"][0])))
        if options.model:
            document["rounds"] += throughput(options, progress)


def verdicts(options: argparse.Namespace, progress: Steps) -> list[dict[str, Any]]:
    """Theirs and ours on the gold trajectories, and on broken ones."""
    task = _task()
    tools = read_options(ToolOptions, task.options).tools
    gold = gold_cases(task, tools, RunConfig(model="none", data=str(options.data)))
    broken = broken_cases(gold, options.broken, options.seed)
    theirs = official.ask(WORKER, told([*gold, *broken]), tools.package, options.python)
    progress.step("theirs")
    mine = ours([*gold, *broken])
    progress.step("ours")
    parts = (("gold", 0, len(gold)), ("broken", len(gold), len(theirs)))
    return [
        compared(what, [*gold, *broken][first:last], mine[first:last], theirs[first:last])
        for what, first, last in parts
    ]


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


def told(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """The cases as BFCL's checker is asked about them."""
    return [
        {
            "entry": dict(case.row),
            "gold": case.row["ground_truth"],
            "turns": [[turn] if turn else [] for turn in case.turns],
        }
        for case in cases
    ]


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


class OneByOne:
    """A backend that is asked one request at a time, whatever comes together."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def generate(
        self, requests: Sequence[Request], progress: Progress = silent, finished: Delivery[Generation] = ignored
    ) -> list[Generation]:
        """Their answers, each asked for when the one before it is there."""
        made = []
        for number, request in enumerate(requests):
            made += self._inner.generate([request], progress)
            finished(number, made[-1])
        return made


def throughput(options: argparse.Namespace, progress: Steps) -> list[dict[str, Any]]:
    """Some scenarios, all in flight at once and each by itself, in turn: their tokens a second, and how many times as
    long they take one at a time. Or, counted, what of them is read and computed if every answer is one word."""
    model = Ours(options.model, options.threads)
    rounds: list[dict[str, Any]] = []
    try:
        for _ in range(1 if options.counted else options.rounds):
            for what in ("together", "one at a time"):
                inner = OneWord(model.backend) if options.counted else model.backend
                found = {"what": what, **held(options, inner if what == "together" else OneByOne(inner))}
                if options.counted:
                    found = {"what": what, "answers": inner.asked, "read": inner.shown, "computed": inner.computed}
                rounds.append(found)
                progress.step(str(found))
    finally:
        model.close()
    if not options.counted:
        seconds = [[one["seconds"] for one in rounds[place::2]] for place in (0, 1)]
        rounds.append({"what": "one at a time / together", "ratio": median(seconds[1]) / median(seconds[0])})
        print(rounds[-1])
    return rounds


def held(options: argparse.Namespace, backend: Any) -> dict[str, Any]:
    """All conversations, to their ends."""
    lines = list[Any]()
    quantization = Quantization(name=options.model.stem, format="gguf")
    task = _task()
    context = RunContext(
        config=RunConfig(model=str(options.model), data=str(options.data), limit=options.scenarios, mode="full"),
        submission=Submission(slug="model", name="model", quantizations=(quantization,)),
        quantization=quantization,
        detected=None,
        open=lambda: backend,
        record=lines.append,
        extensions=Extensions(),
    )
    task = dataclasses.replace(task, options={**task.options, "max_tokens": options.max_tokens})
    began = time.perf_counter()
    drive(make_kind(task, "base", context))
    seconds = time.perf_counter() - began
    read, wrote = sum(line.n_prompt for line in lines), sum(line.n_output for line in lines)
    return {"read": read, "written": wrote, "seconds": seconds, "tokens_a_second": (read + wrote) / seconds}


def _task() -> Task:
    folder = suites_folder() / "function_calling"
    return load_task(folder / "bfcl_multi_turn.yaml", load_suite(folder / "suite.yaml"))


if __name__ == "__main__":
    main()
