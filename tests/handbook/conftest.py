"""A Hub on this machine that answers the real client, and can be made to misbehave."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from pytest_slm.handbook.facts import HubModel, HubModels, HubStats
from pytest_slm.handbook.featured import FeaturedList, FeaturedModel
from pytest_slm.handbook.storing import read_models, read_stats

SHA = "0123456789abcdef0123456789abcdef01234567"
NOW = datetime(2026, 11, 30, 6, tzinfo=UTC)
CONFIG = {
    **{"model_type": "llama", "max_position_embeddings": 8192, "num_hidden_layers": 30, "hidden_size": 576},
    **{"num_attention_heads": 9, "num_key_value_heads": 3},
}


def told(repo: str, **changes: Any) -> dict[str, Any]:
    """What the Hub tells of a small model with safetensors and two GGUF files; ``changes`` replace any of it."""
    files = {"config.json": 700, "model.safetensors": 269_060_552, "tokenizer.json": 2_104_556}
    files |= {"tiny-Q8_0.gguf": 144_811_360, "tiny-Q4_K_M.gguf": 105_454_432, "README.md": 9000}
    return {
        **{"id": repo, "sha": SHA, "private": False, "gated": False, "downloads": 12345, "likes": 67},
        **{"createdAt": "2024-10-31T12:00:00.000Z", "lastModified": "2025-02-06T10:00:00.000Z"},
        **{"library_name": "transformers", "pipeline_tag": "text-generation", "config": {"model_type": "llama"}},
        "tags": ["transformers", "gguf", "license:apache-2.0", "base_model:finetune:org/base"],
        "cardData": {"license": "apache-2.0", "language": ["en"], "base_model": "org/base"},
        "safetensors": {"parameters": {"BF16": 134_515_008}, "total": 134_515_008},
        "siblings": [{"rfilename": name, "size": size} for name, size in files.items()],
        **changes,
    }


class Repo:
    """What is answered about one model: its facts, its configuration, or ``answers`` in their place, one by one, the
    last one for ever."""

    def __init__(self, facts: dict[str, Any], config: object = CONFIG) -> None:
        self.facts, self.config = facts, config
        self.answers: list[tuple[int, dict[str, str], bytes]] = []


class Hub(ThreadingHTTPServer):
    """The part of the Hub's API that a sync needs; ``log`` has every question."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.repos: dict[str, Repo] = {}
        self.lists: dict[str, list[dict[str, Any]]] = {}
        """By tags, joined by commas."""
        self.log: list[str] = []
        self.tokens: set[str | None] = set()
        self.redirects = False
        """Whether files are somewhere else, as on the real Hub."""

        self.broken_lists = 0

    def add(self, repo: str, config: object = CONFIG, **changes: Any) -> Repo:
        self.repos[repo] = Repo(told(repo, **changes), config)
        return self.repos[repo]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body in one packet: else each answer waits for an acknowledgement of the first
    server: Hub

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        path = unquote(url.path)
        self.server.log.append(path)
        self.server.tokens.add(self.headers.get("Authorization"))
        if path == "/api/models" and self.server.broken_lists:
            self.server.broken_lists -= 1
            return self.say(500, b"")
        if path == "/api/models":
            tags = ",".join(parse_qs(url.query).get("filter", []))
            return self.say(200, json.dumps(self.server.lists.get(tags, [])).encode())
        if self.server.redirects and "/resolve/" in path and not path.startswith("/cache"):
            return self.say(307, b"", Location=f"/cache{self.path}")
        path = path.removeprefix("/cache").removeprefix("/api/models").strip("/")
        repo = self.server.repos.get("/".join(path.split("/")[:2]))
        if repo is None:
            return self.say(401, b"{}", **{"X-Error-Code": "RepoNotFound"})
        if repo.answers:
            status, headers, body = repo.answers.pop(0) if len(repo.answers) > 1 else repo.answers[0]
            return self.say(status, body, **headers)
        if "/resolve/" not in path:
            return self.say(200, json.dumps(repo.facts).encode())
        if repo.config is None:
            return self.say(404, b"{}", **{"X-Error-Code": "EntryNotFound"})
        return self.say(200, repo.config if isinstance(repo.config, bytes) else json.dumps(repo.config).encode())

    def say(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, text in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="session")
def _server() -> Iterator[Hub]:
    with Hub() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def hub(_server: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hub:
    """A Hub without models, and the client set to it, with no token and no cache."""
    pytest.importorskip("huggingface_hub", reason="needs `pip install 'pytest-slm[hub]'`")
    from huggingface_hub import constants

    _server.repos, _server.lists, _server.log, _server.tokens = {}, {}, [], set()
    _server.redirects, _server.broken_lists = False, 0
    # The client reads the environment when it is imported, which another test may have done.
    monkeypatch.setattr(constants, "ENDPOINT", _server.url)
    template = f"{_server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    # As in a new process, which would ask for a list of programs that start it.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", False)
    monkeypatch.setattr(constants, "AGENT_HARNESSES_PATH", str(tmp_path / "none"), raising=False)
    with contextlib.suppress(ImportError):  # older clients have none
        monkeypatch.setattr("huggingface_hub.utils._detect_agent._registry", None, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", _server.url)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return _server


class Place:
    """A folder of facts, synced as often as a test wants."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.waits: list[float] = []

    def sync(self, *repos: str, now: datetime = NOW, featured: FeaturedList | None = None, **options: Any) -> Any:
        from pytest_slm.handbook.sync import sync

        chosen = featured or FeaturedList(models=tuple(FeaturedModel(repo=repo, tasks=("chat",)) for repo in repos))
        return sync(chosen, self.folder, now=now, sleep=self.waits.append, **options)

    @property
    def models(self) -> dict[str, HubModel]:
        return {model.repo: model for model in read_models(self.folder).models}

    @property
    def stats(self) -> HubStats:
        return read_stats(self.folder)

    @property
    def texts(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(self.folder.glob("*"))}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "data")


@pytest.fixture
def model() -> Callable[..., HubModel]:
    """Makes a model as a sync leaves it."""

    def make(repo: str = "org/tiny", **changes: Any) -> HubModel:
        return HubModel.from_json({**_known(repo).to_json(), **_plain(changes)})

    return make


def _plain(changes: dict[str, Any]) -> dict[str, Any]:
    from pytest_slm.core.record import jsonable

    return {key: jsonable(value) for key, value in changes.items()}


def _known(repo: str) -> HubModel:
    from huggingface_hub import ModelInfo

    from pytest_slm.handbook.sync.reading import configured, model_of

    found = model_of(repo, ModelInfo(**told(repo)), HubModel(repo=repo, tasks=("chat",), featured=True))
    return configured(found, CONFIG, repo)


@pytest.fixture
def pages() -> Callable[..., dict[str, str]]:
    """Makes all pages of some models."""
    from pytest_slm.handbook.pages.build import all_pages

    def make(*models: HubModel, stats: HubStats | None = None, **options: Any) -> dict[str, str]:
        titles = {"chat": "Chat and instructions"}
        featured = options.pop("featured", FeaturedList(task_titles=titles))
        return dict(all_pages(HubModels(models=models), stats or HubStats(synced="2026-11-30"), featured, **options))

    return make
