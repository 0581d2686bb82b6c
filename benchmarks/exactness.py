"""How close our sums are to lm-eval's ``hf`` model on the same fp32 weights, and how much packing changes them.

python -m benchmarks.exactness --data DIR --questions 500
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.common import arguments
from benchmarks.common.data import Question, questions, weights
from benchmarks.common.outcome import Progress, recorded, table
from benchmarks.common.peers import LmEvalHf, Ours

TASKS = "hellaswag,arc_challenge,piqa,winogrande,mmlu_5"
ALONE = 48
"""Requests that are scored one call each; enough to see how much packing changes."""


def main() -> None:
    """Measure what the command line names."""
    parser = arguments.parser(str(__doc__), questions=500)
    parser.add_argument("--tasks", default=TASKS)
    parser.add_argument("--packing", default="F32,Q8_0,Q4_0", help="quantizations whose packing is looked at")
    options = parser.parse_args()
    tasks = arguments.names(options.tasks)
    progress = Progress(len(tasks) + 2 * len(arguments.names(options.packing)))
    with recorded(options.out, "exactness", {"questions": options.questions}) as document:
        path = weights(options.model, "F32")
        ours, theirs = Ours(path, options.threads), LmEvalHf(path, options.threads)
        document["tasks"] = {}
        for task in tasks:
            asked = questions(task, options.questions, options.data)
            document["tasks"][task] = found = agreement(asked, _sums(ours, asked), _sums(theirs, asked))
            progress.step(f"{task}: {found}")
        ours.close()
        theirs.close()
        rows = [(task, *found.values()) for task, found in document["tasks"].items()]
        head = tuple(next(iter(document["tasks"].values()))) if rows else ()
        print(table([[_short(cell) for cell in row] for row in rows], ("F32 against lm-eval hf fp32", *head)))
        document["packing"] = {}
        asked = questions("hellaswag", 50, options.data)
        for quantization in arguments.names(options.packing):
            for exact in (False, True):
                name = f"{quantization}{' --slm-exact' if exact else ''}"
                backend = Ours(weights(options.model, quantization), options.threads, exact=exact)
                document["packing"][name] = packing(backend, asked)
                backend.close()
                progress.step(f"{name}: {document['packing'][name]}")
        rows = [(name, *found.values()) for name, found in document["packing"].items()]
        head = tuple(next(iter(document["packing"].values()))) if rows else ()
        print("\n" + table([[_short(cell) for cell in row] for row in rows], ("nats", *head)))


def agreement(
    asked: Sequence[Question], ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]
) -> dict[str, float]:
    """How often both would choose the same answer, both scores in points, and how far the sums are apart in nats."""
    apart = np.concatenate([np.abs(np.subtract(a, b)) for a, b in zip(ours, theirs, strict=True)])
    return {
        "questions": len(asked),
        "same choice %": 100
        * float(np.mean([np.argmax(a) == np.argmax(b) for a, b in zip(ours, theirs, strict=True)])),
        "acc ours": 100 * float(np.mean([q.correct(list(sums)) for q, sums in zip(asked, ours, strict=True)])),
        "acc theirs": 100 * float(np.mean([q.correct(list(sums)) for q, sums in zip(asked, theirs, strict=True)])),
        "median nats": float(np.median(apart)),
        "p99 nats": float(np.quantile(apart, 0.99)),
        "largest nats": float(apart.max()),
    }


def packing(backend: Ours, asked: Sequence[Question]) -> dict[str, float]:
    """The largest and median difference of the sums when requests are shuffled, halved, or asked one by one."""
    pairs = [pair for question in asked for pair in question.pairs]
    packed = np.array(backend.score(pairs))
    order = random.Random(0).sample(range(len(pairs)), len(pairs))
    shuffled = np.abs(np.array(backend.score([pairs[place] for place in order])) - packed[order])
    some = order[: len(order) // 2]
    halved = np.abs(np.array(backend.score([pairs[place] for place in some])) - packed[some])
    few = order[:ALONE]
    alone = np.abs(np.array([backend.score([pairs[place]])[0] for place in few]) - packed[few])
    return {
        "shuffled, largest": float(shuffled.max()),
        "halved, largest": float(halved.max()),
        "alone, largest": float(alone.max()),
        "alone, median": float(np.median(alone)),
    }


def _sums(scorer: Any, asked: Sequence[Question]) -> list[list[float]]:
    flat = iter(scorer.score([pair for question in asked for pair in question.pairs]))
    return [[next(flat) for _ in question.pairs] for question in asked]


def _short(cell: object) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


if __name__ == "__main__":
    main()
