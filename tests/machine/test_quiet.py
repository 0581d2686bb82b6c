"""Waiting for a quiet machine, within limits."""

import subprocess
import sys

import pytest

from pytest_slm.machine import quiet
from pytest_slm.machine.quiet import Quiet, wait_until_quiet


@pytest.fixture
def windows(monkeypatch):
    """Pretends what other programs take in one window after the other, on a clock that only windows advance."""
    clock = [100.0]

    def script(*taken):
        values = iter(taken)

        def look(seconds):
            clock[0] += seconds
            return next(values)

        monkeypatch.setattr(quiet.time, "monotonic", lambda: clock[0])
        return look

    return script


def test_a_quiet_machine_is_not_waited_for(windows):
    assert wait_until_quiet(60, windows(0.05)) == Quiet(waited_s=1.0, foreign_cores=0.05, quiet=True)


def test_it_waits_until_the_others_are_done(windows):
    found = wait_until_quiet(60, windows(1.9, 1.2, 0.1))
    assert found == Quiet(waited_s=3.0, foreign_cores=0.1, quiet=True)
    assert found.warning == ""


def test_it_gives_up_and_says_what_to_do(windows):
    found = wait_until_quiet(5, windows(*[1.5] * 10))
    assert found == Quiet(waited_s=5.0, foreign_cores=1.5, quiet=False)
    assert "other programs take 1.5 cores, after 5 s of waiting" in found.warning


def test_no_time_means_one_look(windows):
    assert wait_until_quiet(0, windows(1.5)).quiet is False


def test_a_system_that_does_not_tell_is_not_waited_for(windows):
    found = wait_until_quiet(60, windows(None))
    assert found.quiet is None
    assert "not known" in found.warning


def test_it_is_a_record():
    found = Quiet(waited_s=1.0, foreign_cores=None, quiet=None)
    assert Quiet.from_json(found.to_json()) == found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_program_that_burns_a_core_is_seen():
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        found = wait_until_quiet(0, cores=0.0, window_s=0.5)
    finally:
        other.kill()
        other.wait()
    assert found.quiet is False
    assert found.foreign_cores > 0
    assert found.waited_s >= 0.5
