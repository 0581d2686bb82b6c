"""Which engine computes, and how, as a user asks for it."""

import json
import sys
from pathlib import Path

import pytest

from pytest_slm.backends.lookup import Backends


def test_an_engine_is_for_gguf_files(run, suite):
    suite(a=[("x", "y")])
    for option in ("--slm-engine=ik", "--slm-engine=all", "--slm-kernels=F16"):
        done = run("suites", option, text="y")
        assert done.ret == pytest.ExitCode.USAGE_ERROR
        done.stderr.fnmatch_lines([f"*{option.partition('=')[0]}: only the backend llamacpp, which opens GGUF files*"])


def test_an_unknown_engine_lists_those_that_are(run, suite):
    suite(a=[("x", "y")])
    done = run("suites", "--slm-engine=vllm", text="y")
    done.stderr.fnmatch_lines(["*invalid choice: 'vllm'*llama.cpp*"])


def test_a_library_that_is_not_there_is_one_line(run, suite):
    suite(a=[("x", "y")])
    done = run("suites", "--slm-engine-lib=nowhere/libllama.so", text="y")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*--slm-engine-lib=nowhere/libllama.so: no such file*engine-library]"])


def test_a_library_and_an_engine_are_one_too_many(run, suite, pytester):
    suite(a=[("x", "y")])
    pytester.makefile(".so", libllama="")
    done = run("suites", "--slm-engine-lib=libllama.so", "--slm-engine=ik", text="y")
    done.stderr.fnmatch_lines(["*--slm-engine and --slm-engine-lib: leave out one*"])


@pytest.mark.subprocess("model")
def test_every_engine_and_kernel_is_a_row_of_its_own(run, suite, small_q4_1_model, report, pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_SLM_CACHE", str(pytester.path / "cache"))
    engines = Backends().find("gguf").installed_engines()
    suite(a=[("x", "y"), ("z", "y")])
    done = run(
        *("suites", "--slm-engine=all", "--slm-kernels=native,F32", "--slm-canary=off"), model=str(small_q4_1_model)
    )
    done.assert_outcomes(passed=2 * len(engines))
    for engine in engines:
        for kernel in ("", "+F32"):
            done.stdout.fnmatch_lines([f"Q4_1{kernel}+{engine}: *"])
    reports = sorted(pytester.path.glob("reports/*/*"))
    assert [folder.name for folder in reports] == sorted(
        f"Q4_1{kernel}+{engine}" for engine in engines for kernel in ("", "+F32")
    )


TIMED = """
import pytest
from pytest_slm import performance

@pytest.mark.slm_timing
@pytest.mark.slm_task("generate", variant="n_tokens", prompt=1, output="n_tokens", budget_s=0.2)
@pytest.mark.parametrize("n_tokens", [4])
def test_generate(benchmark, slm_backend, slm_time, n_tokens):
    slm_time(benchmark, lambda subject: performance.Generate(subject.open(), n_tokens))
"""


@pytest.mark.subprocess("model")
def test_rounds_of_all_engines_alternate_and_stand_side_by_side(run, small_q4_1_model, pytester):
    engines = Backends().find("gguf").installed_engines()
    if len(engines) < 2:
        pytest.skip("needs two engines: pip install 'pytest-slm[gguf,ik]'")
    folder = pytester.mkdir("performance")  # the suite that speeds are read from, with little time for its rounds
    (folder / "test_generate.py").write_text(TIMED)
    done = run("performance", "--slm-engine=all", "--slm-interleave", "--slm-canary=off", model=str(small_q4_1_model))
    done.assert_outcomes(passed=2)
    done.stdout.fnmatch_lines(
        [
            "*correct while timed: llama-cpp-python *",
            "*correct while timed: ik-llama-cpp-python *",
            "engines on the same weights, rounds in turns",
            "*A: llama-cpp-python *B: ik-llama-cpp-python *B / A*",
            "*generate[[]4] *tok/s*",
        ]
    )
    documents = [
        json.loads(path.read_text("utf-8"))["slm"] for path in sorted(pytester.path.glob("reports/*/*/*/report.json"))
    ]
    assert {document["backend"]["engine"] for document in documents} == {"llama.cpp", "ik_llama.cpp"}
    for document in documents:
        (result,) = document["results"]
        assert result["timing"]["interleaved"] == ["Q4_1+llama.cpp", "Q4_1+ik"]
        assert result["seconds"] > 0.01  # of its own rounds, whichever was the first item
    registry = pytester.run(sys.executable, "-m", "pytest_slm.cli", "registry", "build", "reports", "-o", "registry")
    assert registry.ret == 0
    (path,) = Path("registry/models").iterdir()
    entry = json.loads(path.read_text("utf-8"))["model"]
    speeds = entry["performance"]["quantizations"]
    assert {name: speeds[name]["engine"].split()[0] for name in speeds} == {
        "Q4_1+llama.cpp": "llama-cpp-python",
        "Q4_1+ik": "ik-llama-cpp-python",
    }
    assert not entry["aggregates"]


@pytest.mark.subprocess("model")
def test_a_file_that_is_no_library_is_the_error_of_its_items(run, suite, small_model, pytester):
    suite(a=[("x", "y")])
    pytester.makefile(".so", libllama="not a library")
    done = run("suites", "--slm-engine-lib=libllama.so", "--slm-canary=off", model=str(small_model))
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*libllama.so: it cannot be loaded*engine-library*"])
