"""Functions from a file of the suite: right ones pass in the sandbox, wrong ones fail, broken files say where."""

import dataclasses
import json

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.backends.protocol import ignored, silent
from pytest_slm.core.types import Generation, MetricSpec, Task
from pytest_slm.errors import NotAvailableError, UsageError
from pytest_slm.extensions import Extensions
from pytest_slm.kinds import functions
from pytest_slm.kinds.checking import check_task
from pytest_slm.run.drive import measure

pytest.importorskip("wasmtime", reason="needs pip install 'pytest-slm[sandbox]'")

DOUBLE = {
    "id": "own/double",
    "category": "numbers",
    "prompt": 'def double(n: int) -> int:\n    """Return n twice."""\n',
    "entry_point": "double",
    "canonical_solution": "    return 2 * n\n",
    "test": "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(-3) == -6\n",
}


class Author(Fake):
    """Writes behind every prompt what it was told to."""

    answers: dict

    def generate(self, requests, progress=silent, finished=ignored):
        made = []
        for number, request in enumerate(requests):
            shown = request.prompt or request.messages[0].content
            made.append(Generation(text=self.answers[shown], n_prompt=9, n_output=9, finish="stop"))
            finished(number, made[-1])
        return made


@pytest.fixture
def task(tmp_path):
    def make(*problems, **options):
        (tmp_path / "f.jsonl").write_text("".join(json.dumps(problem) + "\n" for problem in problems), "utf-8")
        return Task(
            name="f",
            suite="own",
            kind="functions",
            description="",
            primary="pass@1",
            metrics=(MetricSpec(name="pass@1"),),
            requires=("generate",),
            breakdown="category",
            options={"samples": "f.jsonl", **options},
            path=str(tmp_path / "f.yaml"),
        )

    return make


@pytest.fixture
def author(fake):
    def make(answers):
        backend = fake(Author)
        backend.answers = answers
        return backend

    return make


def read_all(task):
    return functions.Functions.read(task, functions.FunctionsOptions.from_json(task.options))


def test_a_right_function_passes_and_a_wrong_one_fails(task, author, context, records):
    other = {**DOUBLE, "id": "own/triple", "prompt": DOUBLE["prompt"].replace("double", "triple")}
    other |= {"entry_point": "triple", "category": "other"}
    answers = {DOUBLE["prompt"]: DOUBLE["canonical_solution"], other["prompt"]: "    return n\n"}
    result = measure(task(DOUBLE, other), "", context(author(answers)))
    assert {metric.name: (metric.value, metric.n) for metric in result.metrics} == {
        "pass@1": (0.5, 2),
        "pass@1[category=numbers]": (1.0, 1),
        "pass@1[category=other]": (0.0, 1),
    }
    assert result.provenance["endings"] == {"failed": 1, "passed": 1}
    assert {record.doc_id: record.score for record in records} == {"own/double": 1.0, "own/triple": 0.0}


def test_a_program_that_ends_before_its_tests_has_not_passed(task, author, context, records):
    answers = {DOUBLE["prompt"]: "    return 0\nraise SystemExit(0)\n"}
    assert measure(task(DOUBLE), "", context(author(answers))).metrics[0].value == 0.0
    assert records[0].explanation.startswith("failed: ")


def test_all_solutions_of_the_suite_core_pass_and_idle_ones_fail(built_in, author, context):
    task = built_in("core/coding")
    problems = read_all(task)
    assert len(problems) >= 40
    task = dataclasses.replace(task, options={**task.options, "chat_template": False})
    right = author({problem.prompt: problem.canonical_solution for problem in problems})
    assert measure(task, "", context(right)).metrics[0].value == 1.0
    idle = author({problem.prompt: "    return None\n" for problem in problems})
    # that all of them fail is tested without a sandbox: tests/suites/test_core.py
    assert measure(task, "", context(idle, limit=6)).metrics[0].value == 0.0


