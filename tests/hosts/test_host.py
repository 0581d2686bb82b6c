"""The process that holds a model: answers, dies, is replaced, and never outlives its session."""

import dataclasses
import os
import socket
import subprocess
import sys
import textwrap
import time

import psutil
import pytest
from slm_surroundings import ask

from pytest_slm.backends.fake import Fake
from pytest_slm.backends.lookup import BackendEntry, Backends
from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.errors import BackendError, HostDiedError
from pytest_slm.hosts import remote
from pytest_slm.hosts import wire as frames
from pytest_slm.hosts.host import SPINNING, Host
from pytest_slm.hosts.process import environment
from pytest_slm.hosts.sources import InProcessHosts
from pytest_slm.machine.hardware import describe_machine


def test_it_answers_in_order(fake_hosts):
    backend = fake_hosts(Q={"rules": [{"contains": "one", "text": "1"}, {"contains": "two", "text": "2"}]}).open("Q")
    answers = backend.generate([ask("one"), ask("two"), ask("three")])
    assert [answer.text for answer in answers] == ["1", "2", "I do not know."]


def test_results_that_came_before_a_crash_have_arrived(fake_hosts):
    # the fake answers at once, so what is told in time depends on the beat: a pause makes sure of one
    hosts = fake_hosts(Q={"rules": [{"contains": "slow", "action": "pause"}, {"contains": "boom", "action": "crash"}]})
    told = {}
    with pytest.raises(HostDiedError):
        hosts.open("Q").generate([ask("a"), ask("slow"), ask("b"), ask("boom")], finished=told.__setitem__)
    assert {0, 1} <= set(told) <= {0, 1, 2}


def test_results_are_told_once_each(fake_hosts):
    told = []
    backend = fake_hosts(Q={"rules": [{"contains": "slow", "action": "pause"}]}).open("Q")
    answers = backend.generate([ask("a"), ask("slow"), ask("b")], finished=lambda n, g: told.append((n, g)))
    assert told == list(enumerate(answers))
    told.clear()
    scores = backend.loglikelihood([("a", "b"), ("c", "d e")], finished=lambda n, g: told.append((n, g)))
    assert told == list(enumerate(scores))


def test_what_came_before_an_error_is_told_too(fake_hosts):
    backend = fake_hosts(Q={"rules": [{"contains": "bad", "action": "error"}]}).open("Q")
    told = {}
    with pytest.raises(BackendError, match="script says"):
        backend.generate([ask("a"), ask("b"), ask("bad")], finished=told.__setitem__)
    assert sorted(told) == [0, 1]
    assert backend.generate([ask("a")])[0].text  # an error that was answered breaks nothing


def test_a_callback_that_fails_does_not_mix_up_the_answers(fake_hosts):
    # a full disk, say: the answers still to come must not be taken for those of the next call
    def full(number, _):
        raise OSError(28, "No space left on device")

    hosts = fake_hosts(Q={"rules": [{"contains": "slow", "action": "pause", "text": "old"}], "text": "new"})
    with pytest.raises(OSError, match="No space"):
        hosts.open("Q").generate([ask("a"), ask("slow"), ask("slow"), ask("slow")], finished=full)
    assert [answer.text for answer in hosts.open("Q").generate([ask("b")])] == ["new"]


def test_a_backend_that_forgets_answers_is_an_error(fake_hosts, monkeypatch):

    backend = fake_hosts(Q={}).open("Q")
    monkeypatch.setattr(remote.frames, "receive", lambda _: {"id": 1, "ok": 2, "results": [[0, GENERATION]]})
    with pytest.raises(BackendError, match="no answer to 1 of 2"):
        backend.generate([ask("a"), ask("b")])


GENERATION = {"text": "x", "n_prompt": 1, "n_output": 1, "finish": "stop", "timings": None}


def test_it_describes_itself_from_another_process(fake_hosts):
    backend = fake_hosts(Q={}).open("Q")
    assert backend.describe().name == "fake"
    assert backend.host.pid != os.getpid()
    assert backend.host.start_s > backend.host.load_s >= 0
    assert backend.machine()["fingerprint"] == describe_machine()["fingerprint"]


def test_the_same_model_is_not_started_twice(fake_hosts):
    hosts = fake_hosts(Q={})
    assert hosts.open("Q") is hosts.open("Q")


def test_only_one_quantization_is_in_memory(fake_hosts, no_orphans):
    hosts = fake_hosts(A={}, B={})
    first = hosts.open("A").host.pid
    hosts.open("B")
    assert not psutil.pid_exists(first)
    assert len(no_orphans()) == 1


