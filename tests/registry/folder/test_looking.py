"""Reports are found in whatever lies below a folder, and what cannot be looked at keeps no others from being found."""

import contextlib
import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pytest_slm.errors import ReportError
from pytest_slm.registry import build_folder
from pytest_slm.registry.folder import looking
from pytest_slm.registry.folder.looking import sightings
from pytest_slm.registry.store import report_paths

NOW = datetime(2026, 12, 1, tzinfo=UTC)


def test_reports_are_found_where_the_slow_way_finds_them(tmp_path, reports):
    strange = reports / "strange"
    for name in ("report.json/inner", "samples", ".hidden", "a b\u202e", "deep/er/and/deeper"):
        (strange / name).mkdir(parents=True)
        (strange / name / "report.json").write_text("{}")
    (strange / "samples" / "one.jsonl").write_text("{}")
    (strange / "report.JSON").write_text("{}")
    (reports / "circle").symlink_to(reports)
    (strange / "dangling").mkdir()
    (strange / "dangling" / "report.json").symlink_to("nothing")
    (strange / "link").mkdir()
    (strange / "link" / "report.json").symlink_to("../samples/report.json")
    if sys.platform == "linux":  # others want names to be UTF-8
        (strange / os.fsdecode(b"\xff")).mkdir()
        (strange / os.fsdecode(b"\xff") / "report.json").write_text("{}")
    found = sightings(reports)
    slow = [path.relative_to(reports).as_posix() for path in report_paths(reports)]
    assert sorted(found) == sorted(slow)
    assert found["strange/report.json"].state is None  # a folder
    assert found["strange/link/report.json"].state is None
    assert found["strange/report.json"].sample_bytes == len("{}")
    assert found["strange/samples/report.json"].state is not None


def test_a_file_in_the_place_of_samples_has_none_of_them(reports):
    (path, *_) = report_paths(reports)
    shutil.rmtree(path.parent / "samples", ignore_errors=True)
    (path.parent / "samples").write_text("no folder")
    assert sightings(reports)[path.relative_to(reports).as_posix()].sample_bytes == 0


@contextlib.contextmanager
def nobody():
    """The rights of somebody whom rights stop: root goes everywhere."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def in_a_circle(samples):
    (samples / "loop.jsonl").symlink_to("loop.jsonl")


def dangling(samples):
    (samples / "gone.jsonl").symlink_to("nowhere")


def listed_only(samples):
    samples.chmod(0o444)


def the_folder_in_a_circle(samples):
    shutil.rmtree(samples)
    samples.symlink_to(samples.name)


def the_target_of_a_report_behind_a_closed_door(samples):
    (samples.parent / "other").mkdir()
    (samples.parent / "other" / "report.json").symlink_to("../samples/of nothing.jsonl")
    samples.chmod(0)


ODD_SAMPLES = [in_a_circle, dangling, listed_only, the_folder_in_a_circle, the_target_of_a_report_behind_a_closed_door]


@pytest.mark.skipif(os.name != "posix", reason="rights of Unix")
@pytest.mark.parametrize("spoil", ODD_SAMPLES, ids=lambda spoil: spoil.__name__)
def test_samples_that_cannot_be_looked_at_keep_no_registry_from_being_built(tmp_path, reports, monkeypatch, spoil):
    tmp_path.chmod(0o777)
    monkeypatch.chdir(tmp_path)  # what is above is its owner's alone
    paths = report_paths(reports)
    samples = paths[0].parent / "samples"
    samples.mkdir()
    (samples / "of nothing.jsonl").write_text("{}\n")
    spoil(samples)
    try:
        with nobody():
            found = sightings(Path("reports"))
    finally:
        if not samples.is_symlink():
            samples.chmod(0o777)
    assert set(found) == {path.relative_to(reports).as_posix() for path in paths}
    assert sum(len(model.reports) for model in build_folder(reports, Path("registry"), now=NOW).models) == 3


def test_a_folder_of_reports_that_the_system_cannot_read_is_told_as_such(reports, tmp_path, monkeypatch):
    def worn_out(place):
        raise OSError(5, "Input/output error", place)

    monkeypatch.setattr(looking.os, "scandir", worn_out)
    with pytest.raises(ReportError, match=r"reports: cannot be read \(Input/output error\)"):
        build_folder(reports, tmp_path / "registry", now=NOW)
