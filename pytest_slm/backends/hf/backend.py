"""The transformers backend: a network, its tokenizer, and what the protocol asks of them."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from typing import Any

import torch
import transformers

from pytest_slm.backends.files import sha256_of
from pytest_slm.backends.hf import generation, scoring, workload
from pytest_slm.backends.hf.model import Model
from pytest_slm.backends.hf.packed import can_pack
from pytest_slm.backends.hf.timing import EngineTimer, cache_bytes
from pytest_slm.backends.hf.tokenizer import TransformersTokenizer
from pytest_slm.backends.local import LocalBackend, ResultCollector
from pytest_slm.backends.protocol import ModelSpec, Workload
from pytest_slm.core.backend_info import BackendInfo
from pytest_slm.core.request import LogLikelihood
from pytest_slm.core.types import Generation, Request
from pytest_slm.errors import BackendError
from pytest_slm.prompts.pairs import Ids

BATCH = {"cpu": 512, "cuda": 4096}
"""Tokens that go through the model at once when texts are scored; see docs/backends.md for what was measured."""


class Transformers(LocalBackend):
    """A folder with safetensors, or a GGUF file as float32, opened by transformers."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec, "the hf backend needs a folder with safetensors, or a GGUF file")
        self._model: Model | None = Model(self._path, spec.settings, spec.chat_template)
        self._n_ctx, self._n_vocab = self._model.n_ctx, self._model.n_vocab
        self.files = self._model.files
        self._n_batch = spec.settings.n_batch or BATCH[self._model.device.type]
        self._timer = EngineTimer(lambda: self._open)
        self._kv_bytes: int | None = None
        self._packs = can_pack(self._model)

    def describe(self) -> BackendInfo:
        model = self._open
        source = model.tokenizer.chat_template
        self._prepare()
        # Not when the model is opened: reading the files once more is no part of the time that loading takes.
        self._sha256 = self._sha256 or sha256_of(self.files)
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
            thinking=self._thinking,
            kv_bytes_per_token=model.kv_bytes,
            weights_sha256=self._sha256,
            file_bytes=sum(file.stat().st_size for file in self.files),
            chat_template_sha256=hashlib.sha256(source.encode()).hexdigest() if source else None,
            chat_template_notes=self._template_facts.notes,
            **model.describe(),
        )

    def workload_of_requests(self, requests: Sequence[Request]) -> Workload:
        """What ``generate`` would compute."""
        return workload.of_prompts(
            [(prompt.ids, prompt.most) for prompt in map(self._prompt, itertools.count(), requests)]
        )

    def workload_of_pairs(self, pairs: Sequence[tuple[str, str]]) -> Workload:
        """What ``loglikelihood`` would compute."""
        split = self._split(pairs)
        return workload.of_pairs(self._open, split, n_batch=self._n_batch, packs=self._packs, exact=self._exact)

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

    @property
    def _tokenizer(self) -> TransformersTokenizer:
        return self._open.tokenizer

    def _seen(self, memory: Any) -> None:
        self._kv_bytes = cache_bytes(memory)

    def _write(self, requests: Sequence[Request], found: ResultCollector[Generation]) -> None:
        for number, request in enumerate(requests):
            prompt = self._prompt(number, request)
            found.add(number, generation.generate(self._open, prompt, found.beat, self._seen))

    def _score(self, pairs: Sequence[tuple[Ids, Ids]], found: ResultCollector[LogLikelihood]) -> None:
        scoring.loglikelihoods(
            self._open,
            pairs,
            found.add,
            found.beat,
            n_batch=self._n_batch,
            packs=self._packs,
            exact=self._exact,
        )