def test_memory_is_that_of_the_models_process(fake_hosts):
    backend = fake_hosts(Q={}).open("Q")
    use = backend.memory()["now"]
    actual = psutil.Process(backend.host.pid).memory_info().rss
    assert use.rss == pytest.approx(actual, rel=0.05)
    assert use.peak is None or use.peak >= use.rss * 0.99


@pytest.mark.parametrize(
    ("mine", "its"),
    [
        ({}, {"GOMP_SPINCOUNT": "1000"}),
        ({"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": "7"}),
        ({"OMP_WAIT_POLICY": "passive"}, {"OMP_WAIT_POLICY": "passive"}),
    ],
)
def test_its_threads_sleep_soon_unless_the_user_has_decided_that(fake_hosts, monkeypatch, mine, its):
    for name in SPINNING:
        monkeypatch.delenv(name, raising=False)
    for name, value in mine.items():
        monkeypatch.setenv(name, value)
    process = fake_hosts(Q={}).process("Q")
    seen = psutil.Process(process.pid).environ()
    assert {name: seen[name] for name in SPINNING if name in seen} == its
    ((name, value),) = its.items()
    assert process.description.host.thread_wait == f"{name}={value}"


def test_no_debugger_is_asked_for_a_backtrace_unless_the_user_wants_one(fake_hosts, monkeypatch):
    process = fake_hosts(Q={}).process("Q")
    assert psutil.Process(process.pid).environ()["GGML_NO_BACKTRACE"] == "1"
    monkeypatch.setenv("GGML_NO_BACKTRACE", "0")
    assert environment(os.environ)["GGML_NO_BACKTRACE"] == "0"


def in_process():
    return InProcessHosts({"Q": lambda: (Backends().find("fake"), ModelSpec(path=None, format="fake"))})


def test_what_is_written_is_told_before_it_is_an_answer(monkeypatch):
    monkeypatch.setattr("pytest_slm.hosts.host.BEGUN_S", 0.0)
    monkeypatch.setattr("pytest_slm.hosts.host.BEAT_S", 0.0)
    monkeypatch.setattr(Fake, "begun", lambda _: {1: [3, 4], 2: [5]}, raising=False)
    hosts, told = in_process(), []
    answers = hosts.open("Q").generate_in_parts([ask("a"), ask("b")], begun=lambda *one: told.append(one))
    assert len(answers) == 2
    assert told[:2] == [(1, [3, 4]), (2, [5])]
    hosts.close()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(5, "Input/output error", "weights.bin"), r"OSError: \[Errno 5\] Input/output error: 'weights.bin'"),
        (BrokenPipeError(32, "Broken pipe"), r"BrokenPipeError: \[Errno 32\] Broken pipe"),
        (EOFError("Ran out of input"), "EOFError: Ran out of input"),
    ],
)
def test_what_the_system_refuses_a_backend_is_the_backends_error(monkeypatch, error, told):
    # and not taken for a client that has hung up, which raises the same
    hosts = in_process()
    backend = hosts.open("Q")

    def fail(*_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Fake, "_generate", fail)
        with pytest.raises(BackendError, match=told) as caught:
            backend.generate([ask("a")])
    assert caught.value.slug == ("backend" if isinstance(error, OSError) else "backend-bug")
    assert "Traceback" not in str(caught.value)
    assert backend.generate([ask("a")])[0].text, "it goes on"
    hosts.close()


def test_it_talks_json_and_never_pickle(fake_hosts):
    process = fake_hosts(Q={}).process("Q")
    with process.connect() as connection:
        connection.send({"id": 1, "call": "memory"})  # multiprocessing would pickle this
        with pytest.raises((EOFError, OSError)):
            frames.receive(connection)


def test_an_unknown_call_is_an_error(fake_hosts):
    with fake_hosts(Q={}).process("Q").connect() as connection:
        frames.send(connection, {"id": 1, "call": "__class__", "args": None})
        assert frames.receive(connection)["error"]["message"] == "unknown call '__class__'"


