"""Coding tasks of lm-eval: right programs pass and wrong ones fail, in the sandbox and nowhere else."""

import dataclasses
import sys
from types import SimpleNamespace

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.backends.protocol import ignored, silent
from pytest_slm.core.types import Generation
from pytest_slm.errors import BackendError, NotAvailableError
from pytest_slm.lm_eval import programs
from pytest_slm.lm_eval.asking import generation_request
from pytest_slm.run.drive import measure
from pytest_slm.sandbox import Sandbox

pytest.importorskip("wasmtime", reason="needs pip install 'pytest-slm[sandbox]'")
pytest.importorskip("lm_eval", reason="needs pip install 'pytest-slm[lm-eval]'")

SOME = 12


class Author(Fake):
    """Writes for every prompt what it was told to write; prompts are known by what they end with."""

    answers: dict

    def generate(self, requests, progress=silent, finished=ignored):
        made = []
        for number, request in enumerate(requests):
            (text,) = [text for end, text in self.answers.items() if request.prompt.endswith(end)]
            made.append(Generation(text=text, n_prompt=9, n_output=9, finish="stop", timings=None))
            finished(number, made[-1])
        return made


@pytest.fixture(scope="module")
def humaneval(mirror):
    parquet = pytest.importorskip("pyarrow.parquet")
    (path,) = mirror.glob("openai/openai_humaneval/*/test*.parquet")
    return parquet.read_table(path).to_pylist()


@pytest.fixture
def score(built_in, context, fake, mirror):
    """The result of a coding task whose questions get these answers."""

    def run(name, answers, **settings):
        backend = fake(Author)
        backend.answers = answers
        return measure(built_in(f"coding/{name}"), "", context(backend, data=str(mirror), **settings))

    return run


def test_canonical_solutions_of_humaneval_pass(score, humaneval, records):
    result = score("humaneval", {row["prompt"]: row["canonical_solution"] for row in humaneval}, limit=SOME)
    assert (result.metrics[0].name, result.metrics[0].value, result.metrics[0].n) == ("pass@1", 1.0, SOME)
    assert result.provenance["endings"] == {"passed": SOME}
    assert {record.explanation for record in records} == {"passed: all tests passed"}


def test_a_name_of_the_answer_is_not_the_tests(humaneval):
    # Without a right answer each of these passed: the tests took the answer's abs, tuple and helpers for theirs.
    answers = {
        2: "    return 0.5\ndef abs(x): return 0\n",
        4: "    return 0\ndef abs(x): return 0\n",
        32: "    return 0\ndef poly(xs, x): return 0\n",
        33: "    return []\ndef tuple(x): return 0\n",
        37: "    return []\ndef tuple(x): return 0\n",
        38: "    return s\ndef encode_cyclic(s): return s\n",
        50: "    return s\ndef encode_shift(s): return s\n",
    }
    with Sandbox() as sandbox:
        waiting = {}
        for number, answer in answers.items():
            row = humaneval[number]
            tests = f"{row['test']}\ncheck({row['entry_point']})"
            waiting[number] = sandbox.submit(row["prompt"] + answer, tests, *programs.problem_of(row))
        outcomes = {number: future.result() for number, future in waiting.items()}
    assert {outcome.ending for outcome in outcomes.values()} == {"failed"}, outcomes
    assert all(outcome.explanation.startswith("a test failed: ") for outcome in outcomes.values()), outcomes


def test_rows_without_an_entry_point_leave_the_names_to_the_tests():
    assert programs.problem_of({"text": "Add.", "code": "", "test_list": []}) == ("", "")
    assert programs.problem_of({"prompt": "Write f.", "entry_point": "f"}) == ("", "")


def test_wrong_solutions_of_humaneval_fail(score, humaneval, records):
    wrong = "    return [] if __name__ == 'nothing' else object()\n"
    result = score("humaneval", {row["prompt"]: wrong for row in humaneval}, limit=SOME)
    assert (result.metrics[0].value, result.metrics[0].n) == (0.0, SOME)
    assert all(record.explanation.startswith("failed: ") for record in records)
    assert {record.metadata["ending"] for record in records} == {"failed"}


def test_through_a_chat_template_it_is_asked_as_a_conversation(built_in, context, fake, mirror):
    task = built_in("coding/mbpp")
    task = dataclasses.replace(task, options={**task.options, "chat_template": True, "num_fewshot": 0})
    asked = []

    class Chatting(Fake):
        def generate(self, requests, progress=silent, finished=ignored):
            asked.extend(requests)
            return super().generate(requests, progress, finished)

    measure(task, "", context(fake(Chatting), data=str(mirror), limit=1))
    (request,) = asked
    assert request.prompt is None
    assert [message.role for message in request.messages] == ["user"]
    assert "python" in request.messages[0].content.lower()


@pytest.mark.parametrize(
    ("settings", "repeats"),
    [({"do_sample": True}, 1), ({"temperature": 0.8}, 1), ({"do_sample": True, "temperature": 0.0}, 1), ({}, 64)],
)
def test_programs_that_are_sampled_are_refused(settings, repeats):
    greedy = SimpleNamespace(args=("def f():", {"do_sample": False, "temperature": 0.0}), repeats=1)
    programs.check_request(generation_request(*greedy.args, 1), greedy)
    with pytest.raises(BackendError, match="greedily"):
        programs.check_request(generation_request("def f():", settings, 1), SimpleNamespace(repeats=repeats))


def test_a_program_that_only_ends_well_has_not_passed(score, humaneval):
    result = score("humaneval", {row["prompt"]: "    import sys\n    sys.exit(0)\n" for row in humaneval}, limit=4)
    assert result.metrics[0].value == 0.0


def test_without_a_sandbox_nothing_is_run_and_nothing_is_zero(score, humaneval, monkeypatch):
    def closed():
        raise NotAvailableError("no sandbox here", slug="sandbox-unavailable")

    monkeypatch.setattr(programs, "available", closed)
    with pytest.raises(NotAvailableError, match="no sandbox here"):
        score("humaneval", {row["prompt"]: row["canonical_solution"] for row in humaneval}, limit=1)


def test_lm_evals_own_metric_is_never_asked_and_comes_back(monkeypatch):
    before = sys.modules.get("evaluate")
    with programs.without_code_eval(True):
        metric = sys.modules["evaluate"].load("code_eval")
        assert metric.compute(references=[], predictions=[]) == ({"pass@1": 0.0}, {})
    assert sys.modules.get("evaluate") is before
    with pytest.raises(BackendError, match="without a sandbox"):
        metric.compute(references=[], predictions=[])
