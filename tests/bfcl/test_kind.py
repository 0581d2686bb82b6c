"""The task as a whole: an oracle is right everywhere, a model that always or never calls has half."""

import dataclasses
import functools
import json

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.backends.protocol import ignored, silent
from pytest_slm.bfcl.categories import CALLS, DATASET, IRRELEVANCE
from pytest_slm.bfcl.rows import read_rows
from pytest_slm.cli.data import _read as read
from pytest_slm.core.config import RunConfig
from pytest_slm.core.types import Generation
from pytest_slm.errors import NotAvailableError, SlmError
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.checking import check_task, make_kind
from pytest_slm.lm_eval.needs import needs
from pytest_slm.run.drive import drive

pytest.importorskip("datasets", reason="needs pip install 'pytest-slm[bfcl]'")
pytest.importorskip("tree_sitter", reason="needs pip install 'pytest-slm[bfcl]'")

NEVER = "No function does that."


class Writer(Fake):
    """Answers the requests of a call in turn."""

    answers: list

    def generate(self, requests, progress=silent, finished=ignored):
        assert len(requests) == len(self.answers)
        made = [Generation(text=text, n_prompt=9, n_output=9, finish="stop") for text in self.answers]
        for number, generation in enumerate(made):
            finished(number, generation)
        return made


@functools.cache
def rows(category, data):
    return read_rows(category, RunConfig(model="fake", data=data, offline=True))


@pytest.fixture
def answered(built_in, context, fake, mirror, monkeypatch):
    """``answered(write, key)``: the result where ``write(question)`` is the answer to every question."""

    monkeypatch.setattr("pytest_slm.bfcl.kind.read_rows", lambda category, config: rows(category, config.data))

    def measure(write, key="function_calling/bfcl", **config):
        backend = fake(Writer, context_length=100_000)
        kind = make_kind(built_in(key), "", context(backend, data=str(mirror), offline=True, mode="full", **config))
        kind.ready()
        backend.answers = [write(question) for question in kind.samples()]
        return drive(kind)

    return measure


def gold(question):
    """The right calls, in the notation of a tool template."""
    from benchmarks.common.bfcl_cases import right_calls

    if question.category in IRRELEVANCE:
        return NEVER
    calls = right_calls(question, published=False)
    told = [{"name": call.name, "arguments": call.arguments} for call in calls]
    if question.category not in CALLS:
        told = [{"name": question.functions[0]["name"], "arguments": {}}]
    return "\n".join(f"<tool_call>{json.dumps(one)}</tool_call>" for one in told)


def in_text(question):
    """The right calls by BFCL's text format."""
    from benchmarks.common.bfcl_cases import right_calls

    if question.category in IRRELEVANCE:
        return NEVER
    if question.category not in CALLS:
        return f"[{question.functions[0]['name']}()]"
    types = {name: its for f in question.functions for name, its in f["parameters"]["properties"].items()}

    def shown(key, value):
        text = question.language == "python" or (types[key]["type"] in ("String", "any") and '"' not in value)
        return (repr(value) if question.language == "python" else json.dumps(value)) if text else value

    return ", ".join(
        f"{call.name}({', '.join(f'{key}={shown(key, value)}' for key, value in call.arguments.items())})"
        for call in right_calls(question, published=False)
    )


def always(question):
    return f'<tool_call>{{"name": "{question.functions[0]["name"]}", "arguments": {{}}}}</tool_call>'


def values(result):
    return {metric.name: metric.value for metric in result.metrics}


def test_an_oracle_is_right_everywhere(answered):
    result = answered(gold, limit=300)
    found = values(result)
    # Of five arguments BFCL accepts no value at all; they are in two questions of live_simple.
    below = {name for name, value in found.items() if value < 1}
    assert below <= {"live_simple", "live"}
    assert {"balanced_accuracy", "strict_accuracy", "non_live", "irrelevance_detection"} <= set(found)
    assert result.primary == "balanced_accuracy"