@pytest.mark.parametrize("doing", ["hang", "spin"])
@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM", "exit"])
def test_the_process_ends_with_whoever_started_it(no_orphans, how, doing):
    # even while it is deep in a request: nothing may run on after the session is gone
    program = textwrap.dedent(
        f"""
        import os, signal, threading, json, pathlib, tempfile
        from pytest_slm.hosts.sources import Hosts
        from pytest_slm.backends.lookup import Backends
        from pytest_slm.backends.protocol import ModelSpec
        from pytest_slm.core.types import Request
        path = pathlib.Path(tempfile.mkdtemp()) / "s.json"
        path.write_text(json.dumps({{"rules": [{{"contains": "wait", "action": {doing!r}}}]}}))
        opening = lambda: (Backends().find("fake"), ModelSpec(path=str(path), format="fake"))
        backend = Hosts({{"Q": opening}}, start_timeout=30, request_timeout=60).open("Q")
        print(backend.host.pid, flush=True)
        threading.Thread(target=backend.generate, args=([Request(prompt="wait")],), daemon=True).start()
        import time; time.sleep(0.3)
        how = {how!r}
        os._exit(1) if how == "exit" else os.kill(os.getpid(), getattr(signal, how))
        """
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    pid = int(done.stdout)
    deadline = time.monotonic() + 5
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not psutil.pid_exists(pid)


def test_the_working_directory_cannot_replace_a_module(fake_hosts, tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('hijacked')")
    monkeypatch.chdir(tmp_path)
    assert fake_hosts(Q={}).open("Q").generate([ask("fine")])


def test_a_long_temporary_folder_falls_back_to_a_loopback_port(fake_hosts, tmp_path, monkeypatch):
    # the kernel allows about 108 bytes for the path of a socket
    long = tmp_path / ("d" * 100)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    process = fake_hosts(Q={}).process("Q")
    host, port = process.address
    assert host == "127.0.0.1"
    with socket.create_connection((host, port)):
        pass
    assert process.alive


def test_nothing_is_left_in_the_temporary_folder(fake_hosts, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    hosts = fake_hosts(Q={})
    hosts.open("Q")
    assert list(tmp_path.glob("*slm-*"))
    hosts.close()
    assert not list(tmp_path.glob("*slm-*"))


def test_numbers_that_json_has_no_word_for_do_not_travel():
    class Never:
        def send_bytes(self, _data):
            raise AssertionError("sent")

    with pytest.raises(ValueError, match="not JSON compliant"):
        frames.send(Never(), {"x": float("nan")})


def test_other_weights_than_were_asked_for_are_refused(fake_hosts, tmp_path):
    hosts = fake_hosts(Q={})
    entry, spec = hosts._openings["Q"]()
    right = hosts.open("Q").describe().weights_sha256
    hosts.end("Q")
    for sha256 in (right, "0" * 64):
        hosts._openings = {"Q": lambda sha256=sha256: (entry, dataclasses.replace(spec, sha256=sha256))}
        if sha256 == right:
            assert hosts.open("Q").generate([ask("a")])
            hosts.end("Q")
        else:
            with pytest.raises(BackendError, match="damaged or replaced") as caught:
                hosts.open("Q")
            assert caught.value.slug == "weights-changed"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"n_ctx": "many"}, "n_ctx: expected a whole number, got 'many'"),
        ({"extra": {"x": float("nan")}}, "not a finite number"),
    ],
)
def test_a_backend_that_describes_itself_wrongly_is_told_which_field(monkeypatch, said, message):
    class Odd(Fake):
        def describe(self):
            return dataclasses.replace(super().describe(), **said)

    monkeypatch.setattr(BackendEntry, "load", lambda self: Odd)
    with pytest.raises(BackendError, match=f"the backend 'odd': .*{message}") as caught:
        Host(BackendEntry(name="odd", target="x:y", formats=()), ModelSpec(path=None, format="fake"))
    assert caught.value.slug == "backend-describe"


@pytest.mark.parametrize("logprob", [float("nan"), float("-inf"), float("inf")])
def test_a_likelihood_that_is_no_number_is_an_error_of_one_line(fake_hosts, logprob):
    backend = fake_hosts(Q={"rules": [{"contains": "bad", "logprob": str(logprob)}]}).open("Q")
    found = {}
    with pytest.raises(
        BackendError, match=f"'fake' gives a continuation of 1 tokens the log-likelihood {logprob}"
    ) as one:
        backend.loglikelihood([("a", "good"), ("a", "bad")], finished=found.__setitem__)
    with pytest.raises(BackendError, match="'fake' gives") as rolling:
        backend.loglikelihood_rolling(["good", "bad"])
    assert one.value.slug == rolling.value.slug == "not-finite"
    assert list(found) == [0]  # what came before it is kept
