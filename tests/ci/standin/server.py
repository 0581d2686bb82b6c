"""Answers requests as GitHub's published description says, and notes those that it does not know.

``api.json`` has, of that description (OpenAPI, version 2022-11-28, https://docs.github.com/rest), the requests that are
made here with what they may say, and the parts of the answers that are read.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from .state import BOT, REPO, Hosted, encoded

API = json.loads((Path(__file__).parents[1] / "api.json").read_text("utf-8"))
PREFIX = "/repos/{owner}/{repo}/"


def pattern(endpoint: str) -> re.Pattern[str]:
    """What a request of an endpoint looks like."""
    method, path = endpoint.split()
    inner = re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path.removeprefix(PREFIX))
    return re.compile(f"{method} /repos/{REPO}/{inner}")


ENDPOINTS = {endpoint: pattern(endpoint) for endpoint in API}


@dataclass
class Requested:
    """What was asked: every request, and those that GitHub would not know."""

    log: list[tuple[str, str, Any]] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    authorized: list[tuple[str, str]] = field(default_factory=list)

    def bodies(self, method: str, part: str) -> list[Any]:
        """The bodies of all requests of a method whose path has this part."""
        return [body for how, path, body in self.log if how == method and part in path]


class Refused(Exception):
    """A status that is no success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Server(ThreadingHTTPServer):
    """Serves one ``Hosted`` at a time."""

    hosted: Hosted
    requested: Requested
    daemon_threads = True


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""

    def do_GET(self) -> None:
        self._answer("GET")

    do_POST = do_PUT = do_PATCH = lambda self: self._answer(self.command)

    def _answer(self, method: str) -> None:
        hosted, requested = self.server.hosted, self.server.requested
        parts = urlsplit(self.path)
        requested.authorized.append((parts.path, self.headers.get("Authorization", "")))
        if parts.path.startswith("/storage/"):
            return self._send(200, hosted.zips[int(parts.path.rpartition("/")[2])], "application/zip")
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        requested.log.append((method, parts.path, body))
        if hosted.failing:
            status, headers = hosted.failing.pop(0)
            return self._send(status, b'{"message": "not now"}', **headers)
        found = [(name, match) for name, one in ENDPOINTS.items() if (match := one.fullmatch(f"{method} {parts.path}"))]
        if not found:
            requested.strange.append(f"{method} {parts.path}")
            return self._send(404, b'{"message": "Not Found"}')
        ((endpoint, match),) = found
        query = dict(parse_qsl(parts.query))
        self._check(endpoint, query, body)
        given = {key: unquote(value) for key, value in match.groupdict().items()}
        try:
            answer = ANSWERS[endpoint](hosted, given, query, body)
        except Refused as error:
            return self._send(error.status, json.dumps({"message": str(error)}).encode())
        if isinstance(answer, Redirect):
            return self._send(302, b"", Location=f"http://{self.headers['Host']}/storage/{answer.number}")
        strange = set(leaves(answer)) - set(API[endpoint]["answer"])
        requested.strange += [f"{endpoint} answers {name}" for name in sorted(strange)]
        self._send(API[endpoint]["status"], json.dumps(answer).encode())
        after = hosted.after.pop(f"{method} {parts.path.removeprefix(f'/repos/{REPO}/')}", None)
        if after:
            after()
        return None

    def _check(self, endpoint: str, query: dict[str, str], body: Any) -> None:
        known, strange = API[endpoint], self.server.requested.strange
        strange += [f"{endpoint} takes no {name}" for name in query.keys() - set(known["query"])]
        said, allowed = body or {}, known.get("body", {})
        strange += [f"{endpoint} takes no {name}" for name in said.keys() - allowed.keys()]
        strange += [f"{endpoint} needs {name}" for name in known.get("required") or () if name not in said]
        for name, value in said.items():
            words = allowed.get(name)
            if not isinstance(value, str) or (isinstance(words, list) and value not in words):
                strange.append(f"{endpoint}: {name} is {value!r}")

    def _send(self, status: int, content: bytes, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)


@dataclass
class Redirect:
    """To where an artifact is stored."""

    number: int


