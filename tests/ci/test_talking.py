"""One comment for each subject, and words about commits."""

from __future__ import annotations

import html
import re

import pytest

from pytest_slm.ci.github.statuses import set_status, status_of
from pytest_slm.ci.github.talking import LONGEST, put_comment
from pytest_slm.errors import UsageError


def test_a_comment_is_written_once_and_then_again(github, hosted, requested):
    number = put_comment(github, 1, "submission", "first")
    assert put_comment(github, 1, "submission", "second") == number
    assert hosted.comments[number]["body"] == "<!-- pytest-slm:submission -->\nsecond"
    assert put_comment(github, 1, "results", "other") != number
    assert len(requested.bodies("POST", "issues/1/comments")) == 2


def test_a_strangers_comment_with_our_mark_is_left_alone(github, hosted, standin):
    mine = hosted.say("<!-- pytest-slm:results -->\nfake results", user={"id": 8, "login": "sam", "type": "User"})
    app = hosted.say("<!-- pytest-slm:results -->\nx", user={"id": 9, "login": "github-actions[bot]", "type": "User"})
    quoted = hosted.say("> <!-- pytest-slm:results -->\nx", user=standin.BOT)
    assert put_comment(github, 1, "results", "true results") not in (mine["id"], app["id"], quoted["id"])
    assert hosted.comments[mine["id"]]["body"].endswith("fake results")


def test_nobody_is_called_and_no_mark_is_smuggled_in(github, hosted):
    number = put_comment(github, 1, "results", "@everyone <!-- pytest-slm:submission --> @team/all")
    text = hosted.comments[number]["body"].partition("\n")[2]
    assert "@" not in text
    assert "<!--" not in text
    # GitHub looks for people when an entity is its letter again.
    assert not re.search(r"@\w", html.unescape(text))


def test_a_long_comment_is_cut(github, hosted):
    number = put_comment(github, 1, "results", "a line\n" * 20_000)
    body = hosted.comments[number]["body"]
    assert LONGEST - 200 < len(body) < 65_536
    assert body.endswith("The rest is left out; the page of the run has it.*\n")


@pytest.mark.parametrize("subject", ["", "a b", "x -->", "A", "a\nb"])
def test_a_subject_is_a_word(github, hosted, requested, subject):
    with pytest.raises(UsageError):
        put_comment(github, 1, subject, "x")
    assert requested.log == []


def test_the_newest_status_that_we_have_set_counts(github, hosted, job, standin):
    for state in ("pending", "success"):
        set_status(github, job({}), standin.HEAD, "full-benchmark", state, "x" * 500)
    found = status_of(github, job({}), standin.HEAD, "full-benchmark")
    assert (found.state, found.run) == ("success", 55)
    assert status_of(github, job({}), standin.HEAD, "quick-test") is None
    assert status_of(github, job({}), "d4" * 20, "full-benchmark") is None


@pytest.mark.parametrize(
    ("head", "context", "state"),
    [("main", "submission", "success"), ("a1" * 20, "ci/other", "success"), ("a1" * 20, "submission", "great")],
)
def test_no_other_status_is_set(github, hosted, requested, job, head, context, state):
    with pytest.raises(UsageError):
        set_status(github, job({}), head, context, state, "")
    assert requested.log == []


def test_the_steps_talk_about_the_pull_request_of_the_event(step, hosted, standin, tmp_path, requested):
    (tmp_path / "comment.md").write_text("**told**")
    event = {"pull_request": {"number": 1}}
    assert step("comment", str(tmp_path / "comment.md"), "--subject", "submission", event=event) == 0
    assert step("status", "--head", standin.HEAD, "--context", "submission", "--state", "success", event=event) == 0
    assert requested.bodies("POST", "issues/1/comments") == [{"body": "<!-- pytest-slm:submission -->\n**told**"}]
    (status,) = requested.bodies("POST", f"statuses/{standin.HEAD}")
    assert status["target_url"] == "https://github.com/team/models/actions/runs/55"
    assert step("comment", str(tmp_path / "none.md"), "--subject", "submission", event=event) == 4
    assert step("comment", str(tmp_path / "comment.md"), "--subject", "submission", event={}) == 4
