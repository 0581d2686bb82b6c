"""From a comment to a command: what it says, who says it, and of which commit."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pytest_slm.ci.github.client import GitHub, GitHubError, field, quoted
from pytest_slm.ci.github.pulls import Pull, pull_of
from pytest_slm.ci.github.statuses import Status, before, status_of
from pytest_slm.ci.job import SHA, Job
from pytest_slm.errors import SlmError, UsageError

COMMANDS = ("quick-test", "full-benchmark", "publish-results")
COMMAND = re.compile(rf"/({'|'.join(COMMANDS)})(?: ([0-9a-f]{{40}}))?")
"""The whole comment: nothing before it, nothing behind it but ends of lines."""
LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
MAY_WRITE = ("admin", "write")
"""What the API tells of who may push (`maintain` is `write` there); `triage` and `read` are not enough."""


class NotFollowedError(SlmError):
    """A command that is not followed. ``answered``: its writer may give commands, and is told why."""

    slug = "ci-comment"

    def __init__(self, why: str, *, answered: bool) -> None:
        super().__init__(f"not done: {why}")
        self.answered = answered


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command that was given: ``head`` is the commit that it is about, ``measured`` the run whose results it
    publishes."""

    name: str
    pull: int
    head: str
    comment: int
    user: str
    measured: int | None = None


def parse(body: object) -> tuple[str, str | None] | None:
    """The command that a comment is, and the commit that it names; None for every other comment."""
    found = COMMAND.fullmatch(body.rstrip("\r\n")) if isinstance(body, str) and len(body) < 100 else None
    return (found[1], found[2]) if found else None


def command_of(github: GitHub, job: Job) -> Command | None:
    """The command of the comment that started the job; None where the comment is none.

    Raises NotFollowedError with the reason where it may not be given, or is not about what its writer has seen.
    """
    event = job.event
    if job.event_name != "issue_comment" or event.get("action") != "created":
        raise _no("only a new comment is a command")
    said = parse(field(event, "comment", dict).get("body"))
    if said is None:
        return None
    name, named = said
    if not isinstance(field(event, "issue", dict).get("pull_request"), dict):
        raise _no("the comment stands at an issue, which has nothing to measure")
    comment = field(event, "comment.id", int)
    created = _check_comment(github, job, comment)
    user = _check_writer(github, job)
    pull = pull_of(github, job.pull)
    _check_pull(job, pull, name)
    if named is not None and named != pull.head:
        raise _late(f"the head is {pull.head}, not {named}; somebody has pushed. Look at it again")
    _check_seen(status_of(github, job, pull.head, "submission"), created, named)
    measured = _measured(github, job, pull.head) if name == "publish-results" else None
    return Command(name=name, pull=pull.number, head=pull.head, comment=comment, user=user, measured=measured)


def _check_comment(github: GitHub, job: Job, comment: int) -> str:
    """The time at which it was written. It is what it was then, and stands where the event says."""
    now = github.get(f"issues/comments/{comment}")
    created = field(now, "created_at", str)
    if now.get("body") != job.event["comment"]["body"] or field(now, "updated_at", str) != created:
        raise _no("the comment was edited; write a new one")
    if not field(now, "issue_url", str).lower().endswith(f"/repos/{job.repo}/issues/{job.pull}".lower()):
        raise _no("the comment stands elsewhere")
    for key in ("id", "login"):
        if now["user"].get(key) != job.event["comment"]["user"].get(key):
            raise _no("the comment is somebody else's")
    return created


def _check_writer(github: GitHub, job: Job) -> str:
    """The name of who wrote it: a person who may push to this repository, as the API says now."""
    comment = job.event["comment"]
    login, number = field(comment, "user.login", str), field(comment, "user.id", int)
    if field(comment, "user.type", str) != "User" or comment.get("performed_via_github_app"):
        raise _no("commands are given by people, not by bots or apps")
    if not LOGIN.fullmatch(login):
        raise _no("its writer has no name that GitHub gives")
    try:
        answer = github.get(f"collaborators/{quoted(login)}/permission")
    except GitHubError as error:
        if error.status != 404:
            raise
        raise _no(f"{login} may not write to this repository") from None
    if field(answer, "user.id", int) != number or field(answer, "permission", str) not in MAY_WRITE:
        raise _no(f"{login} may not write to this repository")
    return login


def _check_pull(job: Job, pull: Pull, name: str) -> None:
    if pull.base_repo.lower() != job.repo.lower() or pull.base != job.default_branch:
        raise _late(f"the pull request is not for {job.default_branch}")
    if pull.state != "open" and not (pull.merged and name == "publish-results"):
        raise _late("the pull request is closed")


def _check_seen(status: Status | None, created: str, named: str | None) -> None:
    """The commit was looked at before the comment was written: who comments after a push may not have seen it. The time
    of a status is GitHub's; that of a commit is whatever its author says."""
    if status is None or status.state != "success":
        raise _late("its submission is not in order, or nobody has looked at this commit yet; see the comment about it")
    if named is None and not before(status.created_at, created):
        raise _late("there was a push shortly before the comment; look at it again, and comment again")


def _measured(github: GitHub, job: Job, head: str) -> int:
    status = status_of(github, job, head, "full-benchmark")
    if status is None or status.state != "success" or status.run is None:
        raise _late("there are no results of this commit; /full-benchmark makes them")
    return status.run


def head_named(text: str) -> str:
    """A commit that an argument names. Raises UsageError."""
    if not SHA.fullmatch(text):
        raise UsageError(f"{text:.80}: no commit; expected 40 hexadecimal digits", slug="ci-environment")
    return text


def _no(why: str) -> NotFollowedError:
    return NotFollowedError(why, answered=False)


def _late(why: str) -> NotFollowedError:
    return NotFollowedError(why, answered=True)
