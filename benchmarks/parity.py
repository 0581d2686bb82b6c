"""Whether our score of a task is lm-eval's own, on the same weights and the same questions.

python -m benchmarks.parity --data DIR --questions 500

Theirs is ``lm_eval.simple_evaluate``, what lm-eval's command line calls, with its ``hf`` model in fp32; ours is the
runner that a test session calls, with the F32 GGUF. Both read the same rows; lm-eval gets the numbers of ours
(``--samples``). The goal is 0.2 points on 500 questions or more. Beside the scores, where answers are chosen by
likelihood: how often both sides choose the same one, and how far their sums are apart.

Programs are written by both and tried in our sandbox for both: lm-eval's own metric runs them with the rights
of the user. There it is told how many texts are the same.

Long answers would take lm-eval's model hours. It reads ours first (``common/drafted.py``) and writes from where it
would have written something else; some of them it also writes without having read ours, and it is told how many
of those are the same. Answers are kept in ``--out`` as they come: with ``--resume`` an interrupted measurement goes on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import arguments
from benchmarks.common.data import weights
from benchmarks.common.outcome import PACKAGES, Progress, recorded, table
from benchmarks.common.peers import LmEvalHf, Ours
from pytest_slm.answers import Keeper
from pytest_slm.answers.store import AnswerStore, digest
from pytest_slm.backends.protocol import GENERATE, Backend, Delivery, ignored
from pytest_slm.core.backend_info import BackendInfo
from pytest_slm.core.config import RunConfig
from pytest_slm.core.request import LogLikelihood
from pytest_slm.core.types import Generation, Quantization, Request, Submission, Task
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.context import RunContext
from pytest_slm.lm_eval.building import build
from pytest_slm.load import load_suite, load_task
from pytest_slm.load.builtin import suites_folder
from pytest_slm.machine.hardware import installed_versions
from pytest_slm.run.drive import measure
from pytest_slm.run.records import SampleRecord

TASKS = (
    "reasoning/mmlu,reasoning/arc_challenge,reasoning/hellaswag,reasoning/truthfulqa_mc2,math/gsm8k,math/mathqa,"
    "language/boolq,language/piqa,language/winogrande,coding/humaneval,coding/mbpp"
)
PROGRAMS = "coding/"
GOAL = 0.2
"""Points."""


def main() -> None:
    """Measure what the command line names."""
    parser = arguments.parser(str(__doc__), questions=500)
    parser.add_argument("--tasks", type=arguments.names, default=TASKS, metavar="T", help="suite/task, with commas")
    parser.add_argument(
        "--batch", type=arguments.count, default=8, metavar="N", help="requests that lm-eval's model takes at once"
    )
    parser.add_argument("--resume", action="store_true", help="go on with what an interrupted run has left in --out")
    options = arguments.checked(parser, arguments.HF)
    keys = options.tasks
    for key in keys:
        if key.count("/") != 1 or not _file(key).is_file():
            parser.error(f"argument --tasks: {key}: no such task")
    progress = Progress(2 * len(keys))
    about = {"questions": options.questions, "goal_points": GOAL, "model": options.model, "quantization": "F32"}
    with recorded(options.out, "parity", about) as document:
        path = weights(options.model, "F32")
        found: dict[str, Any] = {}
        document["tasks"] = finished = {}
        ours = Ours(path, options.threads)
        for key in keys:
            keeper = Keeper(_kept(options.out, key, "ours"), {"task": key}, resume=options.resume)
            found[key] = our_scores(_task(key), Listener(keeper.watch(ours.backend)), options)
            progress.step(f"{key}: ours {_short(found[key]['ours'])}")
        weights_sha256 = ours.backend.describe().weights_sha256
        ours.close()
        theirs = LmEvalHf(path, options.threads, options.batch)
        state = digest({"weights": weights_sha256, "versions": installed_versions(PACKAGES)})
        for key in keys:
            theirs.lm.kept = AnswerStore(_kept(options.out, key, "theirs"), state, resume=options.resume)
            rows, sums, texts, theirs.lm.drafts = (found[key].pop(name) for name in ("rows", "sums", "texts", "drafts"))
            if key.startswith(PROGRAMS):
                found[key] |= their_programs(_task(key), theirs, texts, options)
            else:
                found[key] |= their_scores(_task(key), theirs, rows, sums, options)
            mine, other = found[key]["ours"], found[key]["theirs"]
            found[key]["points_apart"] = {metric: abs(mine[metric] - other[metric]) for metric in mine}
            if theirs.lm.compared:
                found[key] |= {"drafts_checked": theirs.lm.compared, "drafts_equal": theirs.lm.equal}
                theirs.lm.compared = theirs.lm.equal = 0
            finished[key] = found[key]  # only whole comparisons: Ctrl-C keeps those
            progress.step(f"{key}: theirs {_short(found[key]['theirs'])}")
        scores = [
            (key, metric, one["n"], f"{one['ours'][metric]:.2f}", f"{one['theirs'][metric]:.2f}", f"{points:.2f}")
            for key, one in finished.items()
            for metric, points in one["points_apart"].items()
        ]
        print(table(scores, ("task", "metric", "questions", "ours", "lm-eval", "points apart")))
        close = [(key, one["agreement"]) for key, one in finished.items() if one["agreement"]]
        if close:
            values = [(key, *(f"{value:.4g}" for value in agreed.values())) for key, agreed in close]
            print("\n" + table(values, ("task", *close[0][1])))
        for key, one in finished.items():
            if "same_text_percent" in one:
                print(f"{key}: {one['same_text_percent']:.1f} % of the texts are the same")
            if "drafts_checked" in one:
                print(f"{key}: {one['drafts_equal']} of {one['drafts_checked']} texts without a draft are the same")


def our_scores(task: Task, listener: Any, options: Any) -> dict[str, Any]:
    """Our metrics in points, the rows of every task of lm-eval that were asked, and what was answered."""
    records: list[SampleRecord] = []
    quantization = Quantization(name="F32", format="gguf")
    context = RunContext(
        config=_config(options.data, limit=options.questions),
        submission=Submission(slug="parity", name="parity", quantizations=(quantization,)),
        quantization=quantization,
        detected=None,
        open=lambda: listener,
        record=records.append,
        extensions=Extensions(),
    )
    began = time.perf_counter()
    result = measure(task, "", context)
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
        "sums": getattr(listener, "sums", {}),
        "drafts": getattr(listener, "texts", {}),
        "texts": [(record.doc_id, record.response) for record in records],
    }


class Listener:
    """A backend that remembers what it answered: the sums of pairs, the texts after prompts."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.sums: dict[tuple[str, str], float] = {}
        self.texts: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def loglikelihood(self, pairs: Sequence[tuple[str, str]], *arguments: Any) -> list[LogLikelihood]:
        found = self._backend.loglikelihood(pairs, *arguments)
        self.sums |= {(pair[0], pair[1]): result.logprob for pair, result in zip(pairs, found, strict=True)}
        return found

    def generate(self, requests: Sequence[Request], *arguments: Any, **named: Any) -> list[Generation]:
        written = self._backend.generate(requests, *arguments, **named)
        self.texts |= {str(request.prompt): made.text for request, made in zip(requests, written, strict=True)}
        return written