def leaves(value: Any, place: str = "") -> Iterator[str]:
    """The places of all values in an answer, as ``[].user.login``."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, f"{place}[]")
    else:
        yield place


def _there(found: Any) -> Any:
    if found is None:
        raise Refused(404, "Not Found")
    return found


def _permission(hosted: Hosted, given: dict[str, str], *_: Any) -> Any:
    permission, user = _there(hosted.permissions.get(given["username"]))
    return {
        "permission": permission,
        "role_name": permission,
        "user": {"id": user["id"], "login": user["login"]},
    }


def _comments(hosted: Hosted, given: dict[str, str], query: dict[str, str], _: Any) -> Any:
    mine = [one for one in hosted.comments.values() if one["issue_url"].endswith(f"/{given['issue_number']}")]
    listed = [
        {"id": one["id"], "body": one["body"], "user": {key: one["user"][key] for key in ("login", "type")}}
        for one in mine
    ]
    return _page(listed, query)


def _page(items: list[Any], query: dict[str, str]) -> list[Any]:
    n, page = int(query.get("per_page", 30)), int(query.get("page", 1))
    return items[n * (page - 1) : n * page]


def _comment(hosted: Hosted, given: dict[str, str], _: Any, body: Any) -> Any:
    comment = hosted.say(body["body"], user=BOT, issue=int(given["issue_number"]))
    return {"id": comment["id"], "body": comment["body"]}


def _edit(hosted: Hosted, given: dict[str, str], _: Any, body: Any) -> Any:
    comment = _there(hosted.comments.get(int(given["comment_id"])))
    comment |= {"body": body["body"], "updated_at": hosted.now()}
    return {"id": comment["id"], "body": comment["body"]}


def _status(hosted: Hosted, given: dict[str, str], _: Any, body: Any) -> Any:
    run = int(body["target_url"].rpartition("/")[2])
    hosted.status(given["sha"], body["context"], body["state"], run=run)
    return {"state": body["state"], "context": body["context"]}


def _merge(hosted: Hosted, given: dict[str, str], _: Any, body: Any) -> Any:
    pull = _there(hosted.pulls.get(int(given["pull_number"])))
    if pull["merged"] or pull["state"] != "open":
        raise Refused(405, "Pull Request is not mergeable")
    if body.get("sha") not in (None, pull["head"]["sha"]):
        raise Refused(409, "Head branch was modified. Review and try the merge again.")
    sha = hosted.on_merge(pull["number"])
    pull |= {"merged": True, "state": "closed"}
    return {"merged": True, "sha": sha, "message": "Pull Request successfully merged"}


def _tree(hosted: Hosted, given: dict[str, str], *_: Any) -> Any:
    sha = given["tree_sha"]
    return {"sha": sha, "truncated": hosted.truncated, "tree": _there(hosted.trees.get(sha))}


def _blob(hosted: Hosted, given: dict[str, str], *_: Any) -> Any:
    content = _there(hosted.blobs.get(given["file_sha"]))
    return {"sha": given["file_sha"], "size": len(content), "content": encoded(content), "encoding": "base64"}


def _artifacts(hosted: Hosted, given: dict[str, str], query: dict[str, str], _: Any) -> Any:
    found = hosted.artifacts.get(int(given["run_id"]), [])
    return {"total_count": len(found), "artifacts": _page(found, query)}


R = PREFIX
ANSWERS = {
    f"GET {R}issues/comments/{{comment_id}}": lambda h, g, *_: _there(h.comments.get(int(g["comment_id"]))),
    f"GET {R}collaborators/{{username}}/permission": _permission,
    f"GET {R}pulls/{{pull_number}}": lambda h, g, *_: _there(h.pulls.get(int(g["pull_number"]))),
    f"GET {R}pulls/{{pull_number}}/files": lambda h, g, q, _: _page(_there(h.files.get(int(g["pull_number"]))), q),
    f"GET {R}git/trees/{{tree_sha}}": _tree,
    f"GET {R}git/blobs/{{file_sha}}": _blob,
    f"GET {R}commits/{{ref}}/statuses": lambda h, g, q, _: _page(h.statuses.get(g["ref"], []), q),
    f"POST {R}statuses/{{sha}}": _status,
    f"GET {R}issues/{{issue_number}}/comments": _comments,
    f"POST {R}issues/{{issue_number}}/comments": _comment,
    f"PATCH {R}issues/comments/{{comment_id}}": _edit,
    f"GET {R}actions/runs/{{run_id}}": lambda h, g, *_: _there(h.runs.get(int(g["run_id"]))),
    f"GET {R}actions/runs/{{run_id}}/artifacts": _artifacts,
    f"GET {R}actions/artifacts/{{artifact_id}}/{{archive_format}}": lambda h, g, *_: Redirect(int(g["artifact_id"])),
    f"PUT {R}pulls/{{pull_number}}/merge": _merge,
}
assert ANSWERS.keys() == API.keys()


@contextlib.contextmanager
def serve() -> Iterator[Server]:
    """A server on this machine, until the end of the block."""
    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
