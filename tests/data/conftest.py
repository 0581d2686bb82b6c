"""A small data set, and a server that answers as the Hub does."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CARD = """---
license: mit
configs:
- config_name: one
  data_files:
  - {split: test, path: one/test-*}
- config_name: two
  data_files:
  - {split: test, path: two/test-*}
---
"""
COMMIT = "c" * 40


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """The mirror ./source with the data set org/set, of two configurations."""
    folder = tmp_path / "source" / "org" / "set"
    for config in ("one", "two"):
        (folder / config).mkdir(parents=True)
        (folder / config / "test-00000.jsonl").write_text(f'{{"text": "{config}"}}\n' * 400)
    (folder / "README.md").write_text(CARD)
    (folder / "run_me.py").write_text("raise SystemExit('never fetched')")
    return tmp_path / "source"


class Hub:
    """What the server was asked, and how it is to misbehave: ``damage`` maps a file to what is sent in its place."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.fetched: list[str] = []
        self.damage: dict[str, bytes] = {}
        self.down = self.gated = False


@pytest.fixture
def hub(repo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The Hub's API over the mirror ./source, at HF_ENDPOINT."""
    state = Hub(repo)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    yield state
    server.shutdown()
    server.server_close()


def _handler(hub: Hub) -> Callable[..., Any]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def log_message(self, *_arguments: object) -> None:
            pass

        def _answer(self, *, body: bool) -> None:
            path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
            if hub.down:
                return self._send(500, b"down", body)
            if path.startswith("/api/datasets/"):
                dataset = "/".join(path.removeprefix("/api/datasets/").split("/")[:2])
                return self._send(200, self._info(dataset), body) if (hub.root / dataset).is_dir() else self._gone(body)
            if hub.gated:
                return self._send(403, b"{}", body, **{"X-Error-Code": "GatedRepo"})
            parts = path.removeprefix("/datasets/").split("/")
            file = hub.root / "/".join(parts[:2]) / "/".join(parts[4:])
            if not file.is_file():
                return self._gone(body)
            content = hub.damage.get(file.name, file.read_bytes())
            if body:
                hub.fetched.append(file.relative_to(hub.root).as_posix())
            etag = hashlib.sha256(file.read_bytes()).hexdigest()
            return self._send(200, content, body, **{"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})

        def _info(self, dataset: str) -> bytes:
            siblings = []
            for file in sorted(path for path in (hub.root / dataset).rglob("*") if path.is_file()):
                content = file.read_bytes()
                git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
                found = {
                    "rfilename": file.relative_to(hub.root / dataset).as_posix(),
                    "size": len(content),
                    "blobId": git,
                }
                if file.suffix == ".jsonl":
                    digest = hashlib.sha256(content).hexdigest()
                    found["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 130}
                siblings.append(found)
            info = {"id": dataset, "sha": COMMIT, "siblings": siblings, "cardData": {"license": "mit"}, "tags": []}
            return json.dumps(info).encode()

        def _gone(self, body: bool) -> None:
            self._send(404, b"{}", body, **{"X-Error-Code": "RepoNotFound"})

        def _send(self, code: int, content: bytes, body: bool, **headers: str) -> None:
            self.send_response(code)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(content)

    return Handler
