"""A folder out of a commit: fetched once, known by its files, read without being unpacked."""

import hashlib
import http.server
import io
import threading
import types
import zipfile

import pytest

from pytest_slm.core.record import RecordError
from pytest_slm.data import checkouts, web
from pytest_slm.data.checkouts import Checkout, fetch, read
from pytest_slm.errors import BackendError, NotAvailableError

FILES = {"a.py": b"def a(): pass", "sub/b.py": b"\xe9"}
COMMIT = "0123456789" * 4


def digest(files):
    made = hashlib.sha256()
    for name in sorted(files):
        made.update(name.encode() + b"\0" + hashlib.sha256(files[name]).digest())
    return made.hexdigest()


def archive(files=FILES, top="set-0123/", level=6):
    """As GitHub packs a commit: in a folder of its own, with what else is there."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as made:
        made.writestr(f"{top}README.md", "more")
        made.writestr(f"{top}functions/", "")
        for name, content in files.items():
            made.writestr(f"{top}functions/{name}", content)
    return packed.getvalue()


@pytest.fixture
def kept(tmp_path, monkeypatch):
    elsewhere = types.SimpleNamespace(user_cache_dir=lambda _name: str(tmp_path / "cache"))
    monkeypatch.setattr(checkouts, "platformdirs", elsewhere)
    return Checkout(repository="org/set", commit=COMMIT, folder="functions", sha256=digest(FILES))


@pytest.fixture
def github(monkeypatch):
    """A server in GitHub's place: what it was asked, and what it answers."""
    state = types.SimpleNamespace(asked=[], answer=archive(), status=200)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            state.asked.append(self.path)
            self.send_response(state.status)
            self.send_header("Content-Length", str(len(state.answer)))
            self.end_headers()
            self.wfile.write(state.answer)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr(checkouts, "HOST", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("no_proxy", "*")
    yield state
    server.shutdown()
    server.server_close()


def test_it_is_fetched_once_and_known_by_its_files(kept, github, tmp_path):
    with pytest.raises(
        NotAvailableError, match=r"org/set@012345678901 is not on this machine: `pytest-slm data pull"
    ) as caught:
        read(kept)
    assert caught.value.slug == "checkout-missing"
    told = []
    assert fetch(kept, told.append) is None
    assert fetch(kept, told.append) is None
    assert github.asked == [f"/org/set/zip/{COMMIT}"]
    assert [line.split(",")[0] for line in told] == ["org/set@012345678901: fetched", "org/set@012345678901: there"]
    assert read(kept) == FILES
    kept.path.write_bytes(archive(level=1, top="other/"))  # other bytes, the same files
    assert read(kept) == FILES
    assert [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()] == [kept.path.name]


@pytest.mark.parametrize(
    "wrong",
    [
        archive({**FILES, "a.py": b"def a(): evil"}),
        archive({"a.py": FILES["a.py"]}),
        b"no archive",
        archive()[:200],
        b"",
    ],
)
def test_other_files_are_never_kept_or_read(kept, github, wrong):
    github.answer = wrong
    problem = fetch(kept, print)
    assert isinstance(problem, BackendError)
    assert problem.slug == "checkout-foreign"
    assert "\n" not in str(problem)
    assert not kept.path.exists()
    kept.path.parent.mkdir(parents=True)
    kept.path.write_bytes(wrong)
    with pytest.raises(BackendError, match="that is not org/set@012345678901"):
        read(kept)
    github.answer = archive()
    assert fetch(kept, print) is None  # in place of the wrong one
    assert read(kept) == FILES


def test_what_does_not_come_is_one_line_with_the_remedy(kept, github, monkeypatch):
    github.status = 404
    problem = fetch(kept, print)
    assert problem.slug == "checkout-pull"
    assert "cannot be fetched (HTTP 404); run it again, or put the file there as" in str(problem)
    github.status = 200
    monkeypatch.setattr(checkouts, "MOST", 100)
    assert "more than 100 bytes" in str(fetch(kept, print))
    monkeypatch.setattr(checkouts, "HOST", "http://127.0.0.1:1")
    assert "cannot be fetched (" in str(fetch(kept, print))
    monkeypatch.setattr(checkouts, "HOST", "file:///etc")
    assert "no web address" in str(fetch(kept, print))


def test_a_bomb_is_not_unpacked(kept, monkeypatch):
    kept.path.parent.mkdir(parents=True)
    kept.path.write_bytes(archive({"a.py": b" " * 5_000_000}))
    monkeypatch.setattr(checkouts, "MOST_INSIDE", 1 << 20)
    with pytest.raises(BackendError, match="more than 1 MiB"):
        read(kept)


@pytest.mark.parametrize("wrong", [{"repository": "set"}, {"commit": "main"}, {"folder": "../x"}, {"sha256": "0"}])
def test_a_checkout_is_one_commit_of_one_repository(wrong):
    with pytest.raises(RecordError):
        Checkout(**{"repository": "org/set", "commit": COMMIT, "folder": "f", "sha256": "0" * 64, **wrong})


def test_a_silent_server_is_given_up(monkeypatch):
    import socket

    monkeypatch.setattr(web, "PATIENCE_S", 0.2)
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(Exception, match="timed out") as caught:
        web.get(f"http://127.0.0.1:{server.getsockname()[1]}/", 10, slug="checkout-pull")
    assert caught.value.slug == "checkout-pull"
