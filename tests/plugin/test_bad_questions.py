"""Questions of multiple choice that are none: an error while collecting, with file and line."""

import json

import pytest

QUESTION = {
    "id": "q",
    "category": "c",
    "question": "Which?",
    "options": ["one", "two"],
    "answer": "A",
    "rationale": ".",
}


CHOICES = """\
kind: choices
description: Multiple choice.
requires: [loglikelihood]
metrics: [acc]
options: {samples: data/choices.jsonl}
"""


@pytest.fixture
def choices(suite):
    """Writes a suite with the task ``choices`` of these questions."""

    def write(*questions):
        folder = suite("quiz", choices=[])
        (folder / "choices.yaml").write_text(CHOICES)
        (folder / "data/choices.jsonl").write_text("".join(json.dumps(question) + "\n" for question in questions))
        return folder

    return write


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"answer": ["A", "B"]}, "answer: expected a text"),
        ({"answer": "AB"}, "exactly one letter from A to B"),
        ({"options": ["one", "One"]}, "is there twice"),
        ({"options": ["one", ""]}, "option B is empty"),
        ({"options": None}, "options: expected a list"),
    ],
)
def test_a_bad_question_is_a_collection_error_with_file_and_line(run, choices, bad, why):
    choices(QUESTION, QUESTION | {"id": "r"} | bad)
    done = run("suites/quiz")
    done.assert_outcomes(errors=1)
    done.stdout.re_match_lines([rf".*choices\.jsonl:2: not a question \(.*{why}.*\[samples-invalid\]"])


def test_good_questions_are_measured(run, choices):
    choices(QUESTION, QUESTION | {"id": "r", "answer": "B"})
    done = run("suites/quiz", rules=[{"contains": "one", "logprob": -1}, {"contains": "two", "logprob": -2}])
    done.assert_outcomes(passed=1)
    done.stdout.re_match_lines([r"  choices +acc +2 +50 % \("])
