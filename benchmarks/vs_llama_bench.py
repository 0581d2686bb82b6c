"""The profile ``engine`` beside llama-bench, the same shapes with the same settings, alternating in one run.

python -m benchmarks.vs_llama_bench --llama-bench build/bin/llama-bench
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import arguments
from benchmarks.common.alone import alone
from benchmarks.common.data import weights
from benchmarks.common.outcome import Progress, bars, ratios, recorded, table
from pytest_slm.backends.llamacpp import LlamaCpp
from pytest_slm.backends.protocol import EngineTest, ModelSpec
from pytest_slm.core.types import EngineSettings
from pytest_slm.hosts.process import environment
from pytest_slm.machine.conditions import Watch
from pytest_slm.machine.quiet import wait_until_quiet

OURS, THEIRS = "pytest-slm", "llama-bench"
QUIET_S = 30.0


def main() -> None:
    """Measure what the command line names."""
    parser = arguments.parser(str(__doc__), rounds=5)
    parser.add_argument(
        "--llama-bench", type=arguments.program, required=True, metavar="PATH", help="of the same llama.cpp"
    )
    parser.add_argument("--quantizations", type=arguments.names, default="Q4_0,Q8_0,F16")
    parser.add_argument("--prompt", type=arguments.count, default=512, metavar="N", help="tokens of the prompt (pp)")
    parser.add_argument(
        "--output", type=arguments.count, default=128, metavar="N", help="tokens that are generated (tg)"
    )
    parser.add_argument("--depth", type=arguments.depth, default=0, metavar="N", help="tokens in memory before both")
    parser.add_argument("--repetitions", type=arguments.count, default=5, metavar="N", help="in each process")
    options = arguments.checked(parser, arguments.PLOTS)
    shape = (options.prompt, options.output, options.depth, options.repetitions)
    names = options.quantizations
    progress = Progress(2 * len(names) * options.rounds)
    about = {"shape": dict(zip(("prompt", "output", "depth", "repetitions"), shape, strict=True))}
    with recorded(options.out, "vs_llama_bench", about) as document:
        document["quiet"] = wait_until_quiet(QUIET_S).to_json()
        settings = document["settings"] = {}
        for number in range(options.rounds):
            for quantization in names:
                path = weights(options.model, quantization)
                # Who comes second finds the caches warm, so they take turns in that too.
                order = [OURS, THEIRS] if number % 2 == 0 else [THEIRS, OURS]
                for name in order:
                    watch = Watch()
                    watch.start()
                    if name == OURS:
                        found = _ours(path, options.threads, shape)
                        settings[quantization] = found.pop("settings")
                    else:
                        found = _theirs(options.llama_bench, path, options.threads, shape, settings[quantization])
                    entry = {"round": number, "quantization": quantization, "by": name, **found}
                    # The children's CPU time would be taken for that of others.
                    entry["conditions"] = {**watch.stop().to_json(), "foreign_cores": None}
                    document["rounds"].append(entry)
                    told = ", ".join(f"{test} {statistics.median(found[test]):.1f}" for test in ("pp", "tg"))
                    progress.step(f"{quantization}, {name}: {told} tokens/s")
        document["summary"] = summary(document["rounds"], names)
        print(table([_row(entry) for entry in document["summary"]], HEAD))
    for test in ("pp", "tg"):
        values = {
            f"{by} {quantization}": medians(document["rounds"], quantization, by, test)
            for quantization in names
            for by in (OURS, THEIRS)
        }
        size = options.prompt if test == "pp" else options.output
        bars(options.out / f"vs_llama_bench_{test}.png", f"{test}{size}, medians of processes", "tokens/s", values)


def _ours(path: Path, threads: int, shape: tuple[int, int, int, int]) -> dict[str, Any]:
    # A process for each, as llama-bench is one, in the environment that a test run gives to the model's process.
    mine = dict(os.environ)
    os.environ |= environment(mine)
    try:
        with alone() as process:
            return process.submit(engine_rounds, str(path), threads, shape).result()
    finally:
        os.environ.clear()
        os.environ |= mine


def engine_rounds(path: str, threads: int, shape: tuple[int, int, int, int]) -> dict[str, Any]:
    """Tokens a second of every repetition, the greatest part of the loop in one, and how the engine is set up."""
    n_prompt, n_gen, n_depth, repetitions = shape
    backend = LlamaCpp(ModelSpec(path=path, format="gguf", settings=EngineSettings(threads=threads)))
    tests = {"pp": {"n_prompt": n_prompt, "n_depth": n_depth}, "tg": {"n_gen": n_gen, "n_depth": n_depth}}
    found: dict[str, Any] = {}
    for name, test in tests.items():
        # llama-bench warms up in the same way: one prompt, or one token.
        backend.time(EngineTest(**(test if name == "pp" else {**test, "n_gen": 1})))
        times = [backend.time(EngineTest(**test, seed=seed)) for seed in range(repetitions)]
        found[name] = [one.n_evaluated / one.seconds for one in times]
        found[f"{name}_loop"] = max(1 - one.inside_s / one.seconds for one in times)
    description = backend.describe()
    found["settings"] = {name: getattr(description, name) for name in ("kv_type", "threads", "engine_build")}
    found["settings"]["flash_attention"] = {
        "pp": backend.flash_for_text(n_depth + n_prompt),
        "tg": backend.flash_for_text(n_depth + n_gen),
    }
    backend.close()
    return found


def _theirs(
    binary: Path, path: Path, threads: int, shape: tuple[int, int, int, int], settings: dict[str, Any]
) -> dict[str, Any]:
    n_prompt, n_gen, n_depth, repetitions = shape
    found = {}
    for test, sizes in (("pp", (n_prompt, 0)), ("tg", (0, n_gen))):
        command = [str(binary), "-m", str(path), "-p", str(sizes[0]), "-n", str(sizes[1]), "-d", str(n_depth)]
        command += ["-r", str(repetitions), "-t", str(threads), "-b", "2048", "-ub", "512", "-o", "json"]
        command += ["-fa", "on" if settings["flash_attention"][test] else "off"]
        command += ["-ctk", settings["kv_type"].lower(), "-ctv", settings["kv_type"].lower()]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found[test] = json.loads(done.stdout)[0]["samples_ts"]
    return found


def medians(rounds: Sequence[dict[str, Any]], quantization: str, by: str, test: str) -> list[float]:
    """The median of each process."""
    mine = [entry for entry in rounds if (entry["quantization"], entry["by"]) == (quantization, by)]
    return [statistics.median(entry[test]) for entry in mine]


def summary(rounds: Sequence[dict[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """For every quantization and test: both medians, the ratios, the loop's part, and how far medians are apart."""
    found = []
    for quantization in names:
        for test in ("pp", "tg"):
            ours, theirs = (medians(rounds, quantization, by, test) for by in (OURS, THEIRS))
            mine = [entry for entry in rounds if (entry["quantization"], entry["by"]) == (quantization, OURS)]
            found.append(
                {
                    "quantization": quantization,
                    "test": test,
                    "ours": statistics.median(ours),
                    "theirs": statistics.median(theirs),
                    "ratio": ratios(ours, theirs),
                    "loop": max(entry[f"{test}_loop"] for entry in mine),
                    "apart": (max(ours) - min(ours)) / statistics.median(ours),
                    "apart_theirs": (max(theirs) - min(theirs)) / statistics.median(theirs),
                }
            )
    return found


HEAD = ("", "", "ours t/s", "llama-bench t/s", "ours/theirs", "least", "greatest", "loop", "apart", "apart, theirs")


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    ratio = entry["ratio"]
    return (
        entry["quantization"],
        entry["test"],
        f"{entry['ours']:.1f}",
        f"{entry['theirs']:.1f}",
        *(f"{ratio[name]:.3f}" for name in ("median", "min", "max")),
        *(f"{100 * entry[name]:.2f} %" for name in ("loop", "apart", "apart_theirs")),
    )


if __name__ == "__main__":
    main()
