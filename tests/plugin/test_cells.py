"""Sessions with a store of cells, and shards of a session."""

from __future__ import annotations

import errno
import json
import os
import time

import pytest

from pytest_slm.cells.store import read_all
from pytest_slm.cli.main import main
from pytest_slm.errors import UsageError, writing_failed

QUESTIONS = [("Capital of France?", "Paris"), ("wrong", "Paris")]


def results(pytester, run_id):
    (path,) = pytester.path.glob(f"reports/*/*/{run_id}/report.json")
    return json.loads(path.read_text())["slm"]


@pytest.fixture
def measured(run, suite, moody, pytester):
    """A session with a store; then any number of others: ``measured("--slm-x", name="b")``."""
    suite(one=QUESTIONS, two=QUESTIONS)

    def again(*arguments, name, **content):
        return run("suites", "--slm-store=cells", f"--slm-run-id={name}", *arguments, **(content or moody))

    done = again(name="a")
    done.assert_outcomes(passed=2)
    done.stdout.fnmatch_lines(["*0 of 2 items taken over, 2 measured and kept"])
    return again


def test_a_second_identical_run_measures_nothing_and_says_the_same(measured, pytester):
    # a model that would answer nothing, if it were asked
    done = measured(name="b")
    done.stdout.fnmatch_lines(["*2 of 2 items taken over, 0 measured and kept"])
    first, second = results(pytester, "a"), results(pytester, "b")
    assert all(result["taken_over"] for result in second["results"])
    for before, after in zip(first["results"], second["results"], strict=True):
        assert {**before, "taken_over": True} == after
    assert second["backend"] == first["backend"]
    for name in ("a", "b"):
        assert len(list(pytester.path.glob(f"reports/*/*/{name}/samples/*.jsonl"))) == 2
    assert len({path.read_bytes() for path in pytester.path.glob("reports/*/*/*/samples/*one*.jsonl")}) == 1


def test_nothing_is_opened_where_all_is_there(measured, monkeypatch):
    def open_(*_):
        raise AssertionError("the model was opened")

    monkeypatch.setattr("pytest_slm.run.session.Run.open", open_)
    measured(name="b").assert_outcomes(passed=2)


@pytest.mark.parametrize(
    "changed", [["--slm-seed=9"], ["--slm-limit=1"], ["--slm-exact"], ["--slm-temperature=0.5"], ["--slm-mode=full"]]
)
def test_another_setting_is_another_cell(measured, changed):
    measured(*changed, name="b").stdout.fnmatch_lines(["*0 of 2 items taken over, 2 measured and kept"])


def test_other_weights_and_another_suite_are_other_cells(measured, pytester):
    measured(name="b", text="London").stdout.fnmatch_lines(["*0 of 2 items taken over*"])
    path = pytester.path / "suites/geo/data/one.jsonl"
    path.write_text(path.read_text().replace("France", "all of France"))
    measured(name="c").stdout.fnmatch_lines(["*0 of 2 items taken over*"])


def test_gates_are_judged_anew(measured):
    done = measured("--slm-gate=geo/one=0.9", name="b")
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(["*is below its gate 0.9*", "*2 of 2 items taken over*"])


def test_errors_are_measured_again(run, suite, good, pytester):
    suite(one=good)
    arguments = ("suites", "--slm-store=cells", "-p", "no:cacheprovider")
    failing = {"text": "Paris", "rules": [{"contains": "Capital", "action": "error"}]}
    assert run(*arguments, **failing).ret == 1
    assert not list(pytester.path.glob("cells/*/*.json"))


def test_a_file_that_was_cut_is_told_and_measured_again(measured, pytester):
    path = sorted(pytester.path.glob("cells/*/*.json"))[0]
    path.write_bytes(path.read_bytes()[:200])
    done = measured(name="b")
    done.assert_outcomes(passed=2, warnings=1)
    done.stdout.fnmatch_lines(["*cut or damaged*", "*1 of 2 items taken over, 1 measured and kept"])
    assert len(read_all(pytester.path / "cells")[0]) == 2


def test_a_store_that_cannot_be_written_costs_no_result(run, suite, good, moody, pytester):
    suite(one=good)
    (pytester.path / "cells").write_text("no folder")
    done = run("suites", "--slm-store=cells", **moody)
    done.assert_outcomes(passed=1, warnings=2)  # it can neither be read nor written
    done.stdout.fnmatch_lines(["*cannot be read*", "*measured, and not kept in the store*"])


def test_shards_measure_everything_once_and_merge_to_the_whole(run, suite, moody, pytester):
    names = {f"t{number}": QUESTIONS for number in range(5)}
    suite(**names)
    for index in (1, 2):
        done = run("suites", f"--slm-store=part{index}", f"--slm-shard={index}/2", **moody)
        assert done.parseoutcomes()["passed"] in (2, 3)
    parts = [{one.cell.task for one in read_all(pytester.path / f"part{index}")[0]} for index in (1, 2)]
    assert parts[0] & parts[1] == set()
    assert parts[0] | parts[1] == set(names)
    assert main(["merge", "part1", "part2", "-o", "all"]) == 0
    done = run("suites", "--slm-store=all", "--slm-run-id=whole", **moody)
    done.stdout.fnmatch_lines(["*5 of 5 items taken over, 0 measured and kept"])


def test_a_shard_that_is_not_there_is_refused(run, suite, good, moody):
    suite(one=good)
    done = run("suites", "--slm-shard=3/2", **moody)
    assert done.ret == 4
    done.stderr.fnmatch_lines(["*--slm-shard=3/2: there are shards 1 to 2*shard*"])


