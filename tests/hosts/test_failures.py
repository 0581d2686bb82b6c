"""A model's process that dies, says nothing or gives up: told with its reason, replaced, and never waited for."""

import os
import signal
import threading
import time

import pytest
from slm_surroundings import ask

from pytest_slm.errors import BackendError, HostDiedError, HostTimeoutError
from pytest_slm.hosts import remote
from pytest_slm.hosts.process import last_words


def test_a_model_killed_in_mid_request_is_an_error_that_says_so_and_the_next_one_is_answered(fake_hosts):
    hosts = fake_hosts(Q={"rules": [{"contains": "wait", "action": "hang"}]})
    backend = hosts.open("Q")
    pid = backend.host.pid
    threading.Timer(0.5, os.kill, (pid, signal.SIGKILL)).start()
    with pytest.raises(
        HostDiedError, match=rf"pid {pid}\) was killed \(SIGKILL\), peak .* GB: the system gave no reason.*memory"
    ):
        backend.generate([ask("wait")])
    again = hosts.open("Q")
    assert again.host.pid != pid
    assert again.generate([ask("hello")])[0].text == "I do not know."


def test_a_model_that_crashes_by_itself_is_replaced(fake_hosts):
    hosts = fake_hosts(Q={"rules": [{"contains": "boom", "action": "crash"}]})
    with pytest.raises(HostDiedError, match="SIGKILL"):
        hosts.open("Q").generate([ask("boom")])
    assert hosts.open("Q").generate([ask("fine")])


def test_silence_is_ended_after_the_request_limit(fake_hosts, no_orphans):
    hosts = fake_hosts(request_timeout=2, Q={"rules": [{"contains": "wait", "action": "hang"}]})
    with pytest.raises(HostTimeoutError, match=r"said nothing for 2 s.*--slm-request-timeout"):
        hosts.open("Q").generate([ask("wait")])
    assert not no_orphans()
    assert hosts.open("Q").generate([ask("fine")])


def test_a_pause_of_this_process_is_not_the_models_silence(fake_hosts, monkeypatch):
    # as after Ctrl-Z and fg, or when a debugger held both
    class Clock:
        gone = 0.0

        def __getattr__(self, name):
            return getattr(time, name)

        def monotonic(self):
            self.gone += 1000
            return time.monotonic() + self.gone

    hosts = fake_hosts(request_timeout=5, Q={"rules": [{"contains": "slow", "action": "pause"}]})
    backend = hosts.open("Q")
    clock = Clock()
    monkeypatch.setattr(remote, "time", clock)
    assert backend.generate([ask("slow")])
    assert clock.gone > 1000


def test_loading_has_a_limit_of_its_own(fake_hosts, no_orphans):
    hosts = fake_hosts(start_timeout=1.5, Q={"start": "hang"})
    with pytest.raises(HostTimeoutError, match="--slm-start-timeout"):
        hosts.open("Q")
    assert not no_orphans()


def test_a_model_that_cannot_be_opened_says_why(fake_hosts):
    with pytest.raises(BackendError, match="the script says that this fails") as caught:
        fake_hosts(Q={"start": "error"}).open("Q")
    assert caught.value.slug == "scripted"


def test_a_process_that_dies_while_loading_is_told(fake_hosts):
    with pytest.raises(HostDiedError, match="SIGKILL"):
        fake_hosts(Q={"start": "crash"}).open("Q")


def test_an_error_of_the_engine_leaves_it_usable(fake_hosts):
    backend = fake_hosts(Q={"rules": [{"contains": "fail", "action": "error"}]}).open("Q")
    with pytest.raises(BackendError, match="scripted"):
        backend.generate([ask("fail")])
    assert backend.generate([ask("fine")])[0].text == "I do not know."


def test_a_bug_in_a_backend_keeps_its_traceback(fake_hosts):
    # the rule has no "contains": a KeyError in the other process
    backend = fake_hosts(Q={"rules": [{"text": "x"}]}).open("Q")
    with pytest.raises(BackendError, match="KeyError: 'contains'") as caught:
        backend.generate([ask("x")])
    assert "fake.py" in caught.value.__notes__[0]


# As gdb 13 writes it, shortened: the reason stands first, and what its frames repeat is none.
BACKTRACE = "\n".join(
    f'#{number}  0x00007fddf654d7de in ggml_abort (file=0x55 "/src/ggml.c", line=12, fmt=0x7 "GGML_ASSERT(%s) failed") '
    f"at /src/ggml.c:{number}\n{number}\tin /src/ggml.c"
    for number in range(30)
)


@pytest.mark.parametrize(
    "reason",
    [
        "/src/llama-context.cpp:2273: GGML_ASSERT(n_outputs_max <= cparams.n_outputs_max) failed",
        "terminate called after throwing an instance of 'std::out_of_range'",
        "  what():  vector::_M_range_check: __n (which is 7) >= this->size() (which is 7)",
        "python: kernel.c:12: compute: Assertion `n > 0' failed.",
        "Fatal Python error: Segmentation fault",
        "/src/ggml-cuda.cu:88: CUDA error",
    ],
)
def test_the_reason_of_an_engine_that_gives_up_is_told_whatever_it_prints_behind(reason):
    log = f"loading\nllama_context: n_ctx = 12\n{reason}\nwarning: auto-loading has been declined\n{BACKTRACE}\n"
    told = last_words(log)
    assert told.startswith(reason.strip())
    assert told.endswith(BACKTRACE[-20:] + "\n")
    assert len(told) < 1_000
    # where the end has it, it is told once
    assert last_words(f"loading\n{reason}").count(reason.strip()) == 1
    assert last_words("nothing of that kind") == "…nothing of that kind"
