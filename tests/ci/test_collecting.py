"""Artifacts of a run: forged ones, foreign ones, and what is told of those that are in order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_slm.cells.cell import Cell
from pytest_slm.cells.store import CellStore, StoredCell
from pytest_slm.ci.artifacts import Origin, pack
from pytest_slm.ci.collecting import RunSource, check_run, collect_cells, collect_reports, markdown
from pytest_slm.ci.measuring import JobEnergy
from pytest_slm.core.types import Metric, Result
from pytest_slm.errors import SlmError
from pytest_slm.load import load_submission

OTHER = "d4" * 20


@pytest.fixture
def source(standin, tmp_path):
    """What is collected: the full run 55 of the head of pull request 1."""
    path = tmp_path / "submission" / "tiny.yml"
    path.parent.mkdir()
    path.write_bytes(standin.YAML)
    return RunSource(run=55, pull=1, head=standin.HEAD, submission=load_submission(path), mode="full")


@pytest.fixture
def collected(github, job, source, tmp_path, hosted):
    """The reports of a run."""

    def ask(**changes):
        return collect_reports(github, job({}), replace(source, **changes), tmp_path / "target")

    return ask


@pytest.fixture
def refused(collected):
    """The reason why a run's artifacts are not taken."""

    def ask(**changes):
        with pytest.raises(SlmError) as error:
            collected(**changes)
        assert error.value.slug == "ci-artifact", error.value
        return str(error.value)

    return ask


def test_a_report_is_taken_and_shown(collected, hosted, handed_over, source):
    hosted.upload(55, "slm-report-0", handed_over())
    hosted.upload(55, "slm-order", b"of others")
    (one,) = collected()
    assert one.report.quantization == "Q8_0"
    text = markdown([one], source)
    assert f"full run of `{source.head[:12]}`" in text
    assert f"of {len(one.report.results)} items measured" in text
    assert "| reasoning/" in text
    energy = replace(one, energy=JobEnergy(seconds=3.0, reason="no RAPL"))
    assert "energy was not measured: no RAPL" in markdown([energy], source).replace("&#40;", "(")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"origin_run": 54}, "its run is 54"),
        ({"pull": 2}, "its pull is 2"),
        ({"head": OTHER}, "its head is"),
        ({"repo": "sam/models"}, "its repo is"),
        ({"kind": "cells"}, "its kind is"),
        ({"shard": 3}, "its shard is"),
    ],
)
def test_an_artifact_of_another_run_pull_request_or_head_is_refused(refused, hosted, handed_over, changes, why):
    hosted.upload(55, "slm-report-0", handed_over(**changes))
    assert why in refused()


def test_a_job_hands_over_its_own_quantization_and_no_other(refused, hosted, handed_over):
    hosted.upload(55, "slm-report-0", handed_over("Q4_0"))
    assert "its quantization is 'Q4_0'" in refused()


def test_an_artifact_that_the_api_says_is_of_another_run_is_refused(refused, hosted, handed_over):
    hosted.upload(55, "slm-report-0", handed_over(), workflow_run={"id": 54})
    assert "of another run" in refused()


@pytest.mark.parametrize("digest", [None, "", "sha256:" + "0" * 64, "md5:0"])
def test_bytes_that_are_not_those_that_were_uploaded_are_refused(refused, hosted, handed_over, digest):
    hosted.upload(55, "slm-report-0", handed_over(), digest=digest)
    assert "not the bytes" in refused()


def test_an_artifact_that_is_larger_than_it_says_is_refused(refused, hosted, handed_over):
    hosted.upload(55, "slm-report-0", handed_over(), size_in_bytes=100)
    assert "larger than 100 bytes" in refused()


def test_a_huge_artifact_is_not_downloaded(refused, hosted, requested):
    hosted.upload(55, "slm-report-0", b"", size_in_bytes=1 << 40)
    assert "at most" in refused()
    assert not any("artifacts/9" in path for _, path, _ in requested.log)


def test_what_is_no_longer_kept_is_told(refused, hosted, handed_over):
    hosted.upload(55, "slm-report-0", handed_over(), expired=True)
    assert "no longer kept" in refused()


def test_two_artifacts_of_one_name_are_refused(refused, hosted, handed_over):
    for _ in range(2):
        hosted.upload(55, "slm-report-0", handed_over())
    assert "two of this name" in refused()


def test_a_run_without_reports_is_told(refused, hosted):
    for name in ("slm-report-7", "slm-cells-0-0", "slm-report-0-evil", "../slm-report-0", "SLM-REPORT-0"):
        hosted.upload(55, name, b"x")
    assert "no reports" in refused()


def test_hundreds_of_artifacts_are_refused(collected, hosted):
    for number in range(301):
        hosted.upload(55, f"x{number}", b"")
    with pytest.raises(SlmError, match="more than 300"):
        collected()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"slug": "other"}, "its submission is other"),
        ({"hf_repo": "evil/repo"}, "its repository is evil/repo"),
        ({"mode": "quick"}, "its mode is quick"),
    ],
)
def test_a_report_about_another_model_is_refused(refused, hosted, handed_over, factory, changes, why):
    mode = changes.pop("mode", "full")
    known = {"slug": "tiny", "name": "Tiny", "hf_repo": "org/tiny", "run_id": "r1", **changes}
    hosted.upload(55, "slm-report-0", handed_over(run=factory.make_run("Q8_0", mode, **known)))
    assert why in refused()


