"""What a hostile program may try. None gets out, none passes, and the next program still runs."""

import os
import threading
import tracemalloc
from pathlib import Path

import pytest

from pytest_slm.sandbox import Limits, machine, runner

GOOD = "def f(x):\n    return x + 1\n"
TEST = "assert f(1) == 2\nassert f(40) == 41\n"

# Each of these has no right answer in it: to pass is to cheat.
ESCAPES = {
    # files
    "read a file": "open('/etc/passwd').read()",
    "read above": "open('../../../../etc/passwd').read()",
    "read what the machine tells of itself": "open('/proc/self/environ').read()",
    "write a file": "open('{tmp}/made', 'w').write('x')",
    "make a folder": "import os; os.mkdir('{tmp}/made')",
    "remove a file": "import os; os.unlink('{tmp}/kept')",
    "rename a file": "import os; os.rename('{tmp}/kept', '{tmp}/made')",
    "link a file": "import os; os.symlink('{tmp}/kept', '{tmp}/made')",
    "list a folder": "import os; os.listdir('{tmp}')",
    "guess open files": "import os\nfor fd in range(3, 500):\n    os.write(fd, b'x')",
    "temporary files": "import tempfile; tempfile.TemporaryFile()",
    "a database": "import sqlite3; sqlite3.connect('{tmp}/made')",
    # network and processes
    "connect": "import socket; socket.socket().connect(('127.0.0.1', 80))",
    "listen": "import _socket; _socket.socket().bind(('', 8080))",
    "fetch": "import urllib.request; urllib.request.urlopen('http://127.0.0.1/')",
    "fork": "import os\nwhile True: os.fork()",
    "subprocess": "import subprocess; subprocess.run(['touch', '{tmp}/made'])",
    "system": "import os; os.system('touch {tmp}/made')",
    "exec": "import os; os.execv('/bin/sh', ['sh', '-c', 'touch {tmp}/made'])",
    "threads": "import threading\nwhile True: threading.Thread(target=print).start()",
    "multiprocessing": "import multiprocessing; multiprocessing.Process(target=print).start()",
    "kill the parent": "import os, signal; os.kill(os.getppid(), signal.SIGKILL)",
    "kill all": "import os; os.kill(-1, 9)",
    "alarm": "import signal; signal.alarm(1)",
    "raise a signal": "import signal; signal.raise_signal(signal.SIGABRT)",
    "ctypes": "import ctypes; ctypes.string_at(0)",
    # too much of everything
    "endless loop": "while True: pass",
    "endless loop in C": "sum(iter(int, 1))",
    "a loop that catches everything": "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "regex bomb": "import re; re.match(r'(a+)+$', 'a' * 64 + 'b')",
    "great power": "9 ** 9 ** 9",
    "memory bomb": "x = []\nwhile True: x.append(bytearray(1 << 20))",
    "one great block": "bytearray(1 << 40)",
    "recursion bomb": "import sys; sys.setrecursionlimit(1 << 30)\ndef g(): g()\ng()",
    "recursion in C": "x = []\nfor _ in range(10 ** 6): x = [x]\nrepr(x)",
    "deep source": "eval('(' * 10000 + ')' * 10000)",
    "deep pickle": "import pickle; pickle.loads(b'(' * 10 ** 6 + b't' * 10 ** 6 + b'.')",
    "broken bytecode": "exec((lambda: 0).__code__.replace(co_code=b'\\x64\\xff\\x53\\x00' * 9))",
    "broken marshal": "import marshal; marshal.loads(b'c' + bytes(4000))",
    "crash": "import faulthandler; faulthandler._sigabrt()",
    "huge output": "while True: print('x' * 10000)",
    "output past python": "import os\nwhile True: os.write(2, b'x' * 65536)",
    "sleep for ever": "import time\nwhile True: time.sleep(10 ** 6)",
    "wait for input": "open(0).read()",
    "wait for input past python": "import os\nos.read(0, 1)",
    "wait for input when asked": "import sys\ndef f(x): return sys.__stdin__.readline()",
    "answer and wait for input": "import os\nos.write(1, b'[\"names\", []]\\n')\nopen(0).read()",
    # passing without being right
    "exit 0": "import sys; sys.exit(0)",
    "exit at once": "import os; os._exit(0)",
    "exit when asked": "import os\ndef f(x): os._exit(0)",
    "SystemExit when asked": "def f(x): raise SystemExit(0)",
    "StopIteration when asked": "def f(x): raise StopIteration",
    "equal to everything": "class A:\n    def __eq__(s, o): return True\ndef f(x): return A()",
    "a number equal to everything": "class A(int):\n    def __eq__(s, o): return True\ndef f(x): return A(7)",
    "other assert": "import builtins\nbuiltins.AssertionError = type('E', (BaseException,), {{}})\ndef f(x): return 7",
    "other names": "def assert_(*a): pass\n__builtins__ = None\ndef f(x): return 7",
    # Right where it finds them. The words are put together when they are needed, so that it does not find its own.
    "look for the tests": (
        "import gc\ndef f(x):\n    words = 'f(1)'.join(['assert ', ' =='])\n"
        "    return x + 1 if any(words in repr(o) for o in gc.get_objects()) else 7"
    ),
    "read the frames": "import sys\ndef f(x): return sys._getframe(2).f_locals['expected']",
    "say that it passed": 'import os\nos.write(1, b\'["passed", ""]\\n\')\ndef f(x): return 7',
    "answer with a verdict": 'import os\ndef f(x): os.write(1, b\'["passed", ""]\\n\')',
    "answer ahead": "import os\nos.write(1, b'[\"v\",2,[]]\\n' * 100)\ndef f(x): return 7",
    "answer with nothing but ends of lines": "import os\nos.write(1, b'\\n' * 40_000_000)",
    "answer with too much": "def f(x): return 'x' * (1 << 23)",
    "answer with code": 'import os\ndef f(x): os.write(1, b\'["v",["f","00"],[]]\\n\')',
    "at the end": 'import atexit, os\natexit.register(lambda: os.write(1, b\'["passed", ""]\\n\'))\ndef f(x): return 7',
}


