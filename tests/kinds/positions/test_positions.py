"""Options at every place: an answer that follows its option stays, one that follows a letter moves."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.core.request import LogLikelihood
from pytest_slm.core.types import MetricSpec, Result, Sample, Task
from pytest_slm.errors import BackendError, TaskError, UsageError
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.checking import check_task
from pytest_slm.kinds.choices import Question
from pytest_slm.kinds.positions.kind import question_of, rotated
from pytest_slm.run.drive import measure

QUESTIONS = [
    {"id": f"q{n}", "question": f"Which is {n}?", "options": [f"right{n}", "x", "y", "z"], "answer": "A"}
    for n in range(8)
]
METRICS = (
    MetricSpec(name="moved", key="stayed", complement=True),
    MetricSpec(name="position_spread", aggregate="spread", key="by_position"),
    MetricSpec(name="accuracy"),
    *(MetricSpec(name=f"accuracy_{letter}", key=letter) for letter in "ABCDE"),
)


class Told(Fake):
    """Takes the letter that a function of (the options in their order) names."""

    choose: Callable[[list[str]], int]

    def loglikelihood(self, pairs: Any, *more: Any) -> list[LogLikelihood]:
        self.asked = list(pairs)
        return [
            LogLikelihood(
                logprob=-1.0 if continuation.strip() == "ABCDE"[self.choose(self.options_of(context))] else -9.0,
                is_greedy=False,
                n_tokens=1,
            )
            for context, continuation in pairs
        ]

    @staticmethod
    def options_of(context: str) -> list[str]:
        return [line[3:] for line in context.splitlines() if line[1:3] == ". "]


@pytest.fixture
def ask(tmp_path: Path, context: Any, fake: Any) -> Callable[..., Result]:
    def run(choose: Callable[[list[str]], int], questions: Any = QUESTIONS, model: Any = Told, **given: Any) -> Result:
        (tmp_path / "q.jsonl").write_text("".join(json.dumps(one) + "\n" for one in questions), "utf-8")
        backend = fake(model)
        backend.choose = choose
        run.backend = backend  # type: ignore[attr-defined]
        return measure(task_of(tmp_path), "", context(backend, **given))

    return run


def task_of(folder: Path, metrics: Any = METRICS, **options: Any) -> Task:
    return Task(
        name="t", suite="s", kind="positions", description="", primary=metrics[0].name, metrics=metrics,
        path=str(folder / "t.yaml"), variants={"": {}}, options=options or {"samples": "q.jsonl"},
    )  # fmt: skip


def values(result: Result) -> dict[str, float]:
    return {metric.name: metric.value for metric in result.metrics}


def right(options: list[str]) -> int:
    return next(place for place, option in enumerate(options) if option.startswith("right"))


def test_who_knows_the_option_stays_and_is_right_at_every_place(ask: Callable[..., Result]) -> None:
    result = ask(right)
    assert values(result) == {
        **{"moved": 0, "position_spread": 0, "accuracy": 1},
        **{f"accuracy_{letter}": 1 for letter in "ABCD"},
    }
    spread = result.metric("position_spread")
    assert spread.interval is not None
    assert 0 == spread.interval[0] < spread.interval[1] < 1  # eight questions are no certainty
    assert not spread.higher_is_better
    assert not result.metric("moved").higher_is_better


def test_who_always_takes_one_letter_moves_everywhere_and_is_right_in_one_rotation(ask: Callable[..., Result]) -> None:
    result = ask(lambda options: 1)
    assert values(result) == {
        **{"moved": 1, "position_spread": 1, "accuracy": 0.25},
        **{f"accuracy_{letter}": float(letter == "B") for letter in "ABCD"},
    }
    assert result.metric("position_spread").interval[0] > 0.2  # type: ignore[index]


def test_who_is_sure_of_a_wrong_option_stays(ask: Callable[..., Result]) -> None:
    made = values(ask(lambda options: options.index("y")))
    assert (made["moved"], made["accuracy"]) == (0, 0)


def test_every_option_stands_once_at_every_place(ask: Callable[..., Result]) -> None:
    ask(right, QUESTIONS[:1])
    contexts = list(dict.fromkeys(context for context, _ in ask.backend.asked))  # type: ignore[attr-defined]
    shown = [Told.options_of(context) for context in contexts]
    assert shown == [
        ["right0", "x", "y", "z"],
        ["x", "y", "z", "right0"],
        ["y", "z", "right0", "x"],
        ["z", "right0", "x", "y"],
    ]
    assert len(ask.backend.asked) == 16  # type: ignore[attr-defined]


def test_questions_may_have_another_number_of_options(ask: Callable[..., Result]) -> None:
    five = {**QUESTIONS[0], "id": "five", "options": ["a", "b", "c", "d", "right"], "answer": "E"}
    three = {**QUESTIONS[1], "id": "three", "options": ["right", "b", "c"]}
    result = ask(lambda options: 0, [*QUESTIONS, five, three])
    made = {metric.name: metric for metric in result.metrics}
    assert made["accuracy"].value == pytest.approx((8 / 4 + 1 / 5 + 1 / 3) / 10)
    assert (made["accuracy_A"].value, made["accuracy_A"].n) == (1, 10)
    assert (made["accuracy_D"].n, made["accuracy_E"].n) == (9, 1)


def test_a_letter_that_no_server_tells_leaves_the_question_unscored(ask: Callable[..., Result]) -> None:
    class Silent(Told):
        def loglikelihood(self, pairs: Any, *more: Any) -> list[LogLikelihood]:
            return [
                LogLikelihood(logprob=None if "Which is 3?" in context else -1.0, is_greedy=False, n_tokens=1)
                for context, _ in pairs
            ]

    result = ask(right, model=Silent)
    assert (result.n_scored, result.n_unscored) == (7, 1)


@pytest.mark.parametrize(("turn", "options", "answer"), [(0, "abc", "B"), (1, "bca", "A"), (2, "cab", "C")])
def test_the_answer_goes_with_its_option(turn: int, options: str, answer: str) -> None:
    question = Question(id="q", question="?", options=("a", "b", "c"), answer="B")
    assert (rotated(question, turn).options, rotated(question, turn).answer) == (tuple(options), answer)


def test_samples_of_a_generator_name_options_and_labels() -> None:
    sample = Sample(id="q", input="?", target="2", metadata={"options": ["a", "b"], "labels": ["1", "2"]})
    assert (question_of(sample).options, question_of(sample).answer) == (("a", "b"), "B")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"target": "3"}, "its target '3' is none of 1, 2"),
        ({"metadata": {}}, "metadata.options the list"),
        ({"metadata": {"options": ["a", "a"], "labels": ["1", "2"]}}, "is there twice"),
        ({"metadata": {"options": ["a", "b"], "labels": ["1"]}, "target": "1"}, "none of 1"),
        ({"metadata": {"options": ["a"]}, "target": "A"}, "2 to 26 options"),
    ],
)
def test_a_sample_that_is_no_question_is_broken_data(change: dict[str, Any], told: str) -> None:
    given = {
        "id": "q",
        "input": "?",
        "target": "2",
        "metadata": {"options": ["a", "b"], "labels": ["1", "2"]},
        **change,
    }
    with pytest.raises(BackendError, match=f"sample 'q' is no question: .*{told}") as caught:
        question_of(Sample.from_json(given))
    assert caught.value.slug == "data-broken"


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        ((MetricSpec(name="acc"),), "unknown metric 'acc'"),
        ((MetricSpec(name="accuracy", aggregate="spread"),), "belong together"),
        ((MetricSpec(name="by_position"),), "belong together"),
    ],
)
def test_metrics_that_this_kind_has_not_are_told_while_collecting(tmp_path: Path, metrics: Any, told: str) -> None:
    (tmp_path / "q.jsonl").write_text(json.dumps(QUESTIONS[0]) + "\n", "utf-8")
    with pytest.raises(UsageError, match=told):
        check_task(task_of(tmp_path, metrics), Extensions())


def test_a_task_has_a_file_or_a_generator(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="either `samples` or `generator`"):
        check_task(task_of(tmp_path, sha256="0" * 64), Extensions())


class Random(Fake):
    """Finds letters likely by the hash of the question."""

    def loglikelihood(self, pairs: Any, *more: Any) -> list[LogLikelihood]:
        digests = [hashlib.sha256(f"{pair}".encode()).digest()[0] for pair in pairs]
        return [LogLikelihood(logprob=-1 - n / 9, is_greedy=False, n_tokens=1) for n in digests]


def test_arc_is_asked_from_its_rows(built_in: Any, mirror: Path, context: Any, fake: Any) -> None:
    pytest.importorskip("datasets", reason="needs pip install 'pytest-slm[data]'")
    result = measure(built_in("reasoning/position_bias"), "", context(fake(Random), data=str(mirror), offline=True))
    made = {metric.name: metric for metric in result.metrics}
    assert made["moved"].value > 0.8
    low, high = made["accuracy"].interval or (0, 0)
    assert low <= 0.25 <= high
    assert made["moved"].n == 16
    assert result.provenance["rows_sha256"]


def test_a_part_of_mmlu_is_told_apart_from_all_of_it(built_in: Any, mirror: Path, context: Any, fake: Any) -> None:
    pytest.importorskip("datasets", reason="needs pip install 'pytest-slm[data]'")
    there = sorted(path.name for path in (mirror / "cais" / "mmlu").iterdir() if path.is_dir())[:2]
    task = built_in("reasoning/position_bias_mmlu")
    part = measure(task, "", context(fake(Random), data=str(mirror), offline=True, limit=40))
    n, of = len(part.provenance["configurations_missing"]), part.provenance["configurations"]
    assert of == len(task.options["configs"]) == 57
    if n:
        assert part.primary is None
        assert f"moved[{of - n} of 57 configurations]" in {metric.name for metric in part.metrics}
        assert f"no data for {n} of 57 configurations" in part.reason
    whole = dataclasses.replace(task, options={**task.options, "configs": there})
    result = measure(whole, "", context(fake(Random), data=str(mirror), offline=True, limit=40))
    made = {metric.name: metric for metric in result.metrics}
    assert made["moved"].value > 0.8
    low, high = made["accuracy"].interval or (0, 0)
    assert low <= 0.25 <= high
    assert result.primary == "moved"
    assert result.provenance["configurations_missing"] == []
