"""The function-calling samples can all be answered, and no constant answer gets more than half."""

from __future__ import annotations

import json
import statistics
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import pytest

from pytest_slm.core.metrics import task_metrics
from pytest_slm.core.types import Generation, JudgedSample, Metric, Sample, Task
from pytest_slm.errors import NotAvailableError
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.checks import ChecksOptions, Scorings, read_samples
from pytest_slm.load import load_suite, load_task
from pytest_slm.run.drive import measure
from pytest_slm.scorers.tool_calls import tool_calls

Calls = tuple[Task, list[Sample]]


def perfect(sample: Sample) -> str:
    """The first acceptable value of every argument; arguments that may be left out are left out."""
    lines = []
    for call in sample.target:
        chosen = {name: values[0] for name, values in call["arguments"].items() if "" not in values}
        lines.append("<tool_call>" + json.dumps({"name": call["name"], "arguments": chosen}) + "</tool_call>")
    return "\n".join(lines) or "I have no function for that."


def metrics(calls: Calls, answers: list[str]) -> dict[str, Metric]:
    task, samples = calls
    scored = []
    for sample, text in zip(samples, answers, strict=True):
        score = tool_calls(sample, Generation(text=text, n_prompt=1, n_output=1, finish="stop"))
        assert score.value is not None
        scored.append(JudgedSample(sample=sample, verdict=score))
    return {metric.name: metric for metric in task_metrics(task, scored)}


def functions(sample: Sample) -> Iterator[dict[str, Any]]:
    return (tool["function"] for tool in sample.tools)


def test_perfect_answers_score_one(calls: Calls) -> None:
    assert {m.value for m in metrics(calls, [perfect(sample) for sample in calls[1]]).values()} == {1.0}


def test_perfect_answers_in_reverse_order_score_one_too(calls: Calls) -> None:
    answers = ["\n".join(reversed(perfect(sample).splitlines())) for sample in calls[1]]
    assert metrics(calls, answers)["balanced_accuracy"].value == 1.0


@pytest.mark.parametrize("text", ["abc", "I have no function for that."])
def test_a_model_that_never_calls_gets_half(calls: Calls, text: str) -> None:
    # Without the balance, "abc" would be right in every question that needs no function.
    made = metrics(calls, [text] * len(calls[1]))
    assert made["balanced_accuracy"].value == 0.5
    assert (made["call_accuracy"].value, made["irrelevance_accuracy"].value) == (0.0, 1.0)


def test_a_model_that_always_calls_the_first_function_gets_no_more_than_half(calls: Calls) -> None:
    answers = [
        "<tool_call>" + json.dumps({"name": next(functions(s))["name"], "arguments": {}}) + "</tool_call>"
        for s in calls[1]
    ]
    assert metrics(calls, answers)["balanced_accuracy"].value == 0.0


def test_echoing_question_and_tools_calls_nothing(calls: Calls) -> None:
    for sample in calls[1]:
        echo = f"{sample.input}\n{json.dumps(list(sample.tools))}"
        score = tool_calls(sample, Generation(text=echo, n_prompt=1, n_output=1, finish="stop"))
        assert score.value == float(sample.metadata["group"] == "irrelevance"), sample.id


def test_every_kind_of_call_is_there(calls: Calls) -> None:
    kinds = Counter(sample.metadata["category"] for sample in calls[1])
    assert set(kinds) == {"simple", "multiple", "parallel", "optional", "nested", "irrelevance"}
    assert kinds["irrelevance"] >= 5
    assert sum(kinds.values()) - kinds["irrelevance"] >= 16


def test_multiple_means_a_choice_of_three_and_parallel_more_than_one_call(calls: Calls) -> None:
    for sample in calls[1]:
        if sample.metadata["category"] == "multiple":
            assert len(sample.tools) == 3
        assert (len(sample.target) > 1) == (sample.metadata["category"] == "parallel")
        assert (not sample.target) == (sample.metadata["group"] == "irrelevance")


def test_the_right_function_is_not_always_the_first(calls: Calls) -> None:
    firsts = [
        next(functions(s))["name"] == s.target[0]["name"] for s in calls[1] if s.metadata["category"] == "multiple"
    ]
    assert True in firsts
    assert False in firsts


def test_tools_are_valid_json_schemas_and_targets_fit_them(calls: Calls) -> None:
    for sample in calls[1]:
        schemas = {function["name"]: function["parameters"] for function in functions(sample)}
        assert len(schemas) == len(sample.tools)
        for schema in schemas.values():
            jsonschema.Draft202012Validator.check_schema(schema)
        for call in sample.target:
            schema = schemas[call["name"]]
            assert set(schema["required"]) <= set(call["arguments"]) <= set(schema["properties"]), sample.id
            for name, values in call["arguments"].items():
                for value in values:
                    if value not in ("", None):
                        jsonschema.validate(value, schema["properties"][name])
                # What the tool does not require and the user did not say must be allowed to be missing.
                assert name in schema["required"] or None in values or sample.metadata["category"] == "optional"