def test_two_reports_in_one_artifact_are_refused(refused, hosted, tmp_path, standin, zipped, factory):
    folder = tmp_path / "two"
    for run in ("r1", "r2"):
        made = factory.make_run("Q8_0", slug="tiny", name="Tiny", hf_repo="org/tiny", run_id=run)
        factory.store_run(folder / "reports", made)
    pack(folder, Origin(repo=standin.REPO, run=55, pull=1, head=standin.HEAD, kind="report", quantization="Q8_0"))
    hosted.upload(55, "slm-report-0", zipped(folder))
    assert "2 reports, and a job makes one" in refused()


def test_a_report_in_another_place_is_refused(refused, hosted, tmp_path, standin, zipped, factory):
    folder = tmp_path / "elsewhere"
    made = factory.make_run("Q8_0", slug="tiny", name="Tiny", hf_repo="org/tiny", run_id="r1")
    path = factory.store_run(folder / "reports", made)
    (folder / "registry").mkdir()
    path.rename(folder / "registry" / "report.json")
    pack(folder, Origin(repo=standin.REPO, run=55, pull=1, head=standin.HEAD, kind="report", quantization="Q8_0"))
    hosted.upload(55, "slm-report-0", zipped(folder))
    assert "its place is registry" in refused()


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"path": ".github/workflows/evil.yml"}, "workflow"),
        ({"event": "pull_request"}, "event"),
        ({"head_branch": "evil"}, "branch"),
        ({"repository": {"full_name": "sam/models"}}, "repository"),
        ({"head_repository": {"full_name": "sam/models"}}, "source"),
        ({"conclusion": "failure"}, "conclusion"),
        ({"conclusion": None}, "conclusion"),
    ],
)
def test_a_run_that_is_not_ours_is_refused(github, job, hosted, source, changes, what):
    hosted.run(55)
    check_run(github, job(hosted.event(hosted.say("x"))), source, finished=True)
    hosted.run(55, **changes)
    with pytest.raises(SlmError, match=f"its {what} is") as refused:
        check_run(github, job(hosted.event(hosted.say("x"))), source, finished=True)
    assert refused.value.slug == "ci-artifact"


def test_a_run_that_is_going_on_is_checked_but_for_its_end(github, job, hosted, source):
    hosted.run(55, conclusion=None)
    event = hosted.event(hosted.say("x"))
    assert check_run(github, job(event), source, finished=False) is None


# -- shards ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def shard(tmp_path, standin, zipped, hosted):
    """Uploads a shard with cells of these tasks."""

    def upload(number, *tasks, quantization="Q8_0", score=0.5, damage=b""):
        folder = tmp_path / f"shard-{number}-{score}"
        store = CellStore(folder / "cells")
        for task in tasks:
            known = {
                "suite": "core",
                "task": task,
                "variant": "",
                "quantization": quantization,
                "mode": "full",
                "seed": 7,
            }
            cell = Cell(model="Tiny", weights="a" * 64, version=1, suite_files="b" * 64, backend="llamacpp", **known)
            result = Result(
                **known, outcome="passed", primary="acc", machine="m", metrics=(Metric(name="acc", value=score, n=10),)
            )
            store.put(StoredCell(cell=cell, result=result))
        folder.mkdir(exist_ok=True)
        for path in store if damage else ():
            path.write_bytes(damage)
        kept = {"repo": standin.REPO, "run": 55, "pull": 1, "head": standin.HEAD, "kind": "cells"}
        pack(folder, Origin(**kept, quantization="Q8_0", shard=number))
        hosted.upload(55, f"slm-cells-0-{number}", zipped(folder))

    return upload


def test_shards_become_one_store_and_a_missing_one_is_told(github, job, source, shard, tmp_path):
    shard(0, "a", "b")
    shard(2)
    n, missing = collect_cells(github, job({}), source, "Q8_0", tmp_path / "all", shards=3)
    assert (n, list(missing)) == (2, ["shard 2 of 3 brought nothing"])
    assert len(list(CellStore(tmp_path / "all"))) == 2


@pytest.mark.parametrize("made", [{"quantization": "Q4_0"}, {"damage": b"{"}, {"damage": b"[]"}])
def test_cells_that_do_not_belong_there_are_refused(github, job, source, shard, tmp_path, made):
    shard(0, "a", **made)
    with pytest.raises(SlmError, match="does not belong to them") as refused:
        collect_cells(github, job({}), source, "Q8_0", tmp_path / "all", shards=1)
    assert refused.value.slug == "ci-artifact"


def test_shards_that_contradict_each_other_are_refused(github, job, source, shard, tmp_path):
    shard(0, "a", score=0.5)
    shard(1, "a", score=0.9)
    with pytest.raises(SlmError, match="one cell has two scores"):
        collect_cells(github, job({}), source, "Q8_0", tmp_path / "all", shards=2)


def test_a_quantization_that_nobody_offered_is_refused(github, job, source, tmp_path):
    with pytest.raises(SlmError, match="no quantization of the submission"):
        collect_cells(github, job({}), source, "../Q8_0", tmp_path / "all", shards=1)


def test_the_step_tells_what_is_missing(step, hosted, handed_over, github, job, outputs, tmp_path):
    from pytest_slm.ci.github.pulls import offered
    from pytest_slm.ci.orders import write_order

    write_order(tmp_path / "order", job({}), offered(github, 1), "full-benchmark")
    hosted.run(55, conclusion=None)
    hosted.upload(55, "slm-report-0", handed_over())
    event = hosted.event(hosted.say("/full-benchmark"))
    given = ["--order", str(tmp_path / "order"), "--output", str(tmp_path / "results")]
    assert step("collect", *given, "--expected", "2", event=event) == 0
    assert outputs() == {"state": "failure", "line": "1 of 2 quantizations measured"}
    assert "Tiny" in (tmp_path / "results/comment.md").read_text()
