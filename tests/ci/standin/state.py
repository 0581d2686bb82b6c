"""What is in it: a repository with one pull request that a person who may write has commented on."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

REPO = "team/models"
HEAD = "a1" * 20
BASE = "b2" * 20
BOT = {"id": 41898282, "login": "github-actions[bot]", "type": "Bot"}
MAINTAINER = {"id": 7, "login": "mara", "type": "User"}
STRANGER = {"id": 8, "login": "sam", "type": "User"}
YAML = b"""\
model:
  name: Tiny
  family: Tiny
  hf_repo: org/tiny
  parameters: "128"
  architecture: llama
  license: apache-2.0
  submitted_by: sam
  quantizations:
    - {name: Q8_0, format: gguf, source: "pkg:tiny-model", file: tiny-Q8_0.gguf}
"""


def git_sha(content: bytes) -> str:
    """What git calls a file of these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


class Hosted:
    """The state of a repository, to be changed by tests."""

    def __init__(self) -> None:
        self.url = ""
        self.permissions = {"mara": ("write", MAINTAINER), "sam": ("read", STRANGER)}
        self.comments: dict[int, dict[str, Any]] = {}
        self.pulls: dict[int, dict[str, Any]] = {}
        self.files: dict[int, list[dict[str, Any]]] = {}
        self.trees: dict[str, list[dict[str, Any]]] = {}
        self.truncated = False
        self.blobs: dict[str, bytes] = {}
        self.statuses: dict[str, list[dict[str, Any]]] = {}
        self.runs: dict[int, dict[str, Any]] = {}
        self.artifacts: dict[int, list[dict[str, Any]]] = {}
        self.zips: dict[int, bytes] = {}
        self.on_merge: Callable[[int], str] = lambda _: "c3" * 20
        self.after: dict[str, Callable[[], None]] = {}
        """What happens behind the back of whoever has just made this request (``GET pulls/1/files``)."""
        self.failing: list[tuple[int, dict[str, str]]] = []
        """Answers that come first, in their order: status and headers."""
        self.clock = 0

    def now(self) -> str:
        """GitHub's time, a second later each time."""
        self.clock += 1
        return f"2026-11-30T10:{self.clock // 60:02}:{self.clock % 60:02}Z"

    def commit(self, sha: str, files: dict[str, bytes], *, mode: str = "100644") -> None:
        """A commit with these files below submissions/."""
        inner = git_sha(repr(sorted(files)).encode() + sha.encode())
        for content in files.values():
            self.blobs[git_sha(content)] = content
        self.trees[inner] = [
            {"path": name, "mode": mode, "type": "blob", "sha": git_sha(content), "size": len(content)}
            for name, content in files.items()
        ]
        self.trees[sha] = [
            {"path": "README.md", "mode": "100644", "type": "blob", "sha": git_sha(b"hi"), "size": 2},
            {"path": "submissions", "mode": "040000", "type": "tree", "sha": inner},
        ]

    def pull(self, number: int = 1, *, head: str = HEAD, content: bytes = YAML, name: str = "tiny.yml") -> None:
        """A pull request that adds one submission."""
        self.pulls[number] = {
            "number": number,
            "state": "open",
            "merged": False,
            "head": {"sha": head},
            "base": {"ref": "main", "repo": {"full_name": REPO}},
        }
        self.files[number] = [{"filename": f"submissions/{name}", "status": "added", "sha": git_sha(content)}]
        self.commit(head, {name: content})

    def say(self, body: str, *, user: dict[str, Any] = MAINTAINER, issue: int = 1, **more: Any) -> dict[str, Any]:
        """A comment, as GitHub has it."""
        number, now = 100 + len(self.comments), self.now()
        self.comments[number] = {
            "id": number,
            "body": body,
            "user": dict(user),
            "created_at": now,
            "updated_at": now,
            "issue_url": f"{self.url}/repos/{REPO}/issues/{issue}",
            "performed_via_github_app": None,
            **more,
        }
        return dict(self.comments[number])

    def status(self, sha: str, context: str, state: str = "success", *, run: int = 55, creator: Any = BOT) -> None:
        """A status of a commit."""
        self.statuses.setdefault(sha, []).insert(
            0,
            {
                "state": state,
                "context": context,
                "target_url": f"https://github.com/{REPO}/actions/runs/{run}",
                "description": "",
                "created_at": self.now(),
                "creator": dict(creator),
            },
        )

    def run(self, number: int, **changes: Any) -> None:
        """A run of the benchmark."""
        self.runs[number] = {
            "id": number,
            "path": ".github/workflows/benchmark.yml",
            "event": "issue_comment",
            "head_branch": "main",
            "conclusion": "success",
            "repository": {"full_name": REPO},
            "head_repository": {"full_name": REPO},
            **changes,
        }

    def upload(self, run: int, name: str, content: bytes, **changes: Any) -> int:
        """An artifact of a run."""
        number = 900 + len(self.zips)
        self.zips[number] = content
        self.artifacts.setdefault(run, []).append(
            {
                "id": number,
                "name": name,
                "size_in_bytes": len(content),
                "expired": False,
                "digest": f"sha256:{hashlib.sha256(content).hexdigest()}",
                "workflow_run": {"id": run},
                **changes,
            }
        )
        return number

    def event(self, comment: dict[str, Any], *, action: str = "created", **issue: Any) -> dict[str, Any]:
        """What a job is told of a new comment."""
        about = {"number": 1, "pull_request": {"url": "..."}, **issue}
        return {
            "action": action,
            "comment": {key: comment[key] for key in ("id", "body", "user", "performed_via_github_app")},
            "issue": {key: value for key, value in about.items() if value is not None},
            "repository": {"default_branch": "main", "full_name": REPO},
        }


def encoded(content: bytes) -> str:
    """As GitHub sends blobs: base64 in lines."""
    return base64.encodebytes(content).decode()
