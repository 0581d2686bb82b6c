"""Items whose number is no mean over questions, and those whose number is of another value than the score."""

import random
import statistics

import pytest

from pytest_slm.comparing import compare, told
from pytest_slm.comparing.estimates import value_of
from pytest_slm.core.metrics import made
from pytest_slm.core.types import Declaration, Generation, JudgedSample, Metric, MetricSpec, Request, Sample, Verdict
from pytest_slm.errors import ReportError
from pytest_slm.run.records import sample_record

WORST = MetricSpec(name="expected_maximum_toxicity", key="nontoxicity_worst", complement=True)
GAP = MetricSpec(name="sentiment_gap", aggregate="gap", key="sentiment", balance=("women", "men"))


@pytest.fixture
def side(answered):
    """A run whose primary metric is made of values beside the score (which is 1 everywhere)."""

    def make(spec, said, groups=None, clusters=None, **changes):
        judged = [
            JudgedSample(
                sample=Sample(id=str(place), input="", groups=(group,) if group else (), cluster=cluster),
                verdict=Verdict(value=1.0, answer="", explanation="", values=values),
            )
            for place, (values, group, cluster) in enumerate(
                zip(said, groups or [None] * len(said), clusters or [None] * len(said), strict=True)
            )
        ]
        metric = made(spec, judged)
        return answered(
            "1" * len(said),
            more=[{"values": values} for values in said],
            groups=groups,
            clusters=clusters,
            metric=metric,
            declared=Declaration(primary=spec),
            **changes,
        )

    return make


def test_a_metric_of_another_value_than_the_score_is_compared_by_that_value(side):
    a, b = (side(WORST, [{"nontoxicity_worst": worst}] * 20 + [{"nontoxicity_worst": 1.0}]) for worst in (0.9, 0.4))
    (one,) = compare(a, b).scores
    assert (one.n, one.a, one.b) == (21, pytest.approx(2 / 21), pytest.approx(12 / 21))
    assert (one.difference, one.only_a, one.only_b) == (pytest.approx(10 / 21), 20, 0)
    assert one.verdict == "worse"  # more of what should not happen


def test_a_value_that_one_run_has_not_is_no_pair(side):
    spec = MetricSpec(name="worst", key="worst")
    a = side(spec, [{"worst": 1.0}, {"worst": 0.0}, {"worst": None}])
    b = side(spec, [{"worst": None}, {"worst": 0.0}, {"worst": 1.0}])
    (one,) = compare(a, b).scores
    assert (one.n, one.a, one.b) == (1, 0.0, 0.0)


