"""How much a sum of log-probabilities depends on what else is asked, and in which order.

python -m benchmarks.exactness --data DIR

How close the sums are to lm-eval's own is told by ``benchmarks.parity``.
"""

from __future__ import annotations

import random

import numpy as np

from benchmarks.common import arguments
from benchmarks.common.data import Pair, questions, weights
from benchmarks.common.outcome import Progress, recorded, table
from benchmarks.common.peers import Ours

ALONE = 48
"""Requests that are scored one call each; enough to see how much packing changes."""


def main() -> None:
    """Measure what the command line names."""
    parser = arguments.parser(str(__doc__), questions=50)
    parser.add_argument(
        "--quantizations",
        type=arguments.names,
        default="F32,Q8_0,Q4_0",
        help="what is looked at, each with --slm-exact too",
    )
    options = arguments.checked(parser, ["lm_eval"])
    names = options.quantizations
    progress = Progress(2 * len(names))
    with recorded(options.out, "exactness", {"questions": options.questions}) as document:
        document["packing"] = {}
        asked = questions("hellaswag", options.questions, options.data)
        pairs = [pair for question in asked for pair in question.pairs]
        for quantization in names:
            for exact in (False, True):
                name = f"{quantization}{' --slm-exact' if exact else ''}"
                backend = Ours(weights(options.model, quantization), options.threads, exact=exact)
                document["packing"][name] = packing(backend, pairs)
                backend.close()
                progress.step(f"{name}: {document['packing'][name]}")
        rows = [(name, *(f"{value:.4g}" for value in found.values())) for name, found in document["packing"].items()]
        head = tuple(next(iter(document["packing"].values()))) if rows else ()
        print("\n" + table(rows, ("nats", *head)))


def packing(backend: Ours, pairs: list[Pair]) -> dict[str, float]:
    """The largest and median difference of the sums when requests are shuffled, halved, or asked one by one."""
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


if __name__ == "__main__":
    main()