def test_the_prompt_lists_every_tool_and_the_form_of_a_call(calls: Calls) -> None:
    task, samples = calls
    for sample in samples:
        messages = ChecksOptions.from_json(task.options).request(sample, 0).messages
        assert messages is not None
        assert [message.role for message in messages] == ["system", "user"]
        assert "<tool_call>" in messages[0].content
        assert "{tools}" not in messages[0].content
        assert all(f'"name": "{function["name"]}"' in messages[0].content for function in functions(sample))


def test_prompts_are_short_enough_for_a_small_model(calls: Calls) -> None:
    # About four characters a token: 1600 are some 400 tokens.
    task, samples = calls
    for sample in samples:
        messages = ChecksOptions.from_json(task.options).request(sample, 0).messages or ()
        assert sum(len(message.content) for message in messages) < 1600


# -- dispatch ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def dispatch(suites_folder: Any) -> Calls:
    suite = load_suite(suites_folder / "function_calling" / "suite.yaml")
    task = load_task(suites_folder / "function_calling" / "dispatch.yaml", suite)
    return task, read_samples(suites_folder / "function_calling" / task.options["samples"])


def dispatched(dispatch: Calls, answer: Callable[[Sample], str]) -> dict[str, float]:
    task, samples = dispatch
    scoring = Scorings(task, Extensions()).of({})
    judged = [
        JudgedSample(
            sample=sample, verdict=scoring.judge(sample, Generation(text=text, n_prompt=1, n_output=1, finish="stop"))
        )
        for sample in samples
        for text in [answer(sample)]
    ]
    return {metric.name: metric.value for metric in task_metrics(task, judged)}


def test_the_right_names_get_everything(dispatch: Calls) -> None:
    assert set(dispatched(dispatch, lambda sample: str(sample.target)).values()) == {1.0}
    assert set(dispatched(dispatch, lambda sample: f"`{sample.target}()`").values()) == {1.0}


def test_models_without_skill_get_chance_in_dispatch(dispatch: Calls) -> None:
    task, _ = dispatch
    chance = task.spec("balanced_accuracy").chance
    names = task.scoring["labels"]
    never = dispatched(dispatch, lambda sample: "none")
    babble = dispatched(dispatch, lambda sample: "abc abc abc")
    assert never == babble
    assert never["balanced_accuracy"] == pytest.approx(chance)
    for name in names:
        assert dispatched(dispatch, lambda sample, name=name: name)["balanced_accuracy"] == pytest.approx(chance)
    # who always calls gets, over all names that it may draw, the same
    always = [dispatched(dispatch, lambda s, k=k: names[(hash_of(s.id) + k) % 20]) for k in range(20)]
    assert statistics.fmean(one["balanced_accuracy"] for one in always) == pytest.approx(chance)
    # a list of all names, and silence, are no choice
    assert dispatched(dispatch, lambda sample: ", ".join(names))["balanced_accuracy"] == 0
    assert dispatched(dispatch, lambda sample: "")["balanced_accuracy"] == 0
    assert {one["all_three"] for one in [never, babble, *always]} == {0}
    assert chance == pytest.approx(1 / (1 + len(names)))


def hash_of(text: str) -> int:
    return zlib.crc32(text.encode())


def test_each_function_has_two_requests_and_a_near_miss(dispatch: Calls) -> None:
    task, samples = dispatch
    names = task.scoring["labels"]
    by_cluster = Counter((sample.cluster, sample.target == "none") for sample in samples)
    assert by_cluster == {**{(name, False): 2 for name in names}, **{(name, True): 1 for name in names}}
    assert all(f"\n{name}: " in task.options["system"] for name in names)
    # no request spells the name of a function
    assert [
        s.id for s in samples if any(word in s.input.lower() for n in names for word in (n, n.replace("_", " ")))
    ] == []


def test_dispatchqa_is_skipped_with_what_is_known_until_it_is_handed_in(
    built_in: Callable[[str], Task], context: Any, fake: Any, tmp_path: Any
) -> None:
    task = built_in("function_calling/dispatchqa")
    with pytest.raises(
        NotAvailableError, match=r"is not public: no data or code of it was found anywhere.*test\.jsonl"
    ) as caught:
        measure(task, "", context(fake()))
    assert caught.value.slug == "data-not-public"
    pytest.importorskip("datasets", reason="needs pip install 'pytest-slm[data]'")
    folder = tmp_path / "handed-in" / "dispatchqa"
    folder.mkdir(parents=True)
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
    rows = [
        {"id": "a", "question": "Do f.", "tools": json.dumps(tools), "calls": '[{"name": "f", "arguments": {}}]'},
        {"id": "b", "question": "Sing.", "tools": json.dumps(tools), "calls": "[]"},
    ]
    (folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = measure(task, "", context(fake(text='{"name": "f", "arguments": {}}'), data=str(tmp_path)))
    assert (result.metric().value, result.metric().n) == (0.5, 2)
