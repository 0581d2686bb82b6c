"""Samples beside reports: what changed of them is noticed, wherever they lie."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pytest_slm.registry import build_folder

NOW = datetime(2026, 12, 1, tzinfo=UTC)


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def sampled(reports, factory):
    """The run folder of a report whose samples make its numbers, in a folder below their own."""
    run = factory.make_run(slug="c", name="C", hf_repo="org/c", suites=("core",))
    results = [replace(one, samples=one.samples and f"samples/core/{one.task}.jsonl") for one in run.results]
    run = replace(run, results=tuple(results))
    samples = factory.make_samples(run)
    path = factory.store_run(reports, factory.agreeing(run, samples))
    (path.parent / "samples" / "core").mkdir(parents=True)
    for name, lines in samples.items():
        (path.parent / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path.parent


def others_are_right(folder):
    """The same mean, in as many bytes."""
    path = folder / "samples" / "core" / "math.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    right, wrong = (next(line for line in lines if line["score"] == score) for score in (1.0, 0.0))
    right["score"], wrong["score"] = 0.0, 1.0
    before = path.stat().st_size
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert path.stat().st_size == before


def they_are_gone(folder):
    shutil.rmtree(folder / "samples")


def one_is_gone(folder):
    (folder / "samples" / "core" / "math.jsonl").unlink()


def two_have_changed_places(folder):
    math, other = sorted((folder / "samples" / "core").iterdir())[:2]
    math.rename(folder / "aside")
    other.rename(math)
    (folder / "aside").rename(other)


@pytest.mark.parametrize("change", [others_are_right, they_are_gone, one_is_gone, two_have_changed_places])
def test_samples_that_changed_are_noticed_wherever_they_lie(tmp_path, sampled, reports, registry, change):
    build_folder(reports, registry, now=NOW)
    before = content(registry)
    assert b'"levels"' in before["models/org--c.json"]  # scores of questions
    change(sampled)
    build_folder(reports, registry, now=NOW)
    build_folder(reports, tmp_path / "anew", now=NOW)
    assert content(registry) == content(tmp_path / "anew")
    assert content(registry)["models/org--c.json"] != before["models/org--c.json"]


def test_samples_that_come_later_are_noticed(tmp_path, sampled, reports, registry):
    (sampled / "samples").rename(tmp_path / "aside")
    build_folder(reports, registry, now=NOW)
    assert b'"levels"' not in content(registry)["models/org--c.json"]
    (tmp_path / "aside").rename(sampled / "samples")
    build_folder(reports, registry, now=NOW)
    build_folder(reports, tmp_path / "anew", now=NOW)
    assert content(registry) == content(tmp_path / "anew")


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_samples_that_a_link_leads_to_are_looked_at(tmp_path, sampled, reports, registry):
    (sampled / "samples").rename(sampled / "one")
    shutil.copytree(sampled / "one", sampled / "other" / "samples")
    others_are_right(sampled / "other")
    (sampled / "samples").symlink_to("one")
    build_folder(reports, registry, now=NOW)
    before = content(registry)
    (sampled / "samples").unlink()
    (sampled / "samples").symlink_to("other/samples")
    build_folder(reports, registry, now=NOW)
    build_folder(reports, tmp_path / "anew", now=NOW)
    assert content(registry) == content(tmp_path / "anew")
    assert content(registry)["models/org--c.json"] != before["models/org--c.json"]
