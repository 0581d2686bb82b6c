"""Which comment is a command: attacks on what people may start here. Each would be one if a check were missing."""

from __future__ import annotations

import pytest

from pytest_slm.ci.comments import command_of, parse
from pytest_slm.errors import SlmError, UsageError

OTHER = "d4" * 20


@pytest.fixture
def looked_at(hosted, standin):
    """The head was looked at, and is in order."""
    hosted.status(standin.HEAD, "pytest-slm/submission")


@pytest.fixture
def given(hosted, github, job):
    """What comes of a comment that somebody has just written."""

    def ask(body="/quick-test", *, action="created", name="issue_comment", comment=None, issue=None, **more):
        said = comment or hosted.say(body, **more)
        return command_of(github, job(hosted.event(said, action=action, **(issue or {})), name))

    return ask


@pytest.fixture
def refused(given):
    """The reason why a comment is not followed."""

    def ask(*arguments, **named):
        with pytest.raises(SlmError) as error:
            given(*arguments, **named)
        assert error.value.slug == "ci-comment"
        return str(error.value)

    return ask


def test_a_command_by_who_may_write_about_what_was_looked_at_is_followed(given, looked_at, standin):
    command = given("/full-benchmark")
    assert (command.name, command.pull, command.head, command.user) == ("full-benchmark", 1, standin.HEAD, "mara")


def test_a_command_may_name_the_commit(given, hosted, standin):
    comment = hosted.say(f"/quick-test {standin.HEAD}\r\n")
    hosted.status(standin.HEAD, "pytest-slm/submission")  # later: it does not matter then
    assert given(comment=comment).head == standin.HEAD


def test_results_are_published_of_the_run_that_measured_this_commit(given, looked_at, hosted, standin):
    hosted.status(standin.HEAD, "pytest-slm/full-benchmark", run=77)
    assert given("/publish-results").measured == 77


def test_a_merged_pull_request_can_be_published_again(given, looked_at, hosted, standin):
    hosted.status(standin.HEAD, "pytest-slm/full-benchmark", run=77)
    hosted.pulls[1] |= {"state": "closed", "merged": True}
    assert given("/publish-results").measured == 77


@pytest.mark.parametrize(
    "body",
    [
        *("please /quick-test", "/quick-test please", "/quick-test\n\nthanks", "hello\n/quick-test", " /quick-test"),
        *("> /quick-test", "```\n/quick-test\n```", "    /quick-test", "`/quick-test`", "<!-- -->/quick-test"),
        *(
            "/QUICK-TEST",
            "/quick-test ",
            "/quick-tests",
            "//quick-test",
            "quick-test",
            "/quick‐test",
            "\ufeff/quick-test",
        ),
        *("/quick-test abc", f"/quick-test {'A1' * 20}", f"/quick-test {'a1' * 21}", f"/quick-test {'a1' * 20}; id"),
        *("/quick-test $(id)", "/quick-test\x00", "/quick-test\u2028", "", "/", None, 7, "/quick-test\n" * 50),
    ],
)
def test_only_a_whole_comment_is_a_command(body):
    assert parse(body) is None


def test_what_is_no_command_asks_github_nothing(given, requested):
    assert given("looks good to me, maybe /quick-test later?") is None
    assert requested.log == []


def test_a_stranger_is_refused(refused, looked_at, standin, hosted):
    assert "sam may not write" in refused(user=hosted.permissions["sam"][1])


@pytest.mark.parametrize("permission", ["read", "none", "triage", "maintainer", "Write", ""])
def test_less_than_write_is_refused(refused, looked_at, hosted, permission):
    hosted.permissions["mara"] = (permission, hosted.permissions["mara"][1])
    assert "may not write" in refused()


def test_somebody_github_does_not_know_is_refused(refused, looked_at, hosted):
    del hosted.permissions["mara"]
    assert "may not write" in refused()


def test_a_name_that_another_account_has_now_is_refused(refused, looked_at, hosted):
    hosted.permissions["mara"] = ("admin", {"id": 99, "login": "mara"})
    assert "may not write" in refused()


@pytest.mark.parametrize("login", ["../../orgs/x", "mara/../sam", "mara?x=1", "mara#", "", "a b", "$(id)", "m\nx"])
def test_a_name_is_no_path(refused, looked_at, hosted, requested, login):
    assert "no name" in refused(user={"id": 7, "login": login, "type": "User"})
    assert not any("permission" in path for _, path, _ in requested.log)


def test_a_bot_is_refused(refused, looked_at, standin):
    assert "not by bots" in refused(user=standin.BOT)


def test_an_app_that_speaks_for_a_person_is_refused(refused, looked_at):
    assert "not by bots" in refused(performed_via_github_app={"id": 1})


def test_a_comment_that_was_edited_since_is_refused(refused, looked_at, hosted):
    comment = hosted.say("/quick-test")
    hosted.comments[comment["id"]]["updated_at"] = hosted.now()
    assert "edited" in refused(comment=comment)


def test_a_comment_with_another_text_now_is_refused(refused, looked_at, hosted):
    comment = hosted.say("nice work")
    assert "edited" in refused(comment={**comment, "body": "/full-benchmark"})


@pytest.mark.parametrize("action", ["edited", "deleted", None])
def test_an_edit_is_no_command(refused, looked_at, action):
    assert "only a new comment" in refused(action=action)


@pytest.mark.parametrize("name", ["pull_request", "push", "workflow_dispatch", "pull_request_review_comment", ""])
def test_another_event_is_no_command(refused, looked_at, name):
    assert "only a new comment" in refused(name=name)


