"""Several clients of one process with a model: they take turns, and hear of each other's misfortune."""

import threading

import pytest
from slm_surroundings import ask

from pytest_slm.errors import BackendError, HostDiedError, HostTimeoutError
from pytest_slm.hosts import wire as frames
from pytest_slm.hosts.remote import RemoteBackend
from pytest_slm.hosts.sources import Broker, WorkerHosts


def test_several_clients_share_one_model(fake_hosts, no_orphans):
    hosts = fake_hosts(alone=False, Q={})
    broker = Broker(hosts)
    try:
        workers = [WorkerHosts(broker.address, broker.key, request_timeout=30) for _ in range(3)]
        pids = {worker.open("Q").host.pid for worker in workers}
        assert len(pids) == len(no_orphans()) == 1
        assert all(worker.open("Q").generate([ask("x")]) for worker in workers)
    finally:
        broker.close()


def test_waiting_for_ones_turn_is_no_silence(fake_hosts):
    # the other's call goes on for longer than the limit, with a word every 0.3 s
    hosts = fake_hosts(alone=False, Q={"rules": [{"contains": "slow", "action": "pause"}]})
    broker = Broker(hosts)
    try:
        first, second = (WorkerHosts(broker.address, broker.key, request_timeout=4) for _ in range(2))
        began, answers = threading.Event(), []
        working = threading.Thread(
            target=lambda: answers.extend(
                first.open("Q").generate([ask("slow")] * 17, finished=lambda *_: began.set()),
            )
        )
        working.start()
        assert began.wait(60)
        second.open("Q").count_tokens([ask("x")])
        assert second.open("Q").generate([ask("x")])
        working.join()
        assert len(answers) == 17
    finally:
        broker.close()


def test_one_that_waits_behind_a_call_that_hangs_is_not_told_that_all_is_well(fake_hosts):
    # whoever made that call may be gone: then it is for the one that waits to end the process
    process = fake_hosts(Q={"rules": [{"contains": "wait", "action": "hang"}]}).process("Q")
    with process.connect() as gone:
        frames.send(gone, {"id": 1, "call": "generate", "args": [ask("wait").to_json()]})
        assert frames.receive(gone)["progress"] == [0, 1]
    given_up = threading.Event()
    backend = RemoteBackend(
        process.connect(), process.description, timeout=3, why_dead=process.death, give_up=given_up.set
    )
    with pytest.raises(HostTimeoutError):
        backend.count_tokens([ask("x")])
    assert given_up.is_set()


def test_a_worker_learns_why_the_shared_model_died(fake_hosts):
    hosts = fake_hosts(alone=False, Q={"rules": [{"contains": "boom", "action": "crash"}]})
    broker = Broker(hosts)
    try:
        worker = WorkerHosts(broker.address, broker.key, request_timeout=30)
        with pytest.raises(HostDiedError, match="SIGKILL"):
            worker.open("Q").generate([ask("boom")])
        assert worker.open("Q").generate([ask("fine")])
    finally:
        broker.close()


def test_without_the_controller_a_worker_gets_an_error_and_not_a_hang(fake_hosts):
    broker = Broker(fake_hosts(alone=False, Q={"start": "error"}))
    worker = WorkerHosts(broker.address, broker.key, request_timeout=30)
    with pytest.raises(BackendError, match="fails"):  # errors of the start travel too
        worker.open("Q")
    broker.close()
    worker.close()
    with pytest.raises(HostDiedError, match="controller"):
        worker.open("Q")
