"""Texts sorted into classes by likelihood: of rows that are joined, what counts, what no answer gets, broken data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.backends.protocol import Delivery, Progress, ignored, silent
from pytest_slm.core.record import RecordError
from pytest_slm.core.request import LogLikelihood
from pytest_slm.core.types import MetricSpec, Result, Task
from pytest_slm.errors import BackendError, NotAvailableError, UsageError
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.checking import check_task
from pytest_slm.kinds.classes.classes import ClassesOptions
from pytest_slm.kinds.context import RunContext
from pytest_slm.load import load_suite, load_task
from pytest_slm.run.drive import measure

datasets = pytest.importorskip("datasets", reason="needs pip install 'pytest-slm[data]'")

Contexts = Callable[..., RunContext]
RAG = Path(__file__).parents[3] / "suites" / "rag"
CARD = "---\nconfigs:\n" + "".join(
    f"- config_name: {name}\n  data_files:\n  - {{split: test, path: {name}.parquet}}\n" for name in ("said", "given")
)
SAID = [{"id": str(n), "of": str(n // 2), "text": f"answer {n}", "marks": [n] if n % 3 == 0 else []} for n in range(8)]
GIVEN = [{"of": str(n), "passages": f"passage {n}"} for n in range(4)]
METRICS = (
    MetricSpec(name="balanced_accuracy", balance=("bad", "good")),
    MetricSpec(name="f1", aggregate="f1", label="bad"),
    MetricSpec(name="auroc", aggregate="auroc", key="bad"),
)
OPTIONS: Mapping[str, Any] = {
    "generator": "joined",
    "dataset": {"path": "org/set", "config": "said"},
    "join": {"path": "org/set", "config": "given"},
    "on": "of",
    "presence": {"column": "marks", "some": "bad", "none": "good"},
    "sample": {"id": "{id}", "input": "{passages}: {text}. Bad?", "target": "{class}", "cluster": "{of}"},
    "words": {"bad": "Yes", "good": "No"},
    "positive": "bad",
}


class Sure(Fake):
    """How likely "Yes" is, by what stands before it; "No" is as likely as not."""

    yes: Callable[[str], float]

    def loglikelihood(
        self,
        pairs: Sequence[tuple[str, str]],
        progress: Progress = silent,
        finished: Delivery[LogLikelihood] = ignored,
    ) -> list[LogLikelihood]:
        told = []
        for place, (before, word) in enumerate(pairs):
            told.append(LogLikelihood(logprob=self.yes(before) * (word == " Yes"), is_greedy=False, n_tokens=1))
            finished(place, told[-1])
        return told


@pytest.fixture
def sure(fake: Callable[..., Any]) -> Callable[..., Sure]:
    def make(yes: Callable[[str], float]) -> Sure:
        model: Sure = fake(Sure)
        model.yes = yes  # type: ignore[method-assign]
        return model

    return make


@pytest.fixture
def data(tmp_path: Path) -> Callable[..., str]:
    def write(said: Sequence[Mapping[str, Any]] = SAID, given: Sequence[Mapping[str, Any]] = GIVEN) -> str:
        folder = tmp_path / "mirror" / "org" / "set"
        folder.mkdir(parents=True)
        for name, rows in (("said", said), ("given", given)):
            datasets.Dataset.from_list(list(rows)).to_parquet(folder / f"{name}.parquet")
        (folder / "README.md").write_text(f"{CARD}---\n")
        return str(tmp_path / "mirror")

    return write


def task(**changed: Any) -> Task:
    options = {key: value for key, value in {**OPTIONS, **changed}.items() if value is not None}
    return Task(
        name="task",
        suite="suite",
        kind="classes",
        description="",
        primary="balanced_accuracy",
        metrics=METRICS,
        requires=("loglikelihood",),
        options=options,
    )


def values(result: Result) -> dict[str, float]:
    return {metric.name: round(metric.value, 6) for metric in result.metrics}


def bad(text: str) -> bool:
    return any(f"answer {n}." in text for n in (0, 3, 6))


def test_the_likelier_word_is_the_class(data: Callable[..., str], context: Contexts, sure: Callable[..., Sure]) -> None:
    result = measure(task(), "", context(sure(lambda text: 1.0 if bad(text) else -1.0), data=data()))
    assert values(result) == {"balanced_accuracy": 1, "f1": 1, "auroc": 1}
    assert (result.n_scored, result.clusters) == (8, 4)
    assert all(metric.interval is not None for metric in result.metrics)


@pytest.mark.parametrize("always", [1.0, -1.0, 0.0])
def test_the_same_word_for_all_is_chance(
    data: Callable[..., str], context: Contexts, sure: Callable[..., Sure], always: float
) -> None:
    made = values(measure(task(), "", context(sure(lambda _: always), data=data())))
    assert (made["balanced_accuracy"], made["auroc"]) == (0.5, 0.5)
    assert made["f1"] == (0 if always < 0 else round(6 / 11, 6))


def test_a_leaning_changes_the_classes_and_not_the_order(
    data: Callable[..., str], context: Contexts, sure: Callable[..., Sure]
) -> None:
    made = values(measure(task(), "", context(sure(lambda text: 3.0 if bad(text) else 2.0), data=data())))
    assert (made["balanced_accuracy"], made["auroc"]) == (0.5, 1)


@pytest.mark.parametrize(
    ("said", "given", "slug", "told"),
    [
        (SAID, [*GIVEN[:3], {"of": "9", "passages": "x"}], "data-broken", "row 6: of '3' is in no row"),
        (SAID, [*GIVEN, GIVEN[0]], "data-broken", "row 4: of is there twice"),
        (SAID, [{**GIVEN[0], "of": None}, *GIVEN[1:]], "data-broken", "row 0: of is missing"),
        ([*SAID[:2], {**SAID[2], "marks": None}], GIVEN, "data-broken", "nobody has said"),
        ([*SAID, SAID[0]], GIVEN, "data-duplicate", "'0'"),
        ([*SAID[:2], {**SAID[2], "id": None}], GIVEN, "data-broken", "has no id"),
    ],
)
def test_rows_that_cannot_be_judged_are_no_smaller_task(
    data: Callable[..., str], context: Contexts, sure: Callable[..., Sure], said: Any, given: Any, slug: str, told: str
) -> None:
    with pytest.raises(BackendError, match=told) as found:
        measure(task(), "", context(sure(lambda _: 0.0), data=data(said, given)))
    assert found.value.slug == slug


def test_a_class_that_nobody_has_a_word_for(
    data: Callable[..., str], context: Contexts, sure: Callable[..., Sure]
) -> None:
    broken = task(sample={**OPTIONS["sample"], "target": "{text}"})
    with pytest.raises(BackendError, match="is none of bad, good"):
        measure(broken, "", context(sure(lambda _: 0.0), data=data()))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"words": {"bad": "Yes"}}, "two classes"),
        ({"words": {"bad": "Yes", "good": " yes"}}, "the same word"),
        ({"words": {"bad": "Yes", "good": " "}}, "two classes"),
        ({"positive": "ugly"}, "none of the classes"),
    ],
)
def test_options_that_cannot_be_meant(changed: dict[str, Any], told: str) -> None:
    whole = {"generator": "joined", "words": OPTIONS["words"], "positive": "bad", **changed}
    with pytest.raises(RecordError, match=told):
        ClassesOptions.from_json(whole)


def test_a_metric_of_no_class_is_a_mistake_of_the_task() -> None:
    import dataclasses

    wrong = dataclasses.replace(task(), metrics=(*METRICS, MetricSpec(name="more", group="ugly")))
    with pytest.raises(UsageError, match="'ugly'"):
        check_task(wrong, Extensions())


def test_a_probability_is_that_of_the_positive_class() -> None:
    import dataclasses

    # whether the likeliest class is right has nothing to do with how probable the positive one is
    wrong = dataclasses.replace(task(), metrics=(*METRICS, MetricSpec(name="brier", aggregate="brier")))
    with pytest.raises(UsageError, match="brier is of the class whose probability is told: `key: bad`"):
        check_task(wrong, Extensions())


def test_without_the_data_the_item_is_skipped_with_the_remedy(context: Contexts, sure: Callable[..., Sure]) -> None:
    detection = load_task(RAG / "ragtruth_detection.yaml", load_suite(RAG / "suite.yaml"))
    with pytest.raises(NotAvailableError, match="--slm-data=DIR"):
        measure(detection, "", context(sure(lambda _: 0.0)))


def test_ragtruth_gives_the_oracle_everything_and_no_constant_more_than_half(
    mirror: Path, context: Contexts, sure: Callable[..., Sure]
) -> None:
    from pyarrow import parquet

    rows = parquet.read_table(mirror / "ParticleMedia/RAGTruth/response/test.parquet").to_pylist()
    marked = [f"Answer: {row['response'].strip()}" for row in rows if row["labels"]]
    detection = load_task(RAG / "ragtruth_detection.yaml", load_suite(RAG / "suite.yaml"))

    def oracle(text: str) -> float:
        said = text[text.index("\nQuestion: ") :]
        return 1.0 if any(answer in said for answer in marked) else -1.0

    there = {"data": str(mirror), "mode": "full"}
    whole = measure(detection, "", context(sure(oracle), **there))
    assert (whole.n_scored, whole.clusters) == (len(rows), 75)
    made = values(whole)
    assert (
        min(made[name] for name in ("balanced_accuracy", "f1", "auroc", "macro_f1")) >= 0.98
    )  # a few answers are twins
    same = values(measure(detection, "", context(sure(lambda _: 1.0), **there)))
    assert (same["balanced_accuracy"], same["auroc"]) == (0.5, 0.5)
