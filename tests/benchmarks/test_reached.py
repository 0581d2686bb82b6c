"""Which tests reach a line, and running those alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from coverage import CoverageData

from benchmarks.common.reached import reached


def test_a_line_has_the_tests_that_reached_it(tmp_path: Path) -> None:
    module, data = tmp_path / "checkout" / "package" / "module.py", CoverageData(basename=str(tmp_path / "kept"))
    for context, lines in {"": {1}, "tests/a.py::one[x|y]|run": {2, 3}, "tests/a.py::two|setup": {3}}.items():
        data.set_context(context)
        data.add_lines({str(module): lines})
    data.write()
    found = reached(tmp_path / "kept", tmp_path / "checkout")[Path("package/module.py")]
    # What runs while the module is imported is no test's.
    assert found == {1: [], 2: ["tests/a.py::one[x|y]"], 3: ["tests/a.py::one[x|y]", "tests/a.py::two"]}


TESTS = """
    import pytest

    @pytest.mark.parametrize("text", ["a b", "line\\nbreak", "::"])
    def test_one(text): print(f"one {text!r}")

    def test_two(): print("two")
"""


def test_only_the_tests_that_are_named_run_in_their_order(pytester: pytest.Pytester) -> None:
    file = pytester.makepyfile(TESTS)
    names = [f"{file.name}::test_two", f"{file.name}::test_one[line\\nbreak]"]
    chosen = pytester.path / "chosen"
    chosen.write_text("\0".join(names))
    outcome = pytester.runpytest_inprocess(
        "-p", "benchmarks.common.reached", f"--reached={chosen}", "-s", "-p", "no:xdist"
    )
    outcome.assert_outcomes(passed=2, deselected=2)
    outcome.stdout.fnmatch_lines(["*two*", "*one 'line\\nbreak'*"])


def test_all_tests_run_where_no_file_is_given(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    pytester.runpytest_inprocess("-p", "benchmarks.common.reached", "-p", "no:xdist").assert_outcomes(passed=4)
