"""Jobs of workflows, against a GitHub on this machine."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pytest_slm.ci.artifacts import Origin, pack
from pytest_slm.ci.github.client import GitHub
from pytest_slm.ci.job import Job

TOKEN = "ghs_notInAnyOutput"


@pytest.fixture(scope="session")
def standin() -> ModuleType:
    """``tests/ci/standin``: its names and its server."""
    return sys.modules["slm_github_standin"]  # tests/conftest.py has loaded it


@pytest.fixture
def tiny_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with two small GGUF files, which the submission of pull request 1 names."""
    weights = sys.modules["slm_small_weights"]
    site = tmp_path / "site-packages"
    (site / "tiny_model").mkdir(parents=True)
    (site / "tiny_model-1.0.dist-info").mkdir()
    files = {"tiny-Q8_0.gguf": weights.gguf(), "tiny-F16.gguf": weights.gguf({"general.file_type": (4, 1)})}
    for name, content in files.items():
        (site / "tiny_model" / name).write_bytes(content)
    record = "".join(f"tiny_model/{name},,\n" for name in files)
    (site / "tiny_model-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n"
    )
    (site / "tiny_model-1.0.dist-info" / "RECORD").write_text(record)
    monkeypatch.syspath_prepend(site)
    return site


@pytest.fixture(scope="session")
def _server(standin: ModuleType) -> Iterator[Any]:
    with standin.serve() as server:
        yield server


@pytest.fixture
def hosted(standin: ModuleType, _server: Any) -> Iterator[Any]:
    """The repository that GitHub has: pull request 1 adds a submission. At the end nothing was asked that GitHub does
    not know."""
    _server.hosted, _server.requested = standin.Hosted(), standin.Requested()
    host, port = _server.server_address[:2]
    _server.hosted.url = f"http://{host}:{port}"
    _server.hosted.pull()
    yield _server.hosted
    assert _server.requested.strange == []


@pytest.fixture
def requested(hosted: Any, _server: Any) -> Any:
    """What was asked of it."""
    return _server.requested


@pytest.fixture
def main(hosted: Any, standin: ModuleType, tmp_path: Path) -> Any:
    """Its bare repository; merging pull request 1 is a commit there."""
    return standin.repository(tmp_path, hosted)


@pytest.fixture
def github(hosted: Any, standin: ModuleType) -> GitHub:
    """A client that never waits."""
    return GitHub(hosted.url, standin.REPO, TOKEN, sleep=lambda _: None)


Environment = Callable[..., dict[str, str]]


@pytest.fixture
def environment(hosted: Any, standin: ModuleType, tmp_path: Path) -> Environment:
    """What the runner has in a job's environment, for an event."""

    def make(event: Mapping[str, Any] | None = None, name: str = "issue_comment", **more: str) -> dict[str, str]:
        path = tmp_path / "event.json"
        path.write_text(json.dumps(event or {}), "utf-8")
        return {
            "GITHUB_REPOSITORY": standin.REPO,
            "GITHUB_RUN_ID": "55",
            "GITHUB_API_URL": hosted.url,
            "GITHUB_EVENT_NAME": name,
            "GITHUB_EVENT_PATH": str(path),
            "GITHUB_OUTPUT": str(tmp_path / "output"),
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
            "GITHUB_TOKEN": TOKEN,
            **more,
        }

    return make


@pytest.fixture
def job(environment: Environment) -> Callable[..., Job]:
    """The job of an event."""

    def make(event: Mapping[str, Any] | None = None, name: str = "issue_comment", **more: str) -> Job:
        return Job.of(environment(event, name, **more))

    return make


@pytest.fixture
def step(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs ``pytest-slm ci ...`` as a step of a job."""
    from pytest_slm.cli.main import main

    def run(*arguments: str, event: Mapping[str, Any] | None = None, name: str = "issue_comment", **more: str) -> int:
        for key, value in environment(event, name, **more).items():
            monkeypatch.setenv(key, value)
        monkeypatch.delenv("GITHUB_ACTIONS", raising=False)  # where these tests are steps themselves
        return main(["ci", *arguments])

    return run


@pytest.fixture
def outputs(tmp_path: Path) -> Callable[[], dict[str, str]]:
    """What later steps read."""

    def read() -> dict[str, str]:
        lines = (tmp_path / "output").read_text("utf-8").splitlines() if (tmp_path / "output").exists() else []
        return dict(line.split("=", 1) for line in lines)

    return read


@pytest.fixture
def zipped(tmp_path: Path) -> Callable[..., bytes]:
    """The archive of a folder, as the runner makes it of what a job hands over."""

    def make(folder: Path) -> bytes:
        path = tmp_path / "made.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for one in sorted(folder.rglob("*")):
                if one.is_file():
                    packed.write(one, one.relative_to(folder).as_posix())
        return path.read_bytes()

    return make


@pytest.fixture
def handed_over(
    tmp_path: Path, standin: ModuleType, zipped: Callable[..., bytes], factory: ModuleType
) -> Callable[..., bytes]:
    """The archive of a report that a job has measured; changes are those of its origin."""

    def make(quantization: str = "Q8_0", *, run: Any = None, origin_run: int = 55, **changes: Any) -> bytes:
        known = {"repo": standin.REPO, "run": origin_run, "pull": 1, "head": standin.HEAD, "kind": "report"}
        folder = tmp_path / f"handed-over-{len(list(tmp_path.glob('handed-over-*')))}"
        made = run or factory.make_run(
            quantization, slug="tiny", name="Tiny", hf_repo="org/tiny", run_id="r1", suites=("reasoning",)
        )
        samples = factory.make_samples(made)
        factory.store_run(folder / "reports", factory.agreeing(made, samples), samples)
        pack(folder, Origin(**{**known, "quantization": quantization, **changes}))
        return zipped(folder)

    return make
