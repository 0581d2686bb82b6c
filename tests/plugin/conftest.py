"""Sessions of pytest in a folder of their own, with scripted models and small suites."""

from __future__ import annotations

import contextlib
import importlib
import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import pytest_slm
from pytest_slm.hosts.sources import InProcessHosts, Opening
from pytest_slm.machine.quiet import wait_until_quiet
from pytest_slm.sandbox import image

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


class InThisProcess(InProcessHosts):
    """What a session gets in place of ``Hosts``: the same models, behind the same protocol, without a child process."""

    def __init__(self, openings: Mapping[str, Opening], *, request_timeout: float, **_: Any) -> None:
        super().__init__(openings, request_timeout=request_timeout)


ENGINES = ("backends.hf", "backends.llamacpp", "sandbox.machine", "sandbox.guest")
"""Modules of ours that bring an engine along, and what runs inside of the sandbox only."""

WITHOUT = [part for name in ("hypothesispytest", "anyio", "pytest_cov") for part in ("-p", f"no:{name}")]
"""What stands beside us because of these tests, and takes a third of a short session to import."""


@pytest.fixture(scope="session")
def _loaded() -> None:
    """Every module of ours, imported once: pytester takes away what its sessions import, and the next one would import
    it again (half a second each), as other classes under the same names."""
    for path in Path(pytest_slm.__path__[0]).rglob("*.py"):
        name = ".".join(path.relative_to(pytest_slm.__path__[0]).with_suffix("").parts).removesuffix(".__init__")
        if not name.startswith(ENGINES):
            importlib.import_module(f"pytest_slm.{name}")
    with contextlib.suppress(ImportError):  # its plugin imports it at the end of every session
        importlib.import_module("hypothesis")


COMPILED = image.folder()
"""Where this user's compiled interpreters of the sandbox are."""


@pytest.fixture
def _compiled(pytester: pytest.Pytester) -> None:
    """The user's compiled interpreter, in the home that pytester gives to sessions: compiling takes a minute of one
    core."""
    folder = image.folder()
    if folder != COMPILED and not folder.exists():
        COMPILED.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.parent.mkdir(parents=True)
        with contextlib.suppress(OSError):  # on Windows not everybody may
            folder.symlink_to(COMPILED, target_is_directory=True)


@pytest.fixture
def session(
    request: pytest.FixtureRequest,
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    _loaded: None,
    _compiled: None,
    no_orphans: object,
) -> Callable[..., pytest.RunResult]:
    """Runs pytest in the test's folder: in this process, or in one of its own if the test has the marker
    ``subprocess`` (the model dies, a signal comes, modules or the environment are looked at, workers are started)."""
    if request.node.get_closest_marker("subprocess"):
        return partial(pytester.runpytest_subprocess, *WITHOUT)
    monkeypatch.setattr("pytest_slm.plugin.start.Hosts", InThisProcess)
    # A budget counts from the start of the process, and this one may have run tests for half an hour.
    began = time.monotonic() - 1
    for user in ("planning.survey", "plugin.planner"):
        monkeypatch.setattr(f"pytest_slm.{user}.session_age", lambda: time.monotonic() - began)
    # While tests run side by side, other programs are never quiet: no session waits five seconds until they are.
    look_once = partial(wait_until_quiet, window_s=0.02)
    monkeypatch.setattr("pytest_slm.plugin.timing.wait_until_quiet", lambda _limit_s, look: look_once(0, look))
    # At its end an inner session's faulthandler would leave the signals changed that the sandbox listens to.
    return partial(pytester.runpytest_inprocess, "-p", "no:faulthandler")


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
