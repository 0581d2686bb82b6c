"""``kill -9`` in the middle of a batch: what the model had answered some seconds before is not asked again."""

import json
import subprocess
import sys
import time

import pytest

SESSION = """
import sys, pytest
from pytest_slm.answers import keeping
keeping.PART_S = 0.1  # seconds that a test can wait for
sys.exit(pytest.main(sys.argv[1:]))
"""
SLOW = {"rules": [{"contains": "question", "action": "pause"}], "text": "Paris"}


def kept(pytester):
    """The answers in the file, line by line."""
    found = list(pytester.path.glob("reports/*/*/*/answers/geo.a.jsonl"))
    content = found[0].read_bytes() if found else b""
    return [len(json.loads(line)["answers"]) for line in content[: content.rfind(b"\n") + 1].splitlines()]


@pytest.mark.subprocess
def test_after_kill_nine_only_the_last_seconds_are_asked_again(run, suite, script, pytester, report, results):
    suite(a=[(f"question {number}", "Paris") for number in range(12)])
    command = [sys.executable, "-c", SESSION, "suites", f"--slm-model={script(**SLOW)}", "-p", "no:cacheprovider"]
    child = subprocess.Popen(command, cwd=pytester.path, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(kept(pytester)) < 3:
        assert time.monotonic() < deadline
        assert child.poll() is None
        time.sleep(0.02)
    child.kill()
    child.wait()
    there = sum(kept(pytester))
    assert 3 <= there < 12, "one batch, killed in the middle"
    (samples,) = pytester.path.glob("reports/*/*/*/samples/geo.a.jsonl")
    told = len(samples.read_bytes().splitlines())
    assert told - there <= 1, "what was told is kept, but for the last"
    run("suites", "--slm-resume", **SLOW).assert_outcomes(passed=1)
    answers = results(report())["geo/a"]["answers"]
    assert (answers["asked"], answers["taken"]) == (12, there)
    assert answers["notes"][0].startswith(f"{12 - there} answers were computed without")
