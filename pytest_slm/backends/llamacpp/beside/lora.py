"""LoRA adapters: small matrices that are added to those of a model while it computes."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

from pytest_slm.backends.files import sha256_of
from pytest_slm.backends.llamacpp.binding.library import Library
from pytest_slm.errors import BackendError


class Lora:
    """An adapter of an open model, which is put into each of its contexts; the engine frees it with the model.

    Raises BackendError (lora) for one that the engine cannot open, or that is of another model.
    """

    def __init__(self, library: Library, model: Any, model_path: str, path: str, scale: float) -> None:
        self._c, self._scale = library.c, scale
        # ik_llama.cpp has kept the names of 2024.
        open_ = self._c.llama_adapter_lora_init or self._c.llama_lora_adapter_init
        if open_ is None:
            raise BackendError(f"{library.path}: it has no function for LoRA adapters; take another one", slug="lora")
        library.log.forget_words()
        self._handle = open_(model, os.fsencode(path))
        if not self._handle:
            raise BackendError(
                f"lora {path}: not an adapter of {Path(model_path).name} ({library.log.last_words()}); take one that "
                "was trained for this model and converted with convert_lora_to_gguf.py",
                slug="lora",
            )
        self.told = f"{Path(path).name} ({sha256_of([Path(path)])[:12]}) x {scale:g}"
        """Name, hash and scale, for reports."""

    def put_into(self, context: Any) -> None:
        """Let a context compute with it. Raises BackendError where the engine refuses."""
        if self._c.llama_set_adapters_lora is not None:
            adapters, scales = (ctypes.c_void_p * 1)(self._handle), (ctypes.c_float * 1)(self._scale)
            status = self._c.llama_set_adapters_lora(context, adapters, 1, scales)
        else:
            put = self._c.llama_set_adapter_lora or self._c.llama_lora_adapter_set
            status = put(context, self._handle, self._scale)
        if status:
            self._c.llama_free(context)
            raise BackendError(f"lora {self.told}: the engine does not take it (status {status})", slug="lora")
