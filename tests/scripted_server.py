"""A server on this machine that answers as a test tells it to: the ordinary ways, and every fault."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pytest_slm.core.types import Message, Request
from pytest_slm.errors import SlmError

HELLO = Request(messages=(Message(role="user", content="Hello"),), max_tokens=8)
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
TEMPLATE_TOKENS = 6


def delta(text: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """One chunk of a conversation's answer."""
    said = {} if text is None else {"content": text}
    return {"choices": [{"index": 0, "delta": {**said, **more}, "finish_reason": finish}]}


def events(*chunks: Any, end: bytes = b"data: [DONE]\n\n") -> bytes:
    """Chunks as server-sent events."""
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + end


def failing(backend: Any, request: Request = HELLO) -> tuple[str | None, str]:
    """The error that a request ends in: its slug, and its one line."""
    with pytest.raises(SlmError) as error:
        backend.generate([request])
    text = str(error.value)
    assert "\n" not in text
    return error.value.slug, text


class Handler(BaseHTTPRequestHandler):
    """One request; what it answers stands in the server's ``routes``."""

    protocol_version = "HTTP/1.1"
    server: Any
    body: Any = None

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer()

    def _answer(self) -> None:
        self.server.script.asked.append((self.path, self.body, dict(self.headers)))
        route = self.server.script.routes.get(self.path)
        try:
            if route is None:
                self.json({"error": {"message": "Not Found"}}, 404)
            else:
                route(self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def json(self, value: Any, status: int = 200, **headers: str) -> None:
        self.send(json.dumps(value).encode(), "application/json", status, **headers)

    def send(self, body: bytes, kind: str, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def stream(self, *pieces: bytes, pause: float = 0.0, whole: bool = True) -> None:
        """Events in pieces of any cut; ``whole=False`` breaks the connection off behind the last of them."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
            time.sleep(pause)
        if whole:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True


class ScriptedServer:
    """``routes`` says what is answered by path, ``asked`` what was asked: (path, body, headers)."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any, dict[str, str]]] = []
        self.routes: dict[str, Callable[[Handler], None]] = {
            "/v1/models": lambda h: h.json({"object": "list", "data": [{"id": "tiny", "object": "model"}]}),
            CHAT: self._chat,
            TEXT: self._text,
        }
        self.text = "Hello there."
        self.pause = 0.0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.script = self  # type: ignore[attr-defined]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.place}/v1"

    def bodies(self, path: str) -> list[Any]:
        """What was asked of a path."""
        return [body for asked, body, _ in self.asked if asked == path]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _usage(self, handler: Handler) -> dict[str, int]:
        """A token is a word, and a chat template has some."""
        said = sum(len(message["content"].split()) for message in handler.body["messages"])
        written = min(len(self.text.split()), handler.body["max_tokens"])
        return {"prompt_tokens": said + TEMPLATE_TOKENS, "completion_tokens": written}

    def _chat(self, handler: Handler) -> None:
        if not handler.body.get("stream"):
            choice = {"index": 0, "message": {"role": "assistant", "content": self.text}, "finish_reason": "stop"}
            handler.json({"choices": [choice], "usage": self._usage(handler)})
            return
        words, most = self.text.split(" "), handler.body["max_tokens"]
        chunks = [delta(word if n == 0 else f" {word}") for n, word in enumerate(words[:most])]
        end = delta(finish="stop" if len(words) <= most else "length")
        parts = [delta(role="assistant"), *chunks, end, {"choices": [], "usage": self._usage(handler)}]
        pieces = [events(part, end=b"") for part in parts] if self.pause else [events(*parts, end=b"")]
        handler.stream(*pieces, events(), pause=self.pause)

    def _text(self, handler: Handler) -> None:
        done = {"choices": [{"index": 0, "text": "", "finish_reason": "length"}], "usage": USAGE}
        if handler.body.get("stream"):
            handler.stream(events({"choices": [{"index": 0, "text": self.text, "finish_reason": None}]}, done))
        else:
            handler.json({"choices": [{"index": 0, "text": self.text, "finish_reason": "length"}], "usage": USAGE})


@pytest.fixture
def scripted_server() -> Iterator[ScriptedServer]:
    """A server that answers as it is told to."""
    pytest.importorskip("httpx", reason="needs httpx: pip install 'pytest-slm[server]'")
    server = ScriptedServer()
    yield server
    server.close()


@pytest.fixture
def served(scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Opens the scripted server as a backend: ``served(silence_s=1)``; without a key unless a test sets one."""
    from pytest_slm.backends.protocol import ModelSpec
    from pytest_slm.backends.server import Server

    opened: list[Server] = []
    monkeypatch.delenv("SLM_API_KEY", raising=False)

    def make(key: str | None = None, **settings: Any) -> Server:
        if key is not None:
            monkeypatch.setenv("SLM_API_KEY", key)
        opened.append(Server(ModelSpec(path=scripted_server.url, format="server", **settings)))
        return opened[-1]

    yield make
    for server in opened:
        server.close()
