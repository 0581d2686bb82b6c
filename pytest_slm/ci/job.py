"""What the runner of a job says of it, in its environment, and the files in which it reads what a step has found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_slm.ci.github.client import GitHub
from pytest_slm.ci.github.client import field as field_of
from pytest_slm.core.record import LONGEST_PATH
from pytest_slm.errors import UsageError, writing_failed
from pytest_slm.files import MIB, read_json

REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}/[\w.-]{1,100}", re.ASCII)
SHA = re.compile(r"[0-9a-f]{40}")
NUMBER = re.compile(r"[1-9]\d{0,17}", re.ASCII)
OUTPUT = re.compile(r"[a-z][a-z_]{0,39}")
LARGEST_EVENT = 8 * MIB
LARGEST_OUTPUT = 500_000
LARGEST_SUMMARY = 900_000
"""Bytes: GitHub drops outputs and summaries that are larger than 1 MiB as a whole."""
BOT = "github-actions[bot]"
"""Who writes with the token of a job."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job of a workflow run: its repository, run, and the event that started it."""

    repo: str
    api: str
    server: str
    run_id: int
    attempt: int = 1
    event_name: str = ""
    event: Mapping[str, Any] = field(default_factory=dict, repr=False)
    output: Path | None = None
    summary: Path | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Job:
        """The job that this process is a step of. Raises UsageError (ci-environment)."""
        run_id = _matching(environment, "GITHUB_RUN_ID", NUMBER)
        attempt = _matching({"GITHUB_RUN_ATTEMPT": "1", **environment}, "GITHUB_RUN_ATTEMPT", NUMBER)
        path = environment.get("GITHUB_EVENT_PATH", "")
        return cls(
            repo=_repo(environment),
            api=environment.get("GITHUB_API_URL") or "https://api.github.com",
            server=(environment.get("GITHUB_SERVER_URL") or "https://github.com").rstrip("/"),
            run_id=int(run_id),
            attempt=int(attempt),
            event_name=environment.get("GITHUB_EVENT_NAME", ""),
            event=_event(path) if path else {},
            output=_path(environment, "GITHUB_OUTPUT"),
            summary=_path(environment, "GITHUB_STEP_SUMMARY"),
        )

    @property
    def url(self) -> str:
        """The page of the run."""
        return f"{self.server}/{self.repo}/actions/runs/{self.run_id}"

    @property
    def default_branch(self) -> str:
        """The branch whose code is trusted."""
        return field_of(self.event, "repository.default_branch", str)

    @property
    def pull(self) -> int:
        """The number of the pull request that the event is about. Raises UsageError where it is about none."""
        for where in ("pull_request", "issue"):
            about = self.event.get(where)
            if isinstance(about, dict) and isinstance(about.get("number"), int) and about["number"] > 0:
                return int(about["number"])
        raise UsageError("GITHUB_EVENT_PATH: an event of no pull request", slug="ci-environment")

    @property
    def head(self) -> str | None:
        """The commit of the pull request that the event is about; None where it names none, as that of a comment."""
        about = self.event.get("pull_request")
        found = about["head"].get("sha") if isinstance(about, dict) and isinstance(about.get("head"), dict) else None
        return found if isinstance(found, str) and SHA.fullmatch(found) else None

    def github(self, environment: Mapping[str, str]) -> GitHub:
        """The API, with the token that the environment has (GITHUB_TOKEN); it may have none to read public things."""
        return GitHub(self.api, self.repo, environment.get("GITHUB_TOKEN", ""))

    def put(self, **outputs: str | int | bool) -> None:
        """Set outputs of the step. Raises UsageError for what could be taken for another output: each is one line."""
        lines = [f"{name}={_line(name, value)}\n" for name, value in outputs.items()]
        if self.output is not None:
            _append(self.output, "".join(lines))

    def tell(self, markdown: str) -> None:
        """Add to the page of the job."""
        if self.summary is not None:
            text = markdown.encode("utf-8", "backslashreplace")[:LARGEST_SUMMARY].decode("utf-8", "ignore")
            _append(self.summary, f"{text}\n")


def _line(name: str, value: str | int | bool) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if not OUTPUT.fullmatch(name) or not (text.isprintable() and len(text) <= LARGEST_OUTPUT):
        raise UsageError(f"the output {name:.40}: expected one line, got {text!r:.80}", slug="ci-environment")
    return text


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise writing_failed(path, error) from None


def _repo(environment: Mapping[str, str]) -> str:
    repo = _matching(environment, "GITHUB_REPOSITORY", REPO)
    if repo.rpartition("/")[2] in (".", ".."):
        raise UsageError(f"GITHUB_REPOSITORY={repo:.80}: no repository", slug="ci-environment")
    return repo


def _matching(environment: Mapping[str, str], name: str, pattern: re.Pattern[str]) -> str:
    text = environment.get(name, "")
    if not pattern.fullmatch(text):
        problem = f"{name}={text:.80}: not what a job of GitHub Actions has; see docs/ci.md to try a step elsewhere"
        raise UsageError(problem, slug="ci-environment")
    return text


def _path(environment: Mapping[str, str], name: str) -> Path | None:
    text = environment.get(name, "")
    return Path(text) if text and len(text) <= LONGEST_PATH else None


def _event(path: str) -> Mapping[str, Any]:
    try:
        event = read_json(path, LARGEST_EVENT)
    except (OSError, ValueError) as error:
        raise UsageError(f"GITHUB_EVENT_PATH={path:.200}: cannot be read ({error})", slug="ci-environment") from None
    if not isinstance(event, dict):
        raise UsageError(f"GITHUB_EVENT_PATH={path:.200}: no event", slug="ci-environment")
    return event
