"""A plan with a real engine and small weights, and what then happens. Times are the machine's; tokens and memory are
not."""

import json
import subprocess
import sys

import pytest

SELECTED = ("--slm-suite=core/arithmetic,guardrails/refusal,performance/memory", "--slm-limit=6")


def start(folder, model, *more):
    command = [
        sys.executable,
        "-m",
        "pytest",
        f"--slm-model={model}",
        *SELECTED,
        *more,
        "--slm-canary=off",  # of random weights
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def both(small_q4_1_model, tmp_path_factory):
    """The rows of a plan by item, the same run's report, and its folder."""
    folder = tmp_path_factory.mktemp("plan")
    plan = start(folder, small_q4_1_model, "--slm-plan")
    rows = {words[0]: words[1:] for line in plan.splitlines() if (words := line.split()) and words[0].endswith("]")}
    start(folder, small_q4_1_model)
    (path,) = folder.glob("reports/*/*/*/report.json")
    return rows, json.loads(path.read_text("utf-8"))["slm"], path.parent, plan


def test_prompt_tokens_are_those_that_were_then_shown(both):
    rows, report, folder, _ = both
    for result in report["results"]:
        if result["samples"]:
            lines = [json.loads(line) for line in (folder / result["samples"]).read_text("utf-8").splitlines()]
            samples, requests, shown = rows[f"{result['suite']}/{result['task']}[Q4_1]"][:3]
            assert int(samples) == int(requests) == len(lines) == 6
            assert int(shown.replace(",", "")) == sum(line["n_prompt"] for line in lines)


def test_memory_is_near_what_was_planned(both):
    rows, report, _, _ = both
    peaks = [float(row[6]) * {"MB": 1e6, "GB": 1e9}[row[7]] for row in rows.values() if len(row) > 7]
    (memory,) = [result for result in report["results"] if result["task"] == "memory"]
    (measured,) = [m["values"][0] for m in memory["measurements"] if m["name"] == "peak_rss_run"]
    assert max(peaks) == pytest.approx(measured, rel=0.15)


def test_a_plan_says_how_fast_the_model_is(both):
    *_, plan = both
    assert "rates of Q4_1: prompts " in plan
    assert "time: ? " not in plan
