"""The llama.cpp backend: a model, its KV memory, and what the protocol asks of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

from pytest_slm.backends.files import sha256_of
from pytest_slm.backends.llamacpp import limits, scoring, soundness, workload
from pytest_slm.backends.llamacpp.beside import reference
from pytest_slm.backends.llamacpp.beside.draft_model import DraftModel
from pytest_slm.backends.llamacpp.beside.gpu import gpu_name
from pytest_slm.backends.llamacpp.binding.devices import computing
from pytest_slm.backends.llamacpp.binding.installed import library
from pytest_slm.backends.llamacpp.context import Context, in_blocks
from pytest_slm.backends.llamacpp.generation import Batcher
from pytest_slm.backends.llamacpp.model import Model
from pytest_slm.backends.llamacpp.soundness import Kernels
from pytest_slm.backends.llamacpp.streams import alike
from pytest_slm.backends.llamacpp.timing import EngineTimer
from pytest_slm.backends.local import LocalBackend, ResultCollector
from pytest_slm.backends.protocol import EngineTest, EngineTimes, ModelSpec, Progress, Workload, silent
from pytest_slm.core.backend_info import Agreement, BackendInfo
from pytest_slm.core.request import LogLikelihood
from pytest_slm.core.types import Generation, Request
from pytest_slm.errors import BackendError
from pytest_slm.prompts.pairs import Ids
from pytest_slm.prompts.template import chosen


class LlamaCpp(LocalBackend):
    """A GGUF file opened by llama.cpp, or by a dialect of it, on the CPU."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec, "the llama.cpp backend needs the path of a GGUF file")
        self._model = Model(self._path, library(spec.settings.engine, spec.settings.engine_lib), spec.settings)
        self._model.chat_template = chosen(spec.chat_template, self._model.chat_template)
        self._settings = spec.settings
        self._limits = limits.choose(self._model, spec.settings)
        self._n_ctx, self._n_vocab, self._split_threads = self._limits.n_ctx, self._model.n_vocab, self._limits.threads
        self._context = Context(self._model, self._limits)
        self._draft_model = self._drafting()
        self._timer = EngineTimer(self._model, self._limits)
        self._kernels: Kernels | None = None
        self._beside: tuple[Agreement, ...] = ()
        self._batcher: Batcher | None = None
        self.files = self._model.files()

    @property
    def kv_bytes(self) -> int:
        """Bytes of the KV memory that the last call left open."""
        return self._context.kv_bytes

    def flash_for_text(self, n_tokens: int) -> bool:
        """Whether a text of so many tokens is computed with flash attention."""
        return self._limits.flash_for_text(in_blocks(n_tokens))

    def describe(self) -> BackendInfo:
        source = self._model.chat_template
        self._prepare()
        kernels = self._look()
        # Not when the model is opened: reading the whole file is no part of the time that loading takes.
        self._sha256 = self._sha256 or sha256_of(self.files)
        return BackendInfo(
            name="llamacpp",
            engine=self._model.library.engine,
            engine_version=self._model.library.version,
            engine_build=self._model.library.c.llama_print_system_info().decode().strip(" |"),
            n_ctx=self._limits.n_ctx,
            n_batch=self._limits.n_batch,
            n_ubatch=self._limits.n_ubatch,
            kernels_nmse=kernels.nmse,
            kernels_beside=self._beside,
            n_seq=self._limits.n_seq,
            n_outputs=self._limits.n_outputs,
            kv_cells=self._limits.kv_cells,
            kv_type=self._limits.kv_type,
            kv_bytes_per_token=self._limits.kv_bytes,
            flash_attention=self._limits.flash_attention,
            plain_attention_cells=self._limits.plain_attention_cells,
            threads=self._limits.threads,
            exact=self._exact,
            thinking=self._thinking,
            gpu_layers=self._settings.gpu_layers,
            main_gpu=self._settings.main_gpu,
            tensor_split=self._settings.tensor_split,
            devices=computing(self._model.library),
            device=gpu_name(self._model.library) if self._settings.gpu_layers else None,
            draft_model=None if self._draft_model is None else self._draft_model.told,
            lora=None if self._model.lora is None else self._model.lora.told,
            weights_sha256=self._sha256,
            file_bytes=sum(file.stat().st_size for file in self.files),
            chat_template_sha256=hashlib.sha256(source.encode()).hexdigest() if source else None,
            chat_template_notes=self._template_facts.notes,
            **self._model.describe(),
        )

    def time(self, test: EngineTest, progress: Progress = silent) -> EngineTimes:
        """One round of the engine alone; the KV memory of other calls is freed for it."""
        self._look()
        self._context.release()
        if self._draft_model is not None:
            self._draft_model.release()
        return super().time(test, progress)

    def buffers(self) -> dict[str, int]:
        """Bytes of weights, KV memory and compute buffers that are open now."""
        parts = [self._model.buffers, self._context.buffers]
        parts += [] if self._draft_model is None else [self._draft_model.buffers]
        return dict(sum((Counter(part) for part in parts), Counter()))

    def workload_of_requests(self, requests: Sequence[Request]) -> Workload:
        """What ``generate`` would compute."""
        prompts = [self._prompt(number, request) for number, request in enumerate(requests)]
        return workload.of_prompts(self._context, prompts, alone=self._exact or not self._limits.shares)

    def workload_of_pairs(self, pairs: Sequence[tuple[str, str]]) -> Workload:
        """What ``loglikelihood`` would compute."""
        return workload.of_pairs(self._context, self._split(pairs), exact=self._exact)

    def begun(self) -> dict[int, list[int]]:
        """Tokens of the answers that are being written now, by the place of the request."""
        return {} if self._batcher is None else self._batcher.begun()

    def close(self) -> None:
        self._timer.release()
        self._context.close()
        if self._draft_model is not None:
            self._draft_model.close()
        self._model.close()

    def _drafting(self) -> DraftModel | None:
        """The model that drafts, if one was asked for. Raises BackendError where none can."""
        path = self._settings.draft_model
        if path is None:
            return None
        problem = "--slm-exact computes every request in a way of its own" if self._exact else ""
        if not self._limits.shares:
            problem = "this model keeps a running state, of which nothing can be taken back"
        if problem:
            raise BackendError(f"draft_model {path}: {problem}; leave out one of them", slug="draft-model")
        return DraftModel(path, self._model, self._settings)

    @property
    def _tokenizer(self) -> Model:
        return self._model

    def _look(self) -> Kernels:
        """Whether the engine is sound, found out once, and not when the model is opened: that is no part of loading."""
        if self._kernels is None:
            self._kernels = soundness.check(self._model, self._limits)
            if self._kernels.limits != self._limits:
                self._limits = self._kernels.limits
                self._context.close()
                self._context = Context(self._model, self._limits)
                self._timer = EngineTimer(self._model, self._limits)
            if self._kernels.nmse is not None:
                self._beside = reference.check(self._model, self._limits, self._settings)
        return self._kernels

    def _write(self, requests: Sequence[Request], found: ResultCollector[Generation]) -> None:
        self._look()
        if self._exact or not self._limits.shares:
            for number, request in enumerate(requests):
                self._run(Batcher(self._context, [self._prompt(number, request)]), found)
        else:
            prompts = [self._prompt(number, request) for number, request in enumerate(requests)]
            for group in alike(self._context, prompts):
                self._run(Batcher(self._context, group, drafts=True, draft_model=self._draft_model), found)

    def _run(self, batcher: Batcher, found: ResultCollector[Generation]) -> None:
        self._batcher = batcher
        try:
            batcher.run(found.add, found.beat)
        finally:
            self._batcher = None

    def _score(self, pairs: Sequence[tuple[Ids, Ids]], found: ResultCollector[LogLikelihood]) -> None:
        self._look()
        scoring.loglikelihoods(self._context, pairs, found.add, found.beat, exact=self._exact)
