"""Verdicts are those of the recorded likelihoods, and a share is told as the share it is."""

import dataclasses
import functools
import math

import pytest

from pytest_slm.core.types import MetricSpec
from pytest_slm.errors import BackendError, UsageError
from pytest_slm.run.drive import measure


def test_acc_and_acc_norm_are_those_of_the_recorded_likelihoods(ask, arc, rows, records):
    result = ask(arc, limit=80)
    plain = normed = 0
    for record in records:
        row = rows[record.metadata["index"]]
        right = row["choices"]["label"].index(row["answerKey"])
        likelihoods = [choice["logprob"] for choice in record.response]
        lengths = [len(text) for text in row["choices"]["text"]]
        per_letter = [a / b for a, b in zip(likelihoods, lengths, strict=True)]
        plain += likelihoods.index(max(likelihoods)) == right
        norm = per_letter.index(max(per_letter)) == right
        normed += norm
        assert record.score == float(norm)  # the primary metric of the task is acc_norm
    assert result.metric("acc").value == plain / 80
    assert result.metric("acc_norm").value == normed / 80
    assert plain != normed, "this test could not tell them apart"
    assert 0 < plain < 80


@pytest.mark.parametrize(("favoured", "score"), [(True, 1.0), (False, 0.0)])
def test_a_model_that_knows_all_answers_has_1_and_one_that_avoids_them_0(
    ask, arc, rows, fake, hashed, prompt, favoured, score
):
    right = {(prompt(r), " " + r["choices"]["text"][r["choices"]["label"].index(r["answerKey"])]) for r in rows}

    class Knowing(hashed):
        def likelihood(self, context, continuation):
            return -0.001 if ((context, continuation) in right) == favoured else -5000.0

    result = ask(arc, fake(Knowing), limit=25)
    assert [metric.value for metric in result.metrics if metric.name == "acc"] == [score]
    # acc_norm divides by the length of a choice: which wrong one then wins differs, but the right one does not
    assert result.metric("acc_norm").value == score


def test_accuracy_is_better_when_higher_and_has_wilsons_interval(ask, arc):
    result = ask(arc, limit=10)
    for metric in map(result.metric, ("acc", "acc_norm")):
        assert metric.higher_is_better
        assert 0 <= metric.interval[0] <= metric.value <= metric.interval[1] <= 1


@pytest.mark.parametrize(("verdicts", "known"), [([(1, 1)] * 8, False), ([(1, 1)] * 5 + [(1, 0)] * 3, True)])
def test_a_metric_of_a_whole_corpus_that_no_question_moves_has_no_interval(lm_eval, task_of_f1, verdicts, known):
    # Eight right answers have an F1 of 1 whichever of them is left out: that is no certainty.
    from pytest_slm.lm_eval.judging import JudgedQuestion, _metric

    judged = [JudgedQuestion(task="t", cluster=n, verdicts={"f1": pair}) for n, pair in enumerate(verdicts)]
    metric = _metric(task_of_f1, MetricSpec(name="f1"), judged, clustered=False)
    assert (metric.interval is not None) == known
    assert 0 < metric.value <= 1


@pytest.fixture
def task_of_f1():
    """What is asked of a task of lm-eval, of one that has F1 of pairs (right, said)."""

    class Task:
        class config:
            task = "t"

        def higher_is_better(self):
            return {"f1": True}

        def aggregation(self):
            def f1(pairs):
                hits = sum(right and said for right, said in pairs)
                return 2 * hits / sum(right + said for right, said in pairs)

            return {"f1": f1}

    return Task()


def test_a_share_that_is_better_when_lower_is_told_as_it_is(ask, arc, mirror, records):
    # pct_stereotype is the share of pairs whose stereotyped sentence is likelier: 1 minus that is another quantity
    if not (mirror / "jannalu" / "crows_pairs_multilingual").is_dir():
        pytest.skip("needs CrowS-Pairs in the mirror")
    spec = MetricSpec(name="pct_stereotype")
    task = dataclasses.replace(arc, options={"task": "crows_pairs_english"}, metrics=(spec,), primary="pct_stereotype")
    metric = ask(task, limit=40).metric()
    first_likelier = sum(record.response[0]["logprob"] > record.response[1]["logprob"] for record in records)
    assert not metric.higher_is_better
    assert metric.value == first_likelier / 40 != 0.5
    assert metric.interval[0] <= metric.value <= metric.interval[1]


def test_what_is_no_share_is_refused(ask, arc, mirror):
    # likelihood_diff is a difference of log-likelihoods, without bounds: no interval in [0, 1] holds it
    if not (mirror / "jannalu" / "crows_pairs_multilingual").is_dir():
        pytest.skip("needs CrowS-Pairs in the mirror")
    spec = MetricSpec(name="likelihood_diff")
    task = dataclasses.replace(arc, options={"task": "crows_pairs_english"}, metrics=(spec,), primary=spec.name)
    with pytest.raises(UsageError, match=r"'likelihood_diff' .* no share"):
        ask(task, limit=5)


def test_every_likelihood_that_is_recorded_is_finite(ask, arc, records):
    ask(arc, limit=5)
    assert all(math.isfinite(choice["logprob"]) for record in records for choice in record.response)


@pytest.mark.parametrize("always", [False, True])
def test_an_answer_that_lm_eval_cannot_read_costs_its_own_sample(
    lm_eval, built_in, context, mirror, records, monkeypatch, fake, always
):
    # Tasks are programs: int() refuses 5,000 digits, and says nothing about the other answers. If the task fails on an
    # empty answer too, it is not the answer that is odd.
    from lm_eval.api.task import ConfigurableTask

    process, odd = ConfigurableTask.process_results, "9" * 5000

    def fragile(self, doc, results):
        int(odd if always or odd in str(results) else "9")
        return process(self, doc, results)

    monkeypatch.setattr(ConfigurableTask, "process_results", fragile)

    class Odd(type(fake())):
        def generate(self, requests, *callbacks):
            made = super().generate(requests)
            return [dataclasses.replace(made[0], text=f"#### {odd}"), *made[1:]]

    backend = fake(Odd, text="#### 9")
    run = functools.partial(measure, built_in("math/gsm8k"), "", context(backend, data=str(mirror), limit=3))
    if always:
        with pytest.raises(BackendError, match="its row may be broken"):
            run()
        return
    assert run().n_scored == 3
    assert [record.explanation.startswith("lm-eval cannot read the answer (ValueError: ") for record in records] == [
        True,
        False,
        False,
    ]
    assert records[0].score == 0.0
