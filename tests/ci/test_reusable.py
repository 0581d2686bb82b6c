"""measure.yml as other repositories call it: its script, as it stands there, with what the examples hand in."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/measure.yml").read_text("utf-8"))
INPUTS = WORKFLOW[True]["workflow_call"]["inputs"]  # YAML 1.1 takes the key `on` for true
STEPS = WORKFLOW["jobs"]["measure"]["steps"]

pytestmark = [
    pytest.mark.subprocess,
    pytest.mark.skipif(
        sys.platform == "win32" or shutil.which("bash") is None, reason="the runner's shell is bash on Linux"
    ),
]


def example(name):
    """What a file of examples/ci hands in."""
    document = yaml.safe_load((ROOT / "examples/ci" / name).read_text("utf-8"))
    return document["jobs"]["measure"]["with"]


def environment(step, given):
    """The environment of a step for these inputs, as the runner makes it."""
    values = {name: str(given.get(name, about.get("default", ""))) for name, about in INPUTS.items()}
    return {
        name: re.sub(r"\$\{\{ (inputs|secrets)\.([\w-]+) \}\}", lambda found: values.get(found[2], ""), text)
        for name, text in step["env"].items()
    }


@pytest.fixture
def measure(tmp_path, script):
    """Run the step that measures: ``measure(inputs, text="Paris")`` gives its exit code, and what it printed."""
    (step,) = [one for one in STEPS if one.get("name") == "measure"]
    (tmp_path / "bin").mkdir()
    pytest_here = tmp_path / "bin" / "pytest"
    pytest_here.write_text(f'#!/bin/sh\nexec {sys.executable} -m pytest -p no:cacheprovider "$@"\n')
    pytest_here.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()

    def run(given, **answers):
        (tmp_path / "summary.md").unlink(missing_ok=True)
        inputs = {**given, "model": script(**answers)}
        known = {**os.environ, "PATH": f"{pytest_here.parent}{os.pathsep}{os.environ['PATH']}"}
        known |= {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=work, env=known | environment(step, inputs), capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    run.work, run.summary = work, tmp_path / "summary.md"
    return run


def reports(folder):
    return [json.loads(path.read_text("utf-8"))["slm"] for path in sorted(folder.rglob("report.json"))]


def test_every_input_that_an_example_hands_in_is_one():
    for name in ("measure-my-model.yml", "no-worse-than-main.yml"):
        assert set(example(name)) <= set(INPUTS), name
    used = set(re.findall(r"inputs\.([\w-]+)", json.dumps(WORKFLOW["jobs"]) + str(WORKFLOW["concurrency"])))
    assert used == set(INPUTS)


@pytest.mark.nightly
def test_a_model_is_measured_and_its_tables_stand_on_the_page_of_the_job(measure):
    given = example("measure-my-model.yml")
    code, printed = measure({**given, "limit": 2}, text="Paris")
    assert code == 0, printed
    (report,) = reports(measure.work / "slm-reports")
    assert {one["suite"] for one in report["results"]} == set(given["suites"].split(","))
    assert (measure.work / "slm-reports" / "junit.xml").is_file()
    assert "core" in measure.summary.read_text("utf-8")


SUITE = """\
suite: mine
title: mine
tasks: [capitals]
"""
TASK = """\
kind: checks
description: Questions of this repository.
requires: [chat]
scorer: contains
metrics: [exact_match]
options: {samples: data/capitals.jsonl, max_tokens: 8}
"""


@pytest.mark.nightly
def test_a_pull_request_fails_where_the_model_has_become_worse(measure):
    given = example("no-worse-than-main.yml")
    given |= {"suites": "mine", "options": "suites\n" + given["options"].replace("core=0.3", "mine=0.1")}
    assert "--slm-gate=mine=0.1\n--slm-seed=7" in given["options"]
    folder = measure.work / "suites" / "mine"
    (folder / "data").mkdir(parents=True)
    (folder / "suite.yaml").write_text(SUITE)
    (folder / "capitals.yaml").write_text(TASK)
    lines = [json.dumps({"id": str(at), "input": f"{at} the capital?", "target": "Paris"}) for at in range(40)]
    (folder / "data" / "capitals.jsonl").write_text("\n".join(lines))

    code, printed = measure({**given, "baseline": "", "max-drop": ""}, text="Paris")
    assert code == 0, printed
    (run,) = [path.parent for path in (measure.work / "slm-reports").rglob("report.json")]
    kept = measure.work / given["baseline"]
    kept.parent.mkdir(parents=True)
    run.rename(kept)

    assert measure(given, text="Paris")[0] == 0
    assert "1 inconclusive" in measure.summary.read_text("utf-8")  # 40 questions do not see two points
    code, printed = measure(given, text="Paris", rules=[{"contains": "1", "text": "London"}])
    assert code == 1, printed
    assert "FAIL" in measure.summary.read_text("utf-8")
