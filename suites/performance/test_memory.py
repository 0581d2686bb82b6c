"""Memory of the process that holds the model: before loading, after loading, and at its peak so far."""

import pytest

from pytest_slm.runners import performance


@pytest.mark.slm_timing
@pytest.mark.slm_task("memory", cost=200, prompt=0, output=0, last=True)
def test_memory(slm_backend, slm_result):
    slm_result(measurements=list(performance.memory_measurements(slm_backend)))
