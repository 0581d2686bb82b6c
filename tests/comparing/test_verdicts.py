"""What a baseline says at the end of a session, line by line."""

from __future__ import annotations

from dataclasses import replace

from pytest_slm.comparing.baseline import Baseline
from pytest_slm.comparing.verdicts import lines
from pytest_slm.core.comparison import BaselineVerdict
from pytest_slm.core.config import BaselineOptions


def table(factory, *verdicts):
    """The lines of a run whose first items were compared so."""
    run = factory.make_run(suites=("rag",))
    results = [replace(one, baseline=verdict) for one, verdict in zip(run.results, verdicts, strict=False)]
    return list(
        lines(
            Baseline(name="base", items={}, absent={}),
            [replace(run, results=tuple(results))],
            BaselineOptions(run="base"),
        )
    )


def test_a_score_is_told_in_points_and_a_speed_as_a_ratio(factory):
    score = BaselineVerdict(
        run="r", verdict="fail", n=400, baseline=0.5, value=0.416, change=-0.084, interval=(-0.123, -0.045),
        allowed=0.02, p=0.001, p_corrected=0.002, detectable=0.06, tests=2,
    )  # fmt: skip
    speed = BaselineVerdict(
        run="r", quantity="decode_tps", unit="ratio", verdict="pass", n=5, change=0.97, interval=(0.951, 0.989),
        allowed=0.1, p=0.9, p_corrected=0.9, tests=2,
    )  # fmt: skip
    head, first, second = (line.split() for line in table(factory, score, speed)[1:4])
    assert head[:3] == ["item", "n", "baseline"]
    told = " ".join(first[1:])
    assert told.startswith("400 50.0 % 41.6 % -8.4 -12.3 – -4.5")
    assert "0.951 – 0.989" in " ".join(second)


def test_an_interval_that_nobody_knows_is_unknown(factory):
    verdict = BaselineVerdict(run="r", verdict="pass", n=3, change=0.0, allowed=0.02, p=0.5, tests=1)
    assert "unknown" in table(factory, verdict)[2]
