"""``pytest-slm matrix`` and ``merge`` on the command line."""

from __future__ import annotations

import json

import pytest

from pytest_slm.cli.main import main


@pytest.mark.subprocess("model")
def test_the_matrix_lists_every_cell_and_a_job_for_each_quantization(script, tmp_path, monkeypatch, capsys, no_orphans):
    monkeypatch.chdir(tmp_path)
    reference = script(text="a", quantizations=["A", "B"])
    arguments = ["matrix", reference, "--suite", "core/arithmetic", "--limit", "3"]
    assert main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {(cell["task"], cell["quantization"]) for cell in told["cells"]} >= {
        ("arithmetic", "A"),
        ("arithmetic", "B"),
    }
    assert [job["quantization"] for job in told["jobs"]] == ["A", "B"]
    assert sum(job["cells"] for job in told["jobs"]) == len(told["cells"])
    # what nobody knows is null and has a reason, and never 0
    assert all(cell["seconds"] is None or cell["seconds"] > 0 for cell in told["cells"])
    assert all(cell["seconds"] is not None or cell["reason"] for cell in told["cells"])


@pytest.mark.subprocess("model")
def test_suites_of_ones_own_are_in_the_matrix(script, tmp_path, monkeypatch, capsys, no_orphans):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "mine" / "geo"
    folder.mkdir(parents=True)
    (folder / "suite.yaml").write_text("suite: geo\ntitle: geo\ntasks: [a]\n")
    task = "kind: checks\ndescription: One.\nrequires: [chat]\nscorer: contains\nmetrics: [exact_match]\n"
    (folder / "a.yaml").write_text(task + "options: {samples: a.jsonl, max_tokens: 8}\n")
    (folder / "a.jsonl").write_text('{"id": "0", "input": "Paris?", "target": "Paris"}\n')
    asked = ["matrix", script(text="a"), "--path", "mine", "--suite", "geo", "--json"]
    assert main(asked) == 0
    assert [cell["task"] for cell in json.loads(capsys.readouterr().out)["cells"]] == ["a"]


def test_a_merge_says_what_it_left_out_and_fails(tmp_path, capsys):
    (tmp_path / "a").mkdir()
    assert main(["merge", str(tmp_path / "a"), "-o", str(tmp_path / "all")]) == 0
    assert "0 cells, 0 of them new" in capsys.readouterr().out
    (tmp_path / "a" / "00").mkdir()
    (tmp_path / "a" / "00" / ("00" * 32 + ".json")).write_text("{")
    assert main(["merge", str(tmp_path / "a"), "-o", str(tmp_path / "all"), "--json"]) == 1
    told = capsys.readouterr()
    assert "cut or damaged" in told.err
    assert len(json.loads(told.out)["broken"]) == 1
    assert main(["merge", str(tmp_path / "nowhere"), "-o", str(tmp_path / "all")]) == 1
