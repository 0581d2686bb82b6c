"""From a finished run to a commit on main, the registry and the pages; on a bare repository of git."""

from __future__ import annotations

import json
import subprocess

import pytest
from slm_github_standin import git

from pytest_slm.ci.git import Git, branch_named
from pytest_slm.ci.github.client import GitHub
from pytest_slm.errors import SlmError, UsageError
from pytest_slm.registry.folder import check_registry

OTHER = "d4" * 20


@pytest.fixture
def published(step, hosted, main, standin, tmp_path):
    """Runs the step."""

    def run(*more, head=standin.HEAD, branch="main"):
        given = ["--repository", str(tmp_path / "results"), "--site", str(tmp_path / "public"), "--branch", branch]
        event = hosted.event(hosted.say("/publish-results"))
        return step("publish", *given, "--head", head, "--measured", "77", *more, event=event)

    return run


@pytest.fixture
def ready(hosted, handed_over):
    """Run 77 has measured the head."""
    hosted.run(77)
    hosted.upload(77, "slm-report-0", handed_over(origin_run=77))


def listed(bare):
    return git(bare, "ls-tree", "-r", "--name-only", "main").splitlines()


def test_results_are_one_commit_with_registry_and_pages(
    published, ready, main, hosted, requested, outputs, tmp_path, capsys
):
    assert published() == 0
    names = listed(main)
    assert {"submissions/tiny.yml", "reports/tiny/Q8_0/r1/report.json", "registry/index.json"} <= set(names)
    samples = [name for name in names if name.startswith("reports/tiny/Q8_0/r1/samples/")]
    lines = "".join(git(main, "show", f"main:{name}") for name in samples)
    assert '"doc_id"' in lines
    assert not any(f'"{text}"' in lines for text in ("prompt", "target", "response", "answer"))
    assert not any(name.endswith(".html") for name in names)
    assert (tmp_path / "public/index.html").is_file()
    assert not check_registry(tmp_path / "results/registry")
    (body,) = requested.bodies("PUT", "pulls/1/merge")
    assert body["sha"] == "a1" * 20
    assert body["commit_title"] == "Add submissions/tiny.yml (#1)"
    assert outputs()["commit"] == git(main, "rev-parse", "main")
    assert git(main, "log", "-1", "--format=%an|%s", "main") == "github-actions[bot]|Results of tiny (#1)"
    assert "1 reports of tiny are published" in (tmp_path / "published.md").read_text()
    assert "ghs_" not in "".join(capsys.readouterr())


def test_the_same_again_changes_nothing(published, ready, main, hosted, requested, tmp_path):
    assert published() == 0
    before = git(main, "rev-parse", "main")
    (tmp_path / "output").unlink()
    assert published() == 0
    assert git(main, "rev-parse", "main") == before
    assert (tmp_path / "output").read_text() == "commit=\n"
    assert len(requested.bodies("PUT", "pulls/1/merge")) == 1  # it is merged already


def test_results_may_have_a_branch_of_their_own(published, ready, main, tmp_path):
    git(tmp_path / "work", "push", "--quiet", "origin", "HEAD:refs/heads/results")
    assert published(branch="results") == 0
    names = git(main, "ls-tree", "-r", "--name-only", "results").splitlines()
    assert {"submissions/tiny.yml", "reports/tiny/Q8_0/r1/report.json", "registry/index.json"} <= set(names)
    assert "registry/index.json" not in listed(main)  # where the pull request itself is merged
    assert "submissions/tiny.yml" in listed(main)


def test_somebody_elses_push_in_between_is_built_upon(published, ready, main, hosted, tmp_path, monkeypatch):
    real, pushed = Git.tried, []

    def tried(self, *arguments):
        if arguments[0] == "push" and not pushed:
            pushed.append(arguments)
            git(tmp_path / "work", "pull", "--quiet", "origin", "main")
            (tmp_path / "work/README.md").write_text("changed\n")
            git(tmp_path / "work", "commit", "--quiet", "-am", "meanwhile")
            git(tmp_path / "work", "push", "--quiet", "origin", "HEAD:main")
        return real(self, *arguments)

    monkeypatch.setattr(Git, "tried", tried)
    assert published() == 0
    assert git(main, "log", "-2", "--format=%s", "main").splitlines() == ["Results of tiny (#1)", "meanwhile"]


