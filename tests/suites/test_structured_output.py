"""60 texts and schemas: each gold answer is valid, gets everything and is within the grammar; no other one does."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.backends.llamacpp.grammars import grammar_of
from pytest_slm.core.metrics import task_metrics
from pytest_slm.core.types import Generation, JudgedSample, Request, Sample, Task
from pytest_slm.errors import UsageError
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.checks import Scorings, read_samples
from pytest_slm.run.drive import measure

Structured = tuple[Task, list[Sample], Scorings]


@pytest.fixture(scope="module")
def structured(tasks: list[Task], suites_folder: Path) -> Structured:
    task = next(one for one in tasks if one.name == "structured_output")
    path = suites_folder / "instruction_following" / str(task.options["samples"])
    return task, read_samples(path, task.options["sha256"]), Scorings(task, Extensions())


def values(structured: Structured, answer: Callable[[Sample], str]) -> dict[str, float]:
    """The metrics of a model that answers so."""
    task, samples, scorings = structured
    judged = []
    for sample in samples:
        generation = Generation(text=answer(sample), n_prompt=1, n_output=1, finish="stop")
        verdict = scorings.of(sample.scoring).judge(sample, generation)
        judged.append(JudgedSample(sample=sample, verdict=verdict))
    return {metric.name: metric.value for metric in task_metrics(task, judged) if "[" not in metric.name}


def gold(sample: Sample) -> str:
    return json.dumps(sample.target, ensure_ascii=False)


def test_ten_levels_of_six_schemas_each_with_a_valid_gold_answer(structured: Structured) -> None:
    samples = structured[1]
    assert Counter(sample.metadata["level"] for sample in samples) == Counter(
        dict.fromkeys({sample.metadata["level"] for sample in samples}, 6)
    )
    assert len(samples) == 60
    for sample in samples:
        schema = sample.scoring["schema"]
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(
            schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
        )
        assert [error.message for error in validator.iter_errors(sample.target)] == [], sample.id
        assert not validator.is_valid({}), sample.id  # a schema that anything fits asks for nothing
        assert str(sample.input).endswith(json.dumps(schema, ensure_ascii=False))
        assert json.loads(gold(sample)) == sample.target


def test_schemas_are_different_ones_and_can_be_said_as_grammars(structured: Structured) -> None:
    grammars = {grammar_of(sample.scoring["schema"]) for sample in structured[1]}
    assert len(grammars) >= 55  # a few differ in formats alone, which no grammar says


def test_gold_answers_get_everything_and_waste_nothing(structured: Structured) -> None:
    assert values(structured, gold) == {"correct": 1, "valid": 1, "waste": 0}


def test_sentences_and_fences_around_the_json_are_waste_and_no_mistake(structured: Structured) -> None:
    fenced = values(structured, lambda sample: f"Here you are:\n```json\n{gold(sample)}\n```\nI hope this helps!")
    assert (fenced["correct"], fenced["valid"]) == (1, 1)
    assert 0.2 < fenced["waste"] < 0.5
    sample = structured[1][0]
    verdict = (
        structured[2]
        .of(sample.scoring)
        .judge(sample, Generation(text=f"ab{gold(sample)}cd", n_prompt=1, n_output=1, finish="stop"))
    )
    assert verdict.values["json_share"] == len(gold(sample)) / (len(gold(sample)) + 4)


@pytest.mark.parametrize(
    "text", ["", "abc", "{}", "[]", "null", "{", "NaN", "[" * 10_000, '{"a":1,"a":1}', "9" * 90_000]
)
def test_who_cannot_do_it_gets_nothing(structured: Structured, text: str) -> None:
    made = values(structured, lambda _: text)
    assert (made["correct"], made["valid"]) == (0, 0)


def test_the_text_or_the_schema_said_again_is_not_the_answer(structured: Structured) -> None:
    assert values(structured, lambda sample: str(sample.input))["correct"] == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda gold: {**gold, "phone": "1"}, "'phone' is not expected"),  # valid, and made up
        (lambda gold: {**gold, "event": "Fair"}, "'event' is 'Fair', expected"),
        (lambda gold: {"event": gold["event"]}, "'place' is missing"),
    ],
)
def test_what_the_text_does_not_say_is_wrong_though_it_is_valid(
    structured: Structured, change: Callable[[Any], Any], told: str
) -> None:
    sample = next(one for one in structured[1] if "Harvest Fair" in str(one.input))
    schema = {**sample.scoring["schema"], "additionalProperties": True}
    scoring = structured[2].of({"schema": schema})
    text = json.dumps(change(sample.target))
    verdict = scoring.judge(sample, Generation(text=text, n_prompt=1, n_output=1, finish="stop"))
    assert (verdict.value, verdict.values["valid"]) == (0, 1)
    assert told in verdict.explanation


class Keeping(Fake):
    """Keeps what it was asked."""

    def generate(self, requests: Any, *more: Any) -> list[Generation]:
        self.asked: list[Request] = list(requests)
        return super().generate(requests, *more)


@pytest.mark.parametrize(("variant", "constrained"), [("free", False), ("constrained", True)])
def test_only_the_constrained_variant_is_asked_within_the_grammar(
    structured: Structured, context: Any, fake: Any, variant: str, constrained: bool
) -> None:
    backend = fake(Keeping, text="{}")
    result = measure(structured[0], variant, context(backend, limit=10))
    schemas = [one.scoring["schema"] for one in structured[1]]
    assert len(backend.asked) == 10
    assert all((request.json_schema in schemas) == constrained for request in backend.asked)
    assert (result.metric("correct").value, result.variant) == (0, variant)


def test_a_constrained_variant_needs_a_schema(checks_task: Any, context: Any, fake: Any) -> None:
    task = checks_task([{"id": "a", "input": "?", "target": "x"}], variants={"tight": {"constrained": True}})
    with pytest.raises(UsageError, match="sample 'a': its variant is constrained, and no schema"):
        measure(task, "tight", context(fake()))
