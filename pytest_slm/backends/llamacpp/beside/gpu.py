"""Which part of a model is on which GPU. Nobody has seen this at work here: no machine of ours has a build for one."""

from __future__ import annotations

import ctypes
from typing import Any

from pytest_slm.backends.llamacpp.binding.library import Library
from pytest_slm.core.types import EngineSettings
from pytest_slm.errors import BackendError

CPU, ACCELERATOR = 0, 3
"""ggml's numbers of kinds of devices that are no GPU: an accelerator computes beside the CPU, in its memory."""


def place(library: Library, parameters: Any, settings: EngineSettings) -> object:
    """Tell the engine what goes on a GPU: nothing, unless it was asked for. What is returned must live until the model
    is loaded. Raises BackendError (no-gpu) where the engine is built without one."""
    layers, shares = settings.gpu_layers, settings.tensor_split
    asked = {"gpu_layers": layers or None, "main_gpu": settings.main_gpu, "tensor_split": shares}
    first = next((name for name, value in asked.items() if value is not None), None)
    if first is not None and not library.c.llama_supports_gpu_offload():
        raise BackendError(
            f"{first}={asked[first]}: this {library.engine} ({library.version}) is built for the CPU alone; give a "
            "library that is built for the GPU with --slm-engine-lib=PATH, or leave it out",
            slug="no-gpu",
        )
    parameters.n_gpu_layers = layers or 0
    if settings.main_gpu is not None:
        parameters.main_gpu = settings.main_gpu
    if shares is None:
        return None
    most = int(library.c.llama_max_devices()) if library.c.llama_max_devices is not None else len(shares)
    if len(shares) > most:
        raise BackendError(
            f"tensor_split has {len(shares)} numbers, and this {library.engine} knows {most} devices at most; give one "
            "for each GPU",
            slug="no-gpu",
        )
    split = (ctypes.c_float * max(most, len(shares)))(*shares)
    parameters.tensor_split = ctypes.addressof(split)
    return split


def gpu_name(library: Library) -> str:
    """What the engine calls its first GPU; ``gpu`` where it does not say."""
    c = library.c
    if c.ggml_backend_dev_count is None or c.ggml_backend_dev_type is None:
        return "gpu"
    devices = (c.ggml_backend_dev_get(number) for number in range(c.ggml_backend_dev_count()))
    found = (one for one in devices if c.ggml_backend_dev_type(one) not in (CPU, ACCELERATOR))
    first = next(found, None)
    return "gpu" if first is None else c.ggml_backend_dev_description(first).decode("utf-8", "replace")
