"""`pytest-slm suites`: built-in suites and those of one's own."""

from __future__ import annotations

import pytest

from pytest_slm.cli.main import main


def test_suites_are_listed_with_what_they_measure(capsys):
    assert main(["suites"]) == 0
    printed = capsys.readouterr().out
    for line in ("core/arithmetic (quick 100, full 500): ", "  performance/ttft: Seconds until"):
        assert line in printed


def test_suites_of_ones_own_are_listed_from_their_folder_or_the_one_above(capsys, tmp_path):
    folder = tmp_path / "capitals"
    folder.mkdir()
    (folder / "suite.yaml").write_text("suite: capitals\ntitle: Capitals\ntasks: []\n")
    for path in (tmp_path, folder):
        assert main(["suites", str(path)]) == 0
        assert "capitals: Capitals" in capsys.readouterr().out


@pytest.mark.parametrize(("code", "line"), [("x = 1\ndef broken(:\n", 2), ("x = '\0'", 1)])
def test_a_test_that_is_no_python_is_told_with_its_line(capsys, tmp_path, code, line):
    (tmp_path / "suite.yaml").write_text("title: Own\n")
    (tmp_path / "test_x.py").write_text(code)
    assert main(["suites", str(tmp_path)]) == 4
    error = capsys.readouterr().err
    assert f"test_x.py:{line}: no valid Python" in error
    assert "[test-syntax]" in error


def test_a_folder_without_suites_is_told(capsys, tmp_path):
    assert main(["suites", str(tmp_path)]) == 4
    assert "no suite.yaml in it" in capsys.readouterr().err
