"""Seconds to open the model in a process of its own: its file in the page cache (warm), or from the disk (cold)."""

import pytest

from pytest_slm import performance


@pytest.mark.slm_timing
@pytest.mark.slm_task("load", variant="kind", quick=("warm",), budget_s=5, last=2)
@pytest.mark.parametrize("kind", ["cold", "warm"])
def test_load(benchmark, slm_backend, slm_time, kind):
    slm_time(benchmark, lambda subject: performance.Load(subject, kind))
