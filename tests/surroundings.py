"""What tests of several folders share: scripted models, in this process or in one of their own, and small tasks."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.backends.lookup import Backends
from pytest_slm.backends.protocol import Backend, ModelSpec, Progress, silent
from pytest_slm.core.config import RunConfig
from pytest_slm.core.types import Message, MetricSpec, Quantization, Request, Submission, Task, WeightsHeader
from pytest_slm.extensions import Extensions
from pytest_slm.hosts.remote import RemoteBackend
from pytest_slm.hosts.sources import Hosts, InProcessHosts
from pytest_slm.kinds.context import RunContext
from pytest_slm.load import load_suite, load_task
from pytest_slm.run.records import SampleRecord

SUITES = Path(__file__).parents[1] / "suites"


def ask(text: str, **options: Any) -> Request:
    """A question of one message."""
    return Request(messages=(Message(role="user", content=text),), **options)


def calling(name: str, **arguments: Any) -> str:
    """A call of a function, as most models write it."""
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


@pytest.fixture
def kill_nine() -> Callable[..., None]:
    """``kill_nine(process)``: kill -9 of a process and of all that it has started, or of one side only, with
    ``"pytest"`` (the process itself) or ``"model"`` (its children)."""

    def kill(process: subprocess.Popen[str], who: str = "both") -> None:
        children = psutil.Process(process.pid).children(recursive=True)
        for one in [*(children if who != "pytest" else ()), *([process] if who != "model" else ())]:
            one.send_signal(signal.SIGKILL)
        process.communicate()

    return kill


@pytest.fixture
def answered() -> Callable[[Path | None], list[int]]:
    """How many answers each whole line of a file of answers has; those that have only begun stand in lines of their
    own."""

    def count(store: Path | None) -> list[int]:
        content = store.read_bytes() if store and store.exists() else b""
        whole = [json.loads(line) for line in content[: content.rfind(b"\n") + 1].splitlines()]
        return [len(line["answers"]) for line in whole if not line["batch"].endswith("+begun")]

    return count


@pytest.fixture
def fake(tmp_path: Path) -> Callable[..., Any]:
    """Opens a scripted model in this process: ``fake(text="Paris")``, or a subclass: ``fake(Watching, ...)``."""

    def make(kind: Callable[[ModelSpec], Fake] = Fake, **content: Any) -> Fake:
        path = tmp_path / "fake-script.json"
        path.write_text(json.dumps(content), "utf-8")
        return kind(ModelSpec(path=str(path), format="fake"))

    return make


@pytest.fixture
def hosted(tmp_path: Path) -> Iterator[Callable[..., RemoteBackend]]:
    """Opens a scripted model in this process behind the calls of a host: ``hosted(text="Paris")``."""
    made: list[InProcessHosts] = []

    def make(**content: Any) -> RemoteBackend:
        path = tmp_path / f"hosted-script-{len(made)}.json"
        path.write_text(json.dumps(content), "utf-8")
        spec = ModelSpec(path=str(path), format="fake")
        made.append(InProcessHosts({"Q": lambda: (Backends().find("fake"), spec)}))
        return made[-1].open("Q")

    yield make
    for hosts in made:
        hosts.close()


@pytest.fixture
def records() -> list[SampleRecord]:
    """The sample records that a runner wrote, in their order."""
    return []


@pytest.fixture
def context(records: list[SampleRecord], fake: Callable[..., Any]) -> Callable[..., RunContext]:
    """``context(backend, limit=3, seed=1)``: what a runner is given, with these settings of the run."""

    def make(
        backend: Backend | None = None,
        *,
        detected: WeightsHeader | None = None,
        progress: Progress = silent,
        extensions: Extensions | None = None,
        declared: dict[str, Any] | None = None,
        **config: Any,
    ) -> RunContext:
        quantization = Quantization(name="Q8_0", format="fake")
        opened = backend if backend is not None else fake()
        return RunContext(
            config=RunConfig(model="fake", **config),
            submission=Submission(slug="fake", name="Fake", quantizations=(quantization,), **(declared or {})),
            quantization=quantization,
            detect=lambda: detected,
            open=lambda: opened,
            record=records.append,
            extensions=extensions or Extensions(),
            progress=progress,
        )

    return make


@pytest.fixture
def checks_task(tmp_path: Path) -> Callable[..., Task]:
    """``checks_task([{"id": ...}, ...], scorer="exact", max_tokens=4)`` writes the samples; what is no field of a task
    is an option of it."""

    def make(samples: list[dict[str, Any]] | None = None, **given: Any) -> Task:
        options = {name: given.pop(name) for name in list(given) if name not in Task.__dataclass_fields__}
        if samples is not None:
            (tmp_path / "samples.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples), "utf-8")
            options.setdefault("samples", "samples.jsonl")
        fields: dict[str, Any] = {
            "name": "task",
            "suite": "suite",
            "kind": "checks",
            "description": "",
            "primary": "exact_match",
            "metrics": (MetricSpec(name="exact_match"),),
            "requires": ("chat",),
            "scorer": "exact",
            "path": str(tmp_path / "task.yaml"),
        }
        return Task(**{**fields, **given}, options=options)

    return make


@pytest.fixture(scope="session")
def built_in() -> Callable[[str], Task]:
    """``built_in("rag/niah")``: the task of that key, loaded from this repository's suites."""

    def load(key: str) -> Task:
        suite, _, name = key.partition("/")
        return load_task(SUITES / suite / f"{name}.yaml", load_suite(SUITES / suite / "suite.yaml"))

    return load


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails the test if anything in it tries to connect or to look up a name; the try itself is refused too."""
    tries: list[object] = []

    def refuse(*arguments: object, **_named: object) -> None:
        tries.append(arguments)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    yield
    assert not tries, f"the network was tried: {tries}"


@pytest.fixture
def fake_hosts(tmp_path: Path, no_orphans: object) -> Iterator[Callable[..., Hosts]]:
    """Makes ``Hosts`` with one scripted model per keyword: ``fake_hosts(A={...}, B={...})``."""
    made: list[Hosts] = []

    def make(*, start_timeout: float = 30, request_timeout: float = 30, alone: bool = True, **scripts: Any) -> Hosts:
        def opening(name: str, script: dict[str, Any]):
            path = tmp_path / f"{name}.json"
            path.write_text(json.dumps(script), "utf-8")
            return lambda: (Backends().find("fake"), ModelSpec(path=str(path), format="fake"))

        openings = {name: opening(name, script) for name, script in scripts.items()}
        hosts = Hosts(openings, start_timeout=start_timeout, request_timeout=request_timeout, alone=alone)
        made.append(hosts)
        return hosts

    yield make
    for hosts in made:
        hosts.close()
