"""The client of GitHub's API: what it believes, how long it tries, and whom it tells its token."""

from __future__ import annotations

import pytest

from pytest_slm.ci.github.client import TRIES, GitHub, field
from pytest_slm.errors import SlmError, UsageError


def test_an_answer_is_read_and_the_token_is_told_to_github_alone(github, hosted, requested, tmp_path):
    assert github.get("pulls/1")["number"] == 1
    number = hosted.upload(5, "slm-report-0", b"bytes")
    digest = github.download(f"actions/artifacts/{number}/zip", tmp_path / "x.zip", 100)
    assert (tmp_path / "x.zip").read_bytes() == b"bytes"
    assert hosted.artifacts[5][0]["digest"] == f"sha256:{digest}"
    told = dict(requested.authorized)
    assert told.pop(f"/storage/{number}") == ""
    assert set(told.values()) == {"Bearer ghs_notInAnyOutput"}


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (429, {"Retry_After": "7"}, 7),
        (403, {"Retry_After": "7"}, 7),
        (403, {"X_RateLimit_Remaining": "0"}, 1),
        (503, {}, 1),
        (429, {"Retry_After": "99999"}, 60),
        (429, {"Retry_After": "-1"}, 1),
    ],
)
def test_it_waits_as_long_as_it_is_told_and_no_hour(hosted, standin, status, headers, wait):
    waited = []
    hosted.failing = [(status, headers)]
    assert GitHub(hosted.url, standin.REPO, "", sleep=waited.append).get("pulls/1")["number"] == 1
    assert waited == [wait]


def test_it_gives_up_at_last_and_tells_what_github_said(github, hosted, requested):
    hosted.failing = [(500, {})] * TRIES
    with pytest.raises(SlmError, match="GET pulls/1: GitHub answered 500: not now") as refused:
        github.get("pulls/1")
    assert "ghs_" not in str(refused.value)
    assert len(requested.log) == TRIES


def test_a_refusal_is_not_asked_again(github, hosted, requested):
    hosted.failing = [(403, {})]
    with pytest.raises(SlmError, match="answered 403"):
        github.get("pulls/1")
    assert len(requested.log) == 1


def test_a_comment_is_not_written_twice_where_nobody_knows_whether_it_was(github, hosted, requested):
    hosted.failing = [(502, {})]
    with pytest.raises(SlmError, match="answered 502"):
        github.send("POST", "issues/1/comments", {"body": "x"})
    assert len(requested.log) == 1


def test_pages_are_read_to_the_end_or_are_an_error(github, hosted):
    hosted.files[1] = [{"filename": f"f{n}", "status": "added", "sha": "0"} for n in range(205)]
    assert len(list(github.pages("pulls/1/files"))) == 205
    with pytest.raises(SlmError, match="more than 200"):
        list(github.pages("pulls/1/files", most=200))


def test_a_download_is_not_longer_than_it_said(github, hosted, tmp_path):
    number = hosted.upload(5, "x", b"x" * 1000)
    with pytest.raises(SlmError, match="larger than 999") as refused:
        github.download(f"actions/artifacts/{number}/zip", tmp_path / "x", 999)
    assert refused.value.slug == "ci-artifact"


def test_nobody_there_is_told(standin, tmp_path):
    nobody = GitHub("http://127.0.0.1:9", standin.REPO, "", sleep=lambda _: None)
    with pytest.raises(SlmError, match="cannot be reached") as refused:
        nobody.get("pulls/1")
    assert refused.value.slug == "ci-github"


@pytest.mark.parametrize("address", ["http://api.github.com", "ftp://x", "file:///etc/passwd", "https://", "//x", ""])
def test_the_token_goes_over_nothing_that_others_can_read(address):
    with pytest.raises(UsageError, match="GITHUB_API_URL"):
        GitHub(address, "a/b", "token")


@pytest.mark.parametrize("answer", [None, [], {"a": 1}, {"a": {"b": "1"}}, {"a": {"b": True}}])
def test_what_is_not_in_an_answer_is_told(answer):
    with pytest.raises(SlmError, match=r"no a\.b"):
        field(answer, "a.b", int)
