"""A model whose files have speeds, memory and the scores of their questions."""

from __future__ import annotations

import pytest

from pytest_slm.registry import build_registry

CACHE = {"kv_bytes_per_token": 45_898, "kv_type": "F16"}
"""What the factory's KV cache of 2,048 tokens takes for each."""


@pytest.fixture
def model(factory):
    """A model with quantizations of the given qualities, everything timed, and the scores of its questions."""

    def make(**qualities):
        runs = [factory.make_run(name, modern=True, quality=one, backend=CACHE) for name, one in qualities.items()]
        found = [factory.with_questions(run, f"{number}/report.json") for number, run in enumerate(runs)]
        (entry,) = build_registry(found).models
        return entry

    return make
