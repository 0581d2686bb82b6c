"""Which engine computes, and how, as a user asks for it."""

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


@pytest.mark.subprocess
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
            done.stdout.fnmatch_lines([f"*Q4_1{kernel}+{engine} *quick*"])
    reports = sorted(pytester.path.glob("reports/*/*"))
    assert [folder.name for folder in reports] == sorted(
        f"Q4_1{kernel}+{engine}" for engine in engines for kernel in ("", "+F32")
    )


@pytest.mark.subprocess
def test_a_file_that_is_no_library_is_the_error_of_its_items(run, suite, small_model, pytester):
    suite(a=[("x", "y")])
    pytester.makefile(".so", libllama="not a library")
    done = run("suites", "--slm-engine-lib=libllama.so", "--slm-canary=off", model=str(small_model))
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*libllama.so: it cannot be loaded*engine-library*"])
