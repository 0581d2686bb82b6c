"""What is published in this repository: reports of real runs, and the registry that is made of them."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pytest_slm.registry import build_folder
from pytest_slm.registry.folder.sharing import KEPT, share
from pytest_slm.site.build import build_site

ROOT = Path(__file__).parents[2]
HEAVIEST = 150_000
"""Bytes of a page."""


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """The reports that are in the repository, without those of whoever works here."""
    listed = subprocess.run(["git", "ls-files", "-z", "reports"], cwd=ROOT, capture_output=True, text=True)
    names = [name for name in listed.stdout.split("\0") if name and name != "reports/README.md"]
    if listed.returncode or not names:
        pytest.skip("no git here, or nothing is published yet")
    folder = tmp_path_factory.mktemp("published")
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    return folder / "reports"


@pytest.fixture(scope="module")
def registry(reports):
    build_folder(reports, reports.parent / "registry", now=datetime.now(UTC), strict=True)
    return reports.parent / "registry"


def test_the_registry_is_made_of_the_reports_to_the_byte(registry):
    assert content(registry) == content(ROOT / "registry")


def test_its_site_is_the_same_in_one_process_and_in_two_and_no_page_is_heavy(registry, tmp_path):
    build_site(registry, tmp_path / "one", jobs=1)
    build_site(registry, tmp_path / "two", jobs=2)
    assert content(tmp_path / "one") == content(tmp_path / "two")
    heavy = {name: len(text) for name, text in content(tmp_path / "one").items() if name.endswith(".html")}
    assert max(heavy.values()) <= HEAVIEST, heavy


def test_no_text_of_a_benchmark_is_in_them(reports):
    bare, whole = [], 0
    for path in reports.rglob("report.json"):
        run = json.loads(path.read_text("utf-8"))["slm"]
        for result in run["results"]:
            if not result["samples"]:
                continue
            lines = [json.loads(line) for line in (path.parent / result["samples"]).open(encoding="utf-8")]
            if result["public"] and not result["harmful"]:  # our own questions
                whole += len(lines)
            else:
                bare += lines
    assert len(bare) > 1000
    assert set().union(*bare) <= set(KEPT)
    assert whole > 100


def test_they_are_what_is_left_when_they_are_shared(reports, tmp_path):
    share(reports, tmp_path / "shared", public=True)
    lines = {name: text for name, text in content(reports).items() if name.endswith(".jsonl")}
    shared = {name: text for name, text in content(tmp_path / "shared").items() if name.endswith(".jsonl")}
    assert [name for name in lines if lines[name] != shared[name]] == []


def test_nothing_tells_where_on_whose_machine_they_were_made(reports):
    for path in reports.rglob("report.json"):
        text = path.read_text("utf-8")
        assert not any(
            place in text for place in ("/home/", "/root/", "/work/", "/tmp/", "/srv/", "/Users/", "C:\\")
        ), path
