"""kill -9 at any moment: what is in the store is whole, and the next session measures the rest."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time

import pytest

from pytest_slm.cells.store import read_all

N = 8
PAIRS = [(f"Question {number}?", "Paris") for number in range(3)]


def start(pytester, reference, *arguments):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", f"--slm-model={reference}", "suites"]
    return subprocess.Popen(
        [*command, "--slm-canary=off", *arguments], cwd=pytester.path, stdout=subprocess.PIPE, text=True
    )


def comparable(folder):
    """The cells of a store but for times and what is told of the process."""
    cells, errors = read_all(folder)
    assert errors == []
    found = {}
    for one in cells:
        result = {**one.result.to_json(), "seconds": 0.0, "answers": None}
        found[one.cell.key] = (json.dumps(result, sort_keys=True), one.samples)
    return found


@pytest.mark.subprocess
@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")
def test_what_is_killed_at_random_moments_ends_as_what_nobody_killed(pytester, suite, script, kill_nine, no_orphans):
    suite(**{f"t{number}": PAIRS for number in range(N)})
    reference = script(text="Paris", rules=[{"contains": "1?", "text": "Paris", "action": "pause"}])
    moments = random.Random(22)
    asked = []
    for who in ("pytest", "model", "both"):
        before = len(list(pytester.path.glob("cells/*/*.json")))
        process = start(pytester, reference, "--slm-store=cells", "--slm-resume", "--slm-reports=killed")
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if len(list(pytester.path.glob("cells/*/*.json"))) > before + (who != "pytest"):
                break
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.2))
        if process.poll() is None:
            kill_nine(process, who)
        comparable(pytester.path / "cells")  # none of them is half a file
        asked.append(before)
    output, _ = start(pytester, reference, "--slm-store=cells", "--slm-resume", "--slm-reports=killed").communicate()
    assert f"of {N} items taken over" in output
    assert asked[-1] > 0
    output, _ = start(pytester, reference, "--slm-store=whole", "--slm-reports=whole-reports").communicate()
    assert f"{N} measured and kept" in output
    assert comparable(pytester.path / "cells") == comparable(pytester.path / "whole")
