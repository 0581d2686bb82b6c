"""Processes that hold models listen on this machine: what those get who do not know the key, or say nothing."""

import socket
import threading
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Listener

import psutil
import pytest

from pytest_slm.core.types import Message, Request
from pytest_slm.hosts import wire as frames
from pytest_slm.hosts.sources import Broker, WorkerHosts

QUESTION = Request(messages=(Message(role="user", content="fine"),))


def test_nobody_without_the_key_gets_in(fake_hosts):
    hosts = fake_hosts(Q={})
    process = hosts.process("Q")
    with pytest.raises((AuthenticationError, OSError, EOFError)):
        Client(process.address, authkey=b"guess")
    assert hosts.open("Q").generate([QUESTION])  # and the stranger did no harm


def test_a_stranger_who_says_nothing_keeps_nobody_waiting(fake_hosts):
    hosts = fake_hosts(alone=False, Q={})
    broker = Broker(hosts)
    strangers = [connected(address) for address in (broker.address, hosts.process("Q").address)]
    opened = []
    try:
        worker = threading.Thread(
            target=lambda: opened.append(WorkerHosts(broker.address, broker.key, request_timeout=30).open("Q")),
            daemon=True,
        )
        worker.start()
        worker.join(60)
        assert opened
    finally:
        for stranger in strangers:
            stranger.close()
        broker.close()


def test_a_stranger_who_says_nothing_is_hung_up_on(fake_hosts, monkeypatch):
    monkeypatch.setattr(frames, "GREETING_S", 0.2)
    broker = Broker(fake_hosts(Q={}))
    try:
        with connected(broker.address) as stranger:
            stranger.settimeout(60)
            while stranger.recv(100):  # the question who it is, and then the end
                pass
    finally:
        broker.close()


def test_a_process_that_says_nothing_keeps_no_client_waiting(tmp_path, monkeypatch):
    monkeypatch.setattr(frames, "GREETING_S", 0.2)
    with (
        Listener(frames.place_to_listen(tmp_path)) as listener,
        pytest.raises(TimeoutError, match="did not prove"),
    ):
        frames.connect(listener.address, b"key")


def connected(address):
    if isinstance(address, str):
        stranger = socket.socket(socket.AF_UNIX)
        stranger.connect(address)
        return stranger
    return socket.create_connection(address)


def test_the_key_is_not_in_the_command_line_or_the_environment(fake_hosts):
    process = fake_hosts(Q={}).process("Q")
    seen = psutil.Process(process.pid)
    assert process.key.hex() not in " ".join([*seen.cmdline(), *seen.environ().values()])