def test_an_issue_is_no_pull_request(refused, looked_at):
    assert "nothing to measure" in refused(issue={"pull_request": None})


def test_a_comment_from_another_pull_request_is_refused(refused, looked_at, hosted):
    assert "elsewhere" in refused(comment=hosted.say("/quick-test", issue=2))


def test_somebody_elses_comment_is_refused(refused, looked_at, hosted):
    comment = hosted.say("/quick-test", user=hosted.permissions["sam"][1])
    assert "somebody else's" in refused(comment={**comment, "user": hosted.permissions["mara"][1]})


def test_a_push_after_the_comment_is_refused(refused, looked_at, hosted):
    # time of check, time of use: the maintainer has seen HEAD, and OTHER is there when the job begins
    comment = hosted.say("/full-benchmark")
    hosted.pulls[1]["head"]["sha"] = OTHER
    assert "nobody has looked at this commit yet" in refused(comment=comment)
    hosted.status(OTHER, "pytest-slm/submission")
    assert "a push shortly before the comment" in refused(comment=comment)


def test_a_commit_that_was_named_and_replaced_by_force_is_refused(refused, looked_at, hosted, standin):
    comment = hosted.say(f"/full-benchmark {standin.HEAD}")
    hosted.pulls[1]["head"]["sha"] = OTHER
    hosted.status(OTHER, "pytest-slm/submission")
    assert "somebody has pushed" in refused(comment=comment)


def test_a_status_that_somebody_else_has_set_does_not_count(refused, hosted, standin):
    for creator in ({"id": 8, "login": "sam"}, {**standin.BOT, "type": "User"}, {"login": "x"}):
        hosted.status(standin.HEAD, "pytest-slm/submission", creator={"type": "Bot", **creator})
    hosted.status(standin.HEAD, "pytest-slm/submission/", "success")
    assert "nobody has looked" in refused()


@pytest.mark.parametrize("state", ["failure", "error", "pending"])
def test_a_submission_that_is_not_in_order_is_not_measured(refused, looked_at, hosted, standin, state):
    hosted.status(standin.HEAD, "pytest-slm/submission", state)
    assert "not in order" in refused()


def test_what_was_not_measured_is_not_published(refused, looked_at, hosted, standin):
    hosted.status(standin.HEAD, "pytest-slm/quick-test", run=77)
    assert "no results" in refused("/publish-results")


def test_results_of_another_repository_are_not_published(refused, looked_at, hosted, standin):
    hosted.status(standin.HEAD, "pytest-slm/full-benchmark")
    for address in (
        "https://github.com/sam/models/actions/runs/77",
        "https://evil.org/team/models/actions/runs/7",
        None,
    ):
        hosted.statuses[standin.HEAD][0]["target_url"] = address
        assert "no results" in refused("/publish-results")


@pytest.mark.parametrize(
    ("where", "what"),
    [("base.ref", "release"), ("base.repo.full_name", "sam/models"), ("state", "closed")],
)
def test_a_pull_request_that_is_not_for_us_is_refused(refused, looked_at, hosted, where, what):
    *path, last = where.split(".")
    target = hosted.pulls[1]
    for key in path:
        target = target[key]
    target[last] = what
    assert "the pull request is" in refused()


def test_the_step_tells_later_ones_what_to_do(step, hosted, looked_at, standin, outputs, tmp_path, capsys):
    event = hosted.event(hosted.say("/quick-test"))
    assert step("command", "--output", str(tmp_path / "order"), event=event) == 0
    assert outputs() == {"command": "quick-test", "head": standin.HEAD, "measured": "0"}
    assert (tmp_path / "order/submissions/tiny.yml").read_bytes() == standin.YAML
    assert "ghs_" not in "".join(capsys.readouterr())


def test_the_step_tells_that_there_is_nothing_to_do(step, hosted, outputs, tmp_path):
    assert step("command", "--output", str(tmp_path / "order"), event=hosted.event(hosted.say("thanks"))) == 0
    assert outputs() == {"command": ""}
    assert not (tmp_path / "order").exists()


def test_a_refused_step_fails_in_one_line_and_orders_nothing(step, hosted, outputs, tmp_path, capsys):
    event = hosted.event(hosted.say("/quick-test", user=hosted.permissions["sam"][1]))
    assert step("command", "--output", str(tmp_path / "order"), event=event) == 1
    assert outputs() == {}
    assert not (tmp_path / "order").exists()
    assert capsys.readouterr().err == "not done: sam may not write to this repository  [ci-comment]\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("GITHUB_REPOSITORY", value) for value in ("", "x", "a/b/c", "../..", "a/..", "a/$(id)", "a/b\nX=1")),
        *(("GITHUB_RUN_ID", value) for value in ("", "0", "-1", "1;2", "٣", "1\n2", "9" * 30)),
        *(("GITHUB_EVENT_PATH", value) for value in ("/no/such/file", "/dev/zero", ".")),
    ],
)
def test_an_environment_that_is_no_jobs_is_refused(job, name, value):
    with pytest.raises(UsageError) as refused:
        job({}, **{name: value})
    assert refused.value.slug == "ci-environment"


def test_where_github_does_not_say_who_may_write_nothing_is_done(given, looked_at, hosted, requested):
    comment = hosted.say("/quick-test")
    asked = f"GET issues/comments/{comment['id']}"
    hosted.after[asked] = lambda: hosted.failing.extend([(500, {})] * 4)
    with pytest.raises(SlmError) as failed:
        given(comment=comment)
    assert failed.value.slug == "ci-github"


def test_an_event_that_is_no_object_is_refused(job):
    with pytest.raises(UsageError, match="no event"):
        job([1])
