"""What is known of a commit: GitHub keeps it with the commit, with who said it and when, so that a push begins anew."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pytest_slm.ci.github.client import GitHub, field, quoted
from pytest_slm.ci.job import BOT, SHA, Job
from pytest_slm.core.record import utc
from pytest_slm.errors import UsageError

State = Literal["error", "failure", "pending", "success"]
STATES: tuple[State, ...] = ("error", "failure", "pending", "success")
CONTEXTS = ("submission", "quick-test", "full-benchmark", "publish-results")
PREFIX = "pytest-slm/"
LONGEST = 140
"""Characters of a description that GitHub takes."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """The newest word about a commit in one context. ``run`` is the run that said it; None where it names none."""

    state: str
    created_at: str
    run: int | None


def status_of(github: GitHub, job: Job, sha: str, context: str) -> Status | None:
    """The newest status that a job has set; None where there is none. What others have set does not count."""
    for one in github.pages(f"commits/{quoted(sha)}/statuses"):  # the newest first
        if one.get("context") == f"{PREFIX}{context}" and _is_ours(one):
            address = one.get("target_url")
            found = re.fullmatch(
                re.escape(f"{job.server}/{job.repo}/actions/runs/") + r"([1-9]\d{0,17})", str(address or ""), re.ASCII
            )
            return Status(
                state=field(one, "state", str),
                created_at=field(one, "created_at", str),
                run=int(found[1]) if found else None,
            )
    return None


def set_status(github: GitHub, job: Job, sha: str, context: str, state: str, description: str) -> None:
    """Say of a commit how this run went. Raises UsageError, or SlmError where GitHub refuses."""
    if not SHA.fullmatch(sha) or context not in CONTEXTS or state not in STATES:
        raise UsageError(f"no status: {context:.40} {state:.40} of {sha:.40}", slug="ci-environment")
    body = {
        "state": state,
        "context": f"{PREFIX}{context}",
        "target_url": job.url,
        "description": description[:LONGEST],
    }
    github.send("POST", f"statuses/{quoted(sha)}", body)


def before(one: str, other: str) -> bool:
    """Whether a time of GitHub's clock is before another one, or the same."""
    try:
        return utc(one) <= utc(other)
    except ValueError:
        return False


def _is_ours(status: Mapping[str, Any]) -> bool:
    creator = status.get("creator")
    return isinstance(creator, dict) and creator.get("login") == BOT and creator.get("type") == "Bot"
