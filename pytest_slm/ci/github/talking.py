"""One comment for each subject, which is written again instead of a second one being added."""

from __future__ import annotations

import re

from pytest_slm.ci.github.client import GitHub, field
from pytest_slm.ci.job import BOT
from pytest_slm.errors import UsageError
from pytest_slm.markdown import APART

SUBJECT = re.compile(r"[a-z][a-z-]{0,39}")
LONGEST = 60_000
"""Characters: GitHub refuses comments of more than 65,536."""
CUT = "\n\n*The rest is left out; the page of the run has it.*\n"


def put_comment(github: GitHub, pull: int, subject: str, markdown: str) -> int:
    """Write the comment of a subject, or write it again, and return its number. Comments of others that look like it
    are left alone, and nobody is called by name."""
    if not SUBJECT.fullmatch(subject):
        raise UsageError(f"{subject:.60}: no subject of a comment", slug="ci-environment")
    mark = f"<!-- pytest-slm:{subject} -->"
    text = markdown.replace("@", f"&#64;{APART}").replace("<!--", "&lt;!--")
    if len(text) > LONGEST:
        text = text[: text.rfind("\n", 0, LONGEST)] + CUT
    body = {"body": f"{mark}\n{text}"}
    for one in github.pages(f"issues/{pull}/comments", most=10_000):
        user = one.get("user")
        mine = isinstance(user, dict) and user.get("login") == BOT and user.get("type") == "Bot"
        if mine and str(one.get("body") or "").startswith(mark):
            return field(github.send("PATCH", f"issues/comments/{field(one, 'id', int)}", body), "id", int)
    return field(github.send("POST", f"issues/{pull}/comments", body), "id", int)
