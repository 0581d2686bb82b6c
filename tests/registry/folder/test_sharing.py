"""Copies of runs that may be handed on: no text is left in them, and no number is lost."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pytest_slm.cli.main import main
from pytest_slm.core.types import MetricSpec
from pytest_slm.registry import build_folder, read_registry
from pytest_slm.registry.folder import sharing
from pytest_slm.registry.folder.sharing import share

NOW = datetime(2026, 12, 1, tzinfo=UTC)
SECRET = "The answer is"


@pytest.fixture
def reports(tmp_path, factory):
    run = factory.make_run("Q8_0")
    samples = factory.make_samples(run)
    factory.store_run(tmp_path / "reports", factory.agreeing(run, samples), samples)
    return tmp_path / "reports"


def text_of(folder):
    return "".join(path.read_text("utf-8") for path in sorted(folder.rglob("*")) if path.is_file())


def numbers(registry):
    """All that a registry says of its models but the hashes of the reports."""
    said = [model.to_json() for model in read_registry(registry).models]
    return json.loads(json.dumps(said), object_hook=lambda found: {k: v for k, v in found.items() if k != "sha256"})


def test_no_text_is_left_and_every_number_is(tmp_path, reports):
    assert SECRET in text_of(reports)
    shared = share(reports, tmp_path / "shared")
    assert len(shared.copied) == 1
    assert not shared.refused
    left = text_of(tmp_path / "shared")
    assert SECRET not in left
    lines = [json.loads(line) for path in tmp_path.glob("shared/**/*.jsonl") for line in path.open()]
    assert len(lines) > 10
    assert set().union(*lines) <= set(sharing.KEPT)
    for name in ("reports", "shared"):
        build_folder(tmp_path / name, tmp_path / f"registry of {name}", now=NOW)
    of_runs, of_copies = numbers(tmp_path / "registry of reports"), numbers(tmp_path / "registry of shared")
    assert of_copies == of_runs
    assert '"questions"' in json.dumps(of_copies)  # which are made of the lines


def test_texts_of_public_tasks_may_stay_but_never_what_hurts(tmp_path, factory, capsys):
    run = factory.make_run("Q8_0")
    results = [
        replace(result, public=place < 2, harmful=place == 1, samples=f"samples/{place}.jsonl")
        for place, result in enumerate(run.results)
    ]
    run = replace(run, results=tuple(results))
    factory.store_run(tmp_path / "reports", run, factory.make_samples(run))
    assert main(["registry", "share", str(tmp_path / "reports"), "-o", str(tmp_path / "shared"), "--public"]) == 0
    assert "but for those of public tasks" in capsys.readouterr().out
    texts = {path.name: path.read_text("utf-8") for path in tmp_path.glob("shared/**/*.jsonl")}
    assert [name for name, text in sorted(texts.items()) if SECRET in text] == ["0.jsonl"]
    (before,) = tmp_path.glob("reports/**/0.jsonl")
    assert [json.loads(line) for line in texts["0.jsonl"].splitlines()] == [
        json.loads(line) for line in before.read_text("utf-8").splitlines()
    ]
    for name in ("reports", "shared"):
        build_folder(tmp_path / name, tmp_path / f"registry of {name}", now=NOW)
    assert numbers(tmp_path / "registry of shared") == numbers(tmp_path / "registry of reports")


def test_what_a_cluster_is_called_by_is_no_text_either(tmp_path, reports):
    for path in reports.rglob("samples/*.jsonl"):
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        for place, line in enumerate(lines):
            line["cluster"] = f"{SECRET} number {place // 2}"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    assert len(share(reports, tmp_path / "shared").copied) == 1
    assert SECRET not in text_of(tmp_path / "shared")
    for name in ("reports", "shared"):
        build_folder(tmp_path / name, tmp_path / f"registry of {name}", now=NOW)
    assert numbers(tmp_path / "registry of shared") == numbers(tmp_path / "registry of reports")


WRITTEN = f"{SECRET} forty-two, since seven times six is that."


@pytest.mark.parametrize(
    "said",
    [
        {"values": {"grounded": WRITTEN}},
        {"values": {"grounded": ["yes", WRITTEN]}},
        {"values": {"grounded": {"claim": WRITTEN}}},
        {"values": {WRITTEN: 1.0}},
        {"values": WRITTEN},
        {"groups": [WRITTEN]},
        {"groups": [{"group": WRITTEN}]},
        {"groups": WRITTEN},
        {"finish": WRITTEN},
        {"score": WRITTEN},
        {"confidence": [WRITTEN]},
        {"turns": WRITTEN},
        {"repeat": WRITTEN},
        {"n_output": WRITTEN},
        {"prompt_sha256": WRITTEN},
        {"target_sha256": WRITTEN},
        {"cluster": {"passage": WRITTEN}},
        {"doc_id": [WRITTEN]},
    ],
    ids=str,
)
def test_no_field_is_a_place_for_a_text(tmp_path, reports, said):
    for path in reports.rglob("samples/*.jsonl"):
        lines = [{**json.loads(line), **said} for line in path.read_text("utf-8").splitlines()]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    assert len(share(reports, tmp_path / "shared").copied) == 1
    assert SECRET not in text_of(tmp_path / "shared")


def test_what_numbers_are_made_of_is_left(tmp_path, reports):
    said = {
        "values": {"accuracy": 0.5, "parts": [1.0, None], "strict": None},
        "groups": ["harmful", "Physical_appearance ambiguous"],
        **{"finish": "length", "confidence": 0.25, "n_output": 7, "turns": 2, "repeat": 1},
    }
    for path in reports.rglob("samples/*.jsonl"):
        lines = [{**json.loads(line), **said} for line in path.read_text("utf-8").splitlines()]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    share(reports, tmp_path / "shared")
    lines = [json.loads(line) for path in tmp_path.glob("shared/**/*.jsonl") for line in path.open()]
    assert lines
    assert all(said.items() <= line.items() for line in lines)


def test_a_group_that_the_primary_metric_is_made_of_stays_whatever_it_is_called(tmp_path, factory):
    long = "those that are asked of a passage of more than forty characters"
    run = factory.make_run("Q8_0", suites=("core",))
    primary = MetricSpec(name=run.results[0].primary, group=long)
    results = [replace(one, declared=replace(one.declared, primary=primary)) for one in run.results]
    run = replace(run, results=tuple(results))
    samples = {
        name: [{**line, "groups": [long]} for line in lines] for name, lines in factory.make_samples(run).items()
    }
    factory.store_run(tmp_path / "reports", run, samples)
    share(tmp_path / "reports", tmp_path / "shared")
    lines = [json.loads(line) for path in tmp_path.glob("shared/**/*.jsonl") for line in path.open()]
    assert lines
    assert all(line["groups"] == [long] for line in lines)


def test_what_is_copied_is_copied_the_same_again(tmp_path, reports):
    share(reports, tmp_path / "once")
    share(tmp_path / "once", tmp_path / "twice")
    assert text_of(tmp_path / "twice") == text_of(tmp_path / "once")


def test_an_id_that_is_a_text_keeps_its_run_back(tmp_path, reports, capsys):
    path = next(reports.rglob("samples/*.jsonl"))
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    lines[0]["doc_id"] = "x" * (sharing.LONGEST_ID + 1)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    assert main(["registry", "share", str(reports), "-o", str(tmp_path / "shared")]) == 1
    assert "give the rows of this task short ids" in capsys.readouterr().err
    assert not (tmp_path / "shared").exists()


def test_what_is_no_report_is_told_and_the_others_are_copied(tmp_path, reports, capsys):
    (reports / "torn").mkdir()
    (reports / "torn" / "report.json").write_text("{", "utf-8")
    assert main(["registry", "share", str(reports), "-o", str(tmp_path / "shared")]) == 1
    told = capsys.readouterr()
    assert "1 runs without texts" in told.out
    assert "not valid JSON" in told.err
