"""Processes with models, ended after each test."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def f32_model(real_model, tmp_path_factory):
    """The real model's weights as F32: without the noise of quantized arithmetic, so that comparisons can be strict."""
    import ctypes

    import llama_cpp

    path = tmp_path_factory.mktemp("weights") / "SmolLM2-135M-Instruct.F32.gguf"
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype, parameters.allow_requantize = 0, True
    assert llama_cpp.llama_model_quantize(str(real_model).encode(), str(path).encode(), ctypes.byref(parameters)) == 0
    yield path
    path.unlink()
