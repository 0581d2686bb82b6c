"""kill -9 in mid-conversation: the memory is what it would have been, and only the last batch is asked again."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import platformdirs
import pytest
import yaml
from slm_surroundings import calling

from pytest_slm.core.types import Task

SUITE = "suite: remembering\ntitle: Remembering\ntags: [remembering]\ntasks: [notes]\n"
TURNS = 6


def told(number):
    return f"Fact {number}."


def script(path):
    """A model that keeps every fact it is told, and takes its time for the last one."""
    rules = [{"contains": told(number), "text": calling("keep", text=f"fact {number}")} for number in range(TURNS)]
    rules[-1]["action"] = "pause"
    rules += [{"contains": "Which", "text": calling("read")}, {"contains": '"notes"', "text": "fact 0, I think"}]
    path.write_text(json.dumps({"rules": rules, "text": "Hm."}))
    return f"fake:{path}"


@pytest.fixture
def folder(notes_task, notes_data, rows, sandbox_there, tmp_path, monkeypatch):
    """A suite of one conversation of several turns and two questions about it; and a cache that has its package."""
    task: Task = notes_task()
    data = notes_data(
        [
            rows.question("q1", "shop", "Which was first?", "fact 0"),
            rows.question("q2", "shop", "Which was last?", "5"),
        ],
        [rows.conversation("shop", 0, *map(told, range(TURNS)))],
    )
    suite = tmp_path / "suites" / "remembering"
    suite.mkdir(parents=True)
    (suite / "suite.yaml").write_text(SUITE)
    content = {
        "task": "notes",
        "kind": task.kind,
        "description": "Facts that were told.",
        "requires": ["chat"],
        "primary": "accuracy",
        "metrics": ["accuracy"],
        "breakdown": "scenario",
        "variants": {"notes": {"tool": "Notes"}},
        "options": dict(task.options),
    }
    (suite / "notes.yaml").write_text(yaml.safe_dump(content))
    cache = tmp_path / "xdg" / "pytest-slm"
    cache.mkdir(parents=True)
    (cache / "packages").symlink_to(tmp_path / "cache" / "packages")
    (cache / "sandbox").symlink_to(Path(platformdirs.user_cache_dir("pytest-slm")) / "sandbox")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    return tmp_path, data


def start(folder, data, reports, *more):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "suites", f"--slm-data={data}"]
    command += [f"--slm-model={script(folder / 'script.json')}", "--slm-canary=off", f"--slm-reports={reports}", *more]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finished(folder, data, reports, *more):
    """What the session said, its one result, and its samples."""
    process = start(folder, data, reports, *more)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    (path,) = (folder / reports).glob("*/*/*/report.json")
    (result,) = json.loads(path.read_text("utf-8"))["slm"]["results"]
    (samples,) = (path.parent / "samples").glob("*.jsonl")
    return output, result, samples.read_text("utf-8")


@pytest.mark.nightly
@pytest.mark.subprocess
@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")
def test_a_memory_goes_on_with_what_it_had_when_it_was_killed(folder, kill_nine, answered, no_orphans):
    folder, data = folder
    _, wanted, lines = finished(folder, data, "undisturbed")
    said = wanted["answers"]["asked"]
    before = 2 * (TURNS - 1)  # a call, and what is said when its result is there
    assert said > before

    process = start(folder, data, "killed")
    deadline = time.monotonic() + 120
    store = None
    while process.poll() is None and time.monotonic() < deadline and sum(answered(store)) < before:
        store = next((folder / "killed").glob("*/*/*/answers/*.jsonl"), None)
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()[0]
    kill_nine(process)
    assert sum(answered(store)) == before, "it has to be killed while the last fact is told"

    output, result, after = finished(folder, data, "killed", "--slm-resume")
    assert f"resumed: {before} of {said} answers" in output
    assert (result["answers"]["asked"], result["answers"]["taken"]) == (said, before)
    same = ("metrics", "provenance", "n", "clusters")
    assert {name: result.get(name) for name in same} == {name: wanted.get(name) for name in same}
    assert after == lines
