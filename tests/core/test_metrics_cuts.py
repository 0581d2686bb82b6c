"""What answers that were cut off leave open of a metric: never less than it, never more."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_slm.core.metrics import AGGREGATES, NothingScoredError, task_metrics
from pytest_slm.core.record import RecordError
from pytest_slm.core.types import Cuts, JudgedSample, Metric, MetricSpec, Sample, Task, Verdict


def task(*specs, **more):
    return Task(name="t", suite="s", kind="checks", description="", primary=specs[0].name, metrics=specs, **more)


def judged(*rows, **more):
    """Samples of (value, ending), each in a group, a cluster and a class by its place."""
    return [
        JudgedSample(
            sample=Sample(id=str(n), input="", target="ab"[n % 2], groups=("even", "odd")[n % 2 :][:1], **more),
            verdict=Verdict(value=value, answer="", explanation=""),
            ending=ending,
        )
        for n, (value, ending) in enumerate(rows)
    ]


def bounds(spec, samples):
    (metric,) = task_metrics(task(spec), samples)
    assert metric.cuts is not None
    return metric.cuts.bounds


MEAN = MetricSpec(name="m")
MIXED = ((1.0, "whole"), (0.0, "whole"), (1.0, "cut"), (0.0, "censored"))


def test_shares_and_bounds_of_a_mean():
    (metric,) = task_metrics(task(MEAN), judged(*MIXED))
    assert metric.value == 0.5
    assert metric.cuts == Cuts(cut=0.25, censored=0.25, lower=0.25, upper=0.75)


def test_where_nothing_was_cut_there_is_nothing_open():
    (metric,) = task_metrics(task(MEAN), judged((1.0, "whole"), (0.0, "whole")))
    assert metric.cuts == Cuts(cut=0.0, censored=0.0, lower=0.5, upper=0.5)


def test_where_nothing_was_written_nothing_is_said():
    assert task_metrics(task(MEAN), judged((1.0, None), (0.0, None)))[0].cuts is None


def test_of_a_rate_that_should_be_small_the_lower_bound_is_that_of_right_answers():
    rate = MetricSpec(name="attack_success_rate", group="even", complement=True)
    # of the even ones the first was refused and the other was cut off
    assert bounds(rate, judged(*MIXED)) == (0.0, 0.5)
    (metric,) = task_metrics(task(rate), judged(*MIXED))
    assert (metric.value, metric.higher_is_better, metric.cuts.cut, metric.cuts.censored) == (0.0, False, 0.5, 0.0)


def test_groups_of_a_balanced_metric_are_bounded_each_by_itself():
    spec = MetricSpec(name="m", balance=("even", "odd"))
    rows = ((1.0, "whole"), (0.0, "whole"), (1.0, "whole"), (0.0, "cut"), (1.0, "whole"), (1.0, "whole"))
    assert bounds(spec, judged(*rows)) == pytest.approx(((1 + 1 / 3) / 2, (1 + 2 / 3) / 2))


def test_a_cut_answer_that_could_not_be_scored_is_open_too():
    assert bounds(MEAN, judged((1.0, "whole"), (None, "cut"), (0.0, "whole"))) == pytest.approx((1 / 3, 2 / 3))


def test_of_clusters_and_of_several_draws():
    rows = ((1.0, "whole"), (1.0, "cut"), (0.0, "cut"), (0.0, "whole"))
    assert bounds(MetricSpec(name="m", aggregate="twins"), judged(*rows, cluster="c")) == (0.0, 0.0)
    assert bounds(MetricSpec(name="m", aggregate="twins"), judged(*rows[:3], cluster="c")) == (0.0, 1.0)
    draws = MetricSpec(name="m", aggregate="expected_maximum", parameters={"k": 2})
    # 2 of 4: with one right answer half of the draws have it, with two five of six, with three all
    assert bounds(draws, judged(*rows, cluster="c")) == pytest.approx((1 / 2, 1.0))


def test_a_breakdown_is_bounded_by_its_part():
    samples = [
        replace(one, sample=replace(one.sample, metadata={"topic": "ab"[n % 2]}))
        for n, one in enumerate(judged(*MIXED))
    ]
    _, a, b = task_metrics(task(MEAN, breakdown="topic"), samples)
    assert (a.name, a.cuts.bounds, a.cuts.cut) == ("m[topic=a]", (0.5, 1.0), 0.5)
    assert (b.name, b.cuts.bounds, b.cuts.censored) == ("m[topic=b]", (0.0, 0.5), 0.5)


def test_a_value_of_another_key_stays_where_it_was_not_asked():
    samples = [
        replace(one, verdict=replace(one.verdict, values={"m": 1.0, "n": value}))
        for one, value in zip(judged(*MIXED), (None, None, None, 1.0), strict=True)
    ]
    _, other = task_metrics(task(MEAN, MetricSpec(name="n")), samples)
    assert (other.n, other.cuts.bounds) == (1, (0.0, 1.0))


def test_a_metric_outside_of_its_bounds_is_none():
    with pytest.raises(RecordError, match=r"0.5 is not between its bounds"):
        Metric(name="m", value=0.5, n=1, cuts=Cuts(cut=0.5, censored=0, lower=0.6, upper=0.7))
    with pytest.raises(RecordError, match="two bounds or none"):
        Cuts(cut=0.5, censored=0, lower=0.6)
    with pytest.raises(RecordError, match="shares of cut answers"):
        Cuts(cut=0.7, censored=0.7)


SHARES = st.sampled_from([0.0, 1.0, 0.5, None])
ROWS = st.lists(
    st.tuples(
        SHARES,
        st.sampled_from(["whole", "whole", "cut", "censored"]),
        st.sampled_from(["a", "b", None]),  # cluster
        st.sampled_from(["a", "b", "c"]),  # target
        st.sampled_from(["a", "b", None]),  # label
        st.floats(0, 1),
    ),
    min_size=1,
    max_size=9,
)
NEEDED = {"f1": {"label": "a"}, "gap": {"balance": ("a", "b")}}
SPECS = [
    *(MetricSpec(name=name, aggregate=name, **NEEDED.get(name, {})) for name in AGGREGATES),
    MetricSpec(name="rate", complement=True),
    MetricSpec(name="balanced", balance=("a", "b")),
    MetricSpec(name="group", group="a", complement=True),
    MetricSpec(name="draws", aggregate="expected_maximum", parameters={"k": 2}),
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_metric_is_between_its_bounds_and_so_is_every_way_in_which_the_cut_answers_could_have_come_out(spec):
    @settings(max_examples=40)
    @given(ROWS, st.data())
    def holds(rows, data):
        samples = [
            JudgedSample(
                sample=Sample(id=str(n), input="", target=target, cluster=cluster, groups=(target,)),
                verdict=Verdict(value=value, answer="", explanation="", label=label, confidence=confidence),
                ending=ending,
            )
            for n, (value, ending, cluster, target, label, confidence) in enumerate(rows)
        ]
        try:
            (metric,) = task_metrics(task(spec), samples)
        except NothingScoredError:
            return
        if metric.cuts is None:  # nothing was written for it
            return
        if spec.aggregate == "gap" and metric.cuts.bounds is None:  # nobody knows them
            return
        low, high = metric.cuts.bounds
        assert low <= metric.value <= high
        if spec.aggregate in ("macro_f1", "macro_recall", "twins", "expected_maximum") or None in {
            row[0] for row in rows
        }:
            return  # another way may count other classes or clusters
        other = [
            one
            if one.ending == "whole"
            else replace(one, verdict=replace(one.verdict, value=data.draw(st.sampled_from([0.0, 1.0]))))
            for one in samples
        ]
        made = AGGREGATES[spec.aggregate](spec, other)
        assert made is None or low - 1e-9 <= made.value <= high + 1e-9

    holds()
