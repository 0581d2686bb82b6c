"""Macro-F1: against the definition, class by class, and with an interval that is never sure for nothing."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.metrics import AGGREGATES
from pytest_slm.core.types import JudgedSample, MetricSpec, Sample, Verdict

SPEC = MetricSpec(name="macro_f1", aggregate="macro_f1")
PAIRS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["a", "b", "c", "other", None])), min_size=1)


def judged(pairs, clusters=None):
    return [
        JudgedSample(
            sample=Sample(id=str(place), input="", target=target, cluster=clusters and clusters[place]),
            verdict=Verdict(value=float(target == label), answer="", explanation="", label=label),
        )
        for place, (target, label) in enumerate(pairs)
    ]


def macro_f1(samples):
    return AGGREGATES["macro_f1"](SPEC, samples)


def by_definition(pairs):
    scores = []
    for name in {target for target, _ in pairs}:
        true = sum(target == label == name for target, label in pairs)
        said, there = (sum(pair[side] == name for pair in pairs) for side in (1, 0))
        precision, recall = true / said if said else 0.0, true / there
        scores.append(2 * precision * recall / (precision + recall) if true else 0.0)
    return statistics.fmean(scores)


@given(PAIRS)
def test_it_is_the_mean_of_what_precision_and_recall_give(pairs):
    assert macro_f1(judged(pairs)).value == pytest.approx(by_definition(pairs), abs=1e-12)


def test_a_class_that_is_never_answered_counts_as_much_as_the_others():
    # 95 % are right, which the mean would tell, and half of the classes are unknown to the model
    pairs = [("yes", "yes")] * 19 + [("no", "yes")]
    metric = macro_f1(judged(pairs))
    assert metric.value == pytest.approx((2 * 19 / (19 + 20)) / 2)
    assert metric.n == 20


def test_no_class_at_all_is_a_miss_and_a_sample_without_score_is_none():
    samples = judged([("a", "a"), ("a", None)])
    unscored = JudgedSample(
        sample=Sample(id="x", input="", target="a"), verdict=Verdict(value=None, answer="", explanation="")
    )
    metric = macro_f1([*samples, unscored])
    assert (metric.value, metric.n) == (pytest.approx(2 / 3), 2)
    assert macro_f1([unscored]) is None


def test_a_foreign_label_is_no_class_of_its_own():
    # with "maybe" as a third class, of which no sample is, the value would fall to two thirds of what it is
    assert macro_f1(judged([("a", "a"), ("b", "b"), ("b", "maybe")])).value == pytest.approx((1 + 2 / 3) / 2)


def test_all_right_is_no_certainty_and_a_rare_class_leaves_more_doubt():
    even, rare = (macro_f1(judged([("a", "a")] * n + [("b", "b")] * (40 - n))) for n in (20, 38))
    assert even.value == rare.value == 1
    assert rare.interval[0] < even.interval[0] < 1 == even.interval[1]


def test_one_sample_leaves_the_interval_unknown():
    assert macro_f1(judged([("a", "a")])).interval is None


def test_the_error_is_that_of_the_delta_method():
    # two classes by hand: the derivative of every F1 is (2 hit - F1 (in + said)) / (n_in + n_said)
    pairs = [("a", "a")] * 30 + [("a", "b")] * 10 + [("b", "a")] * 5 + [("b", "b")] * 15
    f_a, f_b = 60 / 75, 30 / 45
    pulls = {
        ("a", "a"): (2 - 2 * f_a) / 75 / 2,
        ("a", "b"): (-f_a / 75 - f_b / 45) / 2,
        ("b", "a"): (-f_a / 75 - f_b / 45) / 2,
        ("b", "b"): (2 - 2 * f_b) / 45 / 2,
    }
    assert sum(pulls[pair] for pair in pairs) == pytest.approx(0)
    expected = (60 / 59 * sum(pulls[pair] ** 2 for pair in pairs)) ** 0.5
    assert macro_f1(judged(pairs)).stderr == pytest.approx(expected)


@given(PAIRS, st.integers(2, 4))
def test_copies_of_a_sample_bring_no_certainty(pairs, times):
    once = macro_f1(judged(pairs))
    copied = [pair for pair in pairs for _ in range(times)]
    clusters = [str(place) for place in range(len(pairs)) for _ in range(times)]
    again = macro_f1(judged(copied, clusters))
    assert again.value == pytest.approx(once.value, abs=1e-12)
    assert (again.stderr is None) == (once.stderr is None)
    if once.stderr is not None:
        assert again.stderr == pytest.approx(once.stderr, abs=1e-12)


@given(PAIRS, st.randoms())
def test_it_is_in_its_interval_and_has_no_order(pairs, random):
    metric = macro_f1(judged(pairs))
    again = macro_f1(judged(random.sample(pairs, len(pairs))))
    assert again.value == pytest.approx(metric.value, abs=1e-12)
    if metric.interval is not None:
        assert 0 <= metric.interval[0] <= metric.value <= metric.interval[1] <= 1
        assert again.interval == pytest.approx(metric.interval, abs=1e-9)


def macro_recall(samples):
    return AGGREGATES["macro_recall"](MetricSpec(name="balanced", aggregate="macro_recall"), samples)


@given(PAIRS)
def test_balanced_accuracy_is_the_mean_of_the_recalls(pairs):
    recalls = [
        statistics.fmean(float(label == name) for target, label in pairs if target == name)
        for name in {target for target, _ in pairs}
    ]
    made = macro_recall(judged(pairs))
    assert made.value == pytest.approx(statistics.fmean(recalls), abs=1e-12)
    assert made.interval is None or made.interval[0] <= made.value <= made.interval[1]


def test_always_the_same_class_gets_one_of_so_many_classes():
    pairs = [(target, "a") for target, n in (("a", 50), ("b", 3), ("c", 1), ("d", 1)) for _ in range(n)]
    assert macro_recall(judged(pairs)).value == 0.25


def f1(pairs, name="a"):
    return AGGREGATES["f1"](MetricSpec(name="f1", aggregate="f1", label=name), judged(pairs))


@given(PAIRS)
def test_f1_of_each_class_makes_the_macro_f1(pairs):
    classes = {target for target, _ in pairs}
    made = [f1(pairs, name) for name in sorted(classes)]
    assert statistics.fmean(one.value for one in made) == pytest.approx(macro_f1(judged(pairs)).value)
    assert all(one.interval is None or one.interval[0] <= one.value <= one.interval[1] for one in made)


def test_f1_of_a_class_that_is_not_there_was_not_measured():
    assert f1([("a", "a"), ("b", "c")], "c") is None
    assert f1([("a", "b"), ("b", "b")], "a").value == 0


def test_f1_names_its_class_and_nothing_else_does():
    with pytest.raises(ValueError, match="label"):
        MetricSpec(name="f1", aggregate="f1")
    with pytest.raises(ValueError, match="label"):
        MetricSpec(name="mean", label="a")


def weighted_f1(samples):
    return AGGREGATES["weighted_f1"](MetricSpec(name="weighted_f1", aggregate="weighted_f1"), samples)


def test_weighted_f1_weighs_each_class_by_its_samples():
    # by hand: F1 of a and of b is 2/3, that of c is 0; two, one and one of four samples belong to them
    assert weighted_f1(judged([("a", "a"), ("a", "b"), ("b", "b"), ("c", None)])).value == pytest.approx(0.5)
    # who calls all of 6 in 10 neutral gets 0.6 * 2 * 0.6 / 1.6
    assert weighted_f1(judged([("n", "n")] * 6 + [("p", "n")] * 4)).value == pytest.approx(0.45)


@given(PAIRS)
def test_the_error_of_weighted_f1_is_how_it_moves_with_the_weight_of_each_sample(pairs):
    # each sample counted 10,000 times, and one of them once more: the slope is what it does to the value
    def value(counts):
        n, found = sum(counts.values()), 0.0
        for name in {target for target, _ in counts}:
            there = sum(k for (target, _), k in counts.items() if target == name)
            said = sum(k for (_, label), k in counts.items() if label == name)
            found += there / n * 2 * counts.get((name, name), 0) / (there + said)
        return found

    times = 10_000
    counts = {pair: times * pairs.count(pair) for pair in set(pairs)}
    n = sum(counts.values())
    slopes = {pair: n * (value({**counts, pair: counts[pair] + 1}) - value(counts)) for pair in counts}
    metric = weighted_f1(judged(pairs))
    if len(pairs) > 1:
        expected = (sum(slopes[pair] ** 2 for pair in pairs) / len(pairs) / (len(pairs) - 1)) ** 0.5
        assert metric.stderr == pytest.approx(expected, rel=2e-3, abs=2e-4)
    assert metric.value == pytest.approx(value(counts))
