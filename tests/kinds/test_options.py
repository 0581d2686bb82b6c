"""Options of tasks are records: all that is wrong with them is told at once, before a model is there."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.types import MetricSpec, Task
from pytest_slm.errors import TaskError
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.checking import check_task, find_mistakes

KINDS = sorted(Extensions().kinds)


def task(kind, **options):
    metric = MetricSpec(name="acc")
    return Task(
        name="t", suite="s", kind=kind, description="", primary="acc", metrics=(metric,), options=options, path="t.yaml"
    )


@pytest.mark.parametrize(
    ("kind", "options", "mistakes"),
    [
        ("checks", {}, [("options", "a task of kind checks has either `samples: ")]),
        ("checks", {"samples": "a.jsonl", "generator": "niah"}, [("options", "a task of kind checks has either")]),
        (
            "checks",
            {"samples": 3, "max_tokens": "many", "temperatur": 1},
            ["options.samples", "options.max_tokens", "options.temperatur"],
        ),
        ("checks", {"generator": "nia"}, [("options.generator", "unknown generator 'nia'. Did you mean 'niah'?")]),
        ("checks", {"generator": "niah", "depths": [120]}, [("options", "depths: expected percentages from 0 to 100")]),
        ("checks", {"generator": "arithmetic", "depths": [50]}, [("options.depths", "unknown option")]),
        ("checks", {"samples": "a.jsonl", "grader": "judge"}, [("options.grader", "unknown grader 'judge'")]),
        ("choices", {}, [("options", "the option `samples` is missing")]),
        (
            "functions",
            {"samples": "a.jsonl", "max_tokens": 0},
            [("options", "max_tokens: expected a whole number from 1")],
        ),
        ("lm_eval", {"num_fewshot": -1}, [("options", "the option `task` is missing")]),
        ("lm_eval", {"task": "x", "num_fewshot": -1}, [("options", "num_fewshot: expected a whole number from 0")]),
        ("lm_eval", {"task": "x", "chat_template": "yes"}, [("options.chat_template", "expected true or false")]),
        ("validate", {"samples": "a.jsonl"}, [("options.samples", "unknown option")]),
        ("chekcs", {}, [("kind", "unknown kind 'chekcs'. Did you mean 'checks'?")]),
    ],
)
def test_what_cannot_be_meant_is_told(kind, options, mistakes):
    found = find_mistakes(task(kind, **options), Extensions())
    assert [key for key, _ in found] == [one if isinstance(one, str) else one[0] for one in mistakes]
    for (_, problem), one in zip(found, mistakes, strict=True):
        assert isinstance(one, str) or problem.startswith(one[1])


def test_a_capability_that_no_backend_has_is_told():
    wrong = dataclasses.replace(task("checks", samples="a.jsonl"), requires=("chat", "chta"))
    told = [("requires", "unknown capability 'chta'. Did you mean 'chat'?")]
    assert find_mistakes(wrong, Extensions()) == told


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "C:\\secret", "a\\..\\..\\b", "", "a\0b"])
@pytest.mark.parametrize("kind", ["checks", "choices", "functions"])
def test_a_file_of_samples_stays_in_the_folder_of_its_suite(kind, path):
    ((key, problem),) = find_mistakes(task(kind, samples=path), Extensions())
    assert (key, problem.startswith("samples: expected a relative path")) == ("options", True)


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd"])
def test_a_haystack_does_too(path):
    (mistake,) = find_mistakes(task("checks", generator="niah", haystack=path), Extensions())
    assert mistake[1].startswith("haystack: expected a path inside")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
NAMES = ["samples", "generator", "max_tokens", "stop", "task", "num_fewshot", "cluster", "depths", "haystack", "system"]


@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), VALUES, max_size=5))
def test_whatever_the_options_are_nothing_but_mistakes_comes_of_it(kind, options):
    for key, problem in find_mistakes(task(kind, **options), Extensions()):
        assert key == "options" or key.startswith("options.")
        assert problem


def test_all_mistakes_are_in_the_error_each_in_a_line():
    wrong = task("checks", samples=3, max_tokens="many")
    with pytest.raises(TaskError) as caught:
        check_task(wrong, Extensions())
    assert [line.split(":")[:2] for line in str(caught.value).split("\n")] == [
        ["t.yaml", " options.samples"],
        ["t.yaml", " options.max_tokens"],
    ]
