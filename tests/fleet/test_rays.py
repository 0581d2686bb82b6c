"""A fleet on a local Ray cluster whose nodes are killed at random moments: nothing lost, nothing twice."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time

import pytest

from pytest_slm.cells.store import CellStore, read_all
from pytest_slm.errors import UsageError
from pytest_slm.fleet.driver import Driver
from pytest_slm.fleet.jobs import jobs_of
from pytest_slm.fleet.scheduler import Limits

ray = pytest.importorskip("ray", reason="needs Ray: pip install 'pytest-slm[ray]'")

pytestmark = [pytest.mark.nightly, pytest.mark.subprocess]

MEMORY = 1_200_000_000
STORE = 80_000_000
SLOW = [{"contains": "wrong", "text": "London"}, {"contains": "Paris?", "text": "Paris", "action": "pause"}]


@pytest.fixture
def cluster(monkeypatch):
    """A local Ray cluster of a head that measures nothing and so many nodes."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    made = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "memory": 1, "include_dashboard": False, "object_store_memory": STORE},
    )
    yield made
    if ray.is_initialized():
        ray.shutdown()
    made.shutdown()


def node(cluster, *, wait=True):
    """One more node that can be had alone."""
    settings = {"num_cpus": 1, "resources": {"slm_exclusive": 1}, "memory": MEMORY, "object_store_memory": STORE}
    return cluster.add_node(wait, **settings)


def jobs(references, folder, **known):
    found = {}
    for reference in references:
        found |= jobs_of([reference], options=("--slm-canary=off",), paths=[str(folder)], **known)
    return found


