"""Code in pages: what is run and how, and how each way fails."""

import sys

import pytest

from pytest_slm.docs_checks.code.fences import FenceError, understand
from pytest_slm.docs_checks.markdown import Fence

pytest.importorskip("bashlex", reason="needs pytest-slm[docs]")
pytest.importorskip("pymarkdown", reason="needs pytest-slm[docs]")

ONLY = ("-k", ":", "--tb=short")
FIRST = 7
"""The line of the first fence's first mark."""


def page(*fences):
    return "# Other\n\n" + "\n".join(f"```{info}\n{text}\n```\n" for info, text in fences)


def test_python_runs_in_order_and_names_stay(docs, look):
    docs(
        page(
            ("python", "import pathlib\n\nx = 20\npathlib.Path('a.txt').write_text('from python')"),
            ("python", "def twice():\n    return 2 * x\n\nx += 1\nprint(twice())"),
            ("text output", "42"),
            ("sh run", "cat a.txt\necho; echo more"),
            ("text output", "from ...\nmore"),
        )
    )
    look(*ONLY).assert_outcomes(passed=5, deselected=12)


def test_one_fence_alone_runs_behind_those_before_it(docs, session):
    docs(page(("python", "x = 1"), ("python", "assert x == 1")))
    result = session("site/other.md::python:12", "--slm-docs", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("info", "text", "line", "problem"),
    [
        ("python", "x = 1\n1 / 0", 2, "ZeroDivisionError: division by zero"),
        ("python", "def f():\n    raise ValueError('\\x1b[31mred')\n\n\nf()", 2, "ValueError: *red"),
        ("python", "x = (", 1, "*SyntaxError: *"),
        ("python", "import sys\nsys.exit(3)", 2, "SystemExit: 3"),
        ("python", "import os\nos._exit(3)", 1, "its process ended with exit code 3"),
        ("python seconds=0.3", "while True:\n    pass", 1, "its process was not done after 0.3 s*"),
        ("sh run", "echo hi\nfalse\necho no", 2, "ended with exit code 1: hi"),
        ("sh run seconds=0.3", "sleep 60", 1, "was not done after 0.3 s, so it was ended"),
        ("sh run", "echo a |", 1, "no shell understands it: *"),
        (
            'sh not-run="no GPU"',
            "pytest x \\\n  --slm-modle=a",
            2,
            "there is no option --slm-modle. Did you mean '--slm-mode'?",
        ),
        (
            'sh not-run="no GPU"',
            "python - <<'END'\nprint('a')\nEND\npytest x --slm-modle=a",
            4,
            "there is no option --slm-modle. Did you mean '--slm-mode'?",
        ),
        ("sh run", "$ ls", 1, "'$' before the command: who copies it would type it"),
        ("json", '{"a": 1,\n "a": 2}', 1, "no valid JSON: *twice*"),
        ("jsonl", '{"a": 1}\n{"a": NaN}', 1, "no valid JSONL: *"),
        ("yaml", "a: 1\nb: [", 2, "no valid YAML: *"),
        ("toml", "a = 1\nb =", 2, "no valid TOML: *"),
        ('yaml file="../../x.yaml"', "a: 1", 1, "file=../../x.yaml: outside of its folder"),
        ("sh", "ls", 0, "shell is either run or says where it was not: *"),
        ("sh not-run=", "ls", 0, "say why it was not run: *"),
        ("swift", "let x = 1", 0, "swift is not run here: say not-run=*"),
        ("python not-run=x", "1", 0, "a fence of python has no mark 'not-run'; it may have needs, seconds, file"),
        ("python seconds=long", "1", 0, "seconds='long' is no time"),
        ('python needs="', "1", 0, "its marks cannot be read *"),
    ],
)
def test_code_that_fails_is_told_with_its_line(docs, look, info, text, line, problem):
    docs(page((info, text)))
    result = look(*ONLY)
    result.assert_outcomes(failed=1, deselected=12)
    result.stdout.fnmatch_lines([f"site/other.md:{FIRST + line}: {problem}  [[]docs-page]"])
    assert "\x1b[31mred" not in str(result.stdout)


