"""Memory of a fresh process with the model: before loading, after loading, and at its peak with 2,048 tokens."""

import pytest

from pytest_slm import performance


@pytest.mark.slm_timing
@pytest.mark.slm_task("memory", cost=2500, prompt=2032, output=16, rounds=1, last=1)
def test_memory(slm_backend, slm_time):
    slm_time.once(performance.memory)
