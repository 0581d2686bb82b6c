"""Processes with models, ended after each test."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_slm.backends.hosts import Hosts
from pytest_slm.backends.lookup import Backends
from pytest_slm.backends.protocol import ModelSpec


@pytest.fixture
def fake_hosts(tmp_path: Path, no_orphans: object) -> Iterator[Callable[..., Hosts]]:
    """Makes ``Hosts`` with one scripted model per keyword: ``fake_hosts(A={...}, B={...})``."""
    made: list[Hosts] = []

    def make(*, start_timeout: float = 30, request_timeout: float = 30, alone: bool = True, **scripts: Any) -> Hosts:
        def opening(name: str, script: dict[str, Any]):
            path = tmp_path / f"{name}.json"
            path.write_text(json.dumps(script), "utf-8")
            return lambda: (Backends().find("fake"), ModelSpec(path=str(path), format="fake"))

        openings = {name: opening(name, script) for name, script in scripts.items()}
        hosts = Hosts(openings, start_timeout=start_timeout, request_timeout=request_timeout, alone=alone)
        made.append(hosts)
        return hosts

    yield make
    for hosts in made:
        hosts.close()


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
