"""An interpreter's thread: whatever goes wrong before its first instruction is told to its owner."""

import subprocess
import sys

import pytest

from pytest_slm.errors import BackendError
from pytest_slm.sandbox import Sandbox, runner

PROGRAM = ("def f(): return 1", "assert f() == 1")


@pytest.mark.usefixtures("sandbox")  # or skipped
def test_programs_run_after_somebody_dropped_the_imported_wasmtime(monkeypatch):
    # A session of pytest inside of this one drops the modules that it was the first to import. The next import made
    # another copy, which did not know the engine: the thread ended, and its owner waited for a minute.
    before = runner.engine()
    for name in [name for name in sys.modules if name.partition(".")[0] == "wasmtime"]:
        monkeypatch.delitem(sys.modules, name)
    with Sandbox() as sandbox:
        assert sandbox.run(*PROGRAM).passed
        assert "exit code 3" in sandbox.run("import os\nos._exit(3)", "").explanation
    monkeypatch.undo()
    assert runner.engine() is before


def test_an_interpreter_that_cannot_be_made_says_nothing_of_the_program(sandbox, monkeypatch):
    def store(engine):
        raise MemoryError("no room for a store")

    monkeypatch.setattr(runner.engine().wasmtime, "Store", store)
    with pytest.raises(BackendError, match=r"did not start: MemoryError\('no room for a store'\)"):
        sandbox.run(*PROGRAM)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_breaks_off_says_so(sandbox, monkeypatch):
    def finish(guest, trap):
        raise OSError("the thread's end")

    monkeypatch.setattr(runner.GuestInterpreter, "_finish", finish)
    with pytest.raises(BackendError, match="its thread broke off"):
        sandbox.run("import os\nos._exit(0)", "")


LATER = """
import faulthandler
from pytest_slm.sandbox import Limits, Sandbox

with Sandbox(Limits(work=1_000_000_000, memory=128 << 20)) as sandbox:
    assert sandbox.run("def f(x): return x + 1", "assert f(1) == 2").passed
    faulthandler.enable()  # as the second session of pytest in a process does
    deep = "def f(x): return repr(x)\\nx = []\\nfor _ in range(10**6): x = [x]\\nf(x)"
    for program in (deep, "def f(x):\\n while True: pass", "import os\\nos.abort()", "x = 'a' * 2**31"):
        assert not sandbox.run(program + "\\ndef g(): pass", "f([])").passed
    print("alive")
"""


@pytest.mark.usefixtures("sandbox")
def test_who_listens_to_signals_later_takes_no_trap_for_a_crash():
    done = subprocess.run([sys.executable, "-c", LATER], capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr
