"""How much slower reading and writing are when so many tokens are in memory already: llama-bench's -d."""

import pytest

from pytest_slm import performance


@pytest.mark.slm_timing
@pytest.mark.slm_task("depth", variant="depth", quick=(), budget_s={0: 12, 512: 12, 2048: 30, "context": 90})
@pytest.mark.parametrize("depth", [0, 512, 2048, "context"])
def test_depth(benchmark, slm_backend, slm_time, depth):
    slm_time(benchmark, lambda subject: performance.Depth(subject.open(), depth))