def alone(tmp_path, reference):
    """One session that measures the same, without a fleet."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--slm-model={reference}", "suites"]
    command += ["--slm-canary=off", "--slm-store=single"]
    return subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)


def test_24_cells_of_two_models_whose_nodes_are_killed_at_10_moments(cluster, tmp_path, suites, model, comparable):
    from pytest_slm.fleet.rays import RayCluster

    folder = suites(12, questions=36)  # some seconds for each cell: there is something to kill
    references = [model(name, rules=SLOW) for name in "AB"]
    single = [alone(tmp_path, reference) for reference in references]
    there = [node(cluster) for _ in range(4)]
    fleet = RayCluster(cluster.address, tmp_path / "root")
    assert fleet.open_dashboard == ""
    moments, killed, starters = random.Random(22), [], []
    stop, one_at_a_time = threading.Event(), threading.Lock()

    def kept():
        return len(list((tmp_path / "cells").glob("*/*.json")))

    def replace():
        with one_at_a_time:
            there.append(node(cluster))

    def kill():
        # By progress, so that there is something to lose however slow this machine is; then at any moment of a cell.
        for mark in sorted(moments.sample(range(1, 19), 10)):
            while kept() < mark or not there:
                if stop.wait(0.05):
                    return
            if stop.wait(moments.uniform(0.0, 3.0)):
                return
            cluster.remove_node(there.pop(moments.randrange(len(there))), allow_graceful=False)
            killed.append(kept())
            starters.append(threading.Thread(target=replace))
            starters[-1].start()

    thread = threading.Thread(target=kill)
    thread.start()
    told = []
    store = CellStore(tmp_path / "cells")
    try:
        outcome = Driver(
            fleet, jobs(references, folder), store, limits=Limits(losses=30), tell=told.append, patience_s=600
        ).run()
    finally:
        stop.set()
        for one in (thread, *starters):
            one.join()
        fleet.stop()
    print(f"nodes were killed with {killed} cells in the store; {outcome.retries} cells were begun again")
    assert len(killed) == 10
    assert outcome.left_out == []
    assert len(outcome.where) == 24
    assert all(outcome.where.values())  # every result names its machine
    assert outcome.retries <= len(killed)
    assert [session.wait(600) for session in single] == [0, 0]
    assert comparable(tmp_path / "cells") == comparable(tmp_path / "single")


def test_timings_have_their_node_for_themselves_and_scores_go_on_elsewhere(cluster, tmp_path, model):
    from pytest_slm.fleet.rays import RayCluster

    for _ in range(2):
        node(cluster)
    found = jobs_of(
        [model("A", pace_s=[0.01])], options=("--slm-canary=off", "--slm-suite=performance/prefill,performance/memory")
    )
    fleet = RayCluster(cluster.address, tmp_path / "root")
    try:
        outcome = Driver(fleet, found, CellStore(tmp_path / "cells"), patience_s=30).run()
    finally:
        fleet.stop()
    assert outcome.left_out == []
    cells, _ = read_all(tmp_path / "cells")
    assert {one.cell.task for one in cells} == {"prefill", "memory"}
    assert all(one.cell.machine and one.result.machine for one in cells)
    assert sum(outcome.loads.values()) == 1


def test_a_lease_on_a_whole_node_keeps_others_away(cluster, tmp_path):
    from ray.util.placement_group import placement_group, remove_placement_group

    from pytest_slm.fleet.rays import EXCLUSIVE, RayCluster

    node(cluster)
    fleet = RayCluster(cluster.address, tmp_path / "root")
    try:
        (mine,) = [one for one in fleet.nodes() if one.exclusive]
        assert ray.wait([fleet._lease(mine.name, "alone")], timeout=30)[0]
        other = placement_group([{EXCLUSIVE: 0.01}])
        assert not other.wait(1)
        fleet._let_go(mine.name)
        assert other.wait(30)
        assert not ray.wait([fleet._lease(mine.name, "alone")], timeout=1)[0]
        remove_placement_group(other)
        assert ray.wait([fleet._lease(mine.name, "alone")], timeout=30)[0]
    finally:
        fleet.stop()


def test_after_the_head_has_died_the_same_command_goes_on(tmp_path, suites, model, monkeypatch):
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    folder, reference = suites(8), model("A", rules=SLOW)
    command = [sys.executable, "-m", "pytest_slm.cli", "fleet", reference, f"--path={folder}", "--slm-store=cells"]
    head = {"num_cpus": 0, "memory": 1, "include_dashboard": False, "object_store_memory": STORE}

    def begin():
        made = Cluster(initialize_head=True, head_node_args=head)
        node(made)
        options = [f"--address={made.address}", "--option=--slm-canary=off"]
        return made, subprocess.Popen([*command, *options], cwd=tmp_path, stdout=subprocess.PIPE, text=True)

    made, driver = begin()
    until = time.monotonic() + 120
    while len(list((tmp_path / "cells").glob("*/*.json"))) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    made.shutdown()
    driver.kill()
    driver.wait()
    before = len(read_all(tmp_path / "cells")[0])
    assert before >= 2
    made, driver = begin()
    output, _ = driver.communicate(timeout=300)
    made.shutdown()
    assert driver.returncode == 0, output
    assert f"{before} cells were there, {8 - before} measured, 0 left out" in output


def test_weights_are_sent_once_to_a_node_that_has_none(cluster, tmp_path, monkeypatch):
    from pytest_slm.fleet.job import Job, Weights
    from pytest_slm.fleet.rays import RayCluster

    node(cluster)
    content = bytes(range(256)) * 1024
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    import hashlib

    sha256 = hashlib.sha256(content).hexdigest()
    # where the nodes look there is no such file
    weights = Weights(path="/nowhere/m.gguf", sha256=sha256, size=len(content))
    job = Job(group="g", model="/nowhere/m.gguf", quantization="Q", weights=weights)
    monkeypatch.setattr("pytest_slm.fleet.rays.CHUNK", 100_000)
    fleet = RayCluster(cluster.address, tmp_path / "root")
    monkeypatch.setattr(
        fleet,
        "_parts",
        lambda _path, _sha: [ray.put(content[at : at + 100_000]) for at in range(0, len(content), 100_000)],
    )
    try:
        (mine,) = [one for one in fleet.nodes() if one.exclusive]
        for worker in (1, 2):
            fleet.open(worker, mine.name, job, 1)
            until, events = time.monotonic() + 60, []
            while not events and time.monotonic() < until:
                events = fleet.wait(1.0)
            # it has begun with what it fetched, which is no model
            assert "m.gguf" in events[0].lost
            monkeypatch.setattr(fleet, "_parts", lambda *_: pytest.fail("sent a second time"))
    finally:
        fleet.stop()
    (fetched,) = (tmp_path / "root" / "weights" / sha256).iterdir()
    assert fetched.read_bytes() == content


def test_a_cluster_that_is_not_there_is_told(tmp_path):
    from pytest_slm.fleet.rays import RayCluster

    with pytest.raises(UsageError, match="no Ray cluster can be reached"):
        RayCluster("auto", tmp_path)
