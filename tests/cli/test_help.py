"""What the command says of itself, and what it refuses before anything is done."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys

import pytest

from pytest_slm import __version__
from pytest_slm.cli.main import _parser, main


def test_names_that_no_file_can_have_are_one_line_in_every_command(tmp_path, capsys):
    for name in ("x" * 5_000, "y" * 300, "é" * 200):
        for command in (
            ["report", name],
            ["compare", name, str(tmp_path)],
            ["registry", "build", name, "-o", str(tmp_path / "r.json")],
            ["registry", "build", str(tmp_path), "-o", name],
            ["site", "build", name, "-o", str(tmp_path / "site")],
            ["suites", name],
            *(["detect", before + name + behind] for before, behind in (("", ""), ("fake:", ""), ("a/", ".gguf"))),
            ["submit", "fake", "--slug", name],
            ["quantize", name, "--to", "Q4_0"],
            ["data", "list", name],
            *(["validate", name + behind] for behind in ("", ".yml")),
        ):
            assert main(command) == 4, command[0]
            (line,) = capsys.readouterr().err.splitlines()
            assert line.endswith("choose a shorter one  [option-value]"), line
            assert len(line) < 200
    # a list of many names is none
    assert main(["quantize", "pkg:nothing-of-that-name", "--to", ",".join(["Q4_0"] * 100)]) == 4
    assert "option-value" not in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["registry"], ["frobnicate"], ["registry", "build", "x"]])
def test_wrong_arguments_are_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: pytest-slm" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["registry build", "site build", "report", "compare", "detect", "validate"])
def test_help_teaches_every_command_with_an_example(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    assert f"pytest-slm {command} " in capsys.readouterr().out


def _commands():
    """The names of all commands, with those below them."""
    found, waiting = [], [("", _parser())]
    for name, parser in waiting:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                waiting += [(f"{name} {verb}".strip(), one) for verb, one in action.choices.items()]
        found += [name] if name else []
    return found


COMMANDS = _commands()


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_says_more_and_has_an_example_that_works(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*command.split(), "--help"])
    assert stopped.value.code == 0
    usage, description, *_ = (printed := capsys.readouterr().out).split("\n\n")
    assert usage.startswith(f"usage: pytest-slm {command} ")
    assert description.endswith(".")
    assert max(map(len, description.splitlines())) < 120
    (example,) = re.findall(r"^example:\n  pytest-slm (.*)$", printed, flags=re.MULTILINE)
    assert example.startswith(command)
    assert callable(_parser().parse_args(example.split()).run)


def test_commands_are_found_with_those_below_them():
    assert {"registry", "registry build", "suite check", "submit"} <= set(COMMANDS)
    assert len(COMMANDS) > 20


def test_the_command_imports_no_engine_and_no_test_framework():
    # A registry is built where no model can run.
    code = "import sys, pytest_slm.cli.main, pytest_slm.registry, pytest_slm.site.build, pytest_slm.site.report\n"
    code += "import pytest_slm.comparing\n"
    code += "print({'pytest', 'torch', 'llama_cpp', 'lm_eval', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.subprocess
@pytest.mark.parametrize("module", ["pytest_slm.cli", "pytest_slm.cli.main"])
def test_it_is_a_module_too(module):
    done = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, f"pytest-slm {__version__}")
