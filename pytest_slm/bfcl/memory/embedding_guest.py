"""The program that computes embeddings with llama.cpp, in a process of its own: see ``embedding.py``, which starts it
by its path. Nothing imports it.

One JSON line in, one out; the first names the ``model``, every other has ``texts``.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from typing import Any


def main() -> None:
    """Answer until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # whatever the engine prints is no answer
    told: dict[str, Any]
    engine: Any = None
    for line in sys.stdin:
        order = json.loads(line)
        try:
            if engine is None:
                import llama_cpp

                # As sentence-transformers has all-MiniLM-L6-v2: the mean over at most 256 tokens.
                engine = llama_cpp.Llama(
                    order["model"], embedding=True, n_ctx=512, n_batch=512, pooling_type=1, verbose=False
                )
                told = {"dimension": engine.n_embd()}
            else:
                told = {"embeddings": [unit(engine.embed(text, truncate=True)) for text in order["texts"]]}
        except Exception as error:  # of the engine: a file that is none, a text that it cannot take
            told = {"error": f"{type(error).__name__}: {error}"[:400]}
        channel.write(json.dumps(told) + "\n")
        channel.flush()


def unit(vector: list[float]) -> list[float]:
    """The vector with length 1; one of length 0 stays."""
    length = math.sqrt(math.fsum(value * value for value in vector)) or 1.0
    return [value / length for value in vector]


if __name__ == "__main__":
    main()
