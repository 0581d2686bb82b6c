"""A quantization that does not fit costs its own items, and no others."""

import json
import sys

import pytest

LIMIT = 400_000_000
CONFTEST = """
import os, pathlib

group = pathlib.Path({group!r})
(group / "cgroup.procs").write_text(str(os.getpid()))

def pytest_runtest_logfinish():  # the next one may have more
    for name in ("memory.memsw.limit_in_bytes", "memory.limit_in_bytes", "memory.max"):
        if (group / name).exists():
            (group / name).write_text(str(10 * {limit}))
"""


@pytest.mark.subprocess
@pytest.mark.skipif(sys.platform != "linux", reason="needs control groups")
def test_the_kernel_kills_one_quantization_and_the_next_one_is_measured(run, suite, pytester, memory_group):
    suite(one=[("capital of France?", "Paris")])
    pytester.makeconftest(CONFTEST.format(group=str(memory_group(LIMIT)), limit=LIMIT))
    rule = {"contains": "capital", "action": "grow", "bytes": 2 * LIMIT, "text": "Paris"}
    done = run("suites", "--slm-quant=all", quantizations=["BIG", "SMALL"], rules=[rule])
    done.assert_outcomes(errors=1, passed=1)
    done.stdout.fnmatch_lines(["*out of memory, peak 0.* GB: the kernel killed the process*out-of-memory*"])
    (big,) = pytester.path.glob("reports/fake/BIG/*/report.json")
    (result,) = json.loads(big.read_text())["slm"]["results"]
    assert result["outcome"] == "error"
    assert result["metrics"] == []
    assert "out of memory, peak 0." in result["reason"]
    (small,) = pytester.path.glob("reports/fake/SMALL/*/report.json")
    (result,) = json.loads(small.read_text())["slm"]["results"]
    assert (result["outcome"], result["metrics"][0]["value"]) == ("passed", 1.0)