def their_scores(
    task: Task,
    theirs: LmEvalHf,
    rows: Mapping[str, list[int]],
    sums: Mapping[tuple[str, str], float],
    options: Any,
) -> dict[str, Any]:
    """lm-eval's metrics of the same rows, in points, and how its sums agree with ours."""
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
        log_samples=True,
    )
    whole = {**evaluated["results"], **evaluated.get("groups", {})}[built.name]
    return {
        "theirs": {spec.name: 100 * whole[f"{spec.key or spec.name},{spec.filter}"] for spec in task.metrics},
        "their_seconds": time.perf_counter() - began,
        "agreement": agreement([sample for samples in evaluated["samples"].values() for sample in samples], sums),
    }


def their_programs(task: Task, theirs: LmEvalHf, texts: Sequence[tuple[str, Any]], options: Any) -> dict[str, Any]:
    """The same task, written by lm-eval's model and scored by our runner; how many texts are ours to the letter."""
    other = our_scores(task, Writer(theirs), options)
    written = dict(other["texts"])
    same = [text == written[doc] for doc, text in texts]
    return {
        "theirs": other["ours"],
        "their_seconds": other["our_seconds"],
        "agreement": {},
        "same_text_percent": 100 * float(np.mean(same)),
    }


class Writer:
    """lm-eval's ``hf`` model as a backend that writes."""

    capabilities = frozenset({GENERATE})

    def __init__(self, theirs: LmEvalHf) -> None:
        self._lm = theirs.lm

    def describe(self) -> BackendInfo:
        return BackendInfo(name="lm-eval hf", engine_version="", n_ctx=self._lm.max_length)

    def generate(
        self, requests: Sequence[Request], progress: Any = None, finished: Delivery[Generation] = ignored
    ) -> list[Generation]:
        from lm_eval.api.instance import Instance

        asked = [
            Instance(
                "generate_until",
                {},
                (request.prompt, {"until": list(request.stop), "max_gen_toks": request.max_tokens, "do_sample": False}),
                number,
            )
            for number, request in enumerate(requests)
        ]
        made = []
        for number, text in enumerate(self._lm.generate_until(asked, disable_tqdm=True)):
            n_prompt, n_output = (len(self._lm.tok_encode(part)) for part in (requests[number].prompt, text))
            made.append(Generation(text=text, n_prompt=n_prompt, n_output=n_output, finish="stop"))
            finished(number, made[-1])
        return made


def agreement(samples: Sequence[Mapping[str, Any]], sums: Mapping[tuple[str, str], float]) -> dict[str, float]:
    """How often the likeliest choice of lm-eval's ``samples`` is the one of our ``sums``, and how far the sums are
    apart in nats; empty for tasks whose answers are written."""
    if not sums:
        return {}
    same, apart = [], []
    for sample in samples:
        pairs = [tuple(arguments) for arguments in sample["arguments"]]
        mine = np.array([sums[pair] for pair in pairs])
        other = np.array([float(responses[0][0]) for responses in sample["resps"]])
        same.append(mine.argmax() == other.argmax())
        apart.append(np.abs(mine - other))
    every = np.concatenate(apart)
    return {
        "same choice %": 100 * float(np.mean(same)),
        "median nats": float(np.median(every)),
        "p99 nats": float(np.quantile(every, 0.99)),
        "largest nats": float(every.max()),
    }


def _task(key: str) -> Task:
    return load_task(_file(key), load_suite(_file(key).parent / "suite.yaml"))


def _file(key: str) -> Path:
    return suites_folder() / f"{key}.yaml"


def _kept(folder: Path, key: str, whose: str) -> Path:
    return folder / "parity-answers" / f"{key.replace('/', '.')}.{whose}.jsonl"


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
