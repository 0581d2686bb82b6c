"""Those we are compared with. Each opens once and then scores lists of (context, continuation)."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import types
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from benchmarks.common.data import Pair, Question


class Scorer(Protocol):
    """Something that scores; ``most`` questions a round, because some take minutes for ten."""

    name: str
    most: int

    def score(self, pairs: Sequence[Pair]) -> list[float]:
        """Sums of log-probabilities."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class Ours:
    """pytest-slm's llama.cpp backend in a process of its own, as a test run opens it."""

    most = sys.maxsize

    def __init__(self, path: Path, threads: int, *, exact: bool = False, engine: str | None = None) -> None:
        from pytest_slm.backends.lookup import Backends
        from pytest_slm.backends.protocol import ModelSpec
        from pytest_slm.core.types import EngineSettings
        from pytest_slm.hosts.sources import Hosts

        self.name = "pytest-slm" if engine is None else f"pytest-slm ({engine})"
        settings = EngineSettings(threads=threads, engine=engine)
        spec = ModelSpec(path=str(path), format="gguf", settings=settings, exact=exact)
        opening = {path.name: lambda: (Backends().find("gguf"), spec)}
        self._hosts = Hosts(opening, start_timeout=120, request_timeout=600)
        self.backend = self._hosts.open(path.name)

    def score(self, pairs: Sequence[Pair]) -> list[float]:
        return [result.logprob for result in self.backend.loglikelihood(pairs)]

    def close(self) -> None:
        self._hosts.close()


class LmEvalHf:
    """lm-eval's ``hf`` model in fp32, on the same weights: transformers reads the GGUF."""

    most = 40

    def __init__(self, path: Path, threads: int, batch: int = 8) -> None:
        import torch
        from tokenizers import pre_tokenizers
        from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

        from benchmarks.common.drafted import DraftedHFLM

        self.name = "lm-eval hf fp32"
        torch.set_num_threads(threads)
        model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
        tokenizer = PreTrainedTokenizerFast.from_pretrained(path.parent, gguf_file=path.name)
        # transformers does not know the GGUF's pre-tokenizer and takes GPT-2's; this is the published one.
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
        self.lm = DraftedHFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch, device="cpu")

    def score(self, pairs: Sequence[Pair]) -> list[float]:
        from lm_eval.api.instance import Instance

        requests = [Instance("loglikelihood", {}, pair, index) for index, pair in enumerate(pairs)]
        return [value for value, _ in self.lm.loglikelihood(requests, disable_tqdm=True)]

    def write(self, texts: Sequence[str], max_tokens: int) -> list[str]:
        """Greedy continuations of exactly so many tokens, a batch of prompts at a time."""
        from lm_eval.api.instance import Instance

        how = {"until": [], "max_gen_toks": max_tokens, "min_new_tokens": max_tokens, "do_sample": False}
        requests = [Instance("generate_until", {}, (text, how), index) for index, text in enumerate(texts)]
        return list(self.lm.generate_until(requests, disable_tqdm=True))

    def close(self) -> None:
        del self.lm


class LmEvalServer:
    """lm-eval's ``gguf`` model over llama-cpp-python's server: one HTTP request for each choice."""

    most = 4

    def __init__(self, path: Path, threads: int, python: str) -> None:
        from lm_eval.models.gguf import GGUFLM

        self.name = "lm-eval gguf (server)"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the server)
        settings = {"model": path, "port": port, "n_ctx": 4096, "n_threads": threads, "n_threads_batch": threads}
        words = [word for name, value in {**settings, "logits_all": True}.items() for word in (f"--{name}", str(value))]
        self._server = subprocess.Popen([python, "-m", "llama_cpp.server", *words], stdout=self._log, stderr=self._log)
        url = f"http://127.0.0.1:{port}"
        for _ in range(240):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{url}/v1/models", timeout=2).close()
                break
            if self._server.poll() is not None:
                self._log.seek(0)
                raise RuntimeError(f"the server ended: {self._log.read()[-400:].decode(errors='replace')}")
            time.sleep(0.25)
        self._lm = GGUFLM(base_url=url)

    def score(self, pairs: Sequence[Pair]) -> list[float]:
        requests: Any = [types.SimpleNamespace(args=pair) for pair in pairs]
        return [value for value, _ in self._lm.loglikelihood(requests, disable_tqdm=True)]

    def close(self) -> None:
        self._server.terminate()
        self._server.wait()
        self._log.close()


class Evalution:
    """Evalution's llama.cpp engine, in a process of its own interpreter."""

    most = 20

    def __init__(self, path: Path, threads: int, python: str) -> None:
        self.name = "Evalution"
        worker = Path(__file__).with_name("evalution_worker.py")
        self._process = subprocess.Popen(
            [python, str(worker), str(path), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._answer()

    def score(self, pairs: Sequence[Pair]) -> list[float]:
        assert self._process.stdin is not None
        print(json.dumps(list(pairs)), file=self._process.stdin, flush=True)
        return self._answer()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _answer(self) -> list[float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("Evalution's process ended; try its interpreter by hand: --evalution-python")
        answer: list[float] = json.loads(line)
        return answer


def perplexity_seconds(binary: Path, path: Path, asked: Sequence[Question], threads: int) -> float:
    """Seconds of a whole llama-perplexity process, from start to end, for these HellaSwag questions."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        for question in asked:
            endings = [continuation.strip() for _, continuation in question.pairs]
            lines = [question.pairs[0][0], str(question.doc["label"]), *endings]
            file.writelines(re.sub(r"\s*\n\s*", " ", line) + "\n" for line in lines)
        file.flush()
        command = [str(binary), "-m", str(path), "-f", file.name, "--hellaswag", "--hellaswag-tasks", str(len(asked))]
        began = time.perf_counter()
        done = subprocess.run([*command, "-t", str(threads)], capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - began
    if done.returncode != 0 or f"\n{len(asked)}\t" not in done.stdout:
        raise RuntimeError(f"llama-perplexity: {done.stderr[-400:]}")
    return seconds


def own_process_seconds(path: Path, asked: Sequence[Question], threads: int, engine: str | None) -> float:
    """Seconds of a whole process of ours, from start to end, for these questions."""
    pairs = [pair for question in asked for pair in question.pairs]
    code = (
        "import json, sys; from pathlib import Path; from benchmarks.common.peers import Ours; "
        "order = json.load(sys.stdin); ours = Ours(Path(order['path']), order['threads'], engine=order['engine']); "
        "print(sum(ours.score(order['pairs'])))"
    )
    order = json.dumps({"path": str(path), "threads": threads, "engine": engine, "pairs": pairs})
    began = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run(
        [sys.executable, "-c", code], input=order, text=True, check=True, stdout=subprocess.DEVNULL, env=environment
    )
    return time.perf_counter() - began
