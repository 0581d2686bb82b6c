"""The workflows of the hub: commands that exist, actions by their hash, and no right that a job does not need."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from pytest_slm.cli.main import _parser

FOLDER = Path(__file__).parents[2] / ".github/workflows"
NAMES = ("hub-sync", "hub-report", "links")
WRITING = {
    "hub-sync": {"propose": {"contents": "write", "pull-requests": "write"}},
    "hub-report": {"issue": {"issues": "write"}},
}


@pytest.fixture(params=NAMES)
def workflow(request):
    found = yaml.safe_load((FOLDER / f"{request.param}.yml").read_text("utf-8"))
    assert found["name"] == request.param
    return found


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_each_runs_on_a_schedule_once_at_a_time_and_not_for_ever(workflow):
    (when,) = workflow[True]["schedule"]  # YAML 1.1 reads "on" as true
    assert len(when["cron"].split()) == 5
    assert workflow["concurrency"]["group"] == workflow["name"]
    assert all(job["timeout-minutes"] <= 60 for job in workflow["jobs"].values())


def test_actions_are_named_by_their_hash_and_leave_no_token_behind(workflow):
    used = [step for step in steps(workflow) if "uses" in step]
    assert used
    assert [step["uses"] for step in used if not re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"])] == []
    checkouts = [step for step in used if "/checkout@" in step["uses"]]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_only_jobs_that_run_nothing_of_strangers_may_write(workflow):
    assert workflow["permissions"] == {}
    writing = WRITING.get(workflow["name"], {})
    for name, job in workflow["jobs"].items():
        assert job["permissions"] == writing.get(name, {"contents": "read"})
        commands = " ".join(step.get("run", "") for step in job["steps"])
        assert ("pip install" in commands) is (name not in writing)


def test_nothing_that_others_write_becomes_part_of_a_script(workflow):
    assert not [step["run"] for step in steps(workflow) if "${{" in step.get("run", "")]


def test_its_commands_are_ours(workflow):
    found = [step["run"] for step in steps(workflow) if step.get("run", "").startswith("pytest-slm ")]
    for command in found:
        assert callable(_parser().parse_args(shlex.split(command)[1:]).run)
    assert bool(found) is (workflow["name"] != "links")


def test_its_scripts_are_bash(workflow):
    for step in steps(workflow):
        if "run" in step:
            assert subprocess.run(["bash", "-n"], input=step["run"], text=True, check=False).returncode == 0


def test_the_issue_of_the_month_is_the_page_without_its_front_matter(tmp_path):
    text = (FOLDER / "hub-report.yml").read_text("utf-8")
    (program,) = re.findall(r"awk '(.*?)'", text)
    page = "---\ntitle: x\n---\n\n# State\n\n---\n\nend\n"
    done = subprocess.run(["awk", program], input=page, text=True, capture_output=True, check=True)
    assert done.stdout == "\n# State\n\n---\n\nend\n"


def test_only_the_three_files_of_facts_are_proposed(tmp_path):
    """The script of the pull request, with gh and the network taken away, on what an artifact may hold."""
    (job,) = (yaml.safe_load((FOLDER / "hub-sync.yml").read_text("utf-8"))["jobs"]["propose"],)
    script = job["steps"][-1]["run"]
    folder, facts = tmp_path / "checkout", tmp_path / "facts/nested"
    (folder / "docs-site/data").mkdir(parents=True)
    facts.mkdir(parents=True)
    for name in ("models.json", "models.yaml", "stats.json", "featured.yaml", "evil.sh"):
        (facts / name).write_text("new")
    (folder / "docs-site/data/featured.yaml").write_text("ours")
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "gh").write_text('#!/bin/sh\necho "$@" >> "$RUNNER_TEMP/gh.log"\n')
    (tools / "gh").chmod(0o755)
    environment = {
        "PATH": f"{tools}:/usr/bin:/bin",
        "RUNNER_TEMP": str(tmp_path),
        "HOME": str(tmp_path),
        "GH_TOKEN": "x",
    }

    def run(*command):
        return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout

    run("git", "init", "--quiet", "--bare", str(tmp_path / "origin"))
    run("git", "init", "--quiet")
    run("git", "remote", "add", "origin", str(tmp_path / "origin"))
    run("git", "-c", "user.name=x", "-c", "user.email=x@x", "commit", "--quiet", "--allow-empty", "--message", "first")
    run("bash", "-e", "-c", script)
    changed = run(
        "git", "-C", str(tmp_path / "origin"), "show", "--stat", "--format=", "--name-only", "hub-sync"
    ).split()
    assert changed == [f"docs-site/data/{name}" for name in ("models.json", "models.yaml", "stats.json")]
    assert (folder / "docs-site/data/featured.yaml").read_text() == "ours"
    assert "pr create --head hub-sync" in (tmp_path / "gh.log").read_text()
    assert "nothing differs" in run("bash", "-e", "-c", script)
