"""What a run writes while it measures: a line for each sample at once, and one for each result."""

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.sample import cluster_id
from pytest_slm.core.types import Result
from pytest_slm.errors import BackendError, ReportError
from pytest_slm.run.records import SampleRecord


def sample(name, response="Paris"):
    return SampleRecord(
        task="geo/capitals",
        doc_id=name,
        prompt_sha256="",
        target_sha256="",
        response=response,
        score=1.0,
        answer=response,
        explanation="",
    )


def test_a_sample_is_in_the_file_as_soon_as_it_is_recorded(run, item, lines):
    started = run()
    with started.recorder(item) as (record, path):
        record(sample("a"))
        file = started.folder("Q8_0") / path()
        assert [line["doc_id"] for line in lines(file)] == ["a"]  # not closed yet: this is what kill -9 leaves
        record(sample("b"))
        assert [line["doc_id"] for line in lines(file)] == ["a", "b"]
    assert path() == "samples/geo.capitals.jsonl"


def test_an_item_that_starts_again_replaces_its_lines(run, item, lines):
    started = run()
    for names in ("ab", "c"):
        with started.recorder(item) as (record, path):
            for name in names:
                record(sample(name))
    assert [line["doc_id"] for line in lines(started.folder("Q8_0") / path())] == ["c"]


def test_an_item_that_starts_again_and_fails_at_once_keeps_its_lines(run, item, lines):
    started = run()
    with started.recorder(item) as (record, path):
        record(sample("a"))
    with pytest.raises(BackendError), started.recorder(item):
        raise BackendError("broken")
    assert len(lines(started.folder("Q8_0") / path())) == 1


def test_what_was_recorded_before_an_error_stays(run, item, lines):
    started = run()

    def measure(record):
        record(sample("a"))
        raise BackendError("broken")

    with pytest.raises(BackendError), started.recorder(item) as (record, path):
        measure(record)
    assert [line["doc_id"] for line in lines(started.folder("Q8_0") / path())] == ["a"]


def test_without_a_sample_there_is_no_file(run, item):
    started = run()
    started.create_folders()
    with started.recorder(item):
        pass
    assert [path.name for path in started.folder("Q8_0").rglob("*")] == ["answers", "run.json"]


@pytest.mark.parametrize("text", ["漢字 🙂", "two\nlines", "half a pair \ud83d", "a\u2028b", "\x00"])
def test_any_text_of_a_model_is_one_line(run, item, text):
    started = run()
    with started.recorder(item) as (record, path):
        record(sample("a", text))
        record(sample("b"))
    content = (started.folder("Q8_0") / path()).read_bytes()
    assert len(content.split(b"\n")) == 3
    first = json.loads(content.split(b"\n")[0])
    assert first["response"] == text


@pytest.mark.parametrize("names", [("a/b", "a b"), ("a:b", "a_b"), ("x" * 199 + "1", "x" * 199 + "2")])
def test_two_variants_have_two_files(run, item, lines, names):
    started = run()
    for name in names:
        with started.recorder(dataclasses.replace(item, variant=name)) as (record, path):
            record(sample(name))
        assert [line["doc_id"] for line in lines(started.folder("Q8_0") / path())] == [name]
    assert len(list((started.folder("Q8_0") / "samples").iterdir())) == 2


@pytest.mark.parametrize("name", ["../../../evil", "/etc/evil", "con.", "x" * 200, "漢" * 140])
def test_a_name_cannot_leave_the_folder(run, item, name):
    started = run()
    with started.recorder(dataclasses.replace(item, variant=name)) as (record, path):
        record(sample("a"))
    (file,) = (started.folder("Q8_0") / "samples").iterdir()
    assert file == started.folder("Q8_0") / path()


def test_a_full_disk_is_told_and_not_swallowed(run, item, monkeypatch):
    started = run()

    def full(self, *_arguments, **_named):
        raise OSError(28, "No space left on device")

    with started.recorder(item) as (record, _):
        monkeypatch.setattr(Path, "open", full)
        with pytest.raises(ReportError, match="the disk is full") as caught:
            record(sample("a"))
    assert caught.value.slug == "disk-full"


def test_the_journal_has_a_line_for_each_result(run, lines, result):
    started = run()
    started.create_folders()
    started.journal(result())
    started.journal(result(task="rivers"))
    journal = lines(started.folder("Q8_0") / "results.jsonl")
    assert [Result.from_json(line).task for line in journal] == ["capitals", "rivers"]


def test_a_journal_without_its_folder_is_an_error_that_names_it(run, result):
    with pytest.raises(ReportError, match=r"results\.jsonl"):
        run().journal(result())


@given(st.text(), st.text())
def test_clusters_are_named_without_texts_and_stay_apart(one, other):
    """What samples share may be a passage, which is somebody's."""
    names = [cluster_id(one), cluster_id(other)]
    assert (names[0] == names[1]) == (one == other)
    assert all(len(name) <= 80 and not any(map(str.isspace, name)) for name in names)
    assert [*map(cluster_id, names)] == names  # a copy of a copy
    assert cluster_id("wikihow~57976") == "wikihow~57976"
    assert cluster_id(None) is None
