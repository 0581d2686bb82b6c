"""Every cell is measured once, by whoever is there, and no model is loaded more often than it must be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slm_fleet_simulation import simulate

from pytest_slm.fleet.scheduler import RetryLimits, Scheduler
from pytest_slm.fleet.work import CellGroup, Close, Measure, Node, Open, Work


def test_each_model_is_loaded_once_on_a_node_and_every_cell_measured_once(fleet):
    groups, work, nodes = fleet(models=5, cells=6, nodes=3)
    outcome = simulate(groups, work, nodes)
    assert outcome.measured == {one.key: 1 for one in work}
    assert set(outcome.loads.values()) == {1}
    assert outcome.scheduler.left_out == []


@st.composite
def fleets(draw):
    n_nodes = draw(st.integers(1, 5))
    nodes = [Node(name=f"n{place}", memory=draw(st.integers(2, 6))) for place in range(n_nodes)]
    groups = [
        CellGroup(
            name=f"g{place}", memory=draw(st.integers(1, 2)), load_s=draw(st.floats(0, 20)), size=draw(st.floats(1, 9))
        )
        for place in range(draw(st.integers(1, 6)))
    ]
    work = {
        Work(
            group=group.name, item=f"i{place}", cost=draw(st.floats(1, 100)), timed=draw(st.booleans()),
            last=draw(st.integers(0, 2)),
        ): draw(st.floats(0.1, 60))
        for group in groups
        for place in range(draw(st.integers(1, 7)))
    }  # fmt: skip
    # one node stays, so that there is somebody to measure
    deaths = [(draw(st.floats(0, 300)), f"n{draw(st.integers(1, n_nodes))}") for _ in range(draw(st.integers(0, 4)))]
    deaths = [(moment, name) for moment, name in deaths if name in {node.name for node in nodes[1:]}]
    return groups, work, nodes, deaths, draw(st.integers(1, 3))


@given(fleets())
def test_whoever_dies_nothing_is_lost_and_nothing_kept_twice(drawn):
    groups, work, nodes, deaths, lanes = drawn
    outcome = simulate(groups, work, nodes, limits=RetryLimits(lanes=lanes, losses=99), deaths=deaths)
    assert outcome.measured == {one.key: 1 for one in work}
    assert outcome.together == 0  # no timing has had company
    assert outcome.scheduler.left_out == []


def test_what_a_node_was_measuring_is_all_that_its_end_costs(fleet):
    groups, work, nodes = fleet(models=2, cells=8, nodes=2)
    outcome = simulate(groups, work, nodes, deaths=[(35.0, "n1")])
    assert outcome.scheduler.retries == 1
    assert outcome.measured == {one.key: 1 for one in work}


def test_a_node_that_joins_takes_its_share(fleet):
    groups, work, nodes = fleet(models=1, cells=20, nodes=1)
    alone = simulate(groups, work, nodes).seconds
    helped = simulate(groups, work, nodes, joins=[(20.0, Node(name="late", memory=1))])
    assert helped.seconds < 0.7 * alone
    assert set(helped.loads.values()) == {1}


def test_a_model_is_loaded_twice_only_where_that_ends_sooner(fleet):
    groups, work, nodes = fleet(models=1, cells=3, nodes=4, load_s=100.0)
    assert len(simulate(groups, work, nodes).loads) == 1


def test_timings_come_last_and_stay_on_one_node(fleet):
    groups, work, nodes = fleet(models=2, cells=10, nodes=3, timed=5)
    scheduler = simulate(groups, work, nodes).scheduler
    assert len(scheduler.done) == 20
    assert set(scheduler._homes.values()) <= {node.name for node in nodes}
    assert len(scheduler._homes) == 2


def started(groups, work, nodes, limits=None):
    """A scheduler whose first worker is ready."""
    scheduler = Scheduler(groups, work, limits)
    for node in nodes:
        scheduler.joined(node)
    (opened, *_) = scheduler.orders()
    assert isinstance(opened, Open)
    scheduler.opened(opened.worker)
    return scheduler, opened.worker


def test_a_cell_that_fails_is_tried_again_so_often_and_then_left_with_its_reason(fleet):
    groups, work, nodes = fleet(models=1, cells=1, nodes=1)
    scheduler, worker = started(groups, work, nodes, RetryLimits(failures=2))
    for attempt in range(3):
        (order,) = scheduler.orders()
        assert order == Measure(worker=worker, item="i0", alone=False)
        assert not scheduler.left_out, attempt
        scheduler.failed(worker, "out of memory")
    assert [(one.item, one.reason) for one in scheduler.left_out] == [("i0", "out of memory (the last of 3 attempts)")]
    assert scheduler.finished


def test_what_nobody_could_measure_is_not_tried_again(fleet):
    scheduler, worker = started(*fleet(models=1, cells=1, nodes=1))
    scheduler.orders()
    scheduler.failed(worker, "the sandbox is not installed", final=True)
    assert [one.reason for one in scheduler.left_out] == ["the sandbox is not installed"]


def test_a_cell_that_ends_every_process_is_left_out_at_last(fleet):
    groups, work, nodes = fleet(models=1, cells=1, nodes=1)
    scheduler, worker = started(groups, work, nodes, RetryLimits(losses=2))
    for _ in range(3):
        assert isinstance(scheduler.orders()[0], Measure)
        scheduler.ended(worker, "killed")
        for order in scheduler.orders():
            worker = order.worker
            scheduler.opened(worker)
    assert [one.reason for one in scheduler.left_out] == ["killed (the last of 3 attempts)"]


def test_a_worker_that_never_begins_is_tried_twice_and_then_its_node_is_left(fleet):
    groups, work, nodes = fleet(models=1, cells=2, nodes=1)
    scheduler = Scheduler(groups, work)
    scheduler.joined(nodes[0])
    for _ in range(2):
        (order,) = scheduler.orders()
        scheduler.ended(order.worker, "no such model")
    assert scheduler.orders() == []
    assert {one.reason for one in scheduler.stuck()} == {"no such model"}
    assert not scheduler.waits_for_nodes


def test_a_node_that_refuses_a_model_leaves_it_to_others(fleet):
    groups, work, nodes = fleet(models=1, cells=2, nodes=2)
    scheduler, worker = started(groups, work, nodes)
    scheduler.refused(worker, "other versions")
    (again,) = scheduler.orders()
    assert (again.node, again.group) == ("n1", "m0")


@pytest.mark.parametrize(
    ("node", "timed", "reason"),
    [
        (Node(name="small", memory=1), False, "about 5.0 GB are needed, and no node has more than 0.0 GB"),
        (Node(name="shared", memory=9 * 10**9, exclusive=False), True, "no node can be had alone"),
    ],
)
def test_what_fits_nowhere_is_told(node, timed, reason):
    work = [Work(group="g", item="i", cost=1.0, timed=timed)]
    scheduler = Scheduler([CellGroup(name="g", memory=5 * 10**9)], work)
    assert [one.reason for one in scheduler.stuck()] == ["no node is left"]
    scheduler.joined(node)
    assert scheduler.orders() == []
    assert [one.reason[: len(reason)] for one in scheduler.stuck()] == [reason]
    assert scheduler.waits_for_nodes  # a larger one may come


def test_models_share_a_node_as_its_memory_allows(fleet):
    groups, work, _ = fleet(models=3, cells=2, memory=4)
    scheduler = Scheduler(groups, work, RetryLimits(lanes=3))
    scheduler.joined(Node(name="n", memory=9))
    assert [type(order) for order in scheduler.orders()] == [Open, Open]


def test_what_the_store_has_is_not_measured_and_what_was_taken_back_is_no_number(fleet):
    groups, work, nodes = fleet(models=1, cells=2, nodes=1)
    scheduler, worker = started(groups, work, nodes)
    scheduler.known("m0", "i0")
    (order,) = scheduler.orders()
    assert order.item == "i1"
    scheduler.measured(worker, 3.0)
    assert scheduler.orders() == [Close(worker=worker)]
    scheduler.take_back("m0", "i1", "the weights were changed")
    assert scheduler.done == {("m0", "i0")}
    assert [one.reason for one in scheduler.left_out] == ["the weights were changed"]


def test_seconds_are_learned_from_what_was_measured(fleet):
    groups = [CellGroup(name="small", size=1.0), CellGroup(name="large", size=10.0)]
    work = [Work(group=group.name, item="i", cost=100.0) for group in groups]
    scheduler = Scheduler(groups, work)
    scheduler.joined(Node(name="n", memory=1))
    (opened,) = scheduler.orders()
    scheduler.opened(opened.worker)
    scheduler.orders()
    scheduler.measured(opened.worker, 20.0)
    other = work[0] if opened.group == "large" else work[1]
    assert scheduler.seconds(other) == pytest.approx(2.0 if opened.group == "large" else 200.0)