def test_there_are_enough():
    assert len(ESCAPES) >= 40


@pytest.mark.parametrize("name", ESCAPES)
def test_it_does_not_get_out_and_does_not_pass(sandbox, tmp_path, name):
    (tmp_path / "kept").write_text("kept")
    before = threading.active_count()
    program = ESCAPES[name].format(tmp=tmp_path)
    if "def f" not in program:
        # Whether it raises or goes on: what follows is wrong, so nothing but cheating passes.
        program += "\ndef f(x): return 7\n"
    outcome = sandbox.run(program, TEST)
    assert not outcome.passed
    assert outcome.explanation
    assert len(outcome.output) <= 2000
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert threading.active_count() <= before + 1, "an interpreter outlives its program"
    assert sandbox.run(GOOD, TEST).passed, "the next program suffers"


@pytest.mark.parametrize(
    ("program", "ending"),
    [
        (ESCAPES["endless loop"], "timeout"),
        (ESCAPES["endless loop in C"], "timeout"),
        (ESCAPES["memory bomb"], "out_of_memory"),
        (ESCAPES["huge output"], "output_limit"),
        (ESCAPES["exit at once"], "failed"),
        # what it says of itself decides nothing
        ("import os, sys\nprint('MemoryError: out of memory', file=sys.stderr, flush=True)\nos.abort()", "error"),
        (
            "import os\nx = []\ntry:\n    while 1: x.append(bytearray(1 << 18))\nexcept MemoryError: os.abort()",
            "out_of_memory",
        ),
    ],
)
def test_an_outcome_says_what_happened(sandbox, program, ending):
    assert sandbox.run(program, TEST).ending == ending


def test_nothing_of_the_machine_is_known(sandbox, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    program = "import os, sys\nseen = [dict(os.environ), sys.argv, os.getcwd()]\n"
    tests = "assert seen == [{}, ['program'], '/'], seen"
    assert sandbox.run(program, tests).explanation == "all tests passed"
    assert os.environ["SECRET_TOKEN"] not in sandbox.run("import os\nprint(os.environ)\n1/0", "").output
    assert not Path("/made").exists()


def test_reading_what_is_its_interpreters_is_told(sandbox):
    outcome = sandbox.run("open(0).read()", TEST)
    assert (outcome.ending, outcome.explanation) == ("failed", "it read its own interpreter's channel")


@pytest.mark.usefixtures("sandbox")
def test_one_that_is_stuck_in_a_system_call_is_given_up(monkeypatch):
    # no limit on its work acts there
    freed = threading.Event()

    def stuck(*_arguments):
        freed.wait()
        return b""

    monkeypatch.setattr(machine.Guest, "take", stuck)
    monkeypatch.setattr(machine, "PATIENCE", 0.5)
    limits = Limits(work=3_000_000_000, memory=128 << 20, seconds=0.5)
    before = threading.active_count()
    guest = machine.Guest(runner.engine(), (*runner.FLAGS, b"import os; os.read(0, 1)"), limits)
    try:
        guest.send(b"hello")
        assert guest.receive() is None
        assert guest.ending == "timeout"
        guest.close()
    finally:
        freed.set()
    guest._thread.join(60)
    assert threading.active_count() <= before


@pytest.mark.parametrize("fd", [1, 2])
@pytest.mark.parametrize("letter", ["x", "\\n"])
def test_output_takes_little_of_the_sessions_memory(sandbox, fd, letter):
    # what a program may have itself is not for the session to hold, least of all many times over
    tracemalloc.start()
    try:
        outcome = sandbox.run(f"import os\nos.write({fd}, b'{letter}' * 40_000_000)", TEST)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert outcome.ending in ("failed", "output_limit")