def test_a_model_that_never_calls_has_half(answered):
    found = values(answered(lambda _: NEVER, limit=120))
    assert (found["balanced_accuracy"], found["strict_accuracy"], found["call_accuracy"]) == (0.5, 0.5, 0)
    assert (found["non_live"], found["live"], found["irrelevance_detection"], found["live_relevance"]) == (0, 0, 1, 0)


def test_a_model_that_calls_rightly_and_always_has_half(answered):
    found = values(
        answered(lambda question: always(question) if question.category in IRRELEVANCE else gold(question), limit=120)
    )
    assert (found["balanced_accuracy"], found["call_accuracy"], found["irrelevance_detection"]) == (0.5, 1, 0)


def test_a_model_that_says_nothing_is_right_for_bfcl_where_no_call_is(answered):
    found = values(answered(lambda _: "", limit=120))
    assert (found["balanced_accuracy"], found["irrelevance_detection"]) == (0, 1)


def test_an_oracle_of_the_text_format_is_right_everywhere(answered):
    found = values(answered(in_text, "function_calling/bfcl_text", limit=200))
    assert (found["balanced_accuracy"], found["live_multiple"], found["parallel"]) == (1, 1, 1)


def test_a_limit_takes_half_without_a_call_and_every_category(answered):
    result = answered(lambda _: NEVER, limit=40)
    parts = {metric.name: metric.n for metric in result.metrics if metric.name.startswith("accuracy[")}
    assert len(parts) == 13
    assert parts["accuracy[category=irrelevance]"] + parts["accuracy[category=live_irrelevance]"] == 20
    assert sum(parts.values()) == 40
    assert result.provenance["prompting"] == "template"


def test_a_prompt_that_does_not_fit_is_not_scored(built_in, context, fake, mirror, records):
    backend = fake(text=NEVER, context_length=700)
    task = built_in("function_calling/bfcl_text")
    result = drive(make_kind(task, "", context(backend, data=str(mirror), offline=True, mode="full", limit=60)))
    left_out = [record for record in records if record.score is None]
    assert 0 < len(left_out) == result.n_unscored < 60
    assert all("do not fit into the context of 700" in record.explanation for record in left_out)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"prompting": "both"}, "prompting"),
        ({"categories": ["multi_turn_base"]}, "categories"),
        ({"categories": []}, "categories"),
        ({"format": "ret_fmt=yaml"}, "format"),
        ({"constrained": True}, "constrained: it is for"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"prompts": "../x.json"}, "relative path inside"),
        ({"prompts": "data/nobody.json"}, "cannot be read"),
        ({"prompts": "data/calls.jsonl", "sha256": None}, "cannot be read"),
        ({"sha256": "0" * 64}, "declares"),
    ],
)
def test_options_that_cannot_be_meant_are_told_while_collecting(built_in, options, told):
    task = built_in("function_calling/bfcl")
    task = dataclasses.replace(task, options={**task.options, **options})
    with pytest.raises(SlmError, match=told):
        check_task(task, Extensions())


def test_a_template_that_is_forced_must_be_there(built_in, context, fake, mirror):
    backend = fake(text="x", capabilities=["chat", "generate"])
    task = built_in("function_calling/bfcl_template")
    with pytest.raises(NotAvailableError, match="requires 'tools'"):
        drive(make_kind(task, "", context(backend, data=str(mirror), offline=True, limit=3)))


def test_the_data_of_its_categories_are_pulled(built_in):
    (need,) = needs(["function_calling/bfcl_format_sensitivity"], others=read)
    assert need.dataset == DATASET
    assert len(need.configs) == 8


def test_without_data_it_is_skipped(built_in, context, tmp_path):
    with pytest.raises(NotAvailableError, match="cannot be reached"):
        drive(make_kind(built_in("function_calling/bfcl"), "", context(data=str(tmp_path), offline=True)))
