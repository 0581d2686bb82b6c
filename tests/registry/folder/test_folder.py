"""The registry on disk: what is written is read, what is torn is told, and what has not changed is not made again."""

from __future__ import annotations

import json
import os
import shutil
import time
from datetime import UTC, datetime

import pytest

from pytest_slm.core.record import RecordError
from pytest_slm.errors import ReportError
from pytest_slm.registry import build_folder, read_registry
from pytest_slm.registry.folder import IndexedModel, building, check_registry, pieces, writing
from pytest_slm.registry.rows import rows

NOW = datetime(2026, 12, 1, tzinfo=UTC)


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_model_is_a_file_and_the_index_has_all_ranks(registry):
    assert set(content(registry)) == {
        "index.json",
        "models/huggingfacetb--smollm2-135m-instruct.json",
        "models/org--b.json",
    }
    index = json.loads((registry / "index.json").read_text("utf-8"))
    assert [model["files"] for model in index["models"]] == [2, 1]
    ranking = index["ranking"]["marketplace"]
    assert sorted(one["rank"] for one in ranking) == [1, 2, 3]
    found = {(row.model, row.quantization): row.aggregates["marketplace"] for row in rows(read_registry(registry))}
    for one in ranking:
        total = found[one["model"], one["quantization"]]
        assert (total.rank, total.score, list(total.rank_interval)) == (one["rank"], one["score"], one["rank_interval"])
    assert check_registry(registry) == ()


def test_what_has_not_changed_is_not_read_again_and_the_bytes_are_the_same(tmp_path, registry, reports, monkeypatch):
    before, read = content(registry), []
    parsed = pieces.stored_report
    monkeypatch.setattr(
        pieces, "stored_report", lambda folder, path, *rest: read.append(path) or parsed(folder, path, *rest)
    )
    build_folder(reports, registry, now=NOW)
    assert read == []
    assert content(registry) == before
    (path,) = reports.glob("b/*/*/report.json")
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1', 1))
    made, model = [], pieces.made_model
    monkeypatch.setattr(pieces, "made_model", lambda entry, *rest: made.append(entry.id) or model(entry, *rest))
    build_folder(reports, registry, now=NOW)
    assert read == [path]
    assert made == ["org--b"]
    again = content(registry)
    assert {name for name in before if before[name] != again[name]} == {"index.json", "models/org--b.json"}
    build_folder(reports, tmp_path / "anew", now=NOW)
    assert content(tmp_path / "anew") == again


def test_a_model_without_reports_goes_unless_it_is_kept(registry, reports):
    shutil.rmtree(reports / "b")
    build_folder(reports, registry, now=NOW, keep=True)
    assert len(read_registry(registry).models) == 2
    build_folder(reports, registry, now=NOW)
    assert len(read_registry(registry).models) == 1
    assert "models/org--b.json" not in content(registry)


def test_a_quantization_goes_with_its_report(registry, reports):
    shutil.rmtree(next(reports.glob("*/Q4_0")))
    build_folder(reports, registry, now=NOW)
    assert {row.quantization for row in rows(read_registry(registry))} == {"Q8_0"}


def test_what_another_version_made_is_made_anew(registry, reports, monkeypatch):
    before, read = content(registry), []
    monkeypatch.setattr(building, "__version__", "9.9")
    parsed = pieces.stored_report
    monkeypatch.setattr(
        pieces, "stored_report", lambda folder, path, *rest: read.append(path) or parsed(folder, path, *rest)
    )
    build_folder(reports, registry, now=NOW)
    assert len(read) == 3
    assert content(registry) == before


@pytest.mark.parametrize("name", ["index.json", "models/org--b.json"])
@pytest.mark.parametrize(
    "broken", ["", "{", "[" * 10_000, '{"a": NaN}', '{"a": 1, "a": 2}', '{"schema_version": "9.0", "metadata": {}}']
)
def test_a_torn_registry_is_told_and_made_again(registry, reports, name, broken):
    before = content(registry)
    (registry / name).write_text(broken)
    with pytest.raises(ReportError, match=name.rpartition("/")[2]):
        read_registry(registry)
    assert len(check_registry(registry)) == 1
    build_folder(reports, registry, now=NOW)
    assert content(registry) == before


def test_a_missing_file_is_told(registry):
    (registry / "models" / "org--b.json").unlink()
    with pytest.raises(ReportError, match=r"org--b\.json.*registry-torn"):
        read_registry(registry)


def test_a_registry_of_a_newer_version_says_so(registry):
    index = json.loads((registry / "index.json").read_text("utf-8"))
    index["metadata"]["schema_version"] = "4.0.0"
    (registry / "index.json").write_text(json.dumps(index))
    with pytest.raises(ReportError, match=r"'4\.0\.0'.*registry-schema"):
        read_registry(registry)


