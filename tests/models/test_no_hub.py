"""What answers is no Hub, or a Hub that refuses: one line says so, with what to do."""

import json

import pytest

pytest.importorskip("huggingface_hub", reason="needs `pip install 'pytest-slm[hub]'`")

import huggingface_hub.constants

from pytest_slm.errors import UsageError
from pytest_slm.models import resolve

SHA = "0123456789abcdef0123456789abcdef01234567"
GOOD = {"id": "org/tiny", "sha": SHA, "siblings": [{"rfilename": "a-Q8_0.gguf", "size": 3}], "tags": []}


@pytest.fixture
def refused(hub, monkeypatch, tmp_path):
    """The error of one line for ``org/tiny``, where its Hub answers this."""
    # The client reads the environment when it is imported, which another test may have done.
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.url)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("NO_PROXY", "*")

    def ask(said=None, *, status=200, **headers):
        repo = hub.repos["org/tiny"]
        repo.said, repo.status = said, status
        repo.headers = {name.replace("_", "-"): text for name, text in headers.items()}
        with pytest.raises(UsageError) as caught:
            resolve("org/tiny", submissions=tmp_path)
        assert "\n" not in str(caught.value)
        assert "org/tiny" in str(caught.value)
        return caught.value

    return ask


CHANGES = (
    *({"sha": None}, {"sha": 5}, {"sha": "../../elsewhere"}, {"siblings": 7}, {"siblings": ["a", "b"]}),
    *({"siblings": [{"rfilename": 5}]}, {"siblings": [{"rfilename": "a", "size": "large"}]}, {"config": [1]}),
    *({"safetensors": "yes"}, {"cardData": 7}, {"tags": 5}, {"tags": [5]}, {"lastModified": "yesterday"}),
)
BODIES = (
    *(b"<html><body>Please log in</body></html>", b"", b"\xff\xfe", b"[]", b"null", b"7", b'"welcome"', b"{}"),
    *(b"[" * 100_000, b'{"id":' * 5_000, b"9" * 5_000),
    *(json.dumps({**GOOD, **change}).encode() for change in CHANGES),
)


def test_what_is_no_answer_of_a_hub_is_told(refused, hub):
    for body in BODIES:
        error = refused(body, Content_Type="text/html")
        assert error.slug == "hub-answer", body[:100]
        assert f"what {hub.url} answers is no answer of a Hub" in str(error)
        assert "HF_ENDPOINT" in str(error)


def test_a_token_that_has_expired_is_told_with_what_the_hub_says(refused, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_old")
    for said in ("Invalid credentials in Authorization header", 'User Access Token "mine" is expired'):
        error = refused(status=401, X_Error_Message=said)
        assert error.slug == "hub-token"
        assert said in str(error)
        assert "hf auth login" in str(error)
    assert "it answered 401" in str(refused(status=401))


def test_without_a_token_the_same_answer_means_that_nothing_is_there(refused):
    assert refused(status=401, X_Error_Code="RepoNotFound").slug == "hub-not-found"


@pytest.mark.parametrize(
    ("headers", "when"),
    [
        ({"Retry_After": "37"}, "try again in 37 s"),
        ({"RateLimit": '"api";r=0;t=55'}, "try again in 55 s"),
        ({"Retry_After": "Wed, 21 Oct 2026 07:28:00 GMT"}, "try again after Wed, 21 Oct 2026 07:28:00 GMT"),
        ({}, "try again later"),
    ],
)
def test_a_hub_that_was_asked_too_often_says_when_it_answers_again(refused, headers, when):
    error = refused(status=429, **headers)
    assert error.slug == "hub-busy"
    assert when in str(error)


def test_a_bug_of_ours_is_not_taken_for_an_answer(hub):
    from pytest_slm.hub import asked

    with pytest.raises(ZeroDivisionError):
        asked("org/tiny", None, lambda: 1 // 0, page="", way_out="")
