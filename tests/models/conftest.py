"""Small weight files, written here byte by byte, so that each can be made wrong on purpose."""

import json
import math
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from pytest_slm.models.ggml import TENSOR_TYPES

COMMIT = "0123456789abcdef0123456789abcdef01234567"
U32, F32, BOOL, STRING, ARRAY, U64 = 4, 6, 7, 8, 9, 10
Tensor = tuple[str, Sequence[int], int]

TEMPLATE = "{% for m in messages %}{{ m.content }}ä{% endfor %}"
PAIRS: Mapping[str, tuple[int, Any]] = {
    "general.architecture": (STRING, "llama"),
    "general.name": (STRING, "Tiny"),
    "general.license": (STRING, "apache-2.0"),
    "general.file_type": (U32, 7),
    "llama.context_length": (U32, 2048),
    "llama.embedding_length": (U32, 32),
    "llama.block_count": (U32, 2),
    "llama.attention.head_count": (U32, 4),
    "llama.attention.head_count_kv": (U32, 2),
    "llama.rope.scaling.type": (STRING, "yarn"),
    "llama.rope.scaling.factor": (F32, 4.0),
    "tokenizer.ggml.tokens": (ARRAY, (STRING, ["<s>", "</s>", "ä"])),
    "tokenizer.ggml.scores": (ARRAY, (F32, [0.0, -1.0, -2.0])),
    "tokenizer.chat_template": (STRING, TEMPLATE),
}
TENSORS: Sequence[Tensor] = (("token_embd.weight", (32, 3), 8), ("output_norm.weight", (32,), 0))


def value(kind: int, data: Any) -> bytes:
    """One metadata value as GGUF stores it."""
    if kind == STRING:
        text = data if isinstance(data, bytes) else data.encode()
        return struct.pack("<Q", len(text)) + text
    if kind == ARRAY:
        inner, items = data
        return struct.pack("<IQ", inner, len(items)) + b"".join(value(inner, item) for item in items)
    return struct.pack({U32: "<I", F32: "<f", BOOL: "<?", U64: "<Q"}[kind], data)


