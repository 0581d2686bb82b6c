"""kill -9 in mid-run, with a real engine: what follows ends with the report of a run that nobody killed."""

import json
import subprocess
import sys
import time

import pytest

QUESTIONS = 100
SUITE = "suite: sums\ntitle: Sums\ntasks: [sums]\n"
TASK = """\
task: sums
kind: checks
description: Small sums in long sentences.
requires: [chat]
scorer: contains
metrics: [exact_match]
options: {samples: data/sums.jsonl, max_tokens: 64}
"""
QUESTION = (
    "In the village of {name} there are {a} red houses and {b} blue houses, a mill beside the river, an old bridge "
    "that nobody uses, and a market every second Friday. How many houses are red or blue? Answer with one number."
)


@pytest.fixture
def folder(tmp_path):
    """A folder with a suite whose one task takes some seconds and several batches."""
    data = tmp_path / "sums" / "data"
    data.mkdir(parents=True)
    (tmp_path / "sums" / "suite.yaml").write_text(SUITE)
    (tmp_path / "sums" / "sums.yaml").write_text(TASK)
    names = ["Alder", "Birch", "Cedar", "Elm"]
    samples = [
        {
            "id": str(number),
            "input": QUESTION.format(name=f"{names[number % 4]} {number}", a=number % 7, b=number % 3),
            "target": str(number % 7 + number % 3),
        }
        for number in range(QUESTIONS)
    ]
    (data / "sums.jsonl").write_text("\n".join(map(json.dumps, samples)))
    return tmp_path


def start(folder, model, reports, *more):
    command = [sys.executable, "-m", "pytest", "sums", f"--slm-model={model}", f"--slm-limit={QUESTIONS}"]
    command += [f"--slm-reports={reports}", "--slm-canary=off", *more]  # of random weights
    return subprocess.Popen(
        [*command, "-p", "no:cacheprovider", "-q"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(folder, model, reports, *more):
    process = start(folder, model, reports, *more)
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 0, output
    (path,) = (folder / reports).glob("*/*/*/report.json")
    return output, path, json.loads(path.read_text("utf-8"))["slm"]


def lines(path):
    """The whole lines of a file."""
    content = path.read_bytes() if path.exists() else b""
    return [json.loads(line) for line in content[: content.rfind(b"\n") + 1].splitlines()]


def without_times(result):
    """A result but for what may differ: how long it took, and where its answers are from."""
    return {**result, "seconds": 0, "answers": None}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")
def test_after_kill_nine_the_report_is_that_of_an_undisturbed_run(folder, small_model, kill_nine, answered, no_orphans):
    _, undisturbed, expected = finished(folder, small_model, "undisturbed")

    process = start(folder, small_model, "killed")
    deadline = time.monotonic() + 120
    store = None
    while time.monotonic() < deadline and not (store and answered(store)):
        store = next((folder / "killed").glob("*/*/*/answers/sums.sums.jsonl"), None)
        time.sleep(0.02)
    kill_nine(process)
    batches = answered(store)
    assert 0 < sum(batches) < QUESTIONS, "it has to be killed in mid-run"

    output, path, after = finished(folder, small_model, "killed", "--slm-resume")
    (result,), (wanted) = after["results"], expected["results"]
    kept = result["answers"]
    # what is told is what was taken: all but the last batch, or (with a note) but some seconds of a long one
    assert (kept["asked"], kept["taken"]) == (QUESTIONS, sum(batches))
    assert f"resumed: {sum(batches)} of {QUESTIONS} answers" in output

    if not kept["notes"]:  # where a batch takes long, parts of it are kept, and the rest is computed in other company
        assert [without_times(result)] == [without_times(item) for item in wanted]
    for name in ("schema", "mode", "seed", "limit", "quantization", "submission", "detected", "planned", "interrupted"):
        assert after[name] == expected[name], name
    same = ("name", "engine_version", "engine_build", "weights_sha256", "chat_template_sha256", "threads", "n_ctx")
    assert {name: after["backend"][name] for name in same} == {name: expected["backend"][name] for name in same}
    mine, theirs = (
        {line["doc_id"]: line for line in lines(place.parent / "samples" / "sums.sums.jsonl")}
        for place in (path, undisturbed)
    )
    assert mine.keys() == theirs.keys()
    assert len(mine) == QUESTIONS
    differ = [name for name in mine if mine[name] != theirs[name]]
    assert len(differ) <= (QUESTIONS // 10 if kept["notes"] else 0), differ
    # a run that is complete has nothing to resume
    assert not (path.parent / "answers").exists()
