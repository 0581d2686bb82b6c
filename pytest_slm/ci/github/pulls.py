"""A pull request, and the one file of it that is looked at: as data, at one commit, known by its hash."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_slm.ci.github.client import GitHub, field, quoted
from pytest_slm.ci.job import SHA
from pytest_slm.errors import SlmError, writing_failed
from pytest_slm.load import SLUG

FOLDER = "submissions"
PLACE = re.compile(rf"{FOLDER}/({SLUG.pattern})\.ya?ml")
LARGEST = 256 * 1024
"""Bytes of a submission, as for any that is read."""
PLAIN_FILE, PLAIN_FOLDER = "100644", "040000"
"""Modes in git of what is no link, no program and no other repository."""


@dataclass(frozen=True, kw_only=True)
class Pull:
    """What GitHub says of a pull request now."""

    number: int
    state: str
    head: str
    base: str
    base_repo: str
    merged: bool = False


@dataclass(frozen=True, kw_only=True)
class OfferedSubmission:
    """The submission of a pull request: its bytes at the commit ``head``."""

    pull: int
    head: str
    path: str
    slug: str
    content: bytes
    is_new: bool

    @property
    def sha256(self) -> str:
        """The hash of its bytes."""
        return hashlib.sha256(self.content).hexdigest()

    def put(self, folder: Path) -> Path:
        """Write it below a folder, and return where."""
        place = folder / FOLDER / Path(self.path).name
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(self.content)
        except OSError as error:
            raise writing_failed(place, error) from None
        return place


def pull_of(github: GitHub, number: int) -> Pull:
    """The pull request of that number. Raises SlmError."""
    answer = github.get(f"pulls/{number}")
    head = field(answer, "head.sha", str)
    if not SHA.fullmatch(head):
        raise SlmError(f"pull request {number}: its head {head:.60} is no commit", slug="ci-github")
    return Pull(
        number=number,
        state=field(answer, "state", str),
        head=head,
        base=field(answer, "base.ref", str),
        base_repo=field(answer, "base.repo.full_name", str),
        merged=field(answer, "merged", bool),
    )


def offered(github: GitHub, number: int, head: str | None = None) -> OfferedSubmission:
    """The submission that a pull request offers at its head. Raises SlmError (ci-pull) where it changes anything else,
    or where ``head`` is given and is no longer its head."""
    before = pull_of(github, number)
    if head is not None and before.head != head:
        raise _moved(number, head, before.head)
    listed = list(github.pages(f"pulls/{number}/files"))
    if len(listed) != 1:
        names = ", ".join(f"{one.get('filename')!s:.60}" for one in listed[:5])
        raise _refused(
            number, f"it changes {len(listed)} files ({names}); a submission is one file, {FOLDER}/<slug>.yml"
        )
    path, status = field(listed[0], "filename", str), field(listed[0], "status", str)
    place = PLACE.fullmatch(path)
    if place is None or place[1] == "template":
        raise _refused(number, f"it changes {path!r:.120}; a submission is one file, {FOLDER}/<slug>.yml")
    if status not in ("added", "modified"):
        raise _refused(number, f"{path} is {status:.20}; only new and changed submissions are looked at")
    content = _content(github, number, before.head, path)
    after = pull_of(github, number)
    if after.head != before.head:
        raise _moved(number, before.head, after.head)
    return OfferedSubmission(
        pull=number, head=before.head, path=path, slug=place[1], content=content, is_new=status == "added"
    )


def _content(github: GitHub, number: int, head: str, path: str) -> bytes:
    """The bytes of a file at a commit. The tree says what kind of file it is (a link would be followed by the contents
    API), and the bytes are those of its hash."""
    folder, name = path.split("/")
    tree = _entry(github, number, head, folder, kind="tree", mode=PLAIN_FOLDER)
    blob = _entry(github, number, field(tree, "sha", str), name, kind="blob", mode=PLAIN_FILE)
    size, sha = field(blob, "size", int), field(blob, "sha", str)
    if size > LARGEST:
        raise _refused(number, f"{path} has {size} bytes, and at most {LARGEST} are read")
    answer = github.get(f"git/blobs/{quoted(sha)}")
    try:
        content = base64.b64decode(field(answer, "content", str).encode("ascii"))
    except (binascii.Error, ValueError):
        raise _refused(number, f"{path}: its content cannot be read") from None
    named = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    if len(content) > LARGEST or named != sha:
        raise _refused(number, f"{path}: its bytes are not those of its hash")
    return content


def _entry(github: GitHub, number: int, tree: str, name: str, *, kind: str, mode: str) -> Mapping[str, Any]:
    answer = github.get(f"git/trees/{quoted(tree)}")
    if answer.get("truncated") is not False:
        raise _refused(number, "its tree is too large to be read")
    for one in field(answer, "tree", list):
        if isinstance(one, dict) and one.get("path") == name:
            if one.get("type") != kind or one.get("mode") != mode:
                raise _refused(number, f"{name:.100} is no plain {'file' if kind == 'blob' else 'folder'}")
            return one
    raise _refused(number, f"{name:.100} is not there")


def _moved(number: int, expected: str, found: str) -> SlmError:
    return _refused(number, f"its head is {found}, no longer {expected}; somebody has pushed. Look at it again")


def _refused(number: int, why: str) -> SlmError:
    return SlmError(f"pull request {number}: {why}", slug="ci-pull")
