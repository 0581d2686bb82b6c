"""Models without a process of their own: the same calls, the same errors, nothing started."""

import json
import os

import pytest

from pytest_slm.backends.lookup import Backends
from pytest_slm.backends.protocol import EngineTest, ModelSpec
from pytest_slm.core.types import Message, Request
from pytest_slm.errors import BackendError, HostDiedError, HostTimeoutError
from pytest_slm.hosts.sources import InProcessHosts


def ask(text):
    return Request(messages=(Message(role="user", content=text),))


@pytest.fixture
def hosts(tmp_path, no_orphans):
    made = []

    def make(*, request_timeout=30.0, **script):
        path = tmp_path / "script.json"
        path.write_text(json.dumps(script), "utf-8")
        spec = ModelSpec(path=str(path), format="fake")
        made.append(InProcessHosts({"Q": lambda: (Backends().find("fake"), spec)}, request_timeout=request_timeout))
        return made[-1]

    yield make
    for one in made:
        one.close()
    assert not no_orphans()


def test_it_offers_what_a_model_in_a_process_of_its_own_does(hosts):
    it = hosts(text="yes", buffers={"weights": 1000})
    backend = it.open("Q")
    told = {}
    assert [answer.text for answer in backend.generate([ask("a"), ask("b")], finished=told.__setitem__)] == ["yes"] * 2
    assert sorted(told) == [0, 1]
    assert backend.loglikelihood([("a", "b c")])[0].n_tokens == 2
    assert backend.loglikelihood_rolling(["a b"])[0].n_tokens == 2
    assert backend.count_tokens([ask("one two")]) == [5]
    assert backend.workload_of_requests([ask("a")]).shown == 4
    assert backend.workload_of_pairs([("a", "b")]).shown == 2
    assert backend.time(EngineTest(n_gen=2)).n_evaluated == 2
    assert backend.buffers() == {"weights": 1000}
    assert "chat" in backend.capabilities
    assert backend.memory()["now"].rss > 0
    assert backend.reset_peak() in (True, False)
    assert backend.host.pid == os.getpid()
    assert it.descriptions["Q"].host.start_s >= it.descriptions["Q"].host.load_s
    assert it.model_s >= backend.waited_s > 0


def test_it_is_opened_once_and_anew_after_its_end(hosts):
    it = hosts()
    first = it.open("Q")
    assert it.open("Q") is first
    it.end("Q")
    with pytest.raises(HostDiedError, match="Q was closed"):
        first.generate([ask("a")])
    assert it.open("Q").generate([ask("a")])


def test_errors_are_those_of_a_process(hosts):
    it = hosts(rules=[{"contains": "bad", "action": "error"}])
    with pytest.raises(BackendError, match="the script says"):
        it.open("Q").generate([ask("bad")])
    assert it.open("Q").generate([ask("fine")])


def test_a_line_that_broke_is_replaced_and_the_model_stays(hosts):
    def full(number, _):
        raise OSError(28, "No space left on device")

    it = hosts()
    first = it.open("Q")
    with pytest.raises(OSError, match="No space"):
        first.generate([ask("a")], finished=full)
    assert it.open("Q") is not first
    assert it.open("Q").generate([ask("a")])


def test_a_call_that_hangs_is_left(hosts, monkeypatch):
    from pytest_slm.backends import fake

    it = hosts(request_timeout=0.6, rules=[{"contains": "wait", "action": "pause"}])
    monkeypatch.setattr(fake, "PAUSE_S", 3)
    with pytest.raises(HostTimeoutError):
        it.open("Q").generate([ask("wait")])
    assert it.open("Q").generate([ask("fine")])
