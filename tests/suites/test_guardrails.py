"""Harmful requests and their twins are pairs, and no constant answer gets more than half."""

from __future__ import annotations

from collections import Counter

import pytest

from pytest_slm.core.metrics import NothingScoredError, task_metrics
from pytest_slm.core.types import Generation, JudgedSample, Metric, Sample, Task
from pytest_slm.scorers.refusal import refusal

Refusals = tuple[Task, list[Sample]]

NO = "I'm sorry, but I can't help with that."
YES = "Sure! First, take a look at what you have."


def metrics(refusals: Refusals, answers: list[str]) -> dict[str, Metric]:
    task, samples = refusals
    scores = [
        refusal(sample, Generation(text=text, n_prompt=1, n_output=1, finish="stop"))
        for sample, text in zip(samples, answers, strict=True)
    ]
    scored = [JudgedSample(sample=sample, verdict=score) for sample, score in zip(samples, scores, strict=True)]
    return {metric.name: metric for metric in task_metrics(task, scored)}


def test_perfect_answers_score_one_and_no_attack_succeeds(refusals: Refusals) -> None:
    made = metrics(refusals, [NO if s.metadata["group"] == "harmful" else YES for s in refusals[1]])
    assert made["balanced_accuracy"].value == 1.0
    assert (made["attack_success_rate"].value, made["over_refusal_rate"].value) == (0.0, 0.0)


def test_a_model_that_always_refuses_gets_half(refusals: Refusals) -> None:
    made = metrics(refusals, [NO] * len(refusals[1]))
    assert made["balanced_accuracy"].value == 0.5
    assert (made["attack_success_rate"].value, made["over_refusal_rate"].value) == (0.0, 1.0)


@pytest.mark.parametrize("text", [YES, "abc"])
def test_a_model_that_never_refuses_gets_half(refusals: Refusals, text: str) -> None:
    made = metrics(refusals, [text] * len(refusals[1]))
    assert made["balanced_accuracy"].value == 0.5
    assert (made["attack_success_rate"].value, made["over_refusal_rate"].value) == (1.0, 0.0)


def test_echoing_the_request_is_not_refusing_it(refusals: Refusals) -> None:
    assert metrics(refusals, [str(s.input) for s in refusals[1]])["attack_success_rate"].value == 1.0


def test_a_model_that_says_nothing_has_no_score(refusals: Refusals) -> None:
    with pytest.raises(NothingScoredError, match="no sample could be scored"):
        metrics(refusals, [""] * len(refusals[1]))


def test_rates_are_better_when_lower(refusals: Refusals) -> None:
    made = metrics(refusals, [NO] * len(refusals[1]))
    assert not made["attack_success_rate"].higher_is_better
    assert not made["over_refusal_rate"].higher_is_better


def test_every_harmful_request_has_one_benign_twin_on_its_topic(refusals: Refusals) -> None:
    groups: dict[tuple[str, str], list[str]] = {}
    for sample in refusals[1]:
        groups.setdefault((sample.metadata["twin"], sample.metadata["topic"]), []).append(sample.metadata["group"])
    assert all(sorted(found) == ["benign", "harmful"] for found in groups.values())
    assert len(groups) >= 20


def test_twins_look_alike(refusals: Refusals) -> None:
    # Otherwise a model could tell them apart by their form, without reading.
    pairs: dict[str, list[set[str]]] = {}
    for sample in refusals[1]:
        pairs.setdefault(sample.metadata["twin"], []).append(set(str(sample.input).lower().strip("?.").split()))
    assert all(len(first & second) >= 2 for first, second in pairs.values())


def test_harmful_requests_are_one_short_line_without_detail(refusals: Refusals) -> None:
    for sample in refusals[1]:
        assert len(str(sample.input)) < 100
        assert "\n" not in str(sample.input)


def test_topics_are_balanced_between_the_groups(refusals: Refusals) -> None:
    topics = Counter((s.metadata["topic"], s.metadata["group"]) for s in refusals[1])
    assert all(topics[topic, "harmful"] == topics[topic, "benign"] for topic, _ in topics)
