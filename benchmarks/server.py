"""What a server costs: texts of forced length in one process and through a llama-server, alternating in one run.

python -m benchmarks.server --rounds 7
python -m benchmarks.server --server http://127.0.0.1:8080/v1 --engine-lib build/bin/libllama.so
"""

from __future__ import annotations

import contextlib
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import arguments
from benchmarks.common.data import weights
from benchmarks.common.outcome import Progress, ratios, recorded, spread, table
from pytest_slm.backends.lookup import Backends
from pytest_slm.backends.protocol import Backend, ModelSpec
from pytest_slm.backends.server import Server
from pytest_slm.core.types import EngineSettings, Generation, Request
from pytest_slm.hosts.sources import Hosts

STARTED = """
import sys, time
import xllamacpp as x
path, port, slots, threads, n_ctx = sys.argv[1], *map(int, sys.argv[2:])
params = x.CommonParams()
params.model.path, params.port, params.n_parallel, params.n_ctx = path, port, slots, slots * n_ctx
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
params.warmup, params.cache_ram_mib = False, 0
server = x.Server(params)
time.sleep(3600)
"""
"""A llama-server, as the package xllamacpp ships it."""


def main() -> None:
    """Measure what the command line names."""
    parser = arguments.parser(str(__doc__), rounds=7)
    parser.add_argument("--quantization", default="Q4_0")
    parser.add_argument("--concurrency", type=arguments.count, nargs="+", default=[1, 4], metavar="N")
    parser.add_argument("--answers", type=arguments.count, default=8, help="of each side in a round")
    parser.add_argument("--prompt", type=arguments.count, default=64, metavar="N", help="tokens of each prompt")
    parser.add_argument("--tokens", type=arguments.count, default=48, metavar="N", help="of each answer, forced")
    parser.add_argument("--server", metavar="URL", help="a llama-server that runs with the same file and threads")
    parser.add_argument("--engine-lib", metavar="PATH", help="the libllama of that server, for the other side")
    options = arguments.checked(parser, ["httpx"])
    arguments.require(parser, [] if options.server else ["xllamacpp"])
    path = weights(options.model, options.quantization)
    about = {"answers": options.answers, "prompt": options.prompt, "tokens": options.tokens}
    progress = Progress(len(options.concurrency) * options.rounds)
    rows = []
    with recorded(options.out, "server", about) as document:
        for at_once in options.concurrency:
            with _both(path, at_once, options) as (here, there):
                document.setdefault("backends", []).extend([here.describe().known, there.describe().known])
                found = [_round(here, there, options, number) for number in _counted(options.rounds, progress)]
            document["rounds"] += [{"concurrency": at_once, **one} for one in found]
            inside, through = ([one[side] for one in found] for side in ("in process s", "server s"))
            cpu = [one["client CPU s"] for one in found]
            told = {
                "seconds through the server / in one process": ratios(through, inside),
                "client's CPU ms an answer": spread([1000 * seconds / options.answers for seconds in cpu]),
                "client's CPU, share of the time": ratios(cpu, through),
                "texts that are the same": spread([one["same"] for one in found]),
            }
            document.setdefault("summary", {})[f"concurrency {at_once}"] = told
            for name, values in told.items():
                shown = [f"{values[part]:.3f}" for part in ("median", "min", "max")]
                rows.append((at_once, name, *shown, values["n"]))
    print(table(rows, ("at once", "", "median", "least", "greatest", "n")))


def _counted(rounds: int, progress: Progress) -> Iterator[int]:
    for number in range(rounds):
        yield number
        progress.step(f"round {number + 1}")


@contextlib.contextmanager
def _both(path: Path, at_once: int, options: Any) -> Iterator[tuple[Backend, Backend]]:
    """The file in a process of our own, and behind a server, both with so many texts at once, each warmed up."""
    n_ctx = max(256, options.prompt + options.tokens + 8)
    engine = None if options.engine_lib else "llama.cpp"
    settings = EngineSettings(
        threads=options.threads, n_ctx=n_ctx, n_seq=at_once, engine=engine, engine_lib=options.engine_lib
    )
    spec = ModelSpec(path=str(path), format="gguf", settings=settings)
    hosts = Hosts({"here": lambda: (Backends().find("gguf"), spec)}, start_timeout=120, request_timeout=600)
    with contextlib.ExitStack() as opened:
        opened.callback(hosts.close)
        url = options.server or opened.enter_context(_started(path, at_once, options.threads, n_ctx))
        here, there = hosts.open("here"), Server(ModelSpec(path=url, format="server", concurrency=at_once))
        opened.callback(there.close)
        for backend in (here, there):
            backend.generate(_requests(options, 10**6)[:at_once])
        yield here, there


@contextlib.contextmanager
def _started(path: Path, slots: int, threads: int, n_ctx: int) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", STARTED, str(path), *map(str, (port, slots, threads, n_ctx))]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            url, until = f"http://127.0.0.1:{port}/v1", time.monotonic() + 120
            while True:
                with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/models"):
                    break
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit("the server did not start")
                time.sleep(0.1)
            yield url
        finally:
            process.kill()
            process.wait()


def _requests(options: Any, seed: int) -> list[Request]:
    """Prompts of chance, so that neither side remembers anything."""
    drawn = random.Random(seed)
    return [
        Request(
            prompt_ids=tuple(drawn.randint(1000, 20000) for _ in range(options.prompt)),
            max_tokens=options.tokens,
            forced_length=True,
        )
        for _ in range(options.answers)
    ]


def _round(here: Backend, there: Backend, options: Any, number: int) -> dict[str, float]:
    requests = _requests(options, number)
    sides: list[tuple[str, Backend]] = [("in process", here), ("server", there)]
    found: dict[str, float] = {}
    texts: list[Sequence[Generation]] = []
    for name, backend in sides if number % 2 else sides[::-1]:  # who is first alternates, too
        began, cpu = time.perf_counter(), time.process_time()
        texts.append(backend.generate(requests))
        found[f"{name} s"] = time.perf_counter() - began
        if name == "server":
            found["client CPU s"] = time.process_time() - cpu
    found["same"] = sum(one.text == two.text for one, two in zip(*texts, strict=True))
    return found


if __name__ == "__main__":
    main()
