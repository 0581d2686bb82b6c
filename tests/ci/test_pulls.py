"""What a pull request may bring: one plain file, at one commit. Attacks with its files, its names and its pushes."""

from __future__ import annotations

import pytest

from pytest_slm.ci.github.pulls import LARGEST, offered
from pytest_slm.errors import SlmError

OTHER = "d4" * 20


@pytest.fixture
def refused(github, hosted):
    """The reason why a pull request is not looked at."""

    def ask(head=None):
        with pytest.raises(SlmError) as error:
            offered(github, 1, head)
        assert error.value.slug == "ci-pull"
        return str(error.value)

    return ask


def test_the_file_is_fetched_as_data_at_the_head(github, standin, requested, tmp_path):
    offer = offered(github, 1)
    assert (offer.slug, offer.head, offer.is_new) == ("tiny", standin.HEAD, True)
    assert offer.put(tmp_path).read_bytes() == standin.YAML
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")] == ["submissions/tiny.yml"]
    # neither the contents API, which follows links, nor a checkout
    asked = {path.partition("/repos/team/models/")[2].split("/")[0] for _, path, _ in requested.log}
    assert asked == {"pulls", "git"}


@pytest.mark.parametrize(
    "name",
    [
        *(".github/workflows/benchmark.yml", "suites/core/suite.yaml", "pytest_slm/cli/main.py", "conftest.py"),
        *("submissions/../pytest_slm/x.yml", "submissions/./x.yml", "submissions/a/b.yml", "/submissions/a.yml"),
        *(
            "submissions/.yml",
            "submissions/x.yml/",
            "submissions/X.yml",
            "submissions/$(id).yml",
            "submissions/a b.yml",
        ),
        *(
            "submissions/x.yaml.py",
            "submissions/-rf.yml",
            "submissions/..yml",
            "xsubmissions/x.yml",
            "submissions\\x.yml",
        ),
        *(
            "submissions/x.yml\nmain.py",
            "submissions/é.yml",
            f"submissions/{'x' * 101}.yml",
            "submissions/template.yml",
        ),
    ],
)
def test_another_file_is_refused(refused, hosted, requested, name):
    hosted.files[1][0]["filename"] = name
    assert "a submission is one file" in refused()
    assert not any("/git/" in path for _, path, _ in requested.log)


def test_a_second_file_is_refused(refused, hosted):
    hosted.files[1].append({"filename": ".github/workflows/x.yml", "status": "added", "sha": "0"})
    assert "changes 2 files" in refused()


def test_a_pull_request_without_a_change_is_refused(refused, hosted):
    hosted.files[1].clear()
    assert "changes 0 files" in refused()


@pytest.mark.parametrize("status", ["removed", "renamed", "copied", "changed", "unchanged"])
def test_what_is_not_written_is_refused(refused, hosted, status):
    hosted.files[1][0]["status"] = status
    assert "only new and changed" in refused()


@pytest.mark.parametrize("mode", ["120000", "160000", "100755", "040000", ""])
def test_a_link_a_program_or_a_submodule_is_refused(refused, hosted, standin, mode):
    hosted.commit(standin.HEAD, {"tiny.yml": b"/etc/passwd"}, mode=mode)
    assert "no plain file" in refused()


def test_a_folder_that_is_a_link_is_refused(refused, hosted, standin):
    hosted.trees[standin.HEAD][1] |= {"mode": "120000", "type": "blob"}
    assert "no plain folder" in refused()


def test_a_file_that_is_not_there_is_refused(refused, hosted, standin):
    hosted.commit(standin.HEAD, {"other.yml": standin.YAML})
    assert "is not there" in refused()


def test_a_tree_that_is_cut_is_refused(refused, hosted):
    hosted.truncated = True
    assert "too large" in refused()


def test_a_huge_file_is_not_fetched(refused, hosted, standin, requested):
    hosted.commit(standin.HEAD, {"tiny.yml": b"#" * (LARGEST + 1)})
    assert f"at most {LARGEST} are read" in refused()
    assert not any("/git/blobs/" in path for _, path, _ in requested.log)


def test_bytes_that_are_not_those_of_the_hash_are_refused(refused, hosted, standin):
    hosted.blobs[standin.git_sha(standin.YAML)] = standin.YAML.replace(b"128", b"129")
    assert "not those of its hash" in refused()


def test_a_push_while_it_is_looked_at_is_refused(refused, hosted):
    hosted.after["GET pulls/1/files"] = lambda: hosted.pulls[1]["head"].update(sha=OTHER)
    assert "somebody has pushed" in refused()


def test_another_head_than_the_one_that_was_commented_on_is_refused(refused, standin):
    assert "somebody has pushed" in refused(OTHER)


def test_what_is_read_is_of_the_pinned_commit_and_no_branch(github, hosted, standin, requested):
    # a branch called $(id), or refs/heads/main: no name of it is ever asked for
    hosted.pulls[1]["head"] |= {}
    offered(github, 1, standin.HEAD)
    asked = [path.rpartition("/")[2] for _, path, _ in requested.log if "/git/" in path]
    assert asked[0] == standin.HEAD
    assert all(len(one) == 40 for one in asked)


@pytest.mark.parametrize("sha", ["main", "$(id)", "", "A1" * 20, "a1" * 20 + "\n", 7, None])
def test_a_head_that_is_no_commit_is_refused(github, hosted, sha):
    hosted.pulls[1]["head"]["sha"] = sha
    with pytest.raises(SlmError) as refused:
        offered(github, 1)
    assert refused.value.slug == "ci-github"