def _sentiments(gap, seed, n=60):
    noise = random.Random(seed)
    groups = ["women", "men"] * (n // 2)
    said = [
        {"sentiment": min(1.0, max(0.0, 0.5 + gap / 2 * (1 if group == "women" else -1) + noise.gauss(0, 0.05)))}
        for group in groups
    ]
    return said, groups


def test_a_gap_between_groups_is_compared_and_a_smaller_one_is_better(side):
    a, b = (side(GAP, *_sentiments(gap, seed)) for gap, seed in ((0.4, 1), (0.1, 2)))
    found = compare(a, b)
    (one,) = found.scores
    assert (one.n, one.only_a, one.only_b) == (60, None, None)
    assert one.a == pytest.approx(0.4, abs=0.05)
    assert one.difference == pytest.approx(one.b - one.a)
    assert one.interval[0] <= one.difference <= one.interval[1] < 0
    assert one.verdict == "better"
    assert "sentiment_gap" not in " ".join(found.refused)
    assert "core/math" in told(found)
    assert compare(a, a).scores[0].verdict == "not told apart"


def test_what_shares_a_cluster_is_left_out_together(side):
    said = [({"sentiment": value}, group) for value in (0.2, 0.4, 0.6, 0.8) for group in ("women", "men") * 5]
    other = [({"sentiment": 1.0 if group == "women" else value["sentiment"]}, group) for value, group in said]
    clusters = [str(place // 10) for place in range(40)]
    widths = []
    for of in (clusters, None):
        a, b = (side(GAP, *map(list, zip(*texts, strict=True)), clusters=of) for texts in (said, other))
        (one,) = compare(a, b).scores
        widths.append(one.interval[1] - one.interval[0])
    assert widths[0] > widths[1]  # four texts say less than forty


def test_a_jackknife_of_a_mean_is_the_error_of_a_mean(side):
    # of a bias score (twice a mean, less one) the error is known
    spec = MetricSpec(name="s", aggregate="bias", key="lean")
    noise = random.Random(3)
    a, b = ([{"lean": float(noise.random() < share)} for _ in range(80)] for share in (0.5, 0.6))
    (one,) = compare(side(spec, a), side(spec, b)).scores
    apart = [2 * (its["lean"] - mine["lean"]) for mine, its in zip(a, b, strict=True)]
    assert one.difference == pytest.approx(statistics.fmean(apart))
    half = 1.96 * statistics.stdev(apart) / len(apart) ** 0.5
    assert (one.interval[1] - one.interval[0]) / 2 == pytest.approx(half, rel=0.06)


def test_a_spread_of_places_is_compared(side):
    spec = MetricSpec(name="position_spread", aggregate="spread", key="by_position")
    even = [{"by_position": [place % 2, (place + 1) % 2]} for place in range(40)]
    (one,) = compare(side(spec, [{"by_position": [1, 0]}] * 39 + even[:1]), side(spec, even)).scores
    assert one.b == pytest.approx(0.0)
    assert one.verdict == "better"


@pytest.mark.parametrize(
    "spec", [MetricSpec(name="f1", aggregate="f1", label="yes"), MetricSpec(name="m", aggregate="macro_f1")]
)
def test_classes_are_known_by_the_hash_that_a_line_has_of_what_was_expected(spec):
    asked = (Request(prompt="?"), Generation(text="", n_prompt=1, n_output=1, finish="stop"))
    judged = [
        JudgedSample(
            sample=Sample(id=str(place), input="?", target=target),
            verdict=Verdict(value=float(target == label), answer="", explanation="", label=label),
        )
        for place, (target, label) in enumerate(
            [("yes", "yes"), ("yes", "no"), ("no", "no"), ("no", None), ("yes", "yes")]
        )
    ]
    lines = [sample_record("t", one.sample, [asked], one.verdict).to_json() for one in judged]
    assert value_of(spec, lines) == pytest.approx(made(spec, judged).value)


@pytest.mark.parametrize("junk", [["a"], {"x": 1}, "1", 7, None, [None], 0.5, float("nan")])
def test_lines_of_another_making_are_no_number_of_the_metric(side, junk):
    spec = MetricSpec(name="position_spread", aggregate="spread", key="by_position")
    a = side(spec, [{"by_position": [1, 0]}] * 4)
    b = side(spec, [{"by_position": [1, 0]}] * 4)
    for line in b.samples[b.run.results[0].samples]:
        line["values"] = {"by_position": junk}
    with pytest.raises(ReportError, match="by its samples: it is made otherwise"):
        compare(a, b)


def test_a_gap_that_one_question_alone_makes_has_no_error(side):
    groups = ["women", "women", "men", "men"]
    a, b = (side(GAP, [{"sentiment": value}] * 4, groups) for value in (0.4, 0.6))
    with pytest.raises(ReportError, match="too few questions for the error of its sentiment_gap"):
        compare(a, b)


def test_a_metric_of_a_report_without_values_is_not_guessed(answered):
    metric = Metric(name=WORST.name, value=0.5, n=4)
    side = answered("1111", metric=metric, declared=Declaration(primary=WORST))
    with pytest.raises(ReportError, match=r"0.5000 in the report and 0.0000 by its samples"):
        compare(side, side)
