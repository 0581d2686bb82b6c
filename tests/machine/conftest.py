"""A machine made of files."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from pytest_slm.machine.cgroup import groups


@pytest.fixture
def tree(tmp_path: Path) -> Callable[[Mapping[str, object]], Path]:
    """Writes ``{"proc/stat": "..."}`` below a root, and returns the root. May be called again to change a file."""

    def write(files: Mapping[str, object]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        return tmp_path

    return write


@pytest.fixture
def cpu_group() -> Iterator[Path]:
    """A control group that may use a fifth of a CPU; skips where this user may not make one."""
    for parent in groups("cpu"):
        folder = parent / f"slm-test-{os.getpid()}"
        with contextlib.suppress(OSError):
            folder.mkdir()
            try:
                if (folder / "cpu.max").exists():
                    (folder / "cpu.max").write_text("20000 100000")
                else:
                    (folder / "cpu.cfs_period_us").write_text("100000")
                    (folder / "cpu.cfs_quota_us").write_text("20000")
            except OSError:
                folder.rmdir()
                continue
            break
    else:
        pytest.skip("this user may not make a control group with a limit of CPU")
    yield folder
    deadline = time.monotonic() + 10
    while folder.exists() and time.monotonic() < deadline:
        with contextlib.suppress(OSError):  # somebody is still in it
            folder.rmdir()
        time.sleep(0.05)