def test_a_full_disk_leaves_the_old_registry_whole(registry, reports, factory, monkeypatch):
    before = content(registry)
    factory.store_run(reports, factory.make_run(slug="c", name="C", hf_repo="org/c"))

    def full(path, content):
        assert "index" in path.name  # the last one
        path.write_bytes(content[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "write_new", full)
    with pytest.raises(ReportError, match="disk-full"):
        build_folder(reports, registry, now=NOW)
    assert content(registry) == before


@pytest.fixture
def scattered(tmp_path, factory):
    """Reports of which one model lies in several folders: by its repository, by the path of the same weights, and by
    those that a quantization was made from."""
    folder = tmp_path / "scattered"
    for number in range(3):
        run = factory.make_run(slug=f"other-{number}", name=f"Other {number}", hf_repo=f"org/other-{number}")
        factory.store_run(folder / f"z{number}", run)
    factory.store_run(folder / "a", factory.make_run("Q8_0"))
    weights = {"weights_sha256": factory.make_run("Q8_0").backend.weights_sha256}
    factory.store_run(folder / "m", factory.make_run("Q8_0", slug="by-path", hf_repo=None, day=2, backend=weights))
    factory.store_run(folder / "zz", factory.make_run("Q4_0", day=3))
    return folder


@pytest.fixture
def one_by_one(monkeypatch):
    """Each folder of reports is looked at by itself."""
    monkeypatch.setattr(building, "PORTION", 1)


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_bytes_do_not_depend_on_who_looks_at_which_reports(tmp_path, scattered, monkeypatch, jobs):
    build_folder(scattered, tmp_path / "at-once", now=NOW)
    monkeypatch.setattr(building, "PORTION", 1)
    build_folder(scattered, tmp_path / "shared", now=NOW, jobs=jobs)
    assert content(tmp_path / "shared") == content(tmp_path / "at-once")
    assert len(read_registry(tmp_path / "shared").models) == 4


def test_what_is_added_in_a_folder_of_its_own_finds_its_model(tmp_path, scattered, one_by_one):
    aside = tmp_path / "aside"
    (scattered / "m").rename(aside)
    build_folder(scattered, tmp_path / "registry", now=NOW)
    aside.rename(scattered / "m")
    index = build_folder(scattered, tmp_path / "registry", now=NOW)
    build_folder(scattered, tmp_path / "anew", now=NOW)
    assert content(tmp_path / "registry") == content(tmp_path / "anew")
    (model,) = (one for one in index.models if one.id.startswith("hugg"))
    assert len(model.reports) == 3


def test_two_reports_of_one_run_are_found_in_any_two_folders(scattered, tmp_path, one_by_one):
    path = next((scattered / "a").rglob("report.json"))
    copy = scattered / "q" / "b" / "c" / "d" / "report.json"
    copy.parent.mkdir(parents=True)
    copy.write_text(path.read_text().replace('"seed": 0', '"seed": 1', 1))
    index = build_folder(scattered, tmp_path / "registry", now=NOW)
    assert {one.slug for one in index.refused} == {"report-twice"}


def test_ranks_are_those_of_all_models_though_one_alone_was_looked_at(registry, reports, factory, monkeypatch):
    made = []
    model = pieces.made_model
    monkeypatch.setattr(pieces, "made_model", lambda entry, *rest: made.append(entry.id) or model(entry, *rest))
    factory.store_run(reports, factory.make_run(slug="c", name="C", hf_repo="org/c", quality=0.9))
    index = build_folder(reports, registry, now=NOW)
    assert made == ["org--c"]
    assert index.ranking["marketplace"][0].model == "org--c"
    found = {row.id: row.aggregates["marketplace"] for row in rows(read_registry(registry))}
    for one in index.ranking["marketplace"]:
        total = found[f"{one.model}@{one.quantization}@{one.machine}"]
        for name in ("rank", "ranked", "rank_interval", "tier", "corrected", "unranked"):
            assert getattr(one, name) == getattr(total, name)


def test_a_build_that_is_refused_leaves_nothing_behind(tmp_path, reports):
    next(reports.glob("b/*/*/report.json")).write_text("{")
    with pytest.raises(ReportError, match="nothing written"):
        build_folder(reports, tmp_path / "new", now=NOW, strict=True)
    assert not (tmp_path / "new").exists()


def test_what_a_killed_build_has_left_goes_and_what_another_one_makes_stays(registry, reports):
    left = [registry / "models" / ".org--b.json.deadbeef.new", registry / ".index.json.deadbeef.new"]
    other = registry / "models" / ".org--b.json.0123abcd.new"
    for path in (*left, other, registry / "models" / ".own.json.new"):
        path.write_text("{")
    yesterday = time.time() - 2 * 24 * 3600
    for path in (*left, registry / "models" / ".own.json.new"):
        os.utime(path, (yesterday, yesterday))
    build_folder(reports, registry, now=NOW)
    assert not any(path.exists() for path in left)
    assert other.exists()
    assert (registry / "models" / ".own.json.new").exists()  # no name that a build gives


def test_a_folder_that_is_no_registry_is_never_touched(tmp_path, reports):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "one.tex").write_text("three years of work")
    with pytest.raises(ReportError, match="registry-foreign"):
        build_folder(reports, tmp_path / "thesis", now=NOW)
    assert list(content(tmp_path / "thesis")) == ["one.tex"]


@pytest.mark.parametrize("name", ["../out", "con", "LPT1.x", "a/b", "", "x" * 300])
def test_an_id_can_be_a_name_of_a_file_on_any_system(name):
    with pytest.raises(RecordError):
        IndexedModel(id=name, name="A", sha256="", files=1, reports={})


def test_forty_quantizations_of_one_model_are_forty_rows(tmp_path, factory):
    for number in range(40):
        run = factory.make_run(f"Q{number}", suites=("coding",), results=None)
        factory.store_run(tmp_path / "reports", run)
    index = build_folder(tmp_path / "reports", tmp_path / "registry", now=NOW)
    assert index.models[0].files == 40
