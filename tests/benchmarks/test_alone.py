"""Processes of benchmarks do not outlive them."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks.common.alone import alone

KILLED = """
import os, signal
from benchmarks.common.alone import alone
if __name__ == "__main__":
    print(alone().submit(os.getpid).result(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.subprocess
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with the one that started it")
def test_a_killed_benchmark_leaves_no_process(tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    checkout = Path(__file__).resolve().parents[2]
    made = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env={"PYTHONPATH": str(checkout)}, timeout=60
    )
    pid = int(made.stdout)
    left = [process for process in psutil.process_iter() if process.pid == pid]
    _, alive = psutil.wait_procs(left, timeout=10)
    assert alive == []


def test_what_it_begins_with_has_its_arguments():
    with alone(_remember, 3) as process:
        assert process.submit(_remembered).result() == 3


_kept = 0


def _remember(number):
    global _kept
    _kept = number


def _remembered():
    return _kept
