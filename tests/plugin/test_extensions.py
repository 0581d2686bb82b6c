"""What plugins register, and what becomes of it when it is wrong: told at once, with place and near word."""

import pytest

HOOKS = ("scorers", "kinds", "generators", "graders")
TAKEN = {"scorers": "exact", "kinds": "checks", "generators": "niah", "graders": "mine"}
PLUGIN = """
from dataclasses import dataclass
from pytest_slm.core.record import Record
from pytest_slm.core.types import Request, Sample, Verdict
from pytest_slm.generators import Generator
from pytest_slm.grading import GraderInfo
from pytest_slm.kinds.kind import Kind

@dataclass(frozen=True, kw_only=True)
class MadeOptions(Record):
    letters: int = 4

def make(context):
    for index in range(context.n_samples):
        yield Sample(id=str(index), input="Paris?", target="Paris")

@dataclass(frozen=True, kw_only=True)
class TurnsOptions(Record):
    turns: int
    question: str = "?"

class Turns(Kind):
    options_type = TurnsOptions
    def samples(self):
        return [Sample(id=str(number), input=self.options.question) for number in range(2)]
    def converse(self, sample):
        answer = yield Request(messages=sample.messages())
        return Verdict(value=1.0 / int(sample.id), answer=answer.text, explanation="")

class Broken:
    info = GraderInfo(name="broken", version="1")
    def grade(self, answers):
        return {}["no such word"]

def pytest_slm_register_kinds(register):
    register("turns", Turns)
    register("gone", "no.such:Kind")

def pytest_slm_register_generators(register):
    register("made", Generator(make=make, options=MadeOptions))

def pytest_slm_register_graders(register):
    register("broken", Broken())
"""


@pytest.fixture
def plugin(pytester):
    pytester.makeconftest(PLUGIN)


@pytest.fixture
def told(plugin, session, suite, good):
    """What a session says of a task: the lines that end with a slug."""

    def of(text):
        (suite(one=good) / "one.yaml").write_text(text)
        done = session("--slm-model=fake", "-p", "no:cacheprovider", "suites")
        assert done.ret == pytest.ExitCode.INTERRUPTED  # while collecting: nothing was measured
        lines = [
            line.partition("suites/geo/")[2] for line in done.outlines if line.endswith("]") and "one.yaml" in line
        ]
        return list(dict.fromkeys(line for line in lines if "::" not in line and "  [" in line))

    return of


@pytest.mark.parametrize("hook", HOOKS)
def test_a_name_that_is_taken_is_refused(pytester, session, hook):
    again = 'register("mine", print)' if hook == "graders" else ""
    pytester.makeconftest(
        f"def pytest_slm_register_{hook}(register):\n    {again}\n    register({TAKEN[hook]!r}, 'mine:thing')\n"
    )
    done = session("--slm-model=fake", "-p", "no:cacheprovider")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in done.errlines if line.startswith("ERROR")]
    noun = hook.removesuffix("s")
    assert line == f"ERROR: {noun} '{TAKEN[hook]}' is registered already. Choose another name  [extension-twice]"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("kind: trns\nmetrics: [a]\n", "1: kind: unknown kind 'trns'. Did you mean 'turns'?  [task-option]"),
        (
            "kind: checks\nmetrics: [a]\nscorer: exct\noptions: {samples: data/one.jsonl}\n",
            "3: scorer: unknown scorer 'exct'. Did you mean 'exact'?  [task-option]",
        ),
        (
            "kind: checks\nmetrics: [a]\noptions:\n  generator: maed\n",
            "4: options.generator: unknown generator 'maed'. Did you mean 'made'?  [task-option]",
        ),
        (
            "kind: checks\nmetrics: [a]\noptions:\n  samples: data/one.jsonl\n  grader: brokn\n",
            "5: options.grader: unknown grader 'brokn'. Did you mean 'broken'?  [task-option]",
        ),
    ],
    ids=["kind", "scorer", "generator", "grader"],
)
def test_a_name_that_nobody_has_is_told_with_file_line_and_near_word(told, text, line):
    assert told(text) == [f"one.yaml:{line}"]


def test_a_kind_that_cannot_be_imported_is_told(told):
    (line,) = told("kind: gone\nmetrics: [a]\n")
    assert line.startswith("one.yaml:1: kind: kind 'gone' cannot be imported from 'no.such:Kind' (No module named 'no'")


def test_every_mistake_in_the_options_of_a_kind_has_its_line(told):
    lines = told("kind: turns\nmetrics: [a]\noptions:\n  qestion: What?\n  question: 3\n")
    assert lines == [
        "one.yaml:3: options: the option `turns` is missing  [task-option]",
        "one.yaml:4: options.qestion: unknown option. Did you mean 'question'?  [task-option]",
        "one.yaml:5: options.question: expected a text, got 3  [task-option]",
    ]


def test_mistakes_in_the_options_of_a_generator_and_of_its_kind_are_told_together(told):
    lines = told(
        "kind: checks\nmetrics: [a]\nmodes: {quick: {limit: 2}}\n"
        "options:\n  generator: made\n  letters: few\n  leters: 3\n  max_tokns: 5\n  system: 4\n"
    )
    assert lines == [
        "one.yaml:6: options.letters: expected a whole number, got 'few'  [task-option]",
        "one.yaml:7: options.leters: unknown option. Did you mean 'letters'?  [task-option]",
        "one.yaml:8: options.max_tokns: unknown option. Did you mean 'max_tokens'?  [task-option]",
        "one.yaml:9: options.system: expected a text, got 4  [task-option]",
    ]


def test_what_a_conversation_and_a_grader_raise_is_one_line_and_no_answer_is_lost(
    plugin, pytester, run, suite, good, report, results
):
    folder = suite(one=good, two=good)
    (folder / "one.yaml").write_text("kind: turns\nmetrics: [a]\noptions: {turns: 1}\n")
    (folder / "two.yaml").write_text("kind: checks\nmetrics: [a]\noptions: {samples: data/two.jsonl, grader: broken}\n")
    done = run("suites", text="Paris")
    done.assert_outcomes(errors=2)
    assert "Traceback" not in done.stdout.str()
    found = results(report())
    conftest = "…/conftest.py"  # a report says nothing of the folders of a machine
    raised = f"ZeroDivisionError: float division by zero ({conftest}:{_line('1.0 /')}, in converse)"
    assert found["geo/one"]["reason"].startswith(f"geo/one: the answer to '0' cannot be scored: {raised}")
    raised = f"KeyError: 'no such word' ({conftest}:{_line('no such word')}, in grade)"
    assert found["geo/two"]["reason"].startswith(f"geo/two: the answer to '0' cannot be scored: {raised}")
    assert {result["reason"].rpartition("  ")[2] for result in found.values()} == {"[scoring]"}
    kept = [
        path.read_text("utf-8").count('"Paris"') for path in sorted(pytester.path.glob("reports/**/samples/*.jsonl"))
    ]
    # Of the two answers to the first task, the second got a verdict, which has it once more; the other task's line has
    # what was expected, too.
    assert kept == [3, 2]


def _line(text):
    return next(number for number, line in enumerate(PLUGIN.strip().splitlines(), start=1) if text in line)
