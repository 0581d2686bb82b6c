"""`pytest-slm registry build`, `site build` and `report`: from run reports to files."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pytest_slm.cli.main import main
from pytest_slm.core.types import SuiteFacts


@pytest.fixture
def reports(tmp_path, factory):
    """A folder with the reports of two quantizations."""
    folder = tmp_path / "reports"
    for quantization in ("Q8_0", "Q4_0"):
        factory.store_run(folder, factory.make_run(quantization))
    return folder


def test_from_reports_to_pages(tmp_path, reports, capsys):
    registry, site = tmp_path / "registry", tmp_path / "public"
    assert main(["registry", "build", str(reports), "-o", str(registry)]) == 0
    assert main(["site", "build", str(registry), "-o", str(site)]) == 0
    assert (site / "index.html").is_file()
    assert "1 model from 2 reports" in capsys.readouterr().out


def test_building_again_changes_no_byte(tmp_path, reports):
    registry = tmp_path / "registry"
    contents = []
    for _ in range(2):
        assert main(["registry", "build", str(reports), "-o", str(registry), "--keep"]) == 0
        contents.append({path: path.read_bytes() for path in registry.rglob("*.json")})
    assert contents[0] == contents[1]


def test_a_broken_report_is_a_warning_that_names_it(tmp_path, reports, capsys):
    broken = next(reports.rglob("report.json"))
    broken.write_text("{")
    assert main(["registry", "build", str(reports), "-o", str(tmp_path / "r")]) == 0
    printed = capsys.readouterr()
    assert f"warning: {broken}" in printed.err
    assert "1 left out" in printed.out


def test_strict_refuses_a_broken_report_and_writes_nothing(tmp_path, reports, capsys):
    next(reports.rglob("report.json")).write_text("{")
    assert main(["registry", "build", str(reports), "-o", str(tmp_path / "r"), "--strict"]) == 1
    assert not (tmp_path / "r").exists()


def test_keep_keeps_models_without_reports(tmp_path, reports, factory):
    registry, more = tmp_path / "registry", tmp_path / "more"
    factory.store_run(more, factory.make_run(slug="b", hf_repo="org/b"))
    main(["registry", "build", str(reports), "-o", str(registry)])
    main(["registry", "build", str(more), "-o", str(registry), "--keep"])
    assert len(json.loads((registry / "index.json").read_text())["models"]) == 2
    main(["registry", "build", str(more), "-o", str(registry)])
    assert len(json.loads((registry / "index.json").read_text())["models"]) == 1


def test_report_writes_the_page_of_a_run(reports, capsys):
    folder = next(reports.rglob("report.json")).parent
    assert main(["report", str(folder)]) == 0
    assert (folder / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert capsys.readouterr().out.strip() == str(folder / "report.html")


def test_an_expected_failure_is_one_line_and_code_1(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.rstrip().endswith("[report-missing]")


def test_scripted_models_are_left_out(tmp_path, reports, factory, capsys):
    factory.store_run(reports, factory.make_run(slug="fake", hf_repo=None, backend={"name": "fake"}))
    registry = tmp_path / "registry"
    assert main(["registry", "build", str(reports), "-o", str(registry)]) == 0
    assert "left out: 1 reports of scripted models" in capsys.readouterr().err
    assert [model["id"] for model in json.loads((registry / "index.json").read_text())["models"]] != ["fake"]


def test_a_folder_without_reports_makes_no_registry(tmp_path, capsys):
    (tmp_path / "reports").mkdir()
    assert main(["registry", "build", str(tmp_path / "reports"), "-o", str(tmp_path / "r")]) == 1
    assert "no run reports" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("form", ["csv", "markdown", "sqlite"])
def test_an_export_is_written_where_a_link_leads_and_the_link_stays(tmp_path, reports, form):
    registry, public = tmp_path / "registry", tmp_path / "public"
    public.mkdir()
    link, target = tmp_path / "latest", public / "all.data"
    link.symlink_to(target)  # leads to nothing yet
    assert main(["registry", "build", str(reports), "-o", str(registry)]) == 0
    for _ in range(2):
        assert main(["registry", "export", str(registry), "--to", form, "-o", str(link)]) == 0
        assert link.is_symlink()
        assert target.stat().st_size > 100


def test_an_export_takes_the_place_of_a_link_that_leads_nowhere(tmp_path, reports):
    registry, link = tmp_path / "registry", tmp_path / "around.csv"
    link.symlink_to(link)
    assert main(["registry", "build", str(reports), "-o", str(registry)]) == 0
    assert main(["registry", "export", str(registry), "--to", "csv", "-o", str(link)]) == 0
    assert link.is_file()
    assert not link.is_symlink()


def test_what_an_export_for_the_hub_leaves_out_is_told(tmp_path, factory, capsys):
    results = [
        factory.scored(
            "mine", "mmlu", str(n), "Q8_0", "full", factory.share("acc", 5, 10), provenance={"dataset": "cais/mmlu"}
        )
        for n in range(25)
    ]
    facts = SuiteFacts(title="Mine", use_case="mine", rows={"mmlu": 14_042})
    factory.store_run(tmp_path / "runs", replace(factory.make_run(results=results), suites={"mine": facts}))
    registry = str(tmp_path / "registry")
    assert main(["registry", "build", str(tmp_path / "runs"), "-o", registry]) == 0
    capsys.readouterr()
    assert main(["registry", "export", registry, "--to", "hf", "-o", str(tmp_path / "hub")]) == 1
    *told, more, nothing = capsys.readouterr().err.splitlines()
    assert len(told) == 20
    assert told[0].endswith("Q8_0, mine/mmlu: 10 of 14,042 questions")
    assert more == "left out: 5 more, of parts of data sets"
    assert nothing.startswith("nothing written: no full run on a whole data set of the Hub")
