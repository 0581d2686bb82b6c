"""A fleet on a local Ray cluster whose nodes are killed at random moments: nothing lost, nothing twice."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_slm.cells.store import CellStore, read_all
from pytest_slm.errors import UsageError
from pytest_slm.fleet.driver import Driver
from pytest_slm.fleet.jobs import jobs_of
from pytest_slm.fleet.scheduler import RetryLimits

ray = pytest.importorskip("ray", reason="needs Ray: pip install 'pytest-slm[ray]'")

pytestmark = [pytest.mark.nightly, pytest.mark.subprocess]

MEMORY = 1_200_000_000
STORE = 80_000_000
LAST = ("t8", "t9")
"""Of tasks that cost the same the last ones, by their names."""
PATIENT = ("--slm-canary=off", "--slm-request-timeout=3000")
SLOW = [{"contains": "wrong", "text": "London"}, {"contains": "Paris?", "text": "Paris", "action": "pause"}]


@pytest.fixture
def cluster(monkeypatch):
    """A local Ray cluster of a head that measures nothing and so many nodes."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")
    made = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "memory": 1, "include_dashboard": False, "object_store_memory": STORE},
    )
    yield made
    if ray.is_initialized():
        ray.shutdown()
    made.shutdown()


def node(cluster, *, wait=True):
    """One more node that can be had alone. Only in the main thread: Ray sets signals."""
    settings = {"num_cpus": 1, "resources": {"slm_exclusive": 1}, "memory": MEMORY, "object_store_memory": STORE}
    for left in reversed(range(5)):
        try:
            return cluster.add_node(wait, **settings)
        except Exception as error:  # Ray raises nothing narrower
            if "timed out during startup" not in str(error) or not left:
                raise
            # half a minute is all it gives a node, which a busy machine may need
    return None


def jobs(references, folder, **known):
    found = {}
    for reference in references:
        found |= jobs_of([reference], options=PATIENT, paths=[str(folder)], **known)
    return found


def alone(tmp_path, reference):
    """One session that measures the same, without a fleet."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--slm-model={reference}", "suites"]
    command += [*PATIENT, "--slm-store=single"]
    return subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)


class Kills:
    """Ends a random node with all that runs on it, so many times while a fleet is at work, and adds another each time.

    When is said by how much is done, and then by chance within some seconds: a machine that is busy is not killed more
    often for each cell than one that is quiet. The last cells wait until all is over (``released``), so that there is
    work in every moment.
    """

    def __init__(self, cluster, cells, seed, times=10):
        self.cluster, self.cells, self.times = cluster, cells, times
        self.random = random.Random(seed)
        self.killed = []
        """How many cells were in the store, each time."""

    def run(self, busy):
        """As long as ``busy`` says that the fleet is at work."""
        for mark in sorted(self.random.sample(range(18), self.times)):
            while busy() and (self.kept < mark or len(self._alive()) < 2):
                time.sleep(0.05)
            time.sleep(self.random.uniform(0.0, 4.0))
            if not busy():
                return
            victim = self.random.choice(self._alive())
            self.cluster.remove_node(victim, allow_graceful=False)
            self.killed.append(self.kept)
            node(self.cluster, wait=False)

    @property
    def kept(self):
        return len(list(self.cells.glob("*/*.json")))

    def _alive(self):
        known = {one["NodeID"] for one in ray.nodes() if one["Alive"]}
        return sorted((one for one in self.cluster.worker_nodes if one.node_id in known), key=lambda one: one.node_id)


def test_24_cells_of_two_models_whose_nodes_are_killed_at_10_moments(cluster, tmp_path, suites, model, comparable):
    from pytest_slm.fleet.rays import RayCluster

    folder, released = suites(12, questions=20), tmp_path / "released"
    last = [{"contains": f"{name}:", "text": "Paris", "action": "pause", "until": str(released)} for name in LAST]
    references = [model(name, rules=[SLOW[0], *last, SLOW[1]]) for name in "AB"]
    for _ in range(4):
        node(cluster)
    fleet = RayCluster(cluster.address, tmp_path / "root")
    assert fleet.open_dashboard == ""
    told, store = [], CellStore(tmp_path / "cells")
    found = jobs(references, folder)
    driver = Driver(fleet, found, store, limits=RetryLimits(losses=30), tell=told.append, patience_s=600)
    kills = Kills(cluster, store.folder, seed=22)
    try:
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(driver.run)
            try:
                kills.run(lambda: not running.done())
            finally:
                released.touch()
            outcome = running.result()
    finally:
        fleet.stop()
        print("\n".join(told))
    print(f"nodes were killed with {kills.killed} cells in the store; {outcome.retries} cells were begun again")
    assert len(kills.killed) == 10
    assert outcome.left_out == []
    assert len(outcome.where) == 24  # nothing lost, and nothing twice
    assert len([line for line in told if "share" in line]) == 24
    assert all(outcome.where.values())  # every result names its machine
    assert 0 < outcome.retries <= 10  # at most the cell in work of each node
    for single in [alone(tmp_path, reference) for reference in references]:
        assert single.wait(600) == 0
    assert comparable(store.folder) == comparable(tmp_path / "single")


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
    monkeypatch.setenv("RAY_worker_niceness", "0")
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
    from pytest_slm.fleet.job import GroupJob, WeightsFile
    from pytest_slm.fleet.rays import RayCluster

    node(cluster)
    content = bytes(range(256)) * 1024
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    import hashlib

    sha256 = hashlib.sha256(content).hexdigest()
    # where the nodes look there is no such file
    weights = WeightsFile(path="/nowhere/m.gguf", sha256=sha256, size=len(content))
    job = GroupJob(group="g", model="/nowhere/m.gguf", quantization="Q", weights=weights)
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
