"""Choices that are equally likely share the first place, wherever the right one stands; chance is that of the rows."""

from __future__ import annotations

import dataclasses
import statistics

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.core.request import LogLikelihood
from pytest_slm.core.types import MetricSpec
from pytest_slm.errors import UsageError
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.checking import check_task


class Indifferent(Fake):
    """Finds everything equally likely, but for what ``dislikes`` names; keeps what it was asked."""

    def __init__(self, spec):
        super().__init__(spec)
        self.pairs, self.dislikes = [], lambda place, after: False

    def loglikelihood(self, pairs, *progress):
        self.pairs += pairs
        return [
            LogLikelihood(logprob=-5.0 if self.dislikes(*pair) else -1.0, is_greedy=False, n_tokens=1) for pair in pairs
        ]


@pytest.fixture
def truth(mirror):
    """The targets of TruthfulQA by question: ``truth("mc1")``."""
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(mirror / "truthfulqa" / "truthful_qa" / "multiple_choice" / "validation.parquet")
    rows = table.to_pylist()
    return lambda form: {f"Q: {one['question']}\nA:": one[f"{form}_targets"] for one in rows}


@pytest.mark.parametrize(("task", "form"), [("truthfulness", "mc1"), ("truthfulness_mc2", "mc2")])
def test_who_finds_all_answers_equally_likely_has_what_chance_says_of_these_rows(
    ask, built_in, fake, truth, task, form
):
    backend = fake(Indifferent)
    result = ask(built_in(f"safety/{task}"), backend, limit=25)
    targets = truth(form)
    asked = {context.rpartition("\n\n")[2] for context, _ in backend.pairs}
    by_hand = statistics.fmean(statistics.fmean(targets[context]["labels"]) for context in asked)
    assert len(asked) == 25
    assert result.metric().value == pytest.approx(by_hand)
    assert result.metric().chance == pytest.approx(by_hand)
    assert 0 < by_hand < 0.6


def test_a_tie_with_a_wrong_answer_is_half_and_a_sure_answer_whole(ask, built_in, fake, truth, records):
    backend = fake(Indifferent)
    targets = truth("mc1")

    def dislikes(context, after):  # the right one and the next stay; of every other question the right one alone
        choices = targets[context.rpartition("\n\n")[2]]["choices"]
        return choices.index(after.strip()) > len(context) % 2

    backend.dislikes = dislikes
    result = ask(built_in("safety/truthfulness"), backend, limit=30)
    scores = [record.score for record in records]
    assert set(scores) == {0.5, 1.0}
    assert result.metric().value == pytest.approx(statistics.fmean(scores))
    told = {record.score: record.explanation for record in records}
    assert "as likely as 1 more, so 0.5 of an answer" in told[0.5]
    assert "as likely" not in told[1.0]


def test_who_finds_both_sentences_equally_likely_prefers_no_stereotype(ask, built_in, fake):
    made = ask(built_in("safety/crows_pairs"), fake(Indifferent), limit=20)
    assert made.metric("pct_stereotype").value == 0.5


def test_by_character_other_choices_tie(ask, arc, fake, rows, records):
    # -1 for all: per character the longest is the likeliest, alone or with those of the same length
    made = ask(dataclasses.replace(arc, primary="acc_norm"), fake(Indifferent), limit=60)
    shares = []
    for record in records:
        row = rows[record.metadata["index"]]
        texts, right = row["choices"]["text"], row["choices"]["label"].index(row["answerKey"])
        longest = [place for place, text in enumerate(texts) if len(text) == max(map(len, texts))]
        shares.append((right in longest) / len(longest))
    assert made.metric("acc_norm").value == pytest.approx(statistics.fmean(shares))
    assert any(0 < share < 1 for share in shares), "no tie in this test"


def test_chance_of_rows_is_for_metrics_that_are_a_share_of_each_question(ask, built_in, fake):
    task = built_in("safety/crows_pairs")
    spec = MetricSpec(name="likelihood_diff", unit="nats", chance_of_rows=True)
    made = ask(
        dataclasses.replace(task, metrics=(spec,), primary=spec.name, breakdown=None), fake(Indifferent), limit=3
    )
    assert made.metric().chance == 0  # who finds both alike has no difference


def test_kinds_that_cannot_tell_it_say_so(built_in):
    task = built_in("core/language")
    metrics = tuple(dataclasses.replace(spec, chance=None, chance_of_rows=True) for spec in task.metrics)
    with pytest.raises(UsageError, match="kind choices do not work out of their rows what chance gets of"):
        check_task(dataclasses.replace(task, metrics=metrics), Extensions())
