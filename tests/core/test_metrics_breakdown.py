"""The parts of a metric by a key of the samples."""

import math

from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.metrics import task_metrics
from pytest_slm.core.statistics import wilson
from pytest_slm.core.types import JudgedSample, MetricSpec, Sample, Task, Verdict

SHARES = st.floats(0, 1)


def task(*metrics, primary=None, breakdown=None):
    return Task(
        name="task",
        suite="suite",
        kind="checks",
        description="",
        primary=primary or metrics[0].name,
        metrics=metrics,
        breakdown=breakdown,
    )


def judged(*rows, key="depth"):
    """(group, value of the metadata ``key`` or None, score) as samples with their verdicts."""
    return [
        JudgedSample(
            sample=Sample(id=str(place), input="", groups=(group,), metadata={} if part is None else {key: part}),
            verdict=Verdict(value=score, answer="", explanation=""),
        )
        for place, (group, part, score) in enumerate(rows)
    ]


BALANCED = MetricSpec(name="balanced", balance=("harmful", "benign"))


def test_a_breakdown_names_its_parts_in_natural_order():
    scored = judged(*(("", part, 1.0) for part in ("100", "25", 0, "50", "deep", "75", "a")))
    names = [metric.name for metric in task_metrics(task(MetricSpec(name="em"), breakdown="depth"), scored)]
    # as text, "100" would stand before "25"
    assert names == ["em", *(f"em[depth={part}]" for part in ("0", "25", "50", "75", "100", "a", "deep"))]


def test_a_part_that_nobody_could_see_is_written_out_and_a_long_one_is_cut():
    names = [
        m.name
        for m in task_metrics(
            task(MetricSpec(name="em"), breakdown="depth"),
            judged(("", "a\x1b[2J", 1.0), ("", "\u202e", 1.0), ("", "x" * 500, 1.0), ("", "x" * 501, 1.0)),
        )
    ]
    assert {r"em[depth='\u202e']", r"em[depth='a\x1b[2J']"} < set(names)
    assert len(set(names)) == 5
    assert max(map(len, names)) < 110


def test_a_part_has_the_mean_and_doubt_of_its_samples():
    scored = judged(("", "short", 1.0), ("", "short", 0.0), ("", "long", 0.0), key="length")
    _, long, short = task_metrics(task(MetricSpec(name="em"), breakdown="length"), scored)
    assert (short.value, short.n, short.interval) == (0.5, 2, wilson(1, 2))
    assert (long.value, long.n) == (0.0, 1)


def test_a_sample_of_no_part_counts_in_the_whole_only():
    whole, part = task_metrics(task(MetricSpec(name="em"), breakdown="depth"), judged(("", None, 1.0), ("", "0", 0.0)))
    assert (whole.n, part.n) == (2, 1)


def test_no_breakdown_is_declared_none_is_made():
    assert len(task_metrics(task(MetricSpec(name="em")), judged(("", "0", 1.0)))) == 1


def test_the_parts_of_a_complement_of_one_group_are_that_too():
    # the parts of an attack success rate are attack success rates: of the harmful samples, and lower is better
    spec = MetricSpec(name="attack_success_rate", group="harmful", complement=True)
    scored = judged(("harmful", "weapons", 1.0), ("harmful", "weapons", 1.0), ("benign", "weapons", 0.0), key="topic")
    _, weapons = task_metrics(task(spec, breakdown="topic"), scored)
    assert (weapons.value, weapons.n, weapons.higher_is_better) == (0.0, 2, False)


def test_a_part_without_samples_of_the_metrics_group_is_left_out():
    spec = MetricSpec(name="attack_success_rate", group="harmful", complement=True)
    scored = judged(("harmful", "weapons", 1.0), ("benign", "cooking", 1.0), key="topic")
    names = [metric.name for metric in task_metrics(task(spec, breakdown="topic"), scored)]
    assert names == ["attack_success_rate", "attack_success_rate[topic=weapons]"]


@given(st.lists(st.tuples(st.just(""), st.none() | st.text(max_size=3), SHARES), min_size=1, max_size=20))
def test_all_metrics_are_finite_and_named_once(scored):
    metrics = task_metrics(task(MetricSpec(name="em"), breakdown="part"), judged(*scored, key="part"))
    names = [metric.name for metric in metrics]
    assert len(set(names)) == len(names)
    assert all(math.isfinite(metric.value) and metric.n > 0 for metric in metrics)


def test_the_parts_of_a_balanced_metric_are_accuracies():
    scored = judged(("harmful", "a", 1.0), ("benign", "a", 0.0), ("benign", "b", 1.0), key="topic")
    names = [metric.name for metric in task_metrics(task(BALANCED, breakdown="topic"), scored)]
    assert names == ["balanced", "accuracy[topic=a]", "accuracy[topic=b]"]


def test_a_breakdown_is_made_the_way_of_its_metric():
    spec = MetricSpec(name="pairs", aggregate="twins")
    scored = [
        JudgedSample(
            sample=Sample(id=f"{pair}{twin}", input="", cluster=pair, metadata={"topic": topic}),
            verdict=Verdict(value=value, answer="", explanation=""),
        )
        for pair, topic, values in (("p", "a", (1, 1)), ("q", "a", (1, 0)), ("r", "b", (1, None)))
        for twin, value in enumerate(values)
    ]
    metrics = task_metrics(task(spec, breakdown="topic"), scored)
    # of topic b no pair is whole: it has no metric, rather than 0 or 1
    assert [(metric.name, metric.value, metric.n) for metric in metrics] == [
        ("pairs", 0.5, 2),
        ("pairs[topic=a]", 0.5, 2),
    ]
