"""Run folders as the plugin leaves them, with lines of samples."""

from __future__ import annotations

import hashlib
import json
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_slm.core.types import Result, RunReport
from pytest_slm.registry.questions import question_scores
from pytest_slm.registry.store import StoredReport


def make_samples(run: RunReport, count: int = 12) -> dict[str, list[dict[str, Any]]]:
    """Sample lines for every scored result, keyed by ``Result.samples``."""
    return {
        result.samples: [
            {
                "task": f"{result.suite}/{result.task}",
                "doc_id": str(number),
                "prompt_sha256": f"{number:02x}" * 32,
                "target_sha256": f"{number + 7:02x}" * 32,
                "response": f"The answer is {number}.\nBecause {number} follows {number - 1}.",
                "score": None if number == 5 else float(number % 3 != 0),
                "answer": str(number),
                "explanation": "no number in the answer" if number == 5 else "the last number equals the target",
            }
            for number in range(count)
        ]
        for result in run.results
        if result.samples
    }


def agreeing(run: RunReport, samples: Mapping[str, Sequence[Mapping[str, Any]]]) -> RunReport:
    """The run with primary metrics that are the means of its samples' scores."""

    def told(result: Result) -> Result:
        scores = [line["score"] for line in samples.get(result.samples or "", ()) if line["score"] is not None]
        if not scores:
            return result
        metric = replace(result.metric(), value=statistics.fmean(scores), n=len(scores), interval=None)
        return replace(result, primary=metric.name, metrics=(metric,))

    return replace(run, results=tuple(map(told, run.results)))


def change_model(folder: Path, text: str) -> Path:
    """Put a text in the place of the first model of a registry, with its hash in the index; returns its path."""
    index = json.loads((folder / "index.json").read_text("utf-8"))
    path = folder / "models" / f"{index['models'][0]['id']}.json"
    path.write_text(text, "utf-8")
    index["models"][0]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "index.json").write_text(json.dumps(index), "utf-8")
    return path


def store_run(folder: Path, run: RunReport, samples: Mapping[str, Sequence[Mapping[str, Any]]] | None = None) -> Path:
    """A run folder as the plugin leaves it; returns the path of its report.json."""
    path = folder / run.submission.slug / run.quantization / run.run_id / "report.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "created": 1_793_527_200.0,
        "duration": 4800.0,
        "exitcode": 0,
        "root": "/work",
        "environment": {},
        "summary": {"passed": len(run.results), "total": len(run.results)},
        "tests": [],
        "slm": run.to_json(),
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    for name, lines in (samples or {}).items():
        target = path.parent / name
        target.parent.mkdir(exist_ok=True)
        target.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def with_questions(run: RunReport, path: str = "report.json") -> StoredReport:
    """The report as it is found with samples that make its numbers: questions that are hard for one model are so for
    others, too, and a few are right by luck."""
    questions = {}
    for result in run.results:
        metric = result.metric()
        if result.samples is None or metric is None:
            continue
        right = round(metric.value * metric.n)
        hard, luck = random.Random(str(result.id.task)), random.Random(f"{run.quantization}{run.submission.name}")
        order = sorted(range(metric.n), key=lambda _: hard.random() + 0.3 * luck.random())
        lines = [
            {"task": str(result.task), "doc_id": str(number), "target_sha256": "b" * 64, "score": float(place < right)}
            for place, number in enumerate(order)
        ]
        questions[result.samples] = question_scores(result, lines)
    return StoredReport(path=path, sha256="a" * 64, run=run, questions=questions)
