"""What the driver makes of what workers say: only a whole file of the right cell is ever kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_slm.cells.cell import Cell
from pytest_slm.cells.store import CellStore, StoredCell, read_all, text_of
from pytest_slm.core.rounds import RoundRule, Timing
from pytest_slm.core.types import Metric, Result
from pytest_slm.errors import ReportError, UsageError
from pytest_slm.fleet.cluster import Event
from pytest_slm.fleet.driver import Driver
from pytest_slm.fleet.job import Answer, Farewell, GroupJob, Hello, Offer
from pytest_slm.fleet.scheduler import RetryLimits
from pytest_slm.fleet.work import CellGroup, Node


def cell(group, item, **changes):
    known = Cell(
        model=group, weights="a" * 64, quantization="Q", suite="core", task=item, variant="", version=1,
        suite_files="b" * 64, mode="quick", seed=7, backend="fake", settings={"of": group},
        versions={"pytest-slm": "1", "numpy": "2"},
    )  # fmt: skip
    return replace(known, **changes)


def content(of, machine="m1", **changes):
    result = Result(
        suite=of.suite, task=of.task, variant="", quantization="Q", mode="quick", outcome="passed", seed=7,
        primary="acc", metrics=(Metric(name="acc", value=0.5, n=10),), machine=machine,
    )  # fmt: skip
    return text_of(StoredCell(cell=of, result=replace(result, **changes)))


class Scripted:
    """Nodes whose workers say what a test wants: ``hello(worker, group)`` and ``answer(worker, group, item)``."""

    def __init__(self, nodes, hello, answer, farewell=None):
        self.there = list(nodes)
        self.hello, self.answer, self.farewell = hello, answer, farewell or (lambda *_: Farewell())
        self.groups, self.events, self.killed, self.alone = {}, [], [], []

    def nodes(self):
        return self.there

    def open(self, worker, node, job, memory):
        self.groups[worker] = job.group
        self._say(worker, self.hello(worker, job.group))

    def measure(self, worker, item, *, alone):
        self.alone.append((item, alone))
        self._say(worker, self.answer(worker, self.groups[worker], item))

    def close(self, worker):
        self._say(worker, self.farewell(worker, self.groups[worker]))

    def kill(self, worker):
        self.killed.append(worker)

    def wait(self, _seconds):
        found, self.events = self.events, []
        return found

    def _say(self, worker, said):
        if said is None:  # it is silent
            return
        self.events.append(
            Event(worker=worker, lost=said) if isinstance(said, str) else Event(worker=worker, said=said)
        )


def offers(group, items=("x", "y"), **changes):
    return tuple(Offer(item=item, cost=1.0, cell=cell(group, item, **changes)) for item in items)


@pytest.fixture
def fleet(tmp_path):
    """Runs a fleet over scripted nodes: its outcome, what was told, and the cluster."""

    def run(answer, hello=None, farewell=None, n_nodes=1, groups=("g",), patience_s=5.0, **limits):
        hello = hello or (lambda _worker, group: Hello(machine="m1", offers=offers(group)))
        cluster = Scripted([Node(name=f"n{number}", memory=9) for number in range(n_nodes)], hello, answer, farewell)
        jobs = {name: (GroupJob(group=name, model=name, quantization="Q"), CellGroup(name=name)) for name in groups}
        told = []
        store = CellStore(tmp_path / "cells")
        driver = Driver(cluster, jobs, store, tell=told.append, limits=RetryLimits(**limits), patience_s=patience_s)
        return driver.run(), told, cluster

    return run


def good(_worker, group, item):
    return Answer(item=item, content=content(cell(group, item)), seconds=2.0)


def test_what_is_measured_is_kept_with_its_machine_and_the_second_time_it_is_there(fleet, tmp_path):
    outcome, told, _ = fleet(good, groups=("g", "h"))
    assert dict(outcome.where) == {(group, item): "m1" for group in "gh" for item in "xy"}
    assert "n0: g x: 0.5 share, 2.0 s" in told
    assert len(read_all(tmp_path / "cells")[0]) == 4
    again, _, cluster = fleet(lambda *_: pytest.fail("measured again"), groups=("g", "h"))
    assert (again.before, dict(again.where), cluster.alone) == (4, {}, [])


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (lambda group, item: content(cell(group, item))[:200], "cut or damaged"),
        (
            lambda group, item: content(cell(group, item)).replace('"value": 0.5', '"value": 0.9'),
            "not what was written",
        ),
        (lambda group, _item: content(cell(group, "other")), "which has another hash"),
    ],
)
def test_what_is_no_file_of_that_cell_is_not_kept(fleet, tmp_path, broken, reason):
    outcome, _, _ = fleet(lambda _, group, item: Answer(item=item, content=broken(group, item)), failures=1)
    assert outcome.retries == 2  # of two cells once each
    assert [reason in one.reason for one in outcome.left_out] == [True, True]
    assert not (tmp_path / "cells").exists()


def test_a_file_of_the_store_that_was_cut_is_told_and_measured_again(fleet, tmp_path):
    fleet(good)
    path = CellStore(tmp_path / "cells").path(cell("g", "x").key)
    path.write_text(path.read_text()[:100])
    outcome, told, _ = fleet(good)
    assert (outcome.before, list(outcome.where)) == (1, [("g", "x")])
    assert any("cut or damaged" in line for line in told)


def test_a_node_with_other_versions_is_refused_with_what_differs(fleet):
    def hello(worker, group):
        versions = {"pytest-slm": "1", "numpy": "2" if worker == 1 else "3"}
        return Hello(offers=offers(group, items="abcdefgh", versions=versions))

    outcome, told, cluster = fleet(good, hello, n_nodes=2)
    assert outcome.left_out == []
    (line,) = [line for line in told if "cannot measure" in line]
    assert line == "n1: cannot measure g: it has another versions of a: numpy is 3 there and 2 on others"
    assert cluster.killed == [2]


def test_a_node_with_other_suites_is_refused(fleet):
    def hello(worker, group):
        return Hello(offers=offers(group, items="abcdefgh" if worker == 1 else "abcdefg"))

    _, told, _ = fleet(good, hello, n_nodes=2)
    assert any("h is not there, unlike on other nodes" in line for line in told)


def test_what_no_store_can_keep_is_left_out_with_the_reason(fleet):
    def hello(_worker, group):
        return Hello(offers=(*offers(group), Offer(item="z", cost=1.0, reason="its data set is that of the Hub")))

    outcome, _, _ = fleet(good, hello)
    assert [(one.item, one.reason) for one in outcome.left_out] == [("z", "its data set is that of the Hub")]


def test_a_session_that_could_not_begin_leaves_its_model_out(fleet):
    outcome, _, _ = fleet(good, lambda *_: Hello(problem="suites/core/x.yaml:1: unknown kind"))
    assert [(one.group, one.reason) for one in outcome.left_out] == [("g", "suites/core/x.yaml:1: unknown kind")]


def test_what_turns_out_to_be_of_changed_weights_is_taken_back(fleet, tmp_path):
    def farewell(*_):
        return Farewell(taken_back={"x": "the weights were changed"})

    outcome, _, _ = fleet(good, farewell=farewell)
    assert [(one.item, one.reason) for one in outcome.left_out] == [("x", "the weights were changed")]
    assert list(outcome.where) == [("g", "y")]
    assert [one.cell.task for one in read_all(tmp_path / "cells")[0]] == ["y"]


def test_a_worker_that_ends_costs_one_cell_and_is_begun_again(fleet):
    ended = []

    def answer(worker, group, item):
        if len(ended) < 2:
            ended.append(item)
            return "its session has ended (code -9)"
        return good(worker, group, item)

    outcome, told, _ = fleet(answer)
    assert (outcome.retries, len(outcome.where), outcome.left_out) == (2, 2, [])
    assert outcome.loads == {("g", "n0"): 3}
    assert "n0: g: its session has ended (code -9)" in told


def timed(group, item, machine="m1", verdict="stable"):
    timing = Timing(
        profile="engine", verdict=verdict, reason="busy" if verdict == "noisy" else "", rounds_reason="",
        warmups_agree=True, rule=RoundRule(budget_s=1),
    )  # fmt: skip
    return content(cell(group, item, machine=machine), machine=machine, timing=timing)


def test_a_timing_is_measured_alone_and_known_by_whatever_machine_has_measured_it(fleet):
    def hello(machine):
        return lambda _worker, group: Hello(
            offers=(
                *offers(group, ("x",)),
                Offer(item="t", cost=1.0, timed=True, cell=cell(group, "t", machine=machine)),
            )
        )

    def answer(_worker, group, item):
        return Answer(item=item, content=timed(group, "t", verdict="noisy")) if item == "t" else good(0, group, item)

    outcome, _, cluster = fleet(answer, hello("m1"))
    assert cluster.alone == [("x", False), ("t", True)]
    assert outcome.noisy == ["g t: busy"]
    again, _, _ = fleet(lambda *_: pytest.fail("measured again"), hello("m2"))
    assert again.before == 2


def test_who_has_not_begun_when_all_is_done_is_not_waited_for(fleet):
    # the second node loads the model, too, and the first has measured everything before it says hello
    def hello(worker, group):
        return Hello(machine="m1", offers=offers(group, "abcdefgh")) if worker == 1 else None

    outcome, _, cluster = fleet(good, hello, n_nodes=2)
    assert len(outcome.where) == 8
    assert cluster.killed == [2]


def test_a_node_whose_processes_stand_back_is_told_once(fleet):
    outcome, told, _ = fleet(good, lambda _worker, group: Hello(offers=offers(group), niceness=15), n_nodes=1)
    assert len(outcome.where) == 2
    assert [line for line in told if "niceness" in line] == [
        "n0: measures at niceness 15, behind all that runs there at 0; start Ray at 0, with RAY_worker_niceness=0"
    ]


def test_a_node_is_told_by_what_people_call_it(fleet, monkeypatch):
    node = Node(name="4f" * 28, memory=9, label="rack-3 4f4f4f")
    monkeypatch.setattr(Scripted, "nodes", lambda self: [] if self.alone else [node])  # it is lost later on
    outcome, told, _ = fleet(lambda *_: None, patience_s=0.0)
    assert [line.partition(",")[0].partition(";")[0] for line in told] == [
        "rack-3 4f4f4f: joined",
        "rack-3 4f4f4f: lost",
    ]
    assert {one.reason for one in outcome.left_out} == {"no node is left"}


def test_a_node_that_comes_late_is_waited_for(fleet, monkeypatch):
    looks = []

    def nodes(self):
        looks.append(1)
        return [Node(name="late", memory=9)] if len(looks) > 3 else []

    monkeypatch.setattr(Scripted, "nodes", nodes)
    outcome, told, _ = fleet(good)
    assert (len(outcome.where), told[0]) == (2, "late: joined, 0.0 GB for models")


def test_a_full_disk_ends_the_fleet_with_a_line(fleet, monkeypatch):
    def full(*_):
        raise ReportError("cells: the disk is full", slug="disk-full")

    monkeypatch.setattr(CellStore, "put", full)
    with pytest.raises(ReportError, match="the disk is full"):
        fleet(good)


def test_without_a_node_there_is_no_fleet(fleet):
    with pytest.raises(UsageError, match="the cluster has no node"):
        fleet(good, n_nodes=0, patience_s=0.0)