@pytest.fixture
def refused(published, main, requested, capsys):
    """The reason why nothing is published. Main is as it was, and nothing was merged."""

    def ask(*arguments, **named):
        before = git(main, "rev-parse", "main")
        assert published(*arguments, **named) in (1, 4)
        assert git(main, "rev-parse", "main") == before
        assert requested.bodies("PUT", "pulls/1/merge") == []
        return capsys.readouterr().err

    return ask


def test_a_head_that_moved_is_refused(refused, ready, hosted):
    hosted.pulls[1]["head"]["sha"] = OTHER
    assert "no longer a1a1a1" in refused()


def test_a_head_that_moves_before_the_merge_is_refused(published, ready, main, hosted, standin, capsys):
    hosted.after["GET actions/runs/77/artifacts"] = lambda: hosted.pulls[1]["head"].update(sha=OTHER)
    before = git(main, "rev-parse", "main")
    assert published() == 1
    assert "its head is d4d4d4" in capsys.readouterr().err
    assert git(main, "rev-parse", "main") == before


def test_github_has_the_last_word_on_the_head(published, ready, main, hosted, capsys, monkeypatch):
    # the push comes between our look and the merge: GitHub is told the commit, and refuses
    send = GitHub.send

    def late(self, method, path, body):
        hosted.pulls[1]["head"]["sha"] = OTHER
        return send(self, method, path, body)

    monkeypatch.setattr(GitHub, "send", late)
    before = git(main, "rev-parse", "main")
    assert published() == 1
    assert "Head branch was modified" in capsys.readouterr().err
    assert git(main, "rev-parse", "main") == before


def test_a_run_that_failed_or_is_another_workflows_is_refused(refused, ready, hosted):
    hosted.run(77, conclusion="failure")
    assert "its conclusion is failure" in refused()
    hosted.run(77, path=".github/workflows/evil.yml")
    assert "its workflow is" in refused()


def test_a_scripted_model_is_refused(refused, hosted, handed_over, factory):
    hosted.run(77)
    run = factory.make_run("Q8_0", slug="tiny", name="Tiny", hf_repo="org/tiny", run_id="r1", backend={"name": "fake"})
    hosted.upload(77, "slm-report-0", handed_over(run=run, origin_run=77))
    assert "a scripted model is no model" in refused()


def test_what_the_registry_refuses_is_found_before_the_merge(refused, hosted, handed_over, factory):
    hosted.run(77)
    later = "2099-01-01T00:00:00+00:00"
    run = factory.make_run(
        "Q8_0", slug="tiny", name="Tiny", hf_repo="org/tiny", run_id="r1", created=later, finished=later
    )
    hosted.upload(77, "slm-report-0", handed_over(run=run, origin_run=77))
    assert "which is not yet" in refused()


def test_a_submission_that_lacks_what_publishing_needs_is_refused(refused, ready, hosted, standin):
    hosted.pull(content=standin.YAML.replace(b"  submitted_by: sam\n", b""))
    assert "'model.submitted_by' is missing" in refused()


def test_another_file_on_main_than_the_measured_one_is_refused(published, ready, main, hosted, standin, capsys):
    real = hosted.on_merge

    def merge(number):
        hosted.blobs = {"x": b"model: {hf_repo: evil/repo}\n"}
        return real(number)

    hosted.on_merge = merge
    assert published() == 1
    assert "is not the one that was measured" in capsys.readouterr().err
    assert "registry/index.json" not in listed(main)


def test_a_report_that_is_there_with_another_content_is_refused(
    published, ready, main, hosted, handed_over, factory, capsys
):
    assert published() == 0
    before = git(main, "rev-parse", "main")
    run = factory.make_run("Q8_0", slug="tiny", name="Tiny", hf_repo="org/tiny", run_id="r1", day=2)
    hosted.artifacts[77].clear()
    hosted.upload(77, "slm-report-0", handed_over(run=run, origin_run=77))
    assert published() == 1
    assert "is there with another content" in capsys.readouterr().err
    assert git(main, "rev-parse", "main") == before


