"""What earlier runs of a file gave is kept, each by itself, where several on one machine measured the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_slm.core.record import RecordError
from pytest_slm.core.types import Result
from pytest_slm.registry.exports.table import table


@pytest.fixture
def run(factory):
    """A run of one suite on a day, with so many of 100 right."""

    def make(day, right, **changes):
        name, mode = changes.get("quantization", "Q8_0"), changes.get("mode", "full")
        results = [factory.scored("rag", "niah", "1024", name, mode, factory.share("exact_match", right, 100))]
        return factory.make_run(day=day, **{"results": results, **changes})

    return make


def told(entry, name="Q8_0"):
    return [(one.what, one.run_id[:10], one.value, one.used) for one in entry.quantizations[name].history]


def test_each_run_of_a_file_is_told_by_itself_the_oldest_first(build, run):
    (entry,) = build(run(3, 70), run(1, 50), run(2, 60)).models
    assert told(entry) == [
        ("rag", "2026-11-01", 50, False),
        ("rag", "2026-11-02", 60, False),
        ("rag", "2026-11-03", 70, True),
    ]
    first = entry.quantizations["Q8_0"].history[0]
    assert (first.n, first.unit, first.mode, first.versions) == (100, "points", "full", {"niah": 1})
    assert first.interval[0] < 50 < first.interval[1]
    assert first.engine == "llamacpp 0.3.36"


def test_one_run_has_no_history(build, run):
    (entry,) = build(run(1, 50)).models
    assert told(entry) == []


def test_what_was_measured_once_has_no_history(build, run, factory):
    coding = factory.scored("coding", "humaneval", "", "Q8_0", "full", factory.share("pass_at_1", 30, 100))
    first = run(1, 50)
    (entry,) = build(replace(first, results=(*first.results, coding)), run(2, 60)).models
    assert {what for what, *_ in told(entry)} == {"rag"}


def test_two_machines_and_two_files_have_each_their_own(build, run):
    other = {"fingerprint": "m-2"}
    (entry,) = build(run(1, 50), run(2, 60, machine=other), run(3, 70, quantization="Q4_0")).models
    assert told(entry) == told(entry, "Q4_0") == []
    (entry,) = build(run(1, 50), run(2, 60, machine=other), run(3, 70, machine=other)).models
    assert [one.machine for one in entry.quantizations["Q8_0"].history] == ["m-2", "m-2"]


def test_reports_that_name_no_machine_are_not_of_one(build, run):
    (entry,) = build(run(1, 50, machine={"fingerprint": None}), run(2, 60, machine={"fingerprint": None})).models
    assert told(entry) == []


def test_other_weights_are_another_file(build, run):
    (entry,) = build(run(1, 50, backend={"weights_sha256": "e" * 64}), run(2, 60)).models
    assert told(entry) == []


def test_speeds_have_a_history_too(build, factory):
    (entry,) = build(*(factory.make_run(day=day, suites=("rag",)) for day in (1, 2))).models
    found = {(one.what, one.unit, one.of) for one in entry.quantizations["Q8_0"].history if one.suite == "performance"}
    assert found == {("tps_output", "tok/s", "500 tokens"), ("ttft_ms", "ms", "2048 tokens")}


def test_a_later_run_that_failed_says_nothing_of_the_number(build, run):
    error = Result(suite="rag", task="niah", variant="1024", quantization="Q8_0", mode="full", outcome="error")
    (entry,) = build(run(1, 50), run(2, 60), run(3, 0, results=[error])).models
    assert told(entry) == [("rag", "2026-11-01", 50, False), ("rag", "2026-11-02", 60, True)]


def test_the_table_of_all_results_has_it(build, run):
    lines = [line for line in table(build(run(1, 50), run(2, 60))) if line["kind"] == "history"]
    assert [(line["metric"], line["value"], line["n"], line["finished"][:10]) for line in lines] == [
        ("rag", 50, 100, "2026-11-01"),
        ("rag", 60, 100, "2026-11-02"),
    ]
    assert lines[0]["run_id"] == "2026-11-01T10-00-00Z-full"
    assert lines[0]["lower"] < 50 < lines[0]["upper"]


def test_a_number_of_nothing_is_none(build, run):
    (entry,) = build(run(1, 50), run(2, 60)).models
    with pytest.raises(RecordError, match="0 samples"):
        replace(entry.quantizations["Q8_0"].history[0], n=0)