def test_the_solution_is_never_shown(built_in):
    for function in read_all(built_in("core/coding")):
        for chat in (True, False):
            shown = str(function.request(64, 0, chat=chat).to_json())
            assert function.entry_point in shown
            assert repr(function.canonical_solution)[1:-1] not in shown
            assert "assert candidate" not in shown


def test_a_model_with_a_template_is_asked_for_the_whole_function(task, author, context, records):
    asked = functions.Function.from_json(DOUBLE).request(8, 0, chat=True).messages[0].content
    assert DOUBLE["prompt"] in asked
    written = "Sure:\n\n```python\ndef double(n):\n    return n + n\n```\nIt adds.\n```\nno code\n```"
    result = measure(task(DOUBLE, chat_template=True), "", context(author({asked: written})))
    assert (result.metrics[0].value, result.provenance["chat_template"]) == (1.0, "model")
    assert records[0].answer == "def double(n):\n    return n + n\n"


def test_a_draft_in_the_thinking_is_not_the_program(task, author, context, records):
    asked = functions.Function.from_json(DOUBLE).request(8, 0, chat=True).messages[0].content
    draft, right = ("```python\ndef double(n):\n    return " + what + "\n```\n" for what in ("n", "n + n"))
    result = measure(task(DOUBLE, chat_template=True), "", context(author({asked: f"Hm:\n{draft}</think>\n\n{right}"})))
    assert (result.metrics[0].value, result.thinking.answers, result.thinking.tokens) == (1.0, 1, None)
    assert records[0].reasoning == f"Hm:\n{draft}".strip()


def test_a_model_without_a_template_goes_on_behind_the_prompt(task, author, context):
    backend = author({DOUBLE["prompt"]: DOUBLE["canonical_solution"]})
    backend.capabilities = backend.capabilities - {"chat"}
    result = measure(task(DOUBLE, chat_template=True), "", context(backend))
    assert (result.metrics[0].value, result.provenance["chat_template"]) == (1.0, "none")


def test_without_a_sandbox_it_is_not_measured(task, author, context, monkeypatch, records):
    def closed():
        raise NotAvailableError("no sandbox here", slug="sandbox-missing")

    monkeypatch.setattr(functions, "available", closed)
    with pytest.raises(NotAvailableError, match="no sandbox here"):
        measure(task(DOUBLE), "", context(author({})))
    assert records == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stop": "x"}, "options.stop: unknown option"),
        ({"max_tokens": 0}, "max_tokens: expected a whole number"),
        ({"chat_template": "yes"}, "chat_template: expected true or false"),
        ({"max_tokens": True}, "max_tokens: expected a whole number"),
        ({"sha256": "0" * 64}, "SHA-256 is"),
    ],
)
def test_a_wrong_option_is_told_before_a_model_is_there(task, options, message):
    with pytest.raises(UsageError, match=message):
        check_task(task(DOUBLE, **options), Extensions())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"entry_point": "triple"}, "the prompt defines no function 'triple'"),
        ({"test": "assert True\n"}, "the test defines no function check"),
        ({"id": 3}, "id: expected a text"),
        ({"more": 1}, "unknown key 'more'"),
    ],
)
def test_a_broken_line_is_told_with_its_place(task, change, message):
    with pytest.raises(UsageError, match=f"f.jsonl:2: not a function .*{message}"):
        check_task(task(DOUBLE, {**DOUBLE, "id": "own/2", **change}), Extensions())


def test_another_metric_or_breakdown_is_an_error(task):
    other = dataclasses.replace(task(DOUBLE), primary="acc", metrics=(MetricSpec(name="acc"),))
    with pytest.raises(UsageError, match="functions have one metric, pass@1"):
        check_task(other, Extensions())
    with pytest.raises(UsageError, match="problems have a category, no 'group'"):
        check_task(dataclasses.replace(task(DOUBLE), breakdown="group"), Extensions())
    with pytest.raises(UsageError, match="`samples` is missing"):
        check_task(dataclasses.replace(task(DOUBLE), options={}), Extensions())
