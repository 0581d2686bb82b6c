"""The requests of lm-eval's tasks, and the weights in the quantizations that are compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_slm.core.config import RunConfig
from pytest_slm.errors import SlmError
from pytest_slm.lm_eval.building import build
from pytest_slm.models import derive, locate, resolve, select

Pair = tuple[str, str]

MMLU = ("abstract_algebra", "anatomy", "college_biology", "college_medicine")
TASKS = {
    "hellaswag": (("hellaswag",), 0),
    "arc_challenge": (("arc_challenge",), 0),
    "arc_challenge_25": (("arc_challenge",), 25),
    "mmlu_5": (tuple(f"mmlu_{subject}" for subject in MMLU), 5),
    "piqa": (("piqa",), 0),
    "winogrande": (("winogrande",), 0),
    "gsm8k_5": (("gsm8k",), 5),
}
"""Our name: (lm-eval's tasks, examples in the prompt)."""


@dataclass(frozen=True)
class Question:
    """One question: the arguments of its requests, and how lm-eval judges answers to them."""

    pairs: tuple[Pair, ...]
    doc: Any
    task: Any

    def correct(self, sums: list[float]) -> float:
        """lm-eval's ``acc`` of these sums of log-probabilities."""
        return float(self.task.process_results(self.doc, [(value, False) for value in sums])["acc"])


def questions(name: str, n: int, data: Path) -> list[Question]:
    """The first ``n`` questions of a task, as lm-eval asks them; spread evenly where it is several tasks."""
    tasks, shots = TASKS[name]
    share = -(-n // len(tasks))
    found: list[Question] = []
    for task in tasks:
        upstream = _upstream(task, shots, data)
        upstream.build_all_requests(limit=share, rank=0, world_size=1)
        by_doc: dict[int, list[Any]] = {}
        for instance in upstream.instances:
            by_doc.setdefault(instance.doc_id, []).append(instance)
        found += [
            Question(tuple(instance.args for instance in asked), asked[0].doc, upstream) for asked in by_doc.values()
        ]
    return found[:n]


def prompts(name: str, n: int, data: Path) -> list[str]:
    """The prompts of the first ``n`` questions of a generation task."""
    return [question.pairs[0][0] for question in questions(name, n, data)]


def weights(reference: str, quantization: str) -> Path:
    """The model's GGUF in that quantization; of a model with one only, derived from it into the cache.

    Ends the program with the reason where there is none.
    """
    try:
        submission = resolve(reference)
        several = len(submission.quantizations) > 1
        (source,) = select(submission, quantization if several else None)
        path = locate(submission, source)
        return path if several or source.name == quantization else derive(path, quantization)
    except SlmError as error:
        raise SystemExit(str(error)) from error


def _upstream(task: str, shots: int, data: Path) -> Any:
    try:
        return build(task, RunConfig(model="", data=str(data), offline=True), shots).tasks[task]
    except SlmError as error:
        raise SystemExit(str(error)) from error
