"""What is told of a submission, and what a hostile one cannot do to whoever reads about it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from markdown_it import MarkdownIt

from pytest_slm.ci.github.pulls import offered
from pytest_slm.ci.submitting import look
from pytest_slm.errors import SlmError
from pytest_slm.registry import build_folder

EVENT = {"pull_request": {"number": 1, "title": "x\n::set-output name=a::b", "head": {"ref": "$(id)"}}}


@pytest.fixture
def looked(github, hosted, standin, tmp_path, tiny_package):
    """What comes of a submission, with some of its text replaced."""

    def ask(old=b"", new=b"", *, content=None, main=None, path="tiny.yml"):
        hosted.pull(content=content or standin.YAML.replace(old, new), name=path)
        return look(offered(github, 1), tmp_path / "look", main=main or tmp_path, offline=True)

    return ask


def test_what_is_in_order_is_shown_as_counted(looked, standin):
    found = looked()
    assert (found.state, found.problems, found.line) == ("success", (), "in order")
    assert "| Q8&#95;0 | gguf | 128 |" in found.markdown
    assert f"`/full-benchmark {standin.HEAD}`" in found.markdown


def test_what_is_declared_and_not_counted_is_a_problem(looked):
    found = looked(b'"128"', b'"135M"')
    assert found.state == "failure"
    assert "135M" in found.markdown
    assert "/full-benchmark" not in found.markdown


def test_what_publishing_needs_is_told(looked):
    found = looked(b"  submitted_by: sam\n")
    assert found.state == "success"
    assert "Not yet fit for publishing" in found.markdown
    assert "submitted" in found.markdown


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b'"pkg:tiny-model"', b'"./weights"', "does not bring"),
        (b'"pkg:tiny-model"', b'"../../etc"', "inside this folder"),
        (b'"pkg:tiny-model"', b'"/etc/passwd"', "inside this folder"),
        (b"tiny-Q8_0.gguf", b'"../../secret.gguf"', "inside this folder"),
        (b"tiny-Q8_0.gguf", b'"/proc/self/environ"', "inside this folder"),
        (b"tiny-Q8_0.gguf", b"tiny.bin", "pickled weights"),
        (b'"pkg:tiny-model"', b'"pkg:../x"', "pkg:NAME"),
        (b'"pkg:tiny-model"', b'"pkg:not-installed-here"', "is not installed"),
        (b"org/tiny", b"https://evil.example/x", "Hub repo id"),
        (b"org/tiny", b"../../x", "Hub repo id"),
        (b"  name: Tiny\n", b"  name: Tiny\n  trust_remote_code: true\n", "never run"),
        (b"  name: Tiny\n", b"  name: !!python/object/apply:os.system [id]\n", "tag"),
        (b"  name: Tiny\n", b"  name: Tiny\n  engine: {lora: /etc/passwd}\n", "unknown key"),
        (b'"128"', b'"7B"', "7B"),
    ],
)
def test_a_submission_that_names_what_it_may_not_is_refused(looked, old, new, why):
    found = looked(old, new)
    assert found.state == "failure"
    assert why in " ".join(found.problems)


def test_a_yaml_bomb_is_refused(looked):
    bomb = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
        b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9)) for n in range(8)
    )
    assert looked(content=bomb).state == "failure"
    assert looked(content=b"model: " + b"[" * 5_000).state == "failure"
    assert looked(content=b"\xff\xfe\x00").state == "failure"


def test_the_same_repo_in_another_submission_is_a_problem(looked, tmp_path):
    (tmp_path / "submissions").mkdir()
    (tmp_path / "submissions/other.yml").write_text("model: {hf_repo: Org/Tiny}")
    assert "submissions/other.yml is of Org/Tiny, too" in " ".join(looked().problems)


def test_many_quantizations_are_refused(looked, standin):
    line = standin.YAML.splitlines()[-1]
    more = b"\n".join(line.replace(b"Q8_0, f", b"Q%d, f" % n) for n in range(40))
    found = looked(content=standin.YAML.replace(line, more))
    assert "at most 32" in " ".join(found.problems)


HOSTILE = [
    "@everyone @mara",
    "<img src=x onerror=alert(1)>",
    "[click](https://evil.example)",
    "| a | b |",
    "`rm -rf`",
    "#1 closes #2",
    "<!-- pytest-slm:submission -->",
    "www.evil.example https://evil.example",
    "**bold** ~~x~~",
    "$x$",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_nothing_but_text_in_the_comment(looked, name):
    markdown = looked(b"  name: Tiny\n", b"  name: " + json.dumps(name).encode() + b"\n").markdown
    # neither CommonMark nor what GitHub adds: people, addresses, issues, formulas
    assert not re.search(r"@|<|www\.|https://|(?<!&)#\d|\$x\$", markdown)
    heading = MarkdownIt().enable("table").parse(markdown)[1]
    assert {child.type for child in heading.children} <= {"text", "text_special"}
    shown = "".join(child.content for child in heading.children)
    assert not re.search(r"@\w|#\d", shown)
    assert shown.replace("\u200b", "") == f"{name}: the submission is in order"


@pytest.mark.parametrize("name", ["a\nb", "a\u202eb", "a\x1b[31mb", "::add-mask::x\n::set-output name=state::success"])
def test_a_name_of_many_lines_is_refused_and_shown_in_one(looked, name):
    found = looked(b"  name: Tiny\n", b"  name: " + json.dumps(name).encode() + b"\n")
    assert found.state == "failure"
    assert all("\n" not in one and "\u202e" not in one and "\x1b" not in one for one in found.problems)


def test_the_step_writes_comment_and_outputs(step, looked, outputs, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    looked()
    out = str(tmp_path / "out")
    assert step("submission", "--output", out, "--offline", event=EVENT, name="pull_request_target") == 0
    assert outputs() == {"state": "success", "line": "in order"}
    assert "Tiny" in (tmp_path / "out/comment.md").read_text()
    assert "Tiny" in (tmp_path / "summary.md").read_text()
    assert "ghs_" not in "".join(capsys.readouterr()) + (tmp_path / "out/comment.md").read_text()


def test_a_pull_request_with_other_changes_is_told_why(step, hosted, outputs, tmp_path):
    hosted.files[1].append({"filename": ".github/workflows/x.yml", "status": "added", "sha": "0"})
    assert step("submission", "--output", str(tmp_path / "out"), event=EVENT, name="pull_request_target") == 0
    assert outputs()["state"] == "failure"
    assert "changes 2 files" in (tmp_path / "out/comment.md").read_text()
    assert not (tmp_path / "out/submissions").exists()


def test_another_head_than_that_of_the_event_is_not_looked_at(step, hosted, standin, outputs, tmp_path):
    # a good commit behind a bad one: the status of the bad one would say what was found out about the good one
    event = {"pull_request": {"number": 1, "head": {"sha": "d4" * 20}}}
    assert step("submission", "--output", str(tmp_path / "out"), event=event, name="pull_request_target") == 0
    assert outputs()["state"] == "failure"
    assert not (tmp_path / "out/submissions").exists()


@pytest.mark.parametrize("text", ["a\nstate=success", "a\rb", "a\x00", "a\u2028b", "x" * 600_000])
def test_an_output_is_one_line_or_none(job, outputs, text):
    with pytest.raises(SlmError) as refused:
        job({}).put(line=text)
    assert refused.value.slug == "ci-environment"
    assert outputs() == {}


@pytest.mark.parametrize("name", ["GITHUB_ENV", "a-b", "a\nb", "", "PATH", "a=b"])
def test_an_output_has_a_plain_name(job, name):
    with pytest.raises(SlmError):
        job({}).put(**{name: "x"})


def test_what_is_printed_is_no_command_to_the_runner(step, hosted, tmp_path, capsys, monkeypatch):
    # `::set-output` and `##[add-mask]` on standard output are commands, unless they are stopped by a secret word
    registered = []
    monkeypatch.setattr("atexit.register", lambda *call: registered.append(call))
    from pytest_slm.cli.main import main

    hosted.files[1][0]["filename"] = "::set-output name=state::success"
    assert step("submission", "--output", str(tmp_path / "out"), event=EVENT) == 0
    capsys.readouterr()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert main(["ci", "submission", "--output", str(tmp_path / "out")]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    word = re.fullmatch(r"::stop-commands::([0-9a-f]{32})", first)[1]
    assert any("::set-output" in line for line in rest)
    assert word not in "".join(rest)
    assert registered[0][1] == f"::{word}::"


def test_what_is_in_the_registry_is_not_offered_again(looked, factory, tmp_path, standin):
    commit = "0123456789abcdef0123456789abcdef01234567"
    run = factory.make_run("Q8_0", slug="tiny", name="Tiny", hf_repo="org/tiny", suites=("reasoning",))
    run = replace(run, submission=replace(run.submission, revision=commit))
    factory.store_run(tmp_path / "reports", run)
    build_folder(tmp_path / "reports", tmp_path / "registry", now=datetime.now(UTC))
    pinned = b"  hf_repo: org/tiny\n  revision: " + commit.encode() + b"\n"
    assert f"Q8_0 of org/tiny at {commit} is in the registry" in looked(b"  hf_repo: org/tiny\n", pinned).problems
    # another revision, or a change of the submission that made it, is fine
    assert looked().problems == ()
