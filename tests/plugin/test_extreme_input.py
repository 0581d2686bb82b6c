"""Values of an extreme size, in options, suites, questions and scripts: one line says what is wrong."""

import json

import pytest

LONG = "x" * 5_000
DEEP = "[" * 100_000 + "]" * 100_000


def lines_of(done):
    """What a session says, which must be no traceback."""
    told = done.stdout.str() + done.stderr.str()
    assert "INTERNALERROR" not in told, told[-2_000:]
    assert "Traceback" not in told, told[-2_000:]
    assert "Error: " not in told.replace("UsageError", ""), told[-2_000:]
    return told


def refused(done, slug):
    """The one line of a session that did not begin."""
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in lines_of(done).splitlines() if f"[{slug}]" in line]
    assert len(line) < 700
    return line


@pytest.mark.parametrize("seed", [2**63, -(2**63), 10**40])
def test_a_seed_that_no_report_can_keep(run, suite, seed):
    suite(a=[("q", "t")])
    assert "--slm-seed=" in refused(run("suites", f"--slm-seed={seed}"), "option-value")


def test_the_greatest_seed_is_a_seed(run, suite, report):
    suite(a=[("q", "t")])
    run("suites", f"--slm-seed={2**63 - 1}").assert_outcomes(passed=1)
    assert report()["slm"]["seed"] == 2**63 - 1


def test_names_that_no_file_can_have(session, suite):
    suite(a=[("q", "t")])
    short, no_slash = f"x{'y' * 300}", "x" * 300
    for value in (LONG, f"fake:{LONG}", f"{LONG}.gguf", f"{LONG}/x", f"pkg:{LONG}", f"{LONG}.yml"):
        assert "at most 4000" in refused(session("suites", f"--slm-model={value}"), "option-value")
    for value in (f"fake:{short}.json", f"{no_slash}.gguf", f"a/{short}.yml", "é" * 200):
        assert "at most 255" in refused(session("suites", f"--slm-model={value}"), "option-value")
    for option in ("run-id", "data", "reports", "rescore", "quant", "suite", "backend", "gate", "task"):
        line = refused(session("suites", "--slm-model=fake", f"--slm-{option}={LONG}"), "option-value")
        assert f"--slm-{option}=xxx" in line


OPTIONS = (
    (f"max_tokens: {2**70}", "options.max_tokens: expected an integer of 64 bits"),
    (f"max_tokens: {'9' * 5_000}", "is no valid int; quote it"),
    ("stop: [1, {a: b}]", "options.stop: expected a text"),
    ("stop: {a: b}", "options.stop: expected a text"),
    ("stop: [[[[[[]]]]]]", "options.stop: expected a text"),
    ("system: {a: b}", "options.system: expected a text"),
    ("system: [a]", "options.system: expected a text"),
    ("samples: {a: b}", "options.samples: expected a text"),
    (f"samples: data/{LONG}.jsonl", "expected a relative path inside the suite's folder"),
    ("grader: {a: [b]}", "options.grader: expected a text"),
    ("generator: [a]", "options.generator: expected a text"),
)


def test_options_of_a_task_that_cannot_be_meant(run, suite, pytester):
    folder = suite(a=[("q", "t")])
    (task,) = folder.glob("a.yaml")
    good = task.read_text()
    for option, told in OPTIONS:
        options = {"samples": "data/a.jsonl", "max_tokens": "8"}
        key, _, value = option.partition(": ")
        task.write_text(
            good.replace(
                "{samples: data/a.jsonl, max_tokens: 8}",
                "".join(f"\n  {name}: {text}" for name, text in {**options, key: value}.items()),
            )
        )
        done = run("suites", "--collect-only")
        assert done.ret == pytest.ExitCode.INTERRUPTED, option[:60]
        assert told in lines_of(done), option[:60]


ROWS = (
    ('{"id": "1", "input": "q", "target": ' + DEEP + "}", "nested deeper than 100 levels"),
    ('{"id": "1", "input": "q", "input": "z", "target": "t"}', "the key 'input' stands there twice"),
    ('{"id": "1", "input": "q", "target": "t", "x": ' + "9" * 5_000 + "}", "an integer of 5000 digits"),
    ('{"id": "1", "input": "q", "target": 1e400}', "1e400 is too large a number"),
    (DEEP, "nested deeper than 100 levels"),
)


def test_questions_that_no_reader_can_hold(run, suite):
    folder = suite(a=[("q", "t")])
    for row, told in ROWS:
        (folder / "data/a.jsonl").write_text(row)
        done = run("suites", "--collect-only")
        assert done.ret == pytest.ExitCode.INTERRUPTED
        assert f"data/a.jsonl:1: not a sample ({told})  [samples-invalid]" in lines_of(done)


SCRIPTS = (
    ('{"rules": ' + DEEP + "}", "nested deeper than 100 levels"),
    ('{"text": "a", "text": "b"}', "the key 'text' stands there twice"),
    ('{"context_length": ' + "9" * 5_000 + "}", "an integer of 5000 digits"),
    ("[1]", "has no attribute 'get'"),
    (json.dumps({"quantizations": [LONG]}), ""),
)


def test_scripts_that_no_reader_can_hold(session, suite, pytester):
    suite(a=[("q", "t")])
    for script, told in SCRIPTS:
        (pytester.path / "s.json").write_text(script)
        done = session("suites", "--slm-model=fake:s.json")
        assert done.ret == pytest.ExitCode.USAGE_ERROR
        assert told in lines_of(done)
        assert max(map(len, done.stderr.lines)) < 700
