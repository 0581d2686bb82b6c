"""Memory that the model's process takes at its peak, beside the file of the weights and the KV memory it holds.

python -m benchmarks.memory --data DIR --quantizations Q4_0,F32
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.common import arguments
from benchmarks.common.alone import alone
from benchmarks.common.data import Pair, prompts, questions, weights
from benchmarks.common.outcome import Progress, recorded, table
from pytest_slm.backends.llamacpp import LlamaCpp
from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.types import EngineSettings, Request
from pytest_slm.machine.memory import memory_use

MIB = 2**20
SCORING = ("hellaswag", "mmlu_5", "arc_challenge_25")


def main() -> None:
    """Measure what the command line names."""
    parser = arguments.parser(str(__doc__), questions=50)
    parser.add_argument("--quantizations", type=arguments.names, default="Q4_0,Q8_0,F32")
    parser.add_argument("--max-tokens", type=arguments.count, default=32, help="written for each prompt of gsm8k_5")
    options = arguments.checked(parser, ["lm_eval"])
    if memory_use().peak is None:
        parser.error("this system does not tell the most memory that a process has had")
    names = options.quantizations
    pairs = {
        task: [pair for question in questions(task, options.questions, options.data) for pair in question.pairs]
        for task in SCORING
    }
    texts = prompts("gsm8k_5", options.questions, options.data)
    progress = Progress(len(names) * (len(SCORING) + 1))
    with recorded(options.out, "memory", {"questions": options.questions}) as document:
        for quantization in names:
            path = weights(options.model, quantization)
            work: dict[str, tuple[Callable[..., dict[str, int]], Any]] = {
                task: (_score, asked) for task, asked in pairs.items()
            }
            work[f"gsm8k_5, {len(texts)} texts"] = (_write, (texts, options.max_tokens))
            for name, (what, asked) in work.items():
                # A process for each: a high-water mark is that of everything before it.
                with alone() as process:
                    found = process.submit(what, str(path), options.threads, asked).result()
                found["file"] = path.stat().st_size
                document["rounds"].append({"quantization": quantization, "work": name, **found})
                progress.step(f"{quantization}, {name}: peak {found['peak'] / MIB:.0f} MiB")
        rows = [_row(found) for found in document["rounds"]]
        print(table(rows, ("", "", "peak MiB", "file", "KV at most", "all else", "all else before load")))


def _score(path: str, threads: int, pairs: list[Pair]) -> dict[str, int]:
    return _peak(path, threads, lambda backend: backend.loglikelihood(pairs))


def _write(path: str, threads: int, asked: tuple[list[str], int]) -> dict[str, int]:
    texts, max_tokens = asked
    requests = [Request(prompt=text, max_tokens=max_tokens, forced_length=True) for text in texts]
    return _peak(path, threads, lambda backend: backend.generate(requests))


def _peak(path: str, threads: int, work: Callable[[LlamaCpp], object]) -> dict[str, int]:
    """Bytes: the kernel's high-water mark, KV memory that is open at the end, and the process without a model."""
    before = memory_use().rss
    backend = LlamaCpp(ModelSpec(path=path, format="gguf", settings=EngineSettings(threads=threads)))
    work(backend)
    return {"peak": memory_use().peak or 0, "kv": backend.kv_bytes, "before load": before}


def _row(found: dict[str, Any]) -> tuple[str, ...]:
    rest = found["peak"] - found["file"] - found["kv"]
    sizes = (found["peak"], found["file"], found["kv"], rest, found["before load"])
    return (found["quantization"], found["work"], *(f"{size / MIB:.0f}" for size in sizes))


if __name__ == "__main__":
    main()