# -- what is measured in time ---------------------------------------------------------------------------------------

PREFILL = ("--slm-suite=performance/prefill,performance/memory", "--slm-store=cells")


@pytest.fixture
def steady(pytester):
    """Timings whose verdict is what these tests say, whatever else this machine does."""

    def measured(run, *arguments, name, pace=(0.01,)):
        return run(*PREFILL, f"--slm-run-id={name}", *arguments, pace_s=list(pace), text="a b c")

    return measured


def by_task(pytester, run_id):
    return {one["task"]: one for one in results(pytester, run_id)["results"]}


def test_a_timing_is_kept_with_its_machine_and_its_verdict_and_taken_over_there(run, steady, pytester, monkeypatch):
    monkeypatch.setattr("pytest_slm.performance.rounds.disturbance", lambda *_: "", raising=True)
    steady(run, name="a").stdout.fnmatch_lines(["*0 of 2 items taken over, 2 measured and kept"])
    (prefill,) = [one for one in read_all(pytester.path / "cells")[0] if one.cell.task == "prefill"]
    assert prefill.cell.machine.startswith(prefill.result.machine)
    assert prefill.result.timing.verdict == "stable"
    monkeypatch.setattr("pytest_slm.run.session.Run.open", lambda *_: pytest.fail("the model was opened"))
    done = steady(run, name="b")
    done.assert_outcomes(passed=2)
    done.stdout.fnmatch_lines(["*2 of 2 items taken over, 0 measured and kept"])
    first, second = by_task(pytester, "a"), by_task(pytester, "b")
    assert second == {task: {**one, "taken_over": True} for task, one in first.items()}


def test_times_of_another_machine_are_not_taken_over(run, steady, monkeypatch):
    steady(run, name="a")
    monkeypatch.setattr("pytest_slm.plugin.cells.facts._this_machine", lambda: "another")
    steady(run, name="b").stdout.fnmatch_lines(["*0 of 2 items taken over, 2 measured and kept"])


def test_a_noisy_timing_is_kept_and_measured_again(run, steady, pytester):
    for name in "ab":
        steady(run, name=name, pace=(0.01, 0.02)).stdout.fnmatch_lines(["*items taken over, * measured and kept"])
        again = by_task(pytester, name)
        assert again["prefill"]["timing"]["verdict"] == "noisy"
        assert (again["prefill"]["cell"] != "", again["prefill"]["taken_over"]) == (True, False)
    assert again["memory"]["taken_over"]
    assert len(read_all(pytester.path / "cells")[0]) == 2


def test_where_no_system_tells_its_gpus_no_times_are_kept(run, steady, monkeypatch):
    monkeypatch.setattr("pytest_slm.plugin.cells.facts._this_machine", lambda: None)
    done = steady(run, name="a")
    done.stdout.fnmatch_lines(["*does not tell its GPUs*", "*0 of 2 items taken over, 0 measured and kept"])


# -- what goes wrong -------------------------------------------------------------------------------------------------


def test_clocks_that_differ_by_a_day_change_nothing(measured, pytester, monkeypatch):
    now = time.time()
    for path, days in zip(sorted(pytester.path.glob("cells/*/*.json")), (-1, 1), strict=True):
        os.utime(path, (now + days * 86_400, now + days * 86_400))
    monkeypatch.setattr(time, "time", lambda: now - 86_400)
    measured(name="b").stdout.fnmatch_lines(["*2 of 2 items taken over, 0 measured and kept"])


def test_what_another_version_wrote_is_left_where_it_is(measured, pytester):
    first = sorted(pytester.path.glob("cells/*/*.json"))[0]
    foreign = first.with_name(f"{'0' * 64}.json")
    foreign.write_text(first.read_text().replace('"schema": 1}', '"schema": 99}'))
    before = foreign.read_bytes()
    measured("--slm-seed=9", name="b").assert_outcomes(passed=2)
    assert foreign.read_bytes() == before
    cells, errors = read_all(pytester.path / "cells")
    assert (len(cells), len(errors)) == (4, 1)


def test_a_disk_that_is_full_costs_no_result(run, suite, moody, pytester, monkeypatch):
    suite(one=QUESTIONS)

    def full(*_):
        raise writing_failed(pytester.path / "cells", OSError(errno.ENOSPC, "no space left"))

    monkeypatch.setattr("pytest_slm.cells.store.write_text", full)
    done = run("suites", "--slm-store=cells", "--slm-run-id=a", **moody)
    done.assert_outcomes(passed=1, warnings=1)
    done.stdout.fnmatch_lines(["*measured, and not kept in the store: *the disk is full*", "*0 measured and kept"])
    assert results(pytester, "a")["results"][0]["cell"] == ""


@pytest.mark.parametrize("tasks", ["--slm-suite=geo", "--slm-suite=performance/prefill"])
def test_a_model_that_vanished_is_an_error_that_is_not_kept(run, suite, moody, pytester, monkeypatch, tasks):
    # between two sessions of one store: the second has to fetch it again, and cannot
    suite(one=QUESTIONS)

    def gone(*_):
        raise UsageError("org/model: not at https://huggingface.co, or it is private", slug="hub-not-found")

    monkeypatch.setattr("pytest_slm.run.session.Run.path", gone)
    places = ("suites",) if tasks.endswith("geo") else ()
    done = run(*places, tasks, "--slm-store=cells", "--slm-run-id=a", **moody)
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*org/model: not at*hub-not-found*"])
    assert results(pytester, "a")["results"][0]["outcome"] == "error"
    assert not list(pytester.path.glob("cells/*/*.json"))
