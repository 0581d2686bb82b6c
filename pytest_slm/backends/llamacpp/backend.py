"""The llama.cpp backend: a model, its KV memory, and what the protocol asks of them."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import llama_cpp as llama

from pytest_slm.backends import template
from pytest_slm.backends.collected import Collected
from pytest_slm.backends.llamacpp import limits, scoring, workload
from pytest_slm.backends.llamacpp.context import Context, in_blocks
from pytest_slm.backends.llamacpp.generation import Batcher, Prompt
from pytest_slm.backends.llamacpp.model import Model
from pytest_slm.backends.llamacpp.timing import EngineTimer
from pytest_slm.backends.pairs import Ids, rolling_windows, shown_of, split_pairs
from pytest_slm.backends.protocol import (
    CHAT,
    GENERATE,
    LOGLIKELIHOOD,
    TIMING,
    TOKENS,
    EngineTest,
    EngineTimes,
    Finished,
    LogLikelihood,
    ModelSpec,
    Progress,
    Workload,
    ignored,
    silent,
)
from pytest_slm.core.backend_info import BackendInfo
from pytest_slm.core.types import Generation, Request
from pytest_slm.errors import BackendError, NotAvailableError


class LlamaCpp:
    """A GGUF file opened by llama.cpp on the CPU."""

    def __init__(self, spec: ModelSpec) -> None:
        if spec.path is None:
            raise BackendError("the llama.cpp backend needs the path of a GGUF file", slug="model-load")
        self._path = spec.path
        self._model = Model(spec.path)
        self._limits = limits.choose(self._model, spec.settings)
        self._context = Context(self._model, self._limits)
        self._timer = EngineTimer(self._model, self._limits)
        self._exact = spec.exact
        self._sha256: str | None = None
        chat = {CHAT} if self._model.chat_template else set()
        self.capabilities = frozenset({GENERATE, LOGLIKELIHOOD, TIMING, TOKENS} | chat)

    @property
    def kv_bytes(self) -> int:
        """Bytes of the KV memory that the last call left open."""
        return self._context.kv_bytes

    def flash_for_text(self, n_tokens: int) -> bool:
        """Whether a text of so many tokens is computed with flash attention."""
        return self._limits.flash_for_text(in_blocks(n_tokens))

    def describe(self) -> BackendInfo:
        source = self._model.chat_template
        # Not when the model is opened: reading the whole file is no part of the time that loading takes.
        files = self._model.files()
        self._sha256 = self._sha256 or _sha256(files)
        return BackendInfo(
            name="llamacpp",
            engine="llama.cpp",
            engine_version=f"llama-cpp-python {llama.__version__}",
            engine_build=llama.llama_print_system_info().decode().strip(" |"),
            n_ctx=self._limits.n_ctx,
            n_batch=self._limits.n_batch,
            n_seq=self._limits.n_seq,
            n_outputs=self._limits.n_outputs,
            kv_cells=self._limits.kv_cells,
            kv_type=self._limits.kv_type,
            kv_bytes_per_token=self._limits.kv_bytes,
            flash_attention=self._limits.flash_attention,
            plain_attention_cells=self._limits.plain_attention_cells,
            threads=self._limits.threads,
            exact=self._exact,
            weights_sha256=self._sha256,
            file_bytes=sum(file.stat().st_size for file in files),
            chat_template_sha256=hashlib.sha256(source.encode()).hexdigest() if source else None,
            **self._model.describe(),
        )

    def count_tokens(self, requests: Sequence[Request]) -> list[int]:
        return [len(self._prompt_ids(request)) for request in requests]

    def generate(
        self,
        requests: Sequence[Request],
        progress: Progress = silent,
        finished: Finished[Generation] = ignored,
    ) -> list[Generation]:
        self._timer.release()
        found = Collected(len(requests), progress, finished)
        if self._exact or not self._limits.shares:
            for number, request in enumerate(requests):
                Batcher(self._context, [self._prompt(number, request)]).run(found.add, found.beat)
        else:
            prompts = [self._prompt(number, request) for number, request in enumerate(requests)]
            Batcher(self._context, prompts, drafts=True).run(found.add, found.beat)
        return found.results()

    def loglikelihood(
        self,
        pairs: Sequence[tuple[str, str]],
        progress: Progress = silent,
        finished: Finished[LogLikelihood] = ignored,
    ) -> list[LogLikelihood]:
        self._timer.release()
        split = split_pairs(self._model, pairs, self._limits.threads)
        found = Collected(len(pairs), progress, finished)
        scoring.loglikelihoods(self._context, split, found.add, found.beat, exact=self._exact)
        return found.results()

    def loglikelihood_rolling(self, texts: Sequence[str], progress: Progress = silent) -> list[LogLikelihood]:
        self._timer.release()
        start = self._model.start
        windows: list[tuple[Ids, Ids]] = []
        owners: list[int] = []
        for number, text in enumerate(texts):
            ids = self._model.tokenize(text, add_special=False, parse_special=False)
            mine = rolling_windows(ids, start, self._limits.n_ctx)
            windows += mine
            owners += [number] * len(mine)
        found: Collected[LogLikelihood] = Collected(len(windows), progress, ignored)
        scoring.loglikelihoods(self._context, windows, found.add, found.beat, exact=self._exact)
        parts: list[list[LogLikelihood]] = [[] for _ in texts]
        for owner, part in zip(owners, found.results(), strict=True):
            parts[owner].append(part)
        return [
            LogLikelihood(
                logprob=math.fsum(part.logprob for part in mine),
                is_greedy=all(part.is_greedy for part in mine),
                n_tokens=sum(part.n_tokens for part in mine),
            )
            for mine in parts
        ]

    def time(self, test: EngineTest, progress: Progress = silent) -> EngineTimes:
        """One round of the engine alone; the KV memory of other calls is freed for it."""
        self._context.release()
        return self._timer.run(test, progress)

    def buffers(self) -> dict[str, int]:
        """Bytes of weights, KV memory and compute buffers that are open now."""
        return {**self._model.buffers, **self._context.buffers}

    def workload_of_requests(self, requests: Sequence[Request]) -> Workload:
        """What ``generate`` would compute."""
        prompts = [self._prompt(number, request) for number, request in enumerate(requests)]
        return workload.of_prompts(self._context, prompts, alone=self._exact or not self._limits.shares)

    def workload_of_pairs(self, pairs: Sequence[tuple[str, str]]) -> Workload:
        """What ``loglikelihood`` would compute."""
        split = split_pairs(self._model, pairs, self._limits.threads)
        return workload.of_pairs(self._context, split, exact=self._exact)

    def close(self) -> None:
        self._timer.release()
        self._context.close()
        self._model.close()

    def _prompt(self, number: int, request: Request) -> Prompt:
        started = time.perf_counter()
        ids = self._prompt_ids(request)
        if not ids:
            raise BackendError("the prompt is empty: there is nothing to continue", slug="empty-prompt")
        return Prompt(number=number, request=request, ids=ids, started=started)

    def _prompt_ids(self, request: Request) -> list[int]:
        """The tokens that are shown."""
        return shown_of(self._ids(request), request, self._limits.n_ctx)

    def _ids(self, request: Request) -> list[int]:
        if request.prompt_ids is not None:
            foreign = [token for token in request.prompt_ids if not 0 <= token < self._model.n_vocab]
            if foreign:
                raise BackendError(f"{foreign[0]} is no token id of this model (0 to {self._model.n_vocab - 1})")
            return list(request.prompt_ids)
        if request.prompt is not None:
            return self._model.tokenize(request.prompt, add_special=True, parse_special=False)
        source = self._model.chat_template
        if source is None:
            raise NotAvailableError(
                f"{self._path}: the model has no chat template, so it cannot be asked in conversations",
                slug="no-chat-template",
            )
        messages = request.messages or ()
        # A character of the private use area that no message holds.
        mark = next(mark for mark in map(chr, range(0xE000, 0xF900)) if all(mark not in m.content for m in messages))
        text = template.render(
            source,
            [replace(message, content=self._model.marked(message.content, mark)) for message in messages],
            tools=request.tools,
            bos_token=self._spelled(self._model.bos),
            eos_token=self._spelled(self._model.eos),
        )
        return self._model.tokenize_template(text, mark)

    def _spelled(self, token: int) -> str:
        return self._model.piece(token).decode("utf-8", "replace") if token >= 0 else ""


def _sha256(files: Sequence[Path]) -> str:
    """The SHA-256 of a file; of several, that of their sorted hashes, one a line."""
    hashes = []
    for path in files:
        with path.open("rb") as file:
            hashes.append(hashlib.file_digest(file, "sha256").hexdigest())
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()
