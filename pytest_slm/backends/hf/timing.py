"""Rounds of a network alone: random ids, no tokenizer, no sampler; the counterpart of the llama.cpp backend's."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from pytest_slm.backends.hf.model import Model
from pytest_slm.backends.protocol import EngineTest, EngineTimes, Progress, silent
from pytest_slm.errors import BackendError, NotAvailableError

CHUNK = 512
"""Tokens of a prompt that go through the network at once, as llama-bench's micro-batch has it."""


class EngineTimer:
    """Keeps the memory of a depth between rounds where it can be cut back to it."""

    def __init__(self, opened: Callable[[], Model]) -> None:
        self._opened = opened
        self._memory: Any = None
        self._held = (0, 0)
        """Depth and sequences of the memory that is kept."""

    def run(self, test: EngineTest, progress: Progress = silent) -> EngineTimes:
        """One round, from a memory that holds ``n_depth`` tokens and nothing else."""
        model = self._opened()
        needed = test.n_depth + test.n_tokens
        if needed > model.n_ctx:
            raise BackendError(
                f"{needed} tokens are needed, the context of the model has {model.n_ctx}: choose a shorter variant",
                slug="context-too-long",
            )
        generator = random.Random(test.seed)
        with torch.inference_mode():
            memory = self._at_depth(model, test, generator, progress)
            # What is timed: a prompt in chunks, or one token after the other. The ids stand on the device already.
            size = CHUNK if test.n_prompt else 1
            parts = _ids(model, generator, test.n_sequences, test.n_tokens).split(size, dim=1)
            clock = time.perf_counter
            inside = 0.0
            _wait(model)
            began = clock()
            for part in parts:
                entered = clock()
                memory, logits = model.forward(part, memory)
                _wait(model)
                inside += clock() - entered
            seconds = clock() - began
        for row, token in zip(logits, part[:, -1].tolist(), strict=True):
            model.favourite(row, token)  # a kernel is as fast with NaN, but that would be no work of the model
        length = _length(memory)
        self._keep(test, memory)
        n_evaluated = test.n_sequences * (test.n_tokens if length is None else length - test.n_depth)
        if n_evaluated != test.n_sequences * test.n_tokens:
            raise BackendError(
                f"{n_evaluated} of {test.n_sequences * test.n_tokens} tokens were computed: the time means nothing",
                slug="engine-count",
            )
        return EngineTimes(seconds=seconds, inside_s=inside, n_evaluated=n_evaluated)

    def release(self) -> None:
        """Forget what is kept."""
        self._memory, self._held = None, (0, 0)

    def _at_depth(self, model: Model, test: EngineTest, generator: random.Random, progress: Progress) -> Any:
        if test.n_depth == 0:
            self.release()
            return None
        if self._memory is not None and self._held == (test.n_depth, test.n_sequences):
            return self._memory
        self.release()
        memory: Any = None
        for start in range(0, test.n_depth, CHUNK):
            n = min(CHUNK, test.n_depth - start)
            memory, _ = model.forward(_ids(model, generator, test.n_sequences, n), memory)
            progress(start, test.n_depth)
        if memory is None:
            raise NotAvailableError(
                "the architecture keeps no memory of earlier tokens: there is no depth to measure at",
                slug="no-timing",
            )
        return memory

    def _keep(self, test: EngineTest, memory: Any) -> None:
        """Cut the memory back to its depth for the next round; one that cannot be cut is made again."""
        self.release()
        if not test.n_depth or not hasattr(memory, "crop"):
            return
        with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):  # layers with a state, or a window
            memory.crop(-test.n_tokens)
            if _length(memory) == test.n_depth:
                self._memory, self._held = memory, (test.n_depth, test.n_sequences)


def _ids(model: Model, generator: random.Random, n_sequences: int, n: int) -> Tensor:
    return model.tensor([generator.choices(range(model.n_vocab), k=n) for _ in range(n_sequences)])


def _wait(model: Model) -> None:
    """Until the device has computed what it was given."""
    if model.device.type == "cuda":
        torch.cuda.synchronize(model.device)


def cache_bytes(memory: Any) -> int | None:
    """Bytes of the tensors in a memory of earlier tokens; None where its form is not known."""
    layers: Iterable[Any] | None = getattr(memory, "layers", None)
    if layers is None:
        return None
    tensors = [getattr(layer, name, None) for layer in layers for name in ("keys", "values")]
    return sum(int(tensor.numel() * tensor.element_size()) for tensor in tensors if isinstance(tensor, Tensor))


def _length(memory: Any) -> int | None:
    """Tokens in a memory; None where it does not say (layers with a running state have no length)."""
    ask: Callable[[], int] | None = getattr(memory, "get_seq_length", None)
    return int(ask()) if ask is not None else None
