"""Sessions of pytest in a folder of their own, with scripted models and small suites."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SUITE = "suite: {name}\ntitle: {name}\ntags: [{name}]\ntasks: [{tasks}]\n"
TASK = """\
kind: checks
description: One question.
requires: [chat]
scorer: contains
metrics: [exact_match]
options: {{samples: data/{name}.jsonl, max_tokens: 8}}
{more}
"""


@pytest.fixture
def run(session: Callable[..., pytest.RunResult], script: Callable[..., str]) -> Callable[..., pytest.RunResult]:
    """A session with a scripted model: ``run("-x", text="Paris")``."""

    def start(*arguments: str, model: str | None = None, **content: Any) -> pytest.RunResult:
        reference = model or script(**content)
        cache = [] if "cacheprovider" in arguments else ["-p", "no:cacheprovider"]
        if (
            "vocab_size" in content
        ):  # it is looked at before it counts then, and a scripted model knows no order of words
            cache.append("--slm-canary=off")
        return session(f"--slm-model={reference}", *cache, *arguments)

    return start


@pytest.fixture
def suite(pytester: pytest.Pytester) -> Callable[..., Path]:
    """Writes a suite with one task per keyword: name to list of (question, target) pairs."""

    def write(name: str = "geo", more: str = "", **tasks: list[tuple[str, str]]) -> Path:
        folder = pytester.path / "suites" / name
        (folder / "data").mkdir(parents=True)
        (folder / "suite.yaml").write_text(SUITE.format(name=name, tasks=", ".join(tasks)))
        for task, pairs in tasks.items():
            (folder / f"{task}.yaml").write_text(TASK.format(name=task, more=more))
            lines = [
                json.dumps({"id": str(number), "input": question, "target": target})
                for number, (question, target) in enumerate(pairs)
            ]
            (folder / "data" / f"{task}.jsonl").write_text("\n".join(lines))
        return folder

    return write


@pytest.fixture
def good() -> list[tuple[str, str]]:
    """Questions of a task that the moody model answers well."""
    return [("Capital of France?", "Paris")]


@pytest.fixture
def crash() -> list[tuple[str, str]]:
    """Questions of a task that kill the moody model."""
    return [("boom", "Paris")]


@pytest.fixture
def moody() -> dict[str, Any]:
    """A model that says Paris, unless it is asked to crash, to wait, to fail or to be wrong."""
    return {
        "text": "Paris",
        "rules": [
            {"contains": "boom", "action": "crash"},
            {"contains": "wait", "action": "hang"},
            {"contains": "fail", "action": "error"},
            {"contains": "wrong", "text": "London"},
        ],
    }


@pytest.fixture
def report(pytester: pytest.Pytester) -> Callable[[], dict[str, Any]]:
    """The only run report below ./reports."""

    def read() -> dict[str, Any]:
        (path,) = pytester.path.glob("reports/*/*/*/report.json")
        return json.loads(path.read_text("utf-8"), parse_constant=lambda word: pytest.fail(f"{word} in {path}"))

    return read


def results(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Results by ``suite/task[variant]``."""
    found = {}
    for result in document["slm"]["results"]:
        variant = f"[{result['variant']}]" if result["variant"] else ""
        found[f"{result['suite']}/{result['task']}{variant}"] = result
    return found


@pytest.fixture(name="results")
def results_fixture() -> Callable[[dict[str, Any]], dict[str, dict[str, Any]]]:
    """``results(report())``: results by ``suite/task[variant]``."""
    return results