def gguf(
    pairs: Mapping[str, tuple[int, Any] | None] | None = None,
    tensors: Sequence[Tensor] = TENSORS,
    *,
    version: int = 3,
    alignment: int = 32,
    counts: tuple[int, int] | None = None,
    offsets: Sequence[int] | None = None,
) -> bytes:
    """A valid GGUF with ``pairs`` changed (None: left out), or one whose counts or offsets lie."""
    kept = {key: pair for key, pair in {**PAIRS, **(pairs or {})}.items() if pair is not None}
    tensor_count, pair_count = counts or (len(tensors), len(kept))
    head = b"GGUF" + struct.pack("<IQQ", version, tensor_count, pair_count)
    for key, (kind, data) in kept.items():
        head += value(STRING, key) + struct.pack("<I", kind) + value(kind, data)
    offset, body = 0, b""
    for index, (name, shape, kind) in enumerate(tensors):
        told = offset if offsets is None else offsets[index]
        head += value(STRING, name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        head += struct.pack("<IQ", kind, told)
        _, block, width = TENSOR_TYPES.get(kind, ("", 1, 1))
        size = min(math.prod(shape) // block * width, 1 << 16)  # a lie about a shape must not fill the disk
        offset += -(-size // alignment) * alignment
        body = body.ljust(offset - -(-size // alignment) * alignment, b"\0") + b"\x01" * size
    return head.ljust(-(-len(head) // alignment) * alignment, b"\0") + body


def safetensors(tensors: Mapping[str, tuple[str, Sequence[int]]], **metadata: str) -> bytes:
    """A valid .safetensors file of zeros."""
    widths = {"F32": 4, "F16": 2, "BF16": 2, "I64": 8, "BOOL": 1, "I32": 4}
    table: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    end = 0
    for name, (dtype, shape) in tensors.items():
        start, end = end, end + math.prod(shape) * widths[dtype]
        table[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}
    header = json.dumps(table).encode()
    return struct.pack("<Q", len(header)) + header + bytes(end)


@pytest.fixture(scope="session")
def make_gguf() -> Callable[..., bytes]:
    """``gguf`` above: the bytes of a small GGUF, valid unless asked otherwise."""
    return gguf


@pytest.fixture(scope="session")
def make_safetensors() -> Callable[..., bytes]:
    """``safetensors`` above."""
    return safetensors


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A valid GGUF on disk."""
    path = tmp_path / "tiny.Q8_0.gguf"
    path.write_bytes(gguf())
    return path


@pytest.fixture
def hf_folder(tmp_path: Path) -> Path:
    """A folder as ``save_pretrained`` leaves it: tied embeddings, BF16, one shard."""
    folder = tmp_path / "Tiny-Llama"
    folder.mkdir()
    config = {
        "model_type": "llama",
        "max_position_embeddings": 4096,
        "vocab_size": 10,
        "hidden_size": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "tie_word_embeddings": True,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": TEMPLATE}))
    tensors = {"model.embed_tokens.weight": ("BF16", (10, 8)), "model.norm.weight": ("F32", (8,))}
    (folder / "model.safetensors").write_bytes(safetensors(tensors, format="pt"))
    return folder


@pytest.fixture
def template() -> str:
    """The chat template in both."""
    return TEMPLATE


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Install a distribution with files into a folder of its own on ``sys.path``; ``record=False`` leaves no list."""

    def install(name: str, files: Mapping[str, bytes], *, record: bool = True, editable: bool = False) -> Path:
        site = tmp_path / f"site-{name}"
        info = site / f"{name.replace('-', '_')}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        if editable:
            (info / "direct_url.json").write_text('{"url": "file:///src", "dir_info": {"editable": true}}')
        for file, content in files.items():
            (site / file).parent.mkdir(parents=True, exist_ok=True)
            (site / file).write_bytes(content)
        if record:
            (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
        monkeypatch.syspath_prepend(str(site))
        return site

    return install


# -- a Hub on this machine ------------------------------------------------------------------------------------------


class Repo:
    """What the small Hub serves under one name."""

    def __init__(self, files: Mapping[str, bytes], *, gated: bool = False, status: int = 200, **info: Any) -> None:
        self.files, self.gated, self.status, self.info = dict(files), gated, status, info
        self.said: bytes | None = None
        """What is answered instead, whatever is asked."""
        self.headers: dict[str, str] = {}
        self.of_files: tuple[int, dict[str, str]] | None = None
        """Status and headers of the answers about files, where all is well with the listing."""
        self.cdn = ""
        """The address that questions for files are sent on to."""
        self.cut = self.whole = False
        """Whether the connection ends in the middle, and whether ranges are taken for the whole file."""


class Hub(ThreadingHTTPServer):
    """The part of the Hub's API that a model needs: model info, and files with HEAD, GET and ranges."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.repos: dict[str, Repo] = {}
        self.log: list[str] = []
        self.tokens: list[str | None] = []

    def add(self, name: str, files: Mapping[str, bytes], **info: Any) -> None:
        """Serve ``files`` as the repo ``name``; ``info`` goes into its model info."""
        self.repos[name] = Repo(files, **info)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *arguments: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.log.append(f"{self.command} {path}")
        self.server.tokens.append(self.headers.get("Authorization"))
        about = path.startswith("/api/models/")
        parts = path.removeprefix("/api/models").strip("/").split("/")
        repo = self.server.repos.get("/".join(parts[:2]))
        revision = parts[3] if len(parts) > 3 else "main"
        if repo is None:
            return self.answer(401, {"X-Error-Code": "RepoNotFound"})
        if repo.status != 200 or repo.said is not None:
            return self.answer(repo.status, repo.headers, repo.said or b"")
        if revision not in ("main", "v1", COMMIT):
            return self.answer(404, {"X-Error-Code": "RevisionNotFound"})
        if about:
            files = [{"rfilename": name, "size": len(data)} for name, data in repo.files.items()]
            info = {"id": "/".join(parts[:2]), "sha": COMMIT, "gated": "manual" if repo.gated else False, "tags": []}
            return self.answer(
                200, {"Content-Type": "application/json"}, json.dumps(info | {"siblings": files} | repo.info).encode()
            )
        if repo.gated:
            return self.answer(403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted."})
        data = repo.files.get("/".join(parts[4:]))
        if data is None:
            return self.answer(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
        if repo.of_files:
            return self.answer(*repo.of_files)
        if repo.cdn:
            return self.answer(302, {"Location": repo.cdn + self.path})
        headers = {"ETag": f'"{hash(data) & 0xFFFFFFFF:08x}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        asked = self.headers.get("Range")
        if repo.cut:
            self.answer(
                206, headers | {"Content-Range": f"bytes 0-{len(data) - 1}/{len(data)}"}, data[:-10], missing=10
            )
            self.close_connection = True
            return None
        if asked and not repo.whole:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            end = min(int(last or len(data) - 1), len(data) - 1)
            headers["Content-Range"] = f"bytes {first}-{end}/{len(data)}"
            return self.answer(206, headers, data[int(first) : end + 1])
        return self.answer(200, headers, data)

    def answer(
        self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"", *, missing: int = 0
    ) -> None:
        self.send_response(status)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body) + missing))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A Hub on this machine with ``org/tiny``."""
    with Hub() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        server.repos["org/tiny"] = Repo(
            {
                "tiny-Q8_0.gguf": gguf(),
                "tiny-F16.gguf": gguf({"general.file_type": (4, 1)}),
                "README.md": b"# Tiny",
            },
            cardData={"license": "mit"},
            config={"model_type": "llama"},
        )
        yield server
        server.shutdown()
