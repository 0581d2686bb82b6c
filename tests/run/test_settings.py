"""The user's settings on their way into requests, and what is told of questions that were asked several times."""

import dataclasses
import math

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.metrics import task_metrics
from pytest_slm.core.request import GenerationSettings, Likelihoods, Together
from pytest_slm.core.types import JudgedSample, Message, MetricSpec, Request, Sample, Task, Verdict
from pytest_slm.run import settings
from pytest_slm.run.drive import drive, first_round

SYSTEM, USER = Message(role="system", content="Own."), Message(role="user", content="Why?")
SAID = GenerationSettings(temperature=0.5, max_tokens=7, system="Given.", repeats=3)


def test_nothing_said_changes_nothing():
    request = Request(messages=(USER,), seed=3)
    assert GenerationSettings().applied(request, repeat=2, of="a") is request
    assert GenerationSettings(repeats=1, fewshot=2).applied(request) is request


def test_a_system_message_stands_before_conversations_without_one():
    first = SAID.applied(Request(messages=(USER,)))
    assert first.messages == (Message(role="system", content="Given."), USER)
    assert SAID.applied(Request(messages=(SYSTEM, USER))).messages == (SYSTEM, USER)
    assert SAID.applied(Request(messages=(USER, SYSTEM, USER))).messages == (USER, SYSTEM, USER)
    assert SAID.applied(Request(prompt="Why?")).prompt == "Why?"


def test_each_time_and_each_question_has_a_seed_of_its_own_where_chance_decides():
    asked = [(seed, time, name) for seed in (1, 2) for time in range(3) for name in ("a", "b")]
    seeds = [SAID.applied(Request(prompt="?", seed=seed), repeat=time, of=name).seed for seed, time, name in asked]
    assert len(set(seeds)) == len(asked)
    assert all(0 <= seed < 2**31 for seed in seeds)
    greedy = GenerationSettings(temperature=0.0, max_tokens=4)
    assert greedy.applied(Request(prompt="?", seed=9, temperature=1.0), of="a") == Request(
        prompt="?", seed=9, temperature=0.0, max_tokens=4
    )


def test_what_is_for_timing_stays_as_it_is():
    request = Request(messages=(USER,), forced_length=True, max_tokens=64)
    assert SAID.applied(request) is request


@pytest.mark.parametrize(("template", "stops"), [("chatml", ("<|im_end|>",)), ("none", ("\nQuestion:",)), ("f", ())])
def test_what_ends_an_answer_in_a_form_that_the_model_was_not_taught(template, stops):
    said = GenerationSettings(chat_template=template)
    assert said.applied(Request(messages=(USER,), stop=("x",))).stop == ("x", *stops)
    assert said.applied(Request(prompt="?", stop=("x",))).stop == ("x",)


def model(**script):
    fake = Fake(ModelSpec(path=None, format="fake"))
    fake._script = script
    return fake


def written_with(written, said, backend, samples, talk):
    kind = written(backend, samples, talk)
    config = dataclasses.replace(kind.context.config, generation=said)
    kind.context = dataclasses.replace(kind.context, config=config)
    return kind


def right(sample, text):
    return Verdict(value=float(text == sample.target), answer=text, explanation="")


def test_only_what_is_written_is_asked_again(written, lines):
    def talk(sample):
        if sample.id == "likely":
            yield Likelihoods(pairs=(("a", "b"),))
            return Verdict(value=1.0, answer="", explanation="")
        first, _ = yield Together(asks=(Request(prompt=sample.id), Request(prompt="x")))
        again = yield Request(prompt=first.text)
        return right(sample, again.text)

    samples = [Sample(id=name, input=name, target="yes") for name in ("likely", "said")]
    result = drive(written_with(written, SAID, model(text="yes"), samples, talk))
    assert sorted((line.doc_id, line.repeat, line.cluster) for line in lines) == [
        ("likely", 0, None),
        *(("said", time, "said") for time in range(3)),
    ]
    assert {line.request["max_tokens"] for line in lines if line.doc_id == "said"} == {7}
    assert result.metric().value == 1.0


def test_a_plan_counts_every_time(written):
    def talk(sample):
        answer = yield Request(prompt="?")
        return right(sample, answer.text)

    samples = [Sample(id=str(n), input="?", target="yes") for n in range(5)]
    asked = first_round(written_with(written, SAID, model(), samples, talk), most=100)
    assert (asked.samples, asked.whole, len(asked.requests)) == (5, 5, 15)


# -- metrics -----------------------------------------------------------------------------------------------------------


