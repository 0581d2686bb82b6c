"""Files of samples: their hash, and what is refused with its line."""

import dataclasses
import hashlib
import json

import pytest

from pytest_slm.core.types import MetricSpec, Task
from pytest_slm.errors import UsageError
from pytest_slm.extensions import Extensions
from pytest_slm.kinds import checks

LINE = '{"id": "1", "input": "?"}'


@pytest.fixture
def jsonl(tmp_path):
    """Writes bytes or lines into a file of samples."""

    def write(content):
        path = tmp_path / "samples.jsonl"
        path.write_bytes(content if isinstance(content, bytes) else "\n".join(content).encode("utf-8"))
        return path

    return write


def test_the_declared_hash_is_that_of_the_bytes(jsonl):
    path = jsonl([LINE])
    assert len(checks.read_samples(path, hashlib.sha256(path.read_bytes()).hexdigest())) == 1


def test_changed_samples_are_refused_with_both_hashes(jsonl):
    path = jsonl([LINE])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(UsageError, match=f"{digest}.*{'0' * 64}.*version") as caught:
        checks.read_samples(path, "0" * 64)
    assert caught.value.slug == "samples-changed"


def test_an_id_is_given_once(jsonl):
    with pytest.raises(UsageError, match=r"samples\.jsonl:3: the id '1' is there twice") as caught:
        checks.read_samples(jsonl([LINE, "", LINE]))
    assert caught.value.slug == "samples-duplicate"


@pytest.mark.parametrize(
    ("scorer", "bad", "why"),
    [
        ("exact", {}, "the target is empty"),
        ("number", {"target": "twelve"}, "the target 'twelve' is no number"),
        ("refusal", {"metadata": {"group": "odd"}}, "metadata.group is 'odd'"),
        ("tool_calls", {"target": "f"}, "the target is no list of calls"),
        (
            "tool_calls",
            {"target": [], "tools": [{"name": "f", "parameters": {"properties": {"a": {"type": "colour"}}}}]},
            "the tool 'f' has an argument of type 'colour', which is not known",
        ),
    ],
)
def test_a_sample_that_its_scorer_cannot_read_is_told_while_collecting(jsonl, scorer, bad, why):
    path = jsonl([json.dumps({"id": "7", "input": "?", **bad})])
    task = Task(
        name="t",
        suite="s",
        kind="checks",
        description="",
        scorer=scorer,
        primary="right",
        metrics=(MetricSpec(name="right"),),
        path=str(path.parent / "t.yaml"),
    )
    options, extensions = checks.ChecksOptions(samples="samples.jsonl"), Extensions()
    with pytest.raises(UsageError, match=rf"samples\.jsonl:1: sample '7': {why}") as caught:
        checks.Checks.check_samples(task, options, extensions)
    assert caught.value.slug == "sample-unfit"
    checks.Checks.check_samples(task, dataclasses.replace(options, grader="mine"), extensions)  # judges by itself
    extensions.scorers.register("of_a_plugin", lambda sample, generation: None)
    checks.Checks.check_samples(dataclasses.replace(task, scorer="of_a_plugin"), options, extensions)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("{", "Expecting"),
        ('{"id": "2"}', "missing key 'input'"),
        ('{"id": "2", "input": "?", "tagret": 1}', "unknown key 'tagret'"),
        ('{"id": "2", "input": "?", "target": NaN}', "NaN is no JSON number"),
        ("[]", "expected an object"),
    ],
)
def test_a_line_that_is_no_sample_is_named(jsonl, bad, why):
    with pytest.raises(UsageError, match=rf"samples\.jsonl:2: not a sample .*{why}") as caught:
        checks.read_samples(jsonl([LINE, bad]))
    assert caught.value.slug == "samples-invalid"


def test_a_line_that_is_not_utf8_is_named(jsonl):
    with pytest.raises(UsageError, match=r"samples\.jsonl:2: not a sample"):
        checks.read_samples(jsonl(LINE.encode() + b'\n{"id": "2", "input": "caf\xe9"}'))


@pytest.mark.parametrize("letter", ["\u2028", "\u2029", "\x85"])
def test_only_line_feeds_end_a_line(jsonl, letter):
    # JSON lets these stand in a text as they are, and Python's str.splitlines would cut there
    (sample,) = checks.read_samples(jsonl([json.dumps({"id": "1", "input": f"a{letter}b"}, ensure_ascii=False)]))
    assert sample.input == f"a{letter}b"


def test_a_file_without_samples_is_refused(jsonl):
    with pytest.raises(UsageError, match="no sample in it") as caught:
        checks.read_samples(jsonl(["", " "]))
    assert caught.value.slug == "samples-empty"


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere\.jsonl: the samples cannot be read") as caught:
        checks.read_samples(tmp_path / "nowhere.jsonl")
    assert caught.value.slug == "samples-missing"
