"""Our aggregates over lm-eval's verdicts: balanced accuracy, and confidence from the likelihoods of the choices."""

import dataclasses
import math

import pytest

from pytest_slm.core.types import MetricSpec
from pytest_slm.errors import UsageError
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.checking import check_task

BRIER = MetricSpec(name="brier", aggregate="brier", key="acc")
ERROR = MetricSpec(name="calibration_error", aggregate="calibration_error", key="acc")


def test_confidence_is_the_share_of_the_likeliest_choice(ask, arc, rows, records):
    arc = dataclasses.replace(arc, metrics=(*arc.metrics[:2], BRIER, ERROR))
    result = ask(arc, limit=60)
    sure = []
    for record in records:
        row = rows[record.metadata["index"]]
        right = row["choices"]["label"].index(row["answerKey"])
        likely = [math.exp(choice["logprob"]) for choice in record.response]
        sure.append((max(likely) / sum(likely), likely.index(max(likely)) == right))
    assert result.metric("acc").value == sum(right for _, right in sure) / 60
    brier = result.metric("brier")
    assert brier.value == pytest.approx(sum((p - right) ** 2 for p, right in sure) / 60)
    bins = {int(p * 10): [one for one in sure if int(one[0] * 10) == int(p * 10)] for p, _ in sure}
    gaps = [abs(sum(right - p for p, right in inside)) for inside in bins.values()]
    assert result.metric("calibration_error").value == pytest.approx(sum(gaps) / 60)
    assert (brier.n, brier.higher_is_better) == (60, False)
    assert len(bins) > 2, "this test could not tell bins apart"


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (dataclasses.replace(BRIER, name="two", key="acc_norm"), "two: a confidence is that of the choice of `acc`"),
        (dataclasses.replace(BRIER, key=None), "brier is made of brier; declare"),
        (dataclasses.replace(BRIER, filter="x"), "brier is made of acc; declare that one too"),
        (MetricSpec(name="macro", aggregate="macro_f1", key="acc"), "macro: of lm-eval's verdicts no macro_f1"),
        (MetricSpec(name="best", aggregate="expected_maximum", key="acc"), "no expected_maximum can be made"),
    ],
)
def test_what_cannot_be_made_of_lm_evals_verdicts_is_told_while_collecting(arc, spec, told):
    # until now such a metric was the plain mean under another name
    with pytest.raises(UsageError, match=told) as caught:
        check_task(dataclasses.replace(arc, metrics=(*arc.metrics[:2], spec)), Extensions())
    assert caught.value.slug == "task-option"


def test_choices_without_a_common_context_have_no_confidence(ask, built_in):
    # WinoGrande's choices are contexts, and the likelihood is that of what follows them
    task = built_in("language/winogrande")
    result = ask(dataclasses.replace(task, metrics=(*task.metrics, BRIER)), limit=5)
    assert [metric.name for metric in result.metrics] == [metric.name for metric in task.metrics]


def test_a_choice_that_a_server_does_not_tell_leaves_no_confidence(ask, arc, fake, hashed):
    class Silent(hashed):
        def loglikelihood(self, pairs, *progress):
            told = super().loglikelihood(pairs, *progress)
            return [dataclasses.replace(one, logprob=None) if n % 4 == 1 else one for n, one in enumerate(told)]

    arc = dataclasses.replace(arc, metrics=(*arc.metrics[:2], BRIER))
    names = [metric.name for metric in ask(arc, fake(Silent), limit=1).metrics]
    assert names == ["acc", "acc_norm"]


@pytest.mark.parametrize(("text", "exact", "balanced"), [("Yes.", 47 / 95, 0.5), ("no", 48 / 95, 0.5), ("", 0, 0)])
def test_legalbench_is_told_by_its_own_metric_and_by_lm_evals(ask, built_in, fake, text, exact, balanced):
    # 47 of 95 questions have the answer Yes; case and the full stop do not count
    result = ask(built_in("legal/proa"), fake(text=text), mode="full")
    assert result.metric("exact_match").value == pytest.approx(exact)
    assert result.metric("balanced_accuracy").value == pytest.approx(balanced)
    assert result.primary == "balanced_accuracy"


def test_a_split_that_lm_eval_does_not_ask_need_not_be_there(ask, built_in):
    # MedQA names a validation split beside its test split, and the mirror has none
    task = built_in("healthcare/multimedqa")
    result = ask(dataclasses.replace(task, options={**task.options, "task": "medqa_4options"}), limit=3)
    assert (result.primary, result.metric("acc").n) == ("acc", 3)


def test_rows_without_an_id_are_questions_of_their_own(ask, built_in, records):
    # MedMCQA has none in a third of its rows; asked several times they would be draws of one question
    task = built_in("healthcare/multimedqa")
    result = ask(dataclasses.replace(task, options={**task.options, "task": "medmcqa"}), limit=30)
    assert len({record.doc_id for record in records}) == 30
    assert {metric.name for metric in result.metrics} == {"acc", "brier", "calibration_error"}


@pytest.mark.nightly
def test_multimedqa_is_whole_and_every_question_weighs_the_same(ask, built_in, records):
    result = ask(built_in("healthcare/multimedqa"), mode="full", limit=40)
    parts = {metric.name: metric for metric in result.metrics if metric.name.startswith("acc[")}
    assert result.primary == "acc"
    assert (result.reason, len(parts), len(records)) == ("", 9, 40)
    assert result.metric("acc").value == pytest.approx(sum(part.value * part.n for part in parts.values()) / 40)
    assert result.metric("brier").n == 40
