"""Runs to compare: of one timing, and of one item and its answers."""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_slm.comparing.comparison import StoredRun
from pytest_slm.core.types import Metric


@pytest.fixture
def timed(factory):
    """A run with one timing, decode[500]; ``variants`` for more of the same."""

    def make(values, *, unit="tok/s", name="decode_tps", variants=("500",), noise="", **changes):
        results = [
            factory.rounds("decode", variant, "Q8_0", "full", {name: (unit, values)}, noise=noise)
            for variant in variants
        ]
        return StoredRun(path=Path("run"), run=factory.make_run(results=results, **changes), samples={})

    return make


@pytest.fixture
def answered(factory):
    """A run with one item and lines of answers, right or wrong as a text of 1, 0 and ? says."""

    def make(marks, *, ids=None, clusters=None, n_clusters=None, groups=None, more=None, metric=None, **changes):
        worth = [{"1": 1.0, "0": 0.0, "½": 0.5}[mark] for mark in marks if mark in "10½"]
        metric = metric or Metric(name="accuracy", value=statistics.fmean(worth), n=len(worth))
        result = factory.scored("core", "math", "", "Q8_0", "full", metric, **changes)
        result = replace(result, clusters=n_clusters)
        lines = [
            {
                "task": "core/math",
                "doc_id": str(number),
                "target_sha256": "b" * 64,
                "prompt_sha256": f"{number}{marks}",  # another template, another prompt
                "score": {"1": 1.0, "0": 0.0, "½": 0.5, "!": 1e9}.get(mark),
                "answer": f"answer {mark}",
                **({"cluster": cluster} if cluster else {}),
                **({"groups": [group]} if group else {}),
                **said,
            }
            for number, mark, cluster, group, said in zip(
                ids or range(len(marks)),
                marks,
                clusters or [None] * len(marks),
                groups or [None] * len(marks),
                more or [{}] * len(marks),
                strict=True,
            )
        ]
        return StoredRun(path=Path("run"), run=factory.make_run(results=[result]), samples={result.samples: lines})

    return make
