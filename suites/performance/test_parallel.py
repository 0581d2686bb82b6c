"""Tokens a second of all sequences together, when so many are written at once."""

import pytest

from pytest_slm import performance


@pytest.mark.slm_timing
@pytest.mark.slm_task("parallel", variant="n_sequences", quick=(), budget_s={1: 10, 4: 12, 16: 25})
@pytest.mark.parametrize("n_sequences", [1, 4, 16])
def test_parallel(benchmark, slm_backend, slm_time, n_sequences):
    slm_time(benchmark, lambda subject: performance.Parallel(subject.open(), n_sequences))