def test_a_closed_pull_request_is_refused(refused, ready, hosted):
    hosted.pulls[1]["state"] = "closed"
    assert "it is closed" in refused()


@pytest.mark.parametrize(
    "name", ["--upload-pack=id", "-x", "a..b", "a b", "$(id)", "", "main.lock", "main/", "x\ny", "@{u}"]
)
def test_a_branch_is_a_name_and_no_option(name):
    with pytest.raises(UsageError):
        branch_named(name)


@pytest.mark.parametrize("head", ["main", "a1", "$(id)", ""])
def test_a_head_is_a_commit(refused, ready, head):
    assert "no commit" in refused(head=head)


def test_the_token_is_in_no_argument_and_hooks_are_not_run(tmp_path, main, monkeypatch):
    work = tmp_path / "results"
    hook = work / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ntouch hooked\n")
    hook.chmod(0o755)
    seen = []
    real = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda line, **more: seen.append((line, more["env"])) or real(line, **more))
    monkeypatch.setenv("GIT_SSH_COMMAND", "id")
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_secret")
    tool = Git(work, token="ghs_secret")
    tool("commit", "--quiet", "--allow-empty", "--message", "x")
    assert not (work / "hooked").exists()
    assert "ghs_secret" not in str([line for line, _ in seen])
    assert all("GIT_SSH_COMMAND" not in env and "GITHUB_TOKEN" not in env for _, env in seen)
    with pytest.raises(SlmError, match="git checkout") as failed:
        tool("checkout", "nowhere")
    assert failed.value.slug == "ci-git"


def test_the_token_is_for_the_remote_alone(tmp_path, main):
    work = tmp_path / "results"
    git(work, "remote", "set-url", "origin", "https://github.com/team/models")
    told = Git(work, token="ghs_secret")._environment()
    headers = {told[f"GIT_CONFIG_KEY_{n}"]: told[f"GIT_CONFIG_VALUE_{n}"] for n in range(int(told["GIT_CONFIG_COUNT"]))}
    assert [name for name in headers if name.endswith("extraheader")] == ["http.https://github.com/.extraheader"]
    git(work, "remote", "set-url", "origin", "http://github.com/team/models")
    assert "extraheader" not in str(Git(work, token="ghs_secret")._environment())


def test_pages_and_registry_are_of_all_reports_on_the_branch(published, ready, main, factory, tmp_path):
    work = tmp_path / "work"
    run = factory.make_run("Q8_0", slug="older", name="Older", hf_repo="org/older", run_id="r0")
    factory.store_run(work / "reports", run)
    git(work, "add", "--force", "reports")
    git(work, "commit", "--quiet", "-m", "older")
    git(work, "push", "--quiet", "origin", "HEAD:main")
    assert published() == 0
    index = json.loads(git(main, "show", "main:registry/index.json"))
    assert [model["name"] for model in index["models"]] == ["Older", "Tiny"]


@pytest.mark.parametrize("odd", ["older", "tiny"])
def test_a_model_without_a_page_is_not_published_and_stops_no_other(
    published, ready, main, factory, tmp_path, monkeypatch, capsys, odd
):
    from pytest_slm.site import models

    work, make = tmp_path / "work", models.model_facts

    def facts(entry, rows):
        if odd in entry.id:
            raise ValueError("-1 successes out of 400")
        return make(entry, rows)

    factory.store_run(work / "reports", factory.make_run("Q8_0", slug="older", name="Older", run_id="r0"))
    git(work, "add", "--force", "reports")
    git(work, "commit", "--quiet", "-m", "older")
    git(work, "push", "--quiet", "origin", "HEAD:main")
    monkeypatch.setattr(models, "model_facts", facts)
    mine = odd == "tiny"
    assert bool(published()) == mine
    assert ("not published" in capsys.readouterr().err) == mine
    assert ("registry/index.json" in listed(main)) != mine
