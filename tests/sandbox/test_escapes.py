"""What a hostile program may try. None gets out, none passes, and the next program still runs."""

import os
import random
import runpy
import threading
import tracemalloc
from pathlib import Path

import pytest

from pytest_slm.sandbox import Limits, Sandbox, machine, runner

GOOD = "def f(x):\n    return x + 1\n"
HOSTILE = runpy.run_path(str(Path(__file__).parent / "hostile.py"))
ESCAPES, SHADOWS, FORGED, TEST = (HOSTILE[name] for name in ("ESCAPES", "SHADOWS", "FORGED", "TEST"))


def test_there_are_enough():
    assert len(ESCAPES) + len(SHADOWS) + len(FORGED) >= 120


def complete(program):
    """With a wrong answer, where it has none: whether it raises or goes on, nothing but cheating passes."""
    return (
        program
        if "def f" in program or "f = " in program or "class f" in program
        else program + "\ndef f(x): return 7\n"
    )


@pytest.mark.usefixtures("sandbox")  # or skipped; the clock's thread runs
@pytest.mark.parametrize("share", [0.2, pytest.param(1, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("sort", ["escapes", "shadows"])
def test_none_gets_out_and_none_passes(tmp_path, share, sort):
    (tmp_path / "kept").write_text("kept")
    before = threading.active_count()
    cases = SHADOWS
    if sort == "escapes":
        cases = {name: (complete(text.replace("{tmp}", str(tmp_path))), TEST) for name, text in ESCAPES.items()}
    names = random.Random(0).sample(sorted(cases), int(share * len(cases)))
    with Sandbox(Limits(work=700_000_000, memory=128 << 20, seconds=30)) as sandbox:
        waiting = {}
        for number, name in enumerate(names):
            waiting[name] = sandbox.submit(*cases[name])
            if number % 10 == 0:
                waiting[f"good, {number}"] = sandbox.submit(GOOD, TEST)
        outcomes = {name: future.result() for name, future in waiting.items()}
    passed = {name for name, outcome in outcomes.items() if outcome.passed}
    assert passed == {name for name in outcomes if name.startswith("good, ")}, "a cheat passes, or the next one suffers"
    assert not {name for name, outcome in outcomes.items() if not outcome.explanation.isprintable()}
    assert all(len(outcome.output) <= 2000 for outcome in outcomes.values())
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert threading.active_count() <= before, "an interpreter outlives its program"


def test_what_a_program_raises_is_one_line_that_steers_no_terminal(sandbox):
    program = "def f(x): raise AssertionError('a\\n\\x1b[2J\\u202eb')"
    outcome = sandbox.run(program, "assert f(1) == 2")
    assert r"AssertionError: a \x1b[2J\u202eb" in outcome.explanation
    assert outcome.explanation.isprintable()


def test_what_is_no_answer_is_an_error_of_the_program(sandbox):
    # It takes the place of its interpreter: each line is what the tests get for a question.
    program = f"""
import os
def f(x):
    for line in {FORGED!r}:
        os.write(1, line + b"\\n")
        os.read(0, 1 << 16)
    os.write(1, b'["v",2,[]]\\n')
    while os.read(0, 1 << 16): pass
"""
    tests = f"""
said = []
for number in range({len(FORGED)}):
    try:
        said.append(f(number))
    except Exception as error:
        said.append(type(error).__name__)
assert f(0) == 2
assert 0, sorted(set(map(str, said)))
"""
    outcome = sandbox.run(program, tests)
    # An exception's type that says nothing of itself is one, and so is the end of a loop outside of loops.
    assert outcome.explanation.endswith("""(["<class 'Exception'>", 'ProgramError', 'Unfit'])"""), outcome


@pytest.mark.parametrize("line", ['["names"]', "[]", "[" * 100_000, '["v"]'])
def test_a_first_answer_that_is_none_costs_its_own_program(sandbox, line):
    program = f"import os\nos.write(1, {line.encode()!r} + b'\\n')\n{GOOD}"
    outcome = sandbox.run(program, TEST)
    assert outcome.ending == "failed"
    assert outcome.explanation.startswith("what the program answered is no answer: ")
    assert sandbox.run(GOOD, TEST).passed


@pytest.mark.parametrize(
    ("program", "ending"),
    [
        (ESCAPES["endless loop"], "timeout"),
        (ESCAPES["endless loop in C"], "timeout"),
        (ESCAPES["memory bomb"], "out_of_memory"),
        (ESCAPES["huge output"], "output_limit"),
        (ESCAPES["exit at once"], "failed"),
        # what it says of itself decides nothing
        ("import os, sys\nprint('MemoryError: out of memory', file=sys.stderr, flush=True)\nos.abort()", "error"),
        (
            "import os\nx = []\ntry:\n    while 1: x.append(bytearray(1 << 18))\nexcept MemoryError: os.abort()",
            "out_of_memory",
        ),
    ],
)
def test_an_outcome_says_what_happened(sandbox, program, ending):
    assert sandbox.run(program, TEST).ending == ending


def test_nothing_of_the_machine_is_known(sandbox, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    program = "import os, sys\nseen = [dict(os.environ), sys.argv, os.getcwd()]\n"
    tests = "assert seen == [{}, ['program'], '/'], seen"
    assert sandbox.run(program, tests).explanation == "all tests passed"
    assert os.environ["SECRET_TOKEN"] not in sandbox.run("import os\nprint(os.environ)\n1/0", "").output
    assert not Path("/made").exists()


def test_reading_what_is_its_interpreters_is_told(sandbox):
    outcome = sandbox.run("open(0).read()", TEST)
    assert (outcome.ending, outcome.explanation) == ("failed", "it read its own interpreter's channel")


@pytest.mark.usefixtures("sandbox")
def test_one_that_is_stuck_in_a_system_call_is_given_up(monkeypatch):
    # no limit on its work acts there
    freed = threading.Event()

    def stuck(*_arguments):
        freed.wait()
        return b""

    monkeypatch.setattr(machine.GuestInterpreter, "take", stuck)
    monkeypatch.setattr(machine, "PATIENCE", 0.5)
    limits = Limits(work=3_000_000_000, memory=128 << 20, seconds=0.5)
    before = threading.active_count()
    guest = machine.GuestInterpreter(runner.engine(), (*runner.FLAGS, b"import os; os.read(0, 1)"), limits)
    try:
        guest.send(b"hello")
        assert guest.receive() is None
        assert guest.ending == "timeout"
        guest.close()
    finally:
        freed.set()
    guest._thread.join(60)
    assert threading.active_count() <= before


@pytest.mark.parametrize("fd", [1, 2])
@pytest.mark.parametrize("letter", ["x", "\\n"])
def test_output_takes_little_of_the_sessions_memory(sandbox, fd, letter):
    # what a program may have itself is not for the session to hold, least of all many times over
    tracemalloc.start()
    try:
        outcome = sandbox.run(f"import os\nos.write({fd}, b'{letter}' * 40_000_000)", TEST)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert outcome.ending in ("failed", "output_limit")
