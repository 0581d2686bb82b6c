"""The transformers backend: a network, its tokenizer, and what the protocol asks of them."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
import transformers

from pytest_slm.backends import template
from pytest_slm.backends.collected import Collected
from pytest_slm.backends.hf import generation, scoring, weights, workload
from pytest_slm.backends.hf.model import Model
from pytest_slm.backends.hf.packed import can_pack
from pytest_slm.backends.hf.timing import EngineTimer, cache_bytes
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

BATCH = {"cpu": 512, "cuda": 4096}
"""Tokens that go through the model at once when texts are scored; see docs/backends.md for what was measured."""


class Transformers:
    """A folder with safetensors, or a GGUF file as float32, opened by transformers."""

    def __init__(self, spec: ModelSpec) -> None:
        if spec.path is None:
            raise BackendError("the hf backend needs a folder with safetensors, or a GGUF file", slug="model-load")
        self._path = spec.path
        self._exact = spec.exact
        self._model: Model | None = Model(spec.path, spec.settings)
        self._n_batch = spec.settings.n_batch or BATCH[self._model.device.type]
        self._timer = EngineTimer(lambda: self._open)
        self._kv_bytes: int | None = None
        self._packs = can_pack(self._model)
        self._sha256: str | None = None
        chat = {CHAT} if self._model.tokenizer.chat_template else set()
        self.capabilities = frozenset({GENERATE, LOGLIKELIHOOD, TIMING, TOKENS} | chat)

    def describe(self) -> BackendInfo:
        model = self._open
        source = model.tokenizer.chat_template
        # Not when the model is opened: reading the files once more is no part of the time that loading takes.
        self._sha256 = self._sha256 or weights.sha256(model.files)
        return BackendInfo(
            name="hf",
            engine="transformers",
            engine_version=f"transformers {transformers.__version__}",
            engine_build=f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}"
            + (f", {torch.cuda.get_device_name(model.device)}" if model.device.type == "cuda" else ""),
            n_ctx=model.n_ctx,
            n_batch=self._n_batch,
            packs=self._packs,
            threads=model.threads,
            dtype=str(model.dtype).removeprefix("torch."),
            device=model.device.type,
            exact=self._exact,
            kv_bytes_per_token=model.kv_bytes,
            weights_sha256=self._sha256,
            file_bytes=sum(file.stat().st_size for file in model.files),
            chat_template_sha256=hashlib.sha256(source.encode()).hexdigest() if source else None,
            **model.describe(),
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
        for number, request in enumerate(requests):
            found.add(number, generation.generate(self._open, self._prompt(request), found.beat, self._seen))
        return found.results()

    def loglikelihood(
        self,
        pairs: Sequence[tuple[str, str]],
        progress: Progress = silent,
        finished: Finished[LogLikelihood] = ignored,
    ) -> list[LogLikelihood]:
        tokenizer = self._open.tokenizer
        split = split_pairs(tokenizer, pairs)
        return self._scored(split, Collected(len(pairs), progress, finished))

    def loglikelihood_rolling(self, texts: Sequence[str], progress: Progress = silent) -> list[LogLikelihood]:
        tokenizer = self._open.tokenizer
        windows: list[tuple[Ids, Ids]] = []
        owners: list[int] = []
        for number, text in enumerate(texts):
            ids = tokenizer.tokenize(text, add_special=False, parse_special=False)
            mine = rolling_windows(ids, tokenizer.start, self._open.n_ctx)
            windows += mine
            owners += [number] * len(mine)
        parts: list[list[LogLikelihood]] = [[] for _ in texts]
        for owner, part in zip(owners, self._scored(windows, Collected(len(windows), progress, ignored)), strict=True):
            parts[owner].append(part)
        return [
            LogLikelihood(
                logprob=math.fsum(part.logprob for part in mine),
                is_greedy=all(part.is_greedy for part in mine),
                n_tokens=sum(part.n_tokens for part in mine),
            )
            for mine in parts
        ]

    def workload_of_requests(self, requests: Sequence[Request]) -> Workload:
        """What ``generate`` would compute."""
        return workload.of_prompts([(self._prompt_ids(request), request.max_tokens) for request in requests])

    def workload_of_pairs(self, pairs: Sequence[tuple[str, str]]) -> Workload:
        """What ``loglikelihood`` would compute."""
        split = split_pairs(self._open.tokenizer, pairs)
        return workload.of_pairs(self._open, split, n_batch=self._n_batch, packs=self._packs, exact=self._exact)

    def time(self, test: EngineTest, progress: Progress = silent) -> EngineTimes:
        """One round of the network alone."""
        return self._timer.run(test, progress)

    def buffers(self) -> dict[str, int]:
        """Bytes of the weights, and of the KV memory after the last text that was written; torch does not say what it
        computes in."""
        kv_cache = {} if self._kv_bytes is None else {"kv_cache": self._kv_bytes}
        return {"weights": int(str(self._open.describe()["weights_bytes"])), **kv_cache}

    def close(self) -> None:
        self._timer.release()
        self._model = None

    @property
    def _open(self) -> Model:
        if self._model is None:
            raise BackendError(f"{self._path}: the model was closed")
        return self._model

    def _seen(self, memory: Any) -> None:
        self._kv_bytes = cache_bytes(memory)

    def _scored(self, pairs: Sequence[tuple[Ids, Ids]], found: Collected[LogLikelihood]) -> list[LogLikelihood]:
        scoring.loglikelihoods(
            self._open,
            pairs,
            found.add,
            found.beat,
            n_batch=self._n_batch,
            packs=self._packs,
            exact=self._exact,
        )
        return found.results()

    def _prompt(self, request: Request) -> generation.Prompt:
        started = time.perf_counter()
        ids = self._prompt_ids(request)
        if not ids:
            raise BackendError("the prompt is empty: there is nothing to continue", slug="empty-prompt")
        return generation.Prompt(request=request, ids=ids, started=started)

    def _prompt_ids(self, request: Request) -> list[int]:
        """The tokens that are shown."""
        return shown_of(self._ids(request), request, self._open.n_ctx)

    def _ids(self, request: Request) -> list[int]:
        model = self._open
        if request.prompt_ids is not None:
            foreign = [token for token in request.prompt_ids if not 0 <= token < model.n_vocab]
            if foreign:
                raise BackendError(f"{foreign[0]} is no token id of this model (0 to {model.n_vocab - 1})")
            return list(request.prompt_ids)
        tokenizer = model.tokenizer
        if request.prompt is not None:
            return tokenizer.tokenize(request.prompt, add_special=True, parse_special=False)
        source = tokenizer.chat_template
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
            [replace(message, content=tokenizer.marked(message.content, mark)) for message in messages],
            tools=request.tools,
            bos_token=tokenizer.spelled(tokenizer.bos),
            eos_token=tokenizer.spelled(tokenizer.eos),
        )
        return tokenizer.tokenize_template(text, mark)
