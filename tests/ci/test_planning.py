"""The jobs of an order: a matrix for GitHub."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from pytest_slm.ci.orders import Order
from pytest_slm.ci.planning import MOST_SHARDS, jobs
from pytest_slm.errors import SlmError, UsageError

TWO = b'    - {name: F16, format: gguf, source: "pkg:tiny-model", file: tiny-F16.gguf}\n'


@pytest.fixture
def planned(tmp_path, standin):
    """Jobs of a submission with two quantizations, whose items take these seconds."""

    def make(seconds, *, command="full-benchmark", minutes=1.0, problems=(), fails=()):
        path = tmp_path / "tiny.yml"
        path.write_bytes(standin.YAML + TWO)
        order = Order(
            repo="a/b",
            pull=1,
            head="a" * 40,
            run=1,
            command=command,
            path="submissions/tiny.yml",
            slug="tiny",
            sha256="",
        )

        def plan(reference, *, mode, quant, offline, **options):
            assert (reference, mode) == (str(path), order.mode)
            if quant in fails:
                raise UsageError(f"{quant}: cannot be opened", slug="x")
            items = [SimpleNamespace(seconds=one, item="core/x", reason="no rate") for one in seconds]
            return SimpleNamespace(items=items, problems=problems if quant == "F16" else ())

        return jobs(order, path, plan, minutes=minutes, offline=True, options={})

    return make


def test_there_is_a_job_for_each_quantization(planned):
    found = planned([10.0, None])
    assert json.loads(found.quantizations) == [
        {"quantization": "Q8_0", "id": 0, "count": 1},
        {"quantization": "F16", "id": 1, "count": 1},
    ]
    assert (found.shards, found.count) == ("[]", 2)
    assert "| Q8&#95;0 | 2 | 10 s | 1 |" in found.markdown()
    assert "- Q8&#95;0: of unknown length is, say, core/x: no rate" in found.markdown()


def test_what_is_long_is_cut(planned):
    parts = json.loads(planned([100.0] * 3, minutes=2).shards)
    assert [(one["id"], one["index"], one["count"]) for one in parts] == [
        *((0, 0, 3), (0, 1, 3), (0, 2, 3), (1, 0, 3), (1, 1, 3), (1, 2, 3))
    ]


def test_there_are_neither_more_shards_than_items_nor_very_many(planned):
    assert json.loads(planned([1e6] * 2).quantizations)[0]["count"] == 2
    assert json.loads(planned([1e6] * 50).quantizations)[0]["count"] == MOST_SHARDS


def test_a_quick_run_is_not_cut(planned):
    assert planned([1e6] * 5, command="quick-test").shards == "[]"


def test_one_that_cannot_be_measured_does_not_stop_the_other(planned):
    found = planned([10.0], fails=("F16",))
    assert [one["quantization"] for one in json.loads(found.quantizations)] == ["Q8_0"]
    assert "F16 is not measured: F16: cannot be opened" in found.markdown()
    # numbers are those of the submission, whatever is left out
    assert json.loads(planned([10.0], fails=("Q8_0",)).quantizations)[0]["id"] == 1
    assert planned([10.0], problems=("memory: too little",)).count == 1


def test_nothing_at_all_is_an_error(planned):
    with pytest.raises(SlmError, match=r"nothing of it can be measured here: Q8_0: .*; F16: ") as refused:
        planned([10.0], fails=("Q8_0", "F16"))
    assert refused.value.slug == "ci-nothing"


def test_the_matrices_are_outputs_of_one_line(planned, job, outputs):
    found = planned([1e6] * 9)
    job({}).put(quantizations=found.quantizations, shards=found.shards, count=found.count)
    assert json.loads(outputs()["shards"])[0] == {"quantization": "Q8_0", "id": 0, "index": 0, "count": 8}
