"""What a killed session leaves is gone at once, or with the next session; what belongs to a living one stays."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest

from pytest_slm.hosts.folders import TemporaryFolder, remove_abandoned

posix = pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9, and no shell")


def python(program, *arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), *arguments], stdout=subprocess.PIPE, text=True, **options
    )


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    remove_abandoned.cache_clear()
    return tmp_path


OWNER = """
    import sys
    from pytest_slm.hosts.sources import Hosts
    from pytest_slm.backends.lookup import Backends
    from pytest_slm.backends.protocol import ModelSpec
    opening = lambda: (Backends().find("fake"), ModelSpec(path=None, format="fake"))
    Hosts({"Q": opening}, start_timeout=30, request_timeout=60).open("Q")
    print("ready", flush=True)
    sys.stdin.read()
    """


@posix
def test_the_next_session_removes_the_folders_of_a_killed_one_and_no_other(place, no_orphans):
    environment = {**os.environ, "TMPDIR": str(place)}
    killed, living = [python(OWNER, env=environment, stdin=subprocess.PIPE) for _ in range(2)]
    assert [process.stdout.readline() for process in (killed, living)] == ["ready\n", "ready\n"]
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    left = set(place.iterdir())
    rescue, unlocked, foreign = place / "slm-model-Q8_0-x1", place / "slm-host-unlocked", place / "slm-host-link"
    rescue.mkdir()
    unlocked.mkdir()
    foreign.symlink_to(rescue)
    mine = TemporaryFolder()
    there = set(place.iterdir())
    assert {rescue, unlocked, foreign, mine.path} < there
    assert len(left & there) == 1, "that of the living session, and nothing else"
    living.communicate("")
    assert set(place.iterdir()) == {rescue, unlocked, foreign, mine.path}
    mine.close()
    assert not mine.path.exists()


def test_a_folder_is_of_its_owner_alone(place):
    folder = TemporaryFolder()
    (folder.path / "socket").write_text("")
    assert folder.path.stat().st_mode & 0o77 == 0
    remove_abandoned.cache_clear()
    other = TemporaryFolder()
    assert (folder.path / "socket").exists(), "its owner lives"
    for one in (folder, other, other):
        one.close()
    assert list(place.iterdir()) == []


SPINNING = """
    import itertools, sys
    from pytest_slm.hosts.leash import watch_from_outside
    sys.stdin.readline()
    watch_from_outside()
    print("ready", flush=True)
    max(itertools.repeat(0))  # a loop in C that keeps the interpreter's lock
    """


@posix
def test_where_the_kernel_cannot_do_it_a_shell_ends_the_process():
    child = python(SPINNING, stdin=subprocess.PIPE)
    child.stdin.write("an order\n")
    child.stdin.flush()
    assert child.stdout.readline() == "ready\n"
    (shell,) = psutil.Process(child.pid).children()
    time.sleep(0.3)
    assert child.poll() is None, "not before the end of its input"
    child.stdin.close()
    assert child.wait(10) == -signal.SIGKILL
    shell.wait(10)


PARENT = """
    import os, sys
    from pytest_slm.hosts.leash import SHELL
    os.posix_spawn("/bin/sh", ["sh", "-c", "kill() { echo killed $2; }; " + SHELL], os.environ)
    if sys.argv[1] == "stay":
        os.wait()
    """


@posix
@pytest.mark.parametrize("does", ["stay", "end"])
def test_the_shell_of_a_process_that_has_ended_kills_nobody(does):
    # its number may be another's by then
    child = python(PARENT, does, stdin=subprocess.PIPE)
    if does == "end":
        child.wait(10)
    child.stdin.close()
    assert child.stdout.read() == (f"killed {child.pid}\n" if does == "stay" else "")


def test_it_does_not_end_with_the_thread_that_asked_for_it(fake_hosts):
    # as the thread of a worker of pytest-xdist at the broker does, while others use the process
    hosts, found = fake_hosts(Q={}), []
    thread = threading.Thread(target=lambda: found.append(hosts.process("Q")))
    thread.start()
    thread.join()
    time.sleep(0.3)
    assert found[0].alive
    assert found[0] is hosts.process("Q")


def test_what_cannot_be_started_is_told_where_it_was_wanted():
    from pytest_slm.machine.child import Child

    with pytest.raises(FileNotFoundError):
        Child(lambda: subprocess.Popen([str(Path(__file__).parent / "no such program")], text=True))
