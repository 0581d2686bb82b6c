"""Whether our score of a task is lm-eval's own, on the same weights and the same questions.

python -m benchmarks.parity --data DIR --questions 500

Theirs is ``lm_eval.simple_evaluate``, what lm-eval's command line calls, with its ``hf`` model in fp32; ours is the
runner that a test session calls, with the F32 GGUF. Both read the same rows; lm-eval gets the numbers of ours
(``--samples``). The goal is 0.2 points on 500 questions or more.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.common import arguments
from benchmarks.common.data import weights
from benchmarks.common.outcome import Progress, recorded, table
from benchmarks.common.peers import LmEvalHf, Ours
from pytest_slm.builtin import suites_folder
from pytest_slm.core.config import RunConfig
from pytest_slm.core.types import Quantization, Submission, Task
from pytest_slm.load import load_suite, load_task
from pytest_slm.runners import accuracy
from pytest_slm.runners.context import RunContext, SampleRecord
from pytest_slm.runners.upstream.building import build
from pytest_slm.scorers import Scorers

TASKS = (
    "reasoning/mmlu,reasoning/arc_challenge,reasoning/hellaswag,reasoning/truthfulqa_mc2,math/gsm8k,math/mathqa,"
    "language/boolq,language/piqa,language/winogrande"
)
GOAL = 0.2
"""Points."""


def main() -> None:
    """Measure what the command line names."""
    parser = arguments.parser(str(__doc__), questions=500)
    parser.add_argument("--tasks", default=TASKS, metavar="T", help="suite/task, with commas")
    options = parser.parse_args()
    keys = arguments.names(options.tasks)
    progress = Progress(2 * len(keys))
    about = {"questions": options.questions, "goal_points": GOAL, "model": options.model, "quantization": "F32"}
    with recorded(options.out, "parity", about) as document:
        path = weights(options.model, "F32")
        found: dict[str, Any] = {}
        document["tasks"] = found
        ours = Ours(path, options.threads)
        for key in keys:
            found[key] = our_scores(_task(key), ours, options)
            progress.step(f"{key}: ours {_short(found[key]['ours'])}")
        ours.close()
        theirs = LmEvalHf(path, options.threads)
        for key in keys:
            found[key] |= their_scores(_task(key), theirs, found[key].pop("rows"), options)
            mine, other = found[key]["ours"], found[key]["theirs"]
            found[key]["points_apart"] = {metric: abs(mine[metric] - other[metric]) for metric in mine}
            progress.step(f"{key}: theirs {_short(found[key]['theirs'])}")
        rows = [
            (key, metric, one["n"], f"{one['ours'][metric]:.2f}", f"{one['theirs'][metric]:.2f}", f"{points:.2f}")
            for key, one in found.items()
            for metric, points in one["points_apart"].items()
        ]
        print(table(rows, ("task", "metric", "questions", "ours", "lm-eval", "points apart")))


def our_scores(task: Task, ours: Ours, options: Any) -> dict[str, Any]:
    """Our metrics in points, and the rows of every task of lm-eval that were asked."""
    records: list[SampleRecord] = []
    quantization = Quantization(name="F32", format="gguf")
    context = RunContext(
        config=_config(options.data, limit=options.questions),
        submission=Submission(slug="parity", name="parity", quantizations=(quantization,)),
        quantization=quantization,
        detected=None,
        open=lambda: ours.backend,
        record=records.append,
        scorers=Scorers(),
    )
    began = time.perf_counter()
    result = accuracy.run(task, "", context)
    rows: dict[str, list[int]] = {}
    for record in records:
        name = record.metadata.get("subtask", task.options["task"])
        rows.setdefault(name, []).append(record.metadata["index"])
    scores = {spec.name: 100 * _value(result.metrics, spec.name) for spec in task.metrics}
    return {
        "n": len(records),
        "ours": scores,
        "our_seconds": time.perf_counter() - began,
        "partial": result.reason or None,
        "rows": {name: sorted(numbers) for name, numbers in rows.items()},
    }


def their_scores(task: Task, theirs: LmEvalHf, rows: Mapping[str, list[int]], options: Any) -> dict[str, Any]:
    """lm-eval's metrics of the same rows, in points, and how far ours are from them."""
    from lm_eval.evaluator import evaluate

    built = build(str(task.options["task"]), _config(options.data), task.options.get("num_fewshot"))
    began = time.perf_counter()
    asked = {name: built.tasks[name] for name in rows}
    groups = {} if built.group is None else {built.name: built.group}
    evaluated = evaluate(
        lm=theirs.lm,
        task_dict={"tasks": asked, "groups": groups},
        samples=dict(rows),
        bootstrap_iters=0,
        log_samples=False,
    )
    whole = {**evaluated["results"], **evaluated.get("groups", {})}[built.name]
    return {
        "theirs": {spec.name: 100 * whole[f"{spec.key or spec.name},{spec.filter}"] for spec in task.metrics},
        "their_seconds": time.perf_counter() - began,
    }


def _task(key: str) -> Task:
    suite, _, name = key.partition("/")
    folder = suites_folder() / suite
    return load_task(folder / f"{name}.yaml", load_suite(folder / "suite.yaml"))


def _config(data: Path, **more: Any) -> RunConfig:
    return RunConfig(model="", data=str(data), offline=True, mode="full", **more)


def _value(metrics: Any, name: str) -> float:
    """The metric, or that of a group of which parts are missing: ``acc[37 of 57 subtasks]``."""
    return float(
        next(m.value for m in metrics if m.name == name or (m.name.startswith(f"{name}[") and " of " in m.name))
    )


def _short(scores: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in scores.items())


if __name__ == "__main__":
    main()
