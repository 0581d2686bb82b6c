"""The process that holds a model measures itself: the session cannot see what happens where the model is."""

import sys
import time

import pytest
from slm_surroundings import ask

from pytest_slm.errors import HostDiedError
from pytest_slm.machine.conditions import Watch


def test_a_round_is_observed_where_the_model_is(fake_hosts):
    backend = fake_hosts(Q={"rules": [{"contains": "slow", "action": "pause"}]}).open("Q")
    with backend.watch(memory=True) as sight:
        backend.generate([ask("slow")])
    assert sight.seen.conditions.seconds >= 0.3
    assert sight.seen.energy == ""
    if sys.platform == "linux":
        assert sight.seen.peak_pss > 2**20
        assert sight.seen.conditions.voluntary_switches >= 1


def test_several_rounds_may_be_observed_at_once(fake_hosts):
    backend = fake_hosts(Q={}).open("Q")
    with backend.watch() as outer, backend.watch(energy=True) as inner:
        backend.generate([ask("a")])
    assert inner.seen.conditions.seconds < outer.seen.conditions.seconds
    assert inner.seen.energy
    assert not outer.seen.energy


def test_a_round_that_fails_is_observed_no_longer(fake_hosts):
    hosts = fake_hosts(Q={"rules": [{"contains": "boom", "action": "crash"}]})
    with pytest.raises(HostDiedError), hosts.open("Q").watch():
        hosts.open("Q").generate([ask("boom")])


def test_the_work_of_the_session_is_not_that_of_other_programs(fake_hosts):
    # it hears and keeps the answers: on a machine of its own it would not be there
    backend = fake_hosts(Q={}).open("Q")
    mine = Watch([backend.host.pid])
    with backend.watch() as sight:
        mine.start()
        end = time.perf_counter() + 1
        while time.perf_counter() < end:
            pass
        seen_here = mine.stop()
    assert sight.seen.conditions.foreign_cores == pytest.approx(seen_here.foreign_cores, abs=0.1)


def test_what_others_take_is_asked_where_the_model_is(fake_hosts):
    taken = fake_hosts(Q={}).open("Q").foreign_cores(0.3)
    assert taken is None or taken >= 0


def test_the_start_of_a_process_has_conditions(fake_hosts):
    host = fake_hosts(Q={}).open("Q").host
    assert host.starting.seconds >= host.start_s - 0.1