def judged(answers, groups=(), **verdict):
    """``judged({"q": "yyn"})``: answers of each question; y is right."""
    return [
        JudgedSample(
            sample=Sample(id=name, input="", cluster=name, groups=groups),
            verdict=Verdict(value=float(one == "y"), answer=one, explanation="", **verdict),
            ending="whole",
            repeat=time,
        )
        for name, letters in answers.items()
        for time, one in enumerate(letters)
    ]


def task(**spec):
    metric = MetricSpec(name="m", **spec)
    return Task(name="t", suite="s", kind="checks", description="", primary="m", metrics=(metric,))


def told(a_task, answers):
    return {metric.name: metric for metric in settings.metrics(a_task, answers)}


def test_pass_at_k_is_the_mean_over_all_draws():
    found = told(task(), judged({"a": "yynnn", "b": "nnnnn", "c": "yyyyy"}))
    assert list(found) == ["pass@2", "pass@4", "pass@5", "majority"]
    assert found["pass@2"].value == pytest.approx((1 - math.comb(3, 2) / math.comb(5, 2) + 0 + 1) / 3)
    assert found["pass@5"].value == pytest.approx(2 / 3)
    assert found["pass@2"].n == 3


def test_a_majority_is_of_answers_not_of_right_ones():
    # b: three different wrong answers, two right ones; c: a tie of right and wrong
    found = told(task(), judged({"a": "yynnn", "b": "yy123", "c": "yynn"}))
    assert found["majority"].value == pytest.approx((0 + 1 + 0.5) / 3)


def test_programs_have_no_majority():
    assert "majority" not in told(task(key="pass@1"), judged({"a": "yn"}, values={"pass@1": 1.0}))


@pytest.mark.parametrize("spec", [{"complement": True}, {"aggregate": "twins"}, {"unit": "words"}])
def test_other_metrics_than_means_of_right_answers_have_neither(spec):
    assert not told(task(**spec), judged({"a": "yn"}))


def test_partial_credit_has_a_majority_and_no_passes():
    answers = [
        dataclasses.replace(one, verdict=dataclasses.replace(one.verdict, value=0.5))
        for one in judged({"a": "xy", "b": "zz"})
    ]
    assert list(told(task(), answers)) == ["majority"]


def test_what_could_not_be_scored_is_left_out_of_its_question():
    answers = judged({"a": "yn", "b": "yy"})
    answers[0] = dataclasses.replace(answers[0], verdict=Verdict(value=None, answer="y", explanation=""))
    found = told(task(), answers)
    assert (found["pass@2"].value, found["pass@2"].n) == (1.0, 1)  # of a one answer is left, which says nothing of 2
    assert (found["majority"].value, found["majority"].n) == (0.5, 2)


def test_questions_that_happen_to_be_alike_are_no_certainty():
    found = told(task(), judged({"a": "yynn", "b": "ynyn"}))
    assert (found["pass@2"].interval, found["pass@2"].stderr) == (None, None)
    assert found["pass@4"].interval is not None  # of right and wrong: Wilson's


def test_twins_that_were_asked_twice_are_a_set_each_time():
    def pair(time, values):
        return [
            dataclasses.replace(one, sample=dataclasses.replace(one.sample, id=str(place), cluster="pair"), repeat=time)
            for place, one in enumerate(judged({"x": values}))
        ]

    twins = task(aggregate="twins")
    (metric,) = task_metrics(twins, [*pair(0, "yy"), *pair(1, "yn")])
    assert (metric.value, metric.n) == (0.5, 2)


class Drafting(Fake):
    """Has another model draft for it, of which it keeps three of four tokens; for every second text there was none."""

    def generate(self, requests, *progress):
        answers = super().generate(requests)
        return [
            dataclasses.replace(answer, n_drafted=4 * (place % 2), n_accepted=3 * (place % 2))
            for place, answer in enumerate(answers)
        ]


def test_how_many_drafted_tokens_were_kept_is_a_metric_of_its_own(written):
    def talk(sample):
        answer = yield Request(prompt="?")
        return right(sample, answer.text)

    samples = [Sample(id=str(n), input="?", target="yes") for n in range(6)]
    metrics = {}
    for kind in (Drafting, Fake):
        result = drive(written(kind(ModelSpec(path=None, format="fake")), samples, talk))
        metrics[kind] = {metric.name: (metric.value, metric.n, metric.interval) for metric in result.metrics}
        assert result.primary == "right"
    assert metrics[Drafting]["draft_acceptance"] == (0.75, 12, None)
    assert "draft_acceptance" not in metrics[Fake]