def test_what_comes_behind_the_end_of_the_process_says_so(docs, look):
    docs(page(("python", "import os\n\nx = 1\nos._exit(3)"), ("python", "print(x)")))
    result = look(*ONLY)
    result.assert_outcomes(failed=2, deselected=12)
    result.stdout.fnmatch_lines(["site/other.md:15: the process of this page has ended in line 8  [[]docs-page]"])


def test_what_a_fence_printed_is_compared(docs, look):
    docs(page(("python", "print('a')"), ("text output", "b")))
    result = look(*ONLY)
    result.assert_outcomes(passed=1, failed=1, deselected=12)
    result.stdout.fnmatch_lines(["site/other.md:12: the fence before it printed 'a', not this  [[]docs-page]"])


def test_what_is_not_run_is_skipped_and_says_where(docs, look):
    docs(page(('sh not-run="needs a Raspberry Pi 5"', "ollama run x"), ('swift not-run="needs Xcode"', "let x = 1")))
    result = look(*ONLY)
    result.assert_outcomes(skipped=2, deselected=12)
    result.stdout.fnmatch_lines(["*needs a Raspberry Pi 5*docs-not-run*", "*needs Xcode*docs-not-run*"])


def test_what_is_not_installed_is_skipped_with_all_that_rests_on_it(docs, look):
    docs(page(('python needs="no_such_module"', "x = 1"), ("python", "print(x)")))
    result = look(*ONLY)
    result.assert_outcomes(skipped=2, deselected=12)
    result.stdout.fnmatch_lines(["*a fence before it: *no_such_module*docs-needs*"])


def test_files_that_a_page_shows_are_there_for_its_commands(docs, look):
    docs(
        page(
            ('yaml file="in/a.yaml"', "a: 1"),
            ('python file="mine.py"', "X = 5"),
            ("python", "import mine\n\nassert mine.X == 5"),
            ("sh run", "cat in/a.yaml"),
            ("text output", "a: 1"),
        )
    )
    look(*ONLY).assert_outcomes(passed=5, deselected=12)


def test_code_of_pages_that_a_program_has_written_is_read_and_not_run(docs, look):
    fences = (
        ("python", "raise SystemExit(3)"),
        ("python", "x = 1\nx = ("),
        ("sh", "rm -rf nothing"),
        ("sh", "pytest --slm-modle=x"),
        ("json", "{"),
        ("swift", "let x = 1"),
    )
    docs(page(*fences), config='read_only = ["oth*.md"]\n')
    result = look(*ONLY)
    result.assert_outcomes(passed=2, failed=3, deselected=12)
    result.stdout.fnmatch_lines(
        [
            "site/other.md:13: no valid Python: *",
            "site/other.md:21: there is no option *",
            "site/other.md:25: no valid JSON*",
        ]
    )


def test_commands_are_those_of_this_python(docs, look):
    docs(page(("sh run", 'python -c "import sys; print(sys.prefix)"'), ("text output", sys.prefix)))
    look(*ONLY).assert_outcomes(passed=2, deselected=12)


def test_the_folder_of_a_page_is_taken_away(docs, look, pytester):
    docs(page(("python", f"import os\n\nopen({str(pytester.path / 'where')!r}, 'w').write(os.getcwd())")))
    look(*ONLY).assert_outcomes(passed=1, deselected=12)
    where = pytester.path.joinpath("where").read_text()
    assert "slm-docs-" in where
    assert not pytester.path.joinpath(where).exists()


@pytest.mark.parametrize(
    "info", ["python", "sh run", 'sh not-run="a b"', "text", "", "text output", "json", 'c file="a.c"']
)
def test_marks_that_are_known(info):
    assert understand(Fence(line=3, info=info, text="x\n")).line == 3


def test_a_mark_of_another_language_is_an_error():
    with pytest.raises(FenceError, match="may have run, not-run, needs, seconds"):
        understand(Fence(line=1, info="sh output", text=""))
