"""Questions on numbered passages: the oracle gets everything, no constant answer more than half."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_slm.core.metrics import task_metrics
from pytest_slm.core.types import Generation, JudgedSample, Metric, Sample, Task
from pytest_slm.extensions import Extensions
from pytest_slm.generators import GeneratorContext
from pytest_slm.scorers import Rule
from pytest_slm.scorers.grounding.citation import ABSTAINED, CITATION, citation
from pytest_slm.scorers.grounding.reading import states

Cited = tuple[Task, list[Sample]]


def metrics(cited: Cited, answer: Callable[[Sample], str]) -> dict[str, Metric]:
    task, samples = cited
    judged = [
        JudgedSample(
            sample=sample,
            verdict=citation(sample, Generation(text=answer(sample), n_prompt=1, n_output=1, finish="stop")),
        )
        for sample in samples
    ]
    return {metric.name: metric for metric in task_metrics(task, judged)}


def oracle(sample: Sample) -> str:
    return str(CITATION.right(sample, None)[0])


def unanswerable(sample: Sample) -> bool:
    return sample.metadata["group"] == "unanswerable"


def passages(sample: Sample) -> list[str]:
    return re.findall(r"^\[\d+\] (.*)$", str(sample.input), re.MULTILINE)


def test_right_answers_get_everything(cited: Cited) -> None:
    made = metrics(cited, oracle)
    assert {metric.value for metric in made.values()} == {1.0}
    assert set(made) >= {"citation_precision", "citation_recall", "abstention_precision", "abstention_recall"}
    assert all(metric.interval is not None for metric in made.values() if "[" not in metric.name)


def test_a_model_that_always_abstains_gets_half(cited: Cited) -> None:
    made = metrics(cited, lambda _: ABSTAINED)
    assert (made["balanced_accuracy"].value, made["balanced_decision"].value) == (0.5, 0.5)
    assert (made["abstention_recall"].value, made["answer_accuracy"].value) == (1, 0)
    assert "citation_precision" not in made  # it was not measured, which is not 0


def test_a_model_that_never_abstains_gets_half_at_best(cited: Cited) -> None:
    made = metrics(cited, lambda sample: "42 [1]" if unanswerable(sample) else oracle(sample))
    assert (made["balanced_accuracy"].value, made["balanced_decision"].value) == (0.5, 0.5)
    assert "abstention_precision" not in made
    assert made["abstention_recall"].value == 0


def test_constant_and_echoed_answers_get_no_more_than_a_few(cited: Cited) -> None:
    for answer in (lambda _: "abc", lambda _: "", *((lambda _, n=n: f"It is {n} [{n}]") for n in range(1, 6))):
        assert metrics(cited, answer)["balanced_accuracy"].value <= 0.05
    assert metrics(cited, lambda sample: str(sample.input))["balanced_accuracy"].value == 0
    first = metrics(cited, lambda sample: f"{passages(sample)[0]} [1]")
    assert first["balanced_accuracy"].value <= 0.15


def test_every_answer_stands_in_its_passages_and_only_there(cited: Cited) -> None:
    for sample in cited[1]:
        shown = passages(sample)
        assert 4 <= len(shown) <= 6
        for part in sample.target["answer"]:
            has = [n for n, text in enumerate(shown, 1) if any(states(text, one) for one in part)]
            assert set(has) & set(sample.target["passages"]), sample.id
            question = str(sample.input).rpartition("Question:")[2]
            assert not any(states(question, one) for one in part), sample.id
        assert all(any(states(text, one) for text in shown) for one in sample.target.get("other", ())), sample.id


def test_sets_share_their_passages_and_places_tell_nothing(cited: Cited) -> None:
    by_set: dict[str | None, set[tuple[str, ...]]] = {}
    for sample in cited[1]:
        by_set.setdefault(sample.cluster, set()).add(tuple(passages(sample)))
    assert len(by_set) == 12
    assert all(len(found) == 1 for found in by_set.values())
    places = Counter(n for sample in cited[1] for n in sample.target["passages"])
    assert max(places.values()) <= 0.35 * sum(places.values())
    assert len({sample.metadata["domain"] for sample in cited[1]}) >= 10
    assert 0.28 <= sum(map(unanswerable, cited[1])) / len(cited[1]) <= 0.4


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("frames", "google/frames-benchmark/default/test"),
        ("ragtruth_generation", "ParticleMedia/RAGTruth/source_info/test"),
    ],
)
def test_the_oracle_gets_everything_and_an_answerless_model_nothing(
    tasks: list[Task], mirror: Path, name: str, data: str
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pip install 'pytest-slm[data]'")
    task = next(one for one in tasks if one.name == name)
    rows = parquet.read_table(mirror / f"{data}.parquet").to_pylist()
    rule = Extensions().scorers.lookup(str(task.scorer))
    assert isinstance(rule, Rule)
    context = GeneratorContext(
        options=task.options, variant={}, limit=None, seed=1, count_tokens=lambda _: 0, rows=lambda _: rows
    )
    samples = list(Extensions().generators.lookup(str(task.options["generator"])).make(context))

    def made(answer: Callable[[Sample], str]) -> dict[str, Any]:
        judged = [
            JudgedSample(
                sample=sample,
                verdict=rule.judge(
                    sample, Generation(text=answer(sample), n_prompt=1, n_output=1, finish="stop"), None
                ),
            )
            for sample in samples
        ]
        return {metric.name: metric for metric in task_metrics(task, judged)}

    right = made(lambda sample: next(iter(rule.right(sample, None)), ""))
    assert len(samples) == len(rows)
    assert right[task.primary].value == 1
    assert right[task.primary].n >= 0.8 * len(rows)
    for nothing in ("", "I don't know.", "abc"):
        assert made(lambda _, text=nothing: text)[task.primary].value == 0
