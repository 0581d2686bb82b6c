"""The workflow files: who may write, what is pinned, and that nothing of a stranger's text is ever a command."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pytest_slm.ci.collecting import NAME, WORKFLOW
from pytest_slm.cli.main import _parser

ROOT = Path(__file__).parents[2]
OURS = sorted((ROOT / ".github/workflows").glob("*.yml"))
EXAMPLES = sorted((ROOT / "examples/ci").glob("*.yml"))
FILES = [*OURS, *EXAMPLES]
LOADED = {path.name: yaml.safe_load(path.read_text("utf-8")) for path in FILES}
TRIGGER = True  # YAML 1.1 takes the key `on` for that
JOBS = [(path.name, name, job) for path in FILES for name, job in LOADED[path.name]["jobs"].items()]
STEPS = [(file, name, job, step) for file, name, job in JOBS for step in job.get("steps", ())]
RUNS = [(file, name, job, step) for file, name, job, step in STEPS if "run" in step]
MARKET = ("submission.yml", "benchmark.yml", "publish.yml")
"""Where strangers can start something."""
HUB = ("hub-sync.yml", "hub-report.yml", "links.yml")
"""Started by the clock: tests/handbook looks at what they do."""


def verbs(script: str) -> set[str]:
    """The steps of ``pytest-slm ci`` in a script."""
    return set(re.findall(r"pytest-slm ci (\w+)", script))


def permissions(file: str, job: dict) -> dict[str, str]:
    found = job.get("permissions", LOADED[file].get("permissions"))
    assert isinstance(found, dict), "read-all and write-all say nothing"
    return found


def test_there_are_the_workflows_that_the_documents_name():
    assert {path.name for path in OURS} == {*MARKET, *HUB, "measure.yml", "ci.yml", "nightly.yml", "pages.yml"}
    assert WORKFLOW == ".github/workflows/benchmark.yml"
    assert EXAMPLES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_has_permissions_at_the_top_that_write_nothing_and_a_group(path):
    document = LOADED[path.name]
    assert set(document["permissions"].values()) <= {"read"}
    assert document["concurrency"]["group"]


def test_every_job_has_a_limit_of_time():
    # of a job that is another workflow, that one has it
    wrong = [(file, name) for file, name, job in JOBS if "uses" not in job and "timeout-minutes" not in job]
    assert wrong == []


def test_actions_are_pinned_by_their_commits_with_the_version_beside():
    pins: dict[str, set[str]] = {}
    for path in FILES:
        for line in path.read_text("utf-8").splitlines():
            used = re.search(r"(?<![a-z])uses: *(\S+)(.*)", line)
            if used is None or used[1].startswith("./") or path in EXAMPLES:
                continue
            pinned = re.fullmatch(r"(actions/[\w-]+)@([0-9a-f]{40})", used[1])
            assert pinned, line
            assert re.fullmatch(r" # v\d+\.\d+\.\d+", used[2]), line
            pins.setdefault(pinned[1], set()).add(f"{pinned[2]}{used[2]}")
    assert len(pins) >= 6
    assert {action: found for action, found in pins.items() if len(found) > 1} == {}


def test_no_expression_stands_in_a_script():
    # a branch called $(...), a title with a quote: what the runner puts into a script is a part of the script
    assert len(RUNS) > 30
    assert [(file, name, step["run"]) for file, name, _, step in RUNS if "${{" in step["run"]] == []


def test_nothing_that_a_stranger_writes_reaches_an_environment_or_an_input():
    texts = re.compile(
        r"event\.\w+\.(?:title|body|head\.ref|head\.label|user\.login|\w*name)|github\.head_ref|event\.comment\.body"
    )
    for file, name, job, step in STEPS:
        given = {**job.get("env", {}), **step.get("env", {}), **step.get("with", {})}
        assert not [value for value in given.values() if texts.search(str(value))], (file, name)
    conditions = [str(one.get("if", "")) for *_, job, step in STEPS for one in (job, step)]
    found = {one for one in conditions if texts.search(one)}
    assert found == {"github.event.issue.pull_request && startsWith(github.event.comment.body, '/')"}


def test_the_pull_request_is_never_checked_out():
    checkouts = [(file, step) for file, *_, step in STEPS if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) > 10
    for file, step in checkouts:
        given = step["with"]
        assert given["persist-credentials"] is False, file
        assert "allow-unsafe-pr-checkout" not in given
        assert not re.search(r"head|pull_request|merge", str(given.get("ref", ""))), file
        assert "repository" not in given
    assert not any("git fetch" in step["run"] or "gh pr checkout" in step["run"] for *_, step in RUNS)


def test_events_of_strangers_start_one_workflow_each():
    started = {name: set(document[TRIGGER]) for name, document in LOADED.items()}
    assert [name for name, events in started.items() if "pull_request_target" in events] == ["submission.yml"]
    assert [name for name, events in started.items() if "issue_comment" in events] == ["benchmark.yml"]
    assert not any("workflow_run" in events for events in started.values())
    assert LOADED["benchmark.yml"][TRIGGER]["issue_comment"]["types"] == ["created"]


def test_who_reads_what_strangers_wrote_cannot_write_and_who_writes_does_not_read_it():
    reading, writing = {"submission", "command", "matrix", "measure", "collect"}, {"comment", "status"}
    seen = set()
    for file, name, job in JOBS:
        said = set().union(*(verbs(step.get("run", "")) for step in job.get("steps", ())))
        mine = permissions(file, job)
        seen |= said
        if said & reading:
            assert set(mine.values()) == {"read"}, (file, name)
            assert not said & writing, (file, name)
    assert seen == {*reading, *writing, "publish"}


def test_where_weights_are_opened_there_is_no_secret_and_no_token():
    opening = [(file, job, step) for file, _, job, step in RUNS if verbs(step["run"]) & {"measure", "matrix"}]
    assert len(opening) == 3
    for file, job, step in opening:
        assert permissions(file, job).keys() <= {"contents", "actions"}
        assert "token" not in str({**job.get("env", {}), **step.get("env", {})}).lower()
    for file in MARKET:
        assert "secrets" not in (ROOT / ".github/workflows" / file).read_text("utf-8").replace(
            "no job has a secret", ""
        )


def test_a_token_is_in_the_environment_of_single_steps_alone():
    for file, name, job, step in STEPS:
        assert "token" not in str(job.get("env", {})).lower(), (file, name)
        if "github.token" in str(step) and file in HUB:
            assert re.search(r"^ *gh ", step["run"], re.MULTILINE), (file, name)
            assert step["env"]["GH_TOKEN"] == "${{ github.token }}"
        elif "github.token" in str(step):
            assert verbs(step["run"]), (file, name)
            assert step["env"]["GITHUB_TOKEN"] == "${{ github.token }}"
    assert not any("env" in LOADED[file] for file in MARKET)


def test_artifacts_are_taken_by_their_number_which_nobody_else_can_give():
    downloads = [step for *_, step in STEPS if step.get("uses", "").startswith("actions/download-artifact@")]
    assert len(downloads) > 5
    for step in downloads:
        assert step["with"].keys() == {"artifact-ids", "path"}
        assert re.fullmatch(r"\$\{\{ needs\.\w+\.outputs\.\w+ \}\}", step["with"]["artifact-ids"])


def test_what_measuring_jobs_hand_over_has_the_names_that_are_collected():
    names = [step["with"]["name"] for file, *_, step in STEPS if file == "benchmark.yml" and "upload-art" in str(step)]
    made = {re.sub(r"\$\{\{.*?\}\}", "3", name) for name in names}
    assert {name for name in made if NAME.fullmatch(name)} == {"slm-cells-3-3", "slm-report-3"}
    assert made == {"slm-cells-3-3", "slm-report-3", "slm-order", "slm-answer", "slm-comment"}


def test_every_step_is_a_command_that_there_is():
    lines = [
        line for *_, step in RUNS for line in step["run"].replace("\\\n", " ").splitlines() if "pytest-slm ci" in line
    ]
    assert len(lines) > 12
    for line in lines:
        plain = re.sub(r"\$\(\(.*?\)\)", "1", line.replace('"${more[@]}"', ""))
        words = [re.sub(r"\$\w+", "1", word) for word in shlex.split(plain)]
        assert callable(_parser().parse_args(words[1:]).run), line


def test_jobs_of_this_project_are_those_of_tox():
    environments = set(re.findall(r"^\[testenv:([\w-]+)", (ROOT / "tox.ini").read_text("utf-8"), re.MULTILINE))
    used = set()
    for file, *_, step in RUNS:
        if file in ("ci.yml", "nightly.yml"):
            used |= {name for names in re.findall(r"tox -e ([\w,-]+)", step["run"]) for name in names.split(",")}
    assert used == {"lint", "types", "workflows", "fast", "engine", "browser", "docs", "site", "nightly", "fleet"}
    assert used <= environments
    assert set(LOADED["ci.yml"]["jobs"]) == {"lint", "fast", "engine", "browser", "docs", "pages"}
    matrix = LOADED["ci.yml"]["jobs"]["fast"]["strategy"]["matrix"]
    assert [name.partition("-")[0] for name in matrix["os"]] == ["ubuntu", "macos", "windows"]
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]


def test_guides_are_checked_with_each_change_and_their_addresses_every_week():
    assert {"pull_request", "push"} <= LOADED["ci.yml"][TRIGGER].keys()
    steps = [step["run"] for step in LOADED["ci.yml"]["jobs"]["docs"]["steps"] if "run" in step]
    assert "tox -e docs,site" in steps
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(ROOT / "tox.ini", encoding="utf-8")
    assert settings["testenv:docs"]["commands"].startswith("pytest docs-site --slm-docs ")
    assert {"gguf", "demo", "hf", "docs"} <= set(settings["testenv:docs"]["extras"].split(", "))
    assert LOADED["links.yml"][TRIGGER]["schedule"] == [{"cron": "41 5 * * 1"}]
    assert "pytest docs-site --slm-docs-links -k web" in str(LOADED["links.yml"]["jobs"])


def test_what_is_put_on_the_web_is_the_whole_site():
    steps = LOADED["pages.yml"]["jobs"]["build"]["steps"]
    assert steps[0]["with"]["fetch-depth"] == 0  # else no page would say when it was last changed
    commands = [
        shlex.split(re.sub(r"\$\w+", "/tmp/x", line))
        for step in steps
        for line in step.get("run", "").replace("\\\n", " ").splitlines()
        if "pytest-slm" in line and "pip" not in line
    ]
    assert [words[1:3] for words in commands] == [["site", "build"], ["hub", "pages"], ["docs", "build"]]
    for words in commands:
        assert callable(_parser().parse_args(words[1:]).run)
    given = [vars(_parser().parse_args(words[1:])) for words in commands]
    assert given[0]["guides"] == f"{given[2]['output'].name}/"
    assert LOADED["publish.yml"]["jobs"]["pages"]["uses"] == "./.github/workflows/pages.yml"


def installed(name: str) -> str:
    """A program beside this Python, or anywhere. The test is skipped without it."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name}: tox -e workflows")
    return found


def test_actionlint_finds_nothing():
    done = subprocess.run([installed("actionlint"), "-no-color", *FILES], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_zizmor_finds_nothing():
    command = [installed("zizmor"), "--offline", "--no-progress", "--quiet", *FILES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
