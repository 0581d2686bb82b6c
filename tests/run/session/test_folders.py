"""Each quantization of a run has a folder, which no other run writes into."""

import os
import threading
from pathlib import Path

import pytest

from pytest_slm.errors import UsageError

READ_ONLY = pytest.mark.skipif(
    os.name == "nt" or (hasattr(os, "geteuid") and os.geteuid() == 0), reason="root may write everywhere"
)


def test_each_quantization_has_a_folder_of_its_own(run, tmp_path):
    started = run("Q8_0", "Q4_0")
    started.create_folders()
    for name in ("Q8_0", "Q4_0"):
        assert started.folder(name) == tmp_path / "reports" / "fake--model" / name / "r1"
        assert started.folder(name).is_dir()


def test_two_runs_never_write_into_one_folder(run):
    run().create_folders()
    with pytest.raises(UsageError, match=r"r1: this run id is taken.*--slm-run-id") as caught:
        run().create_folders()
    assert caught.value.slug == "run-id-taken"


def test_of_many_that_start_at_once_one_gets_the_folder(run):
    runs = [run() for _ in range(8)]
    gate, outcomes = threading.Barrier(len(runs)), []

    def start(one):
        gate.wait()
        try:
            one.create_folders()
            outcomes.append("mine")
        except UsageError:
            outcomes.append("taken")

    threads = [threading.Thread(target=start, args=(one,)) for one in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["mine"] + ["taken"] * 7


@READ_ONLY
def test_a_read_only_folder_is_named_with_the_option(run, tmp_path):
    (tmp_path / "reports").mkdir(mode=0o500)
    with pytest.raises(UsageError, match=r"not writable.*--slm-reports=DIR") as caught:
        run().create_folders()
    assert caught.value.slug == "read-only"


def test_a_folder_that_may_not_be_written_is_named_with_the_option(run, monkeypatch):
    def refuse(self, *_arguments, **_named):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)  # the real thing is tested above, but not for root
    with pytest.raises(UsageError, match=r"not writable.*--slm-reports=DIR") as caught:
        run().create_folders()
    assert caught.value.slug == "read-only"


def test_a_file_in_the_place_of_the_reports_is_no_run_that_is_going_on(run, tmp_path):
    (tmp_path / "reports").write_text("I am a file")
    with pytest.raises(UsageError, match=r"cannot be written.*--slm-reports=DIR") as caught:
        run().create_folders()
    assert caught.value.slug == "report-write"


def test_a_file_in_the_place_of_a_quantization_is_no_run_that_is_going_on(run, tmp_path):
    (tmp_path / "reports" / "fake--model").mkdir(parents=True)
    (tmp_path / "reports" / "fake--model" / "Q8_0").write_text("I am a file")
    with pytest.raises(UsageError, match=r"cannot be written") as caught:
        run().create_folders()
    assert caught.value.slug == "report-write"


def test_folders_in_which_nothing_was_written_go_away(run, tmp_path):
    started = run("Q8_0", "Q4_0")
    started.create_folders()
    (started.folder("Q8_0") / "samples").mkdir()
    started.drop_empty_folders()
    # the folder of all reports is the user's
    assert [path.name for path in tmp_path.glob("reports/**/*")] == []
    assert (tmp_path / "reports").is_dir()


def test_a_folder_with_a_file_stays(run, result):
    started = run("Q8_0", "Q4_0")
    started.create_folders()
    started.journal(result())
    started.drop_empty_folders()
    assert (started.folder("Q8_0") / "results.jsonl").is_file()
    assert not started.folder("Q4_0").exists()


def test_a_refused_run_leaves_the_folder_of_the_one_that_is_going_on(run):
    first = run("Q8_0")
    first.create_folders()
    second = run("Q4_0", "Q8_0")
    with pytest.raises(UsageError, match="taken"):
        second.create_folders()
    second.drop_empty_folders()
    assert (first.folder("Q8_0") / "answers" / "run.json").is_file()
    assert not second.folder("Q4_0").exists()  # what it made itself goes away
