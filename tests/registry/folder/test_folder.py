"""The registry on disk: what is written is read, what is torn is told, and what has not changed is not made again."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pytest_slm.core.record import RecordError
from pytest_slm.errors import ReportError
from pytest_slm.registry import build_folder, read_registry
from pytest_slm.registry.folder import IndexedModel, building, check_registry, differences, pieces, writing
from pytest_slm.registry.rows import rows
from pytest_slm.registry.rows.changes import changes

NOW = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture
def registry(tmp_path, reports):
    build_folder(reports, tmp_path / "registry", now=NOW)
    return tmp_path / "registry"


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
    assert {slug for _, slug in refused(index)} == {"report-twice"}


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


@pytest.mark.parametrize("what", ["score", "rank", "unranked", "versions"])
def test_a_ranking_that_is_not_that_of_the_scores_is_told(registry, what):
    path = registry / "index.json"
    index = json.loads(path.read_text("utf-8"))
    first = index["ranking"]["marketplace"][0]
    first[what] = {"score": 99.5, "rank": 2, "unranked": "because", "versions": -1}[what]
    path.write_text(json.dumps(index), "utf-8")
    (problem,) = check_registry(registry)
    assert "the ranking is not what the scores make it" in str(problem)


WRONG = {
    "name": "Evil",
    "files": 77,
    "reports": {},
    "machines": {},
    "finished": None,
    "claims": 9,
    "names": ["other"],
    "weights": [],
}


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("name", WRONG)
def test_a_fact_in_the_index_that_is_not_that_of_the_file_is_told(registry, name, jobs):
    path = registry / "index.json"
    index = json.loads(path.read_text("utf-8"))
    assert index["models"][1][name] != WRONG[name]
    index["models"][1][name] = WRONG[name]
    path.write_text(json.dumps(index), "utf-8")
    assert f"{name} of org--b is not what its file says" in str(check_registry(registry, jobs)[0])


@pytest.mark.parametrize(
    ("name", "wrong"), [("last_updated", "1999-01-01T00:00:00Z"), ("total_models", 500), ("platform", "Cray")]
)
def test_metadata_that_are_not_those_of_the_models_are_told(registry, name, wrong):
    path = registry / "index.json"
    index = json.loads(path.read_text("utf-8"))
    index["metadata"][name] = wrong
    path.write_text(json.dumps(index), "utf-8")
    (problem,) = check_registry(registry)
    assert "metadata is not that of its models" in str(problem)


def test_a_file_of_no_model_is_told(registry):
    (registry / "models" / ".org--b.json.0123abcd.new").write_text("{")  # of a build that goes on
    assert check_registry(registry) == ()
    (registry / "models" / "stray.json").write_text("{}")
    (problem,) = check_registry(registry)
    assert "stray.json: is of no model" in str(problem)


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_model_is_checked_whoever_does_it(registry, jobs):
    for path in (registry / "models").iterdir():
        path.write_text("{")
    assert [problem.slug for problem in check_registry(registry, jobs)] == ["registry-torn"] * 2


def test_what_differs_is_the_same_whether_all_models_are_read_or_not(tmp_path, registry, reports, factory):
    shutil.copytree(registry, tmp_path / "old")
    factory.store_run(reports, factory.make_run(slug="c", name="C", hf_repo="org/c", quality=0.9))
    factory.store_run(reports, factory.make_run(slug="b", name="B", hf_repo="org/b", day=2, quality=0.1))
    build_folder(reports, registry, now=NOW)
    found = differences(tmp_path / "old", registry)
    assert found == changes(read_registry(tmp_path / "old"), read_registry(registry))
    assert {change.kind for change in found} == {"added", "changed"}
    # One model is as it was, and only its ranks are others.
    same = [change.what for change in found if change.row.startswith("hugg")]
    assert same
    assert {what.partition(" in ")[0] for what in same} == {"rank"}
    assert differences(registry, registry) == ()


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


def refused(index):
    return [(one.path, one.slug) for one in index.refused]


def test_refused_reports_stand_in_the_index_with_their_reason(registry, reports, factory, monkeypatch):
    path = factory.store_run(reports, factory.make_run(slug="c", name="C", hf_repo="org/c"))
    path.write_text("{")
    index = build_folder(reports, registry, now=NOW)
    name = path.relative_to(reports).as_posix()
    assert refused(index) == [(name, "report-broken")]
    assert "not valid JSON" in index.refused[0].reason
    assert str(reports) not in (registry / "index.json").read_text("utf-8")
    monkeypatch.setattr(pieces, "stored_report", None)  # the same bytes are refused without a look at them
    assert build_folder(reports, registry, now=NOW) == index
    with pytest.raises(ReportError, match=r"nothing written.*report-broken"):
        build_folder(reports, registry, now=NOW, strict=True)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("spoiled", ['{"broken\n', "[1, 2]\n", "a folder"])
def test_a_report_with_samples_that_cannot_be_read_is_taken_once_they_can(
    tmp_path, registry, reports, factory, spoiled, jobs
):
    run = factory.make_run(slug="c", name="C", hf_repo="org/c")
    path = factory.store_run(reports, run)
    samples = path.parent / run.results[0].samples
    samples.parent.mkdir()
    if spoiled == "a folder":
        samples.mkdir()
    else:
        samples.write_text(spoiled)
    index = build_folder(reports, registry, now=NOW, jobs=jobs)
    (one,) = index.refused
    assert one.slug == ("report-path" if spoiled == "a folder" else "samples-broken")
    assert run.results[0].samples in one.reason
    assert str(tmp_path) not in (registry / "index.json").read_text("utf-8")  # which folder it was is nobody's business
    shutil.rmtree(samples.parent)
    assert refused(build_folder(reports, registry, now=NOW)) == []
    build_folder(reports, tmp_path / "anew", now=NOW)
    assert content(tmp_path / "anew") == content(registry)


def deep(run):
    value = 1
    for _ in range(90):
        value = [value]
    run["machine"]["model"] = value


def a_sum_beyond_64_bits(run):
    for metric in (metric for result in run["results"] for metric in result["metrics"]):
        metric["n"] = 2**63 - 1


def fewer_than_no_cut_answers(run):
    for result in run["results"]:
        result["answers_cut"] = -1


def a_share_beyond_all(run):
    metric = run["results"][0]["metrics"][0]
    metric["value"], metric["interval"] = 1e308, None


def a_number_of_forty_digits(run):
    (item,) = (one for one in run["results"] if one["task"] == "decode")
    item.update(task="depth", variant="9" * 40)


@pytest.mark.parametrize(
    ("spoil", "slug"),
    [
        (deep, "report-broken"),
        (a_sum_beyond_64_bits, "report-invalid"),
        (fewer_than_no_cut_answers, "report-invalid"),
        (a_share_beyond_all, "report-invalid"),
        (a_number_of_forty_digits, None),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_one_report_leaves_no_registry_that_nobody_can_read(registry, reports, factory, spoil, slug):
    path = factory.store_run(reports, factory.make_run(slug="c", name="C", hf_repo="org/c"))
    document = json.loads(path.read_text())
    results = {(one["suite"], one["task"]): one for one in document["slm"]["results"]}
    document["slm"]["results"] = list(results.values())  # one variant of each
    spoil(document["slm"])
    path.write_text(json.dumps(document))
    index = build_folder(reports, registry, now=NOW)
    assert [found for _, found in refused(index)] == ([slug] if slug else [])
    assert len(read_registry(registry).models) == (2 if slug else 3)
    assert check_registry(registry) == ()


def test_two_reports_of_one_run_with_other_contents_are_both_refused(registry, reports, factory):
    path = factory.store_run(reports, factory.make_run(slug="c", name="C", hf_repo="org/c"))
    copy = reports / "copy" / "report.json"
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes())
    # A copy is counted once.
    assert refused(build_folder(reports, registry, now=NOW)) == []
    copy.write_text(path.read_text().replace('"seed": 0', '"seed": 1', 1))
    index = build_folder(reports, registry, now=NOW)
    assert {slug for _, slug in refused(index)} == {"report-twice"}
    assert len(index.refused) == 2
    assert "org--c" not in [model.id for model in index.models]


def test_a_report_from_the_future_is_refused_until_then(registry, reports, factory):
    factory.store_run(reports, factory.make_run(slug="c", name="C", hf_repo="org/c", finished="2027-01-01T00:00:00Z"))
    assert [slug for _, slug in refused(build_folder(reports, registry, now=NOW))] == ["report-future"]
    assert refused(build_folder(reports, registry, now=NOW + timedelta(days=40))) == []


def test_scripted_models_are_no_models(registry, reports, factory):
    factory.store_run(reports, factory.make_run(slug="fake", hf_repo=None, backend={"name": "fake"}))
    assert [slug for _, slug in refused(build_folder(reports, registry, now=NOW, strict=True))] == ["report-scripted"]


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
