"""Multiple choice: what is asked, which option counts, what the intervals know, and which questions are refused."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_slm.core.statistics import wilson
from pytest_slm.core.types import EngineSettings, MetricSpec, Result, Task
from pytest_slm.errors import NotAvailableError, UsageError
from pytest_slm.extensions import Extensions
from pytest_slm.kinds import choices
from pytest_slm.kinds.checking import check_task
from pytest_slm.kinds.context import RunContext
from pytest_slm.run.drive import measure
from pytest_slm.run.records import SampleRecord

Contexts = Callable[..., RunContext]
Tasks = Callable[..., Task]
Lines = Callable[..., dict[str, Any]]
Values = Callable[[Result], dict[str, float]]

ALL = (MetricSpec(name="acc"), MetricSpec(name="acc_norm"), MetricSpec(name="acc_letters"))


# -- what is asked ----------------------------------------------------------------------------------------------------


def test_texts_are_asked_as_arc_is_and_letters_as_mmlu_is(line: Lines) -> None:
    question = choices.Question.from_json(line(7))
    context = "Question: What is number 7?\nAnswer:"
    assert question.pairs("text") == [(context, f" {word}") for word in ("one", "three", "eleven", "seventeen")]
    listed = "Question: What is number 7?\nA. one\nB. three\nC. eleven\nD. seventeen\nAnswer:"
    assert question.pairs("letters") == [(listed, f" {letter}") for letter in "ABCD"]


def test_a_passage_stands_before_its_question(line: Lines) -> None:
    question = choices.Question.from_json(line(passage="It is five."))
    assert {context for context, _ in question.pairs("text")} == {"It is five.\n\nQuestion: What is number 0?\nAnswer:"}


def test_only_what_a_metric_needs_is_asked(
    task: Tasks, context: Contexts, told: Callable[..., Any], line: Lines
) -> None:
    model = told(lambda *_: 0.0)
    measure(task([line(0), line(1)], primary="acc", metrics=ALL[:2]), "", context(model))
    assert len(model.asked) == 8
    measure(task([line(0), line(1)], primary="acc_letters", metrics=ALL[2:]), "", context(model))
    assert [continuation for _, continuation in model.asked] == [" A", " B", " C", " D"] * 2


# -- which option counts ----------------------------------------------------------------------------------------------

LOGPROBS = st.lists(st.floats(-100, -0.01), min_size=4, max_size=4)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    found=st.lists(st.tuples(LOGPROBS, LOGPROBS, st.sampled_from("ABCD")), min_size=1, max_size=12),
    shuffle=st.randoms(),
)
def test_metrics_are_those_that_numpy_gives(
    found: list[tuple[list[float], list[float], str]],
    shuffle: Any,
    task: Tasks,
    context: Contexts,
    told: Callable[..., Any],
    line: Lines,
    values: Values,
) -> None:
    lines = [line(number, answer) for number, (_, _, answer) in enumerate(found)]
    words = lines[0]["options"]

    def likelihood(asked: str, continuation: str) -> float:
        number = int(asked.split("number ")[1].split("?")[0])
        texts, letters, _ = found[number]
        written = continuation.strip()
        return letters["ABCD".index(written)] if written in "ABCD" else texts[words.index(written)]

    def shuffled(places: list[int]) -> list[int]:
        shuffle.shuffle(places)
        return places

    result = measure(task(lines), "", context(told(likelihood, shuffled)))
    right = np.array(["ABCD".index(answer) for _, _, answer in found])
    texts, letters = np.array([f[0] for f in found]), np.array([f[1] for f in found])
    lengths = np.array([len(word) for word in words], dtype=float)

    def shares(likely: Any) -> Any:
        first = likely == likely.max(axis=1, keepdims=True)
        return first[np.arange(len(found)), right] / first.sum(axis=1)

    by_hand = {"acc": shares(texts), "acc_norm": shares(texts / lengths), "acc_letters": shares(letters)}
    assert values(result) == pytest.approx({name: np.mean(of) for name, of in by_hand.items()})
    for metric in result.metrics:
        assert metric.n == len(found)
        if np.isin(by_hand[metric.name], (0, 1)).all():  # without a tie
            assert metric.interval == pytest.approx(wilson(metric.value * metric.n, metric.n))


def test_a_long_option_is_not_less_likely_per_character(
    task: Tasks, context: Contexts, told: Callable[..., Any], line: Lines, values: Values
) -> None:
    # -9 for "seventeen" is -1 a letter, -4 for "one" more than that.
    told_ = told(lambda _, continuation: {" one": -4.0, " seventeen": -9.0}.get(continuation, -50.0))
    result = measure(task([line(answer="D")], metrics=ALL[:2]), "", context(told_))
    assert values(result) == {"acc": 0.0, "acc_norm": 1.0}


def test_a_metric_may_have_a_name_of_its_own_and_be_a_rate_of_errors(
    task: Tasks, context: Contexts, told: Callable[..., Any], line: Lines, values: Values
) -> None:
    metrics = (MetricSpec(name="accuracy", key="acc"), MetricSpec(name="errors", key="acc", complement=True))
    made = task([line(answer=a) | {"id": a} for a in "ABCD"], primary="accuracy", metrics=metrics)
    result = measure(made, "", context(told(lambda *_: -1.0)))
    assert values(result) == {"accuracy": 0.25, "errors": 0.75}
    assert [metric.higher_is_better for metric in result.metrics] == [True, False]


def test_every_question_is_recorded_once_with_all_likelihoods(
    task: Tasks, context: Contexts, told: Callable[..., Any], records: list[SampleRecord], line: Lines
) -> None:
    seen: list[tuple[int, int]] = []
    model = told(lambda _, continuation: -float(len(continuation)), lambda places: places[::-1])
    measure(
        task([line(0, "A"), line(1, "B")]),
        "",
        context(model, progress=lambda done, total: seen.append((done, total))),
    )
    assert [record.doc_id for record in records] == ["q1", "q0"]  # as they were finished
    assert [record.score for record in records] == [0.0, 0.0]  # per character the longest is the likeliest here
    assert records[0].answer == "seventeen"
    assert records[0].explanation == (
        "likeliest option per character D, right option B; acc 0, acc_norm 0, acc_letters 0.25"
    )
    assert [answer["choice"] for answer in records[0].response] == [*line()["options"], *"ABCD"]
    # The letter of the right option is right, too; chosen is what the deciding metric takes.
    marked = {mark: [at for at, one in enumerate(records[0].response) if mark in one] for mark in ("chosen", "right")}
    assert marked == {"chosen": [3], "right": [1, 5]}
    assert [said["role"] for said in records[0].prompt] == ["text", "text"]  # the question with and without letters
    assert records[0].target == line()["options"][1]
    assert seen == [(1, 2), (2, 2)]


def test_a_limit_takes_from_every_category(
    task: Tasks, context: Contexts, told: Callable[..., Any], line: Lines
) -> None:
    lines = [line(number, category="abc"[number % 3]) for number in range(30)]
    result = measure(task(lines, breakdown="category"), "", context(told(lambda *_: -1.0), limit=6))
    assert {m.name: m.n for m in result.metrics if "[" in m.name} == {f"acc_norm[category={name}]": 2 for name in "abc"}
    assert result.n_scored == 6


# -- clusters ---------------------------------------------------------------------------------------------------------


def test_questions_on_one_passage_are_one_cluster(
    task: Tasks, context: Contexts, told: Callable[..., Any], line: Lines
) -> None:
    # Two passages answered all right, two all wrong: 20 questions that know as much as four.
    lines = [line(n, "A" if n < 10 else "B", passage=f"Passage {n // 5}.") for n in range(20)]
    alone = [line(n, "A" if n < 10 else "B") for n in range(20)]
    model = told(lambda _, after: -len(after))  # "one" is the likeliest
    clustered = measure(task(lines, primary="acc", metrics=ALL[:1]), "", context(model))
    independent = measure(task(alone, primary="acc", metrics=ALL[:1]), "", context(model))
    assert (clustered.clusters, independent.clusters) == (4, 20)
    for one, other in zip(clustered.metrics, independent.metrics, strict=True):
        assert one.value == other.value
        assert one.interval is not None
        assert other.interval is not None
        assert one.interval[0] < other.interval[0] < other.interval[1] < one.interval[1]


def test_one_passage_alone_gives_no_interval(
    task: Tasks, context: Contexts, told: Callable[..., Any], line: Lines
) -> None:
    lines = [line(n, "A", passage="The only one.") for n in range(5)]
    result = measure(task(lines), "", context(told(lambda *_: -1.0)))
    assert result.metric("acc").interval is None  # type: ignore[union-attr]


# -- what is refused --------------------------------------------------------------------------------------------------

BAD = [
    pytest.param(lambda _: "{", "", id="no-json"),
    pytest.param(lambda _: "[]", "expected an object", id="no-object"),
    pytest.param(lambda line: line(1, answer="AB"), "exactly one letter from A to D, not 'AB'", id="two-letters"),
    pytest.param(lambda line: line(1) | {"answer": ["A", "B"]}, "answer: expected a text", id="a-list-of-answers"),
    pytest.param(lambda line: line(1, answer="E"), "from A to D, not 'E'", id="no-such-option"),
    pytest.param(lambda line: line(1, answer=""), "from A to D, not ''", id="no-answer"),
    pytest.param(lambda line: line(1, answer="a"), "from A to D, not 'a'", id="small-letter"),
    pytest.param(
        lambda line: line(1, options=["one", "two", " One ", "four"]), "the option ' One ' is there twice", id="twice"
    ),
    pytest.param(lambda line: line(1, options=["one", "", "two", "four"]), "the option B is empty", id="empty-option"),
    pytest.param(lambda line: line(1, options=["one"]), "2 to 26 options are needed, not 1", id="one-option"),
    pytest.param(
        lambda line: {k: v for k, v in line(1).items() if k != "options"}, "missing key 'options'", id="no-options"
    ),
    pytest.param(lambda line: line(1) | {"choices": []}, "unknown key 'choices'", id="unknown-key"),
    pytest.param(lambda line: line(1, question="  "), "question is empty", id="no-question"),
]


@pytest.mark.parametrize(("bad", "why"), BAD)
def test_a_bad_line_is_named_with_file_and_line(
    task: Tasks, bad: Callable[[Lines], Any], why: str, line: Lines
) -> None:
    with pytest.raises(UsageError, match=rf"questions\.jsonl:2: not a question .*(?:{why}).*\[samples-invalid\]"):
        check_task(task([line(0), bad(line)]), Extensions())


def test_an_id_that_is_there_twice_is_named(task: Tasks, line: Lines) -> None:
    with pytest.raises(UsageError, match=r"questions\.jsonl:2: the id 'q0' is there twice.*\[samples-duplicate\]"):
        check_task(task([line(0), line(0)]), Extensions())


def test_a_changed_file_is_refused(task: Tasks, line: Lines) -> None:
    made = task([line(0)], options={"sha256": hashlib.sha256(b"other").hexdigest()})
    with pytest.raises(UsageError, match=r"declare the new hash and raise the task's version.*\[samples-changed\]"):
        check_task(made, Extensions())


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"options": {"smaples": 1}}, r"options.smaples: unknown option. Did you mean 'samples'.*\[task-option\]"),
        ({"metrics": (MetricSpec(name="acc_nrom"),), "primary": "acc_nrom"}, r"'acc_norm'.*\[unknown-metric\]"),
        ({"breakdown": "topic"}, r"questions have a category, no 'topic'.*\[task-option\]"),
        ({"metrics": (MetricSpec(name="acc", group="x"),), "primary": "acc"}, r"have no groups.*\[task-option\]"),
    ],
)
def test_wrong_declarations_are_refused(task: Tasks, changed: dict[str, Any], why: str, line: Lines) -> None:
    with pytest.raises(UsageError, match=why):
        check_task(task([line(0)], **changed), Extensions())


def test_a_task_without_questions_is_refused(task: Tasks, line: Lines) -> None:
    made = Task(**{**{f: getattr(task([line(0)]), f) for f in Task.__dataclass_fields__}, "options": {}})
    with pytest.raises(UsageError, match=r"`samples` is missing.*\[task-option\]"):
        check_task(made, Extensions())


def test_a_model_without_likelihoods_is_a_skip(
    task: Tasks, context: Contexts, fake: Callable[..., Any], line: Lines
) -> None:
    with pytest.raises(NotAvailableError, match=r"loglikelihood.*\[missing-capability\]"):
        measure(task([line(0)]), "", context(fake(capabilities=["chat"])))


# -- the real thing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["core/reasoning", "core/language"])
def test_the_built_in_questions_run_on_the_scripted_model(
    key: str, built_in: Callable[[str], Task], context: Contexts, records: list[SampleRecord], values: Values
) -> None:
    task = built_in(key)
    result = measure(task, "", context(mode="full"))
    assert result.n_scored == len(records) >= 120
    # The scripted model takes the fewest words; letters are all alike to it, and each is a quarter of an answer.
    assert values(result)["acc_letters"] == pytest.approx(0.25, abs=0.02)
    assert len({metric.name for metric in result.metrics}) == 5 + 10


def test_the_real_model_finds_the_right_word_likelier(
    task: Tasks, context: Contexts, real_model: Path, records: list[SampleRecord], line: Lines, values: Values
) -> None:
    from pytest_slm.backends.llamacpp import LlamaCpp
    from pytest_slm.backends.protocol import ModelSpec

    easy = [
        ("What is the capital of France?", "Paris"),
        ("Which animal says meow?", "A cat"),
        ("What do bees make?", "Honey"),
        ("What is the opposite of hot?", "Cold"),
    ]
    lines = [
        line(number, "ABCD"[number], question=question, options=[right for _, right in easy])
        for number, (question, right) in enumerate(easy)
    ]
    backend = LlamaCpp(ModelSpec(path=str(real_model), format="gguf", settings=EngineSettings(threads=1)))
    try:
        result = measure(task(lines), "", context(backend))
    finally:
        backend.close()
    assert values(result)["acc"] >= 0.75
    assert all(math.isfinite(answer["logprob"]) for record in records for answer in record.response)
    assert Counter(len(record.response) for record in records) == {8: 4}


# -- questions of one's own -------------------------------------------------------------------------------------------


def test_a_question_needs_neither_category_nor_rationale(
    task: Tasks, context: Contexts, told: Callable[..., Any], records: list[SampleRecord], line: Lines, values: Values
) -> None:
    bare = [{key: value for key, value in line(n).items() if key not in ("category", "rationale")} for n in range(3)]
    made = task(bare)
    check_task(made, Extensions())
    result = measure(made, "", context(told(lambda _context, option: float(option == " one"))))
    assert values(result)["acc"] == 1
    assert [record.metadata for record in records] == [{}] * 3
    with pytest.raises(UsageError, match=r"breakdown: no question of questions\.jsonl has a category"):
        check_task(task(bare, breakdown="category"), Extensions())
