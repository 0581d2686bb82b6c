"""The llama.cpp backend: a model, its KV memory, and what the protocol asks of them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import llama_cpp as llama

from pytest_slm.backends import template
from pytest_slm.backends.llamacpp import generation, scoring
from pytest_slm.backends.llamacpp.context import BATCH, Context
from pytest_slm.backends.llamacpp.model import Model
from pytest_slm.backends.protocol import (
    CHAT,
    GENERATE,
    LOGLIKELIHOOD,
    TOKENS,
    LogLikelihood,
    ModelSpec,
    Progress,
    silent,
)
from pytest_slm.core.types import Generation, Request
from pytest_slm.errors import BackendError, NotAvailableError


class LlamaCpp:
    """A GGUF file opened by llama.cpp on the CPU."""

    def __init__(self, spec: ModelSpec) -> None:
        if spec.path is None:
            raise BackendError("the llama.cpp backend needs the path of a GGUF file", slug="model-load")
        self._path = spec.path
        self._model = Model(spec.path)
        self._limit = min(spec.n_ctx or self._model.context_length, self._model.context_length)
        # One memory at a time holds tokens: that of generation is shaped as llama-bench's, that of scoring is shared
        # by many sequences.
        self._context = Context(self._model, limit=self._limit, threads=spec.threads)
        self._scoring = Context(self._model, limit=self._limit, threads=spec.threads, n_sequences=scoring.SEQUENCES)
        self._sha256 = _sha256(spec.path)
        chat = {CHAT} if self._model.chat_template else set()
        self.capabilities = frozenset({GENERATE, LOGLIKELIHOOD, TOKENS} | chat)

    def describe(self) -> Mapping[str, Any]:
        source = self._model.chat_template
        return {
            "name": "llamacpp",
            "engine": "llama.cpp",
            "engine_version": f"llama-cpp-python {llama.__version__}",
            "engine_build": llama.llama_print_system_info().decode().strip(" |"),
            "n_ctx": self._limit,
            "n_batch": BATCH,
            "threads": self._context.threads,
            "kv_type": "F16",
            "weights_sha256": self._sha256,
            "chat_template_sha256": hashlib.sha256(source.encode()).hexdigest() if source else None,
            **self._model.describe(),
        }

    def count_tokens(self, requests: Sequence[Request]) -> list[int]:
        return [len(self._prompt_ids(request)) for request in requests]

    def generate(self, requests: Sequence[Request], progress: Progress = silent) -> list[Generation]:
        self._scoring.release()
        generations = []
        for done, request in enumerate(requests):
            started = time.perf_counter()
            ids = self._prompt_ids(request)
            if not ids:
                raise BackendError("the prompt is empty: there is nothing to continue", slug="empty-prompt")
            generations.append(
                generation.generate(
                    self._model,
                    self._context,
                    request,
                    ids,
                    started,
                    lambda done=done: progress(done, len(requests)),  # type: ignore[misc]
                )
            )
        progress(len(requests), len(requests))
        return generations

    def loglikelihood(self, pairs: Sequence[tuple[str, str]], progress: Progress = silent) -> list[LogLikelihood]:
        split = [scoring.split_pair(self._model, context, continuation) for context, continuation in pairs]
        return self._score(split, progress)

    def loglikelihood_rolling(self, texts: Sequence[str], progress: Progress = silent) -> list[LogLikelihood]:
        start = scoring.start_token(self._model)
        results = []
        for done, text in enumerate(texts):
            progress(done, len(texts))
            ids = self._model.tokenize(text, add_special=False, parse_special=False)
            windows = scoring.rolling_windows(ids, start, self._limit)
            parts = self._score(
                windows,
                lambda _done, _total, done=done: progress(done, len(texts)),  # type: ignore[misc]
            )
            results.append(
                LogLikelihood(
                    logprob=sum(part.logprob for part in parts),
                    is_greedy=all(part.is_greedy for part in parts),
                    n_tokens=len(ids),
                )
            )
        return results

    def _score(self, pairs: Sequence[tuple[list[int], list[int]]], progress: Progress) -> list[LogLikelihood]:
        self._context.release()
        return scoring.loglikelihoods(self._scoring, self._limit, pairs, progress)

    def close(self) -> None:
        self._context.close()
        self._scoring.close()
        self._model.close()

    def _prompt_ids(self, request: Request) -> list[int]:
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
        text = template.render(
            source,
            messages,
            tools=request.tools,
            bos_token=self._spelled(self._model.bos),
            eos_token=self._spelled(self._model.eos),
        )
        return self._model.tokenize_template(text, [message.content for message in messages])

    def _spelled(self, token: int) -> str:
        return self._model.piece(token).decode("utf-8", "replace") if token >= 0 else ""


def _sha256(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
