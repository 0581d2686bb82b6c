"""A fleet of real sessions on this machine: the same cells as of one session, whatever ends meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from pytest_slm.cells.store import CellStore, read_all
from pytest_slm.errors import BackendError, UsageError
from pytest_slm.fleet.driver import Driver
from pytest_slm.fleet.here import Here
from pytest_slm.fleet.job import GroupJob, WeightsFile
from pytest_slm.fleet.jobs import jobs_of
from pytest_slm.fleet.work import Node
from pytest_slm.fleet.worker import WorkerProcess

pytestmark = pytest.mark.subprocess
BIG = 10**12


@pytest.fixture
def fleet(tmp_path, suites, model):
    """A fleet of two models: ``fleet(tasks=3, nodes=2)`` gives the driver, the cluster and what was told."""
    made = []

    def make(tasks=3, nodes=2, names="AB", store="cells", options=(), limits=None, **content):
        folder = tmp_path / "suites"
        folder = folder if folder.is_dir() else suites(tasks)
        jobs = {}
        for name in names:
            found = jobs_of([model(name, **content)], options=("--slm-canary=off", *options), paths=[str(folder)])
            jobs |= found
        cluster = Here([Node(name=f"n{number}", memory=BIG) for number in range(nodes)], tmp_path / f"work{len(made)}")
        made.append(cluster)
        told = []
        driver = Driver(cluster, jobs, CellStore(tmp_path / store), tell=told.append, limits=limits, patience_s=10)
        return driver, cluster, told

    yield make
    for cluster in made:
        cluster.stop()


def alone(tmp_path, reference, store="single"):
    """One session that measures the same, as anybody would start it."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--slm-model={reference}", "suites"]
    command += ["--slm-canary=off", f"--slm-store={store}", "--slm-quant=all"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_fleet_measures_what_one_session_does_and_the_second_time_nothing(
    fleet, tmp_path, model, comparable, no_orphans
):
    driver, _, told = fleet()
    outcome = driver.run()
    assert (outcome.before, len(outcome.where), outcome.left_out) == (0, 6, [])
    assert set(outcome.loads.values()) == {1}
    assert any("A geo/t0[A]: 0.5 share" in line for line in told)
    for name in "AB":
        alone(tmp_path, model(name))
    assert comparable(tmp_path / "cells") == comparable(tmp_path / "single")
    again = fleet()[0].run()
    assert (again.before, dict(again.where), again.left_out) == (6, {}, [])


def test_nodes_that_die_cost_one_cell_of_each_worker_and_nothing_is_lost(fleet, tmp_path, no_orphans):
    driver, cluster, _ = fleet(tasks=4, nodes=3, rules=[{"contains": "Paris?", "text": "Paris", "action": "pause"}])
    store, ended = tmp_path / "cells", []

    def kill():
        for node in ("n0", "n1"):
            until = time.monotonic() + 60
            n = len(list(store.glob("*/*.json")))
            while len(list(store.glob("*/*.json"))) == n and time.monotonic() < until:
                time.sleep(0.01)
            cluster.lose(node)
            ended.append(node)

    thread = threading.Thread(target=kill)
    thread.start()
    outcome = driver.run()
    thread.join()
    assert ended == ["n0", "n1"]
    assert outcome.left_out == []
    assert outcome.retries <= 2
    assert len(read_all(store)[0]) == len(outcome.where) == 8


@pytest.mark.nightly
def test_what_cannot_be_measured_is_left_out_with_its_reason(fleet, tmp_path, no_orphans):
    driver, _, _ = fleet(tasks=2, nodes=1, names="A", rules=[{"contains": "t1:", "action": "error"}])
    outcome = driver.run()
    assert [(one.item, one.reason) for one in outcome.left_out] == [
        ("geo/t1[A]", "the script says that this fails  [scripted] (the last of 3 attempts)")
    ]
    assert len(read_all(tmp_path / "cells")[0]) == 1  # errors are never kept


@pytest.mark.nightly
def test_a_model_that_vanished_is_left_out_and_the_others_are_measured(fleet, tmp_path, no_orphans):
    driver, _, _ = fleet(tasks=1, nodes=1)
    (tmp_path / "B.json").unlink()
    outcome = driver.run()
    assert [(one.group, one.item) for one in outcome.left_out] == [("fake B", "")]
    assert "no such script" in outcome.left_out[0].reason
    assert len(outcome.where) == 1


@pytest.mark.nightly
def test_a_suite_that_is_broken_is_told_with_its_line(fleet, tmp_path, suites, no_orphans):
    folder = suites(1)
    (folder / "geo" / "t0.yaml").write_text("kind: chekcs\n")
    outcome = fleet(nodes=1, names="A")[0].run()
    assert "t0.yaml" in outcome.left_out[0].reason


def test_a_worker_ends_with_whoever_started_it(tmp_path, suites, model, no_orphans):
    job = GroupJob(
        group="g", model=model("A"), quantization="A", options=("--slm-canary=off",), paths=(str(suites(1)),)
    )
    code = (
        "import json, os, sys, time; from pathlib import Path; from pytest_slm.fleet.job import GroupJob; "
        "from pytest_slm.fleet.worker import WorkerProcess; "
        "w = WorkerProcess(GroupJob.from_json(json.loads(sys.argv[1])), Path(sys.argv[2])); "
        "h = w.hello(); w.measure(h.offers[0].item); print(w.pid, flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", code, json.dumps(job.to_json()), str(tmp_path / "w")]
    starter = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    pid = int(starter.stdout.readline())
    assert len(no_orphans()) == 1
    starter.kill()
    starter.wait()
    until = time.monotonic() + 20
    while (psutil.pid_exists(pid) or no_orphans()) and time.monotonic() < until:
        time.sleep(0.05)
    assert not psutil.pid_exists(pid)
    assert not no_orphans()


def test_a_worker_that_is_killed_says_so(tmp_path, suites, model, no_orphans):
    job = GroupJob(
        group="g", model=model("A"), quantization="A", options=("--slm-canary=off",), paths=(str(suites(1)),)
    )
    worker = WorkerProcess(job, tmp_path / "w")
    worker.hello()
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(BackendError, match=r"its session has ended \(code -9"):
        worker.measure("geo/t0[A]")
    worker.kill()


def test_weights_are_known_by_their_hash(tmp_path):
    path = tmp_path / "m.gguf"
    path.write_bytes(b"no real weights")
    with pytest.raises(UsageError, match=r"m\.gguf"):
        jobs_of([str(path)])  # what is no GGUF is told at once
    assert WeightsFile(path=str(path), sha256="0" * 64, size=3).size == 3


def test_one_model_twice_is_refused(tmp_path, model):
    with pytest.raises(UsageError, match="fake A is there twice"):
        jobs_of([model("A"), model("A")])
