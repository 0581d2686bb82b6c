"""Plots are right in their places, tell the same as their tables, and draw nothing that was not measured."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.registry import build_registry
from pytest_slm.registry.speeds import Quantity
from pytest_slm.registry.store import StoredReport
from pytest_slm.site.plots.curves import memory_split
from pytest_slm.site.plots.lines import NARROW, line_plot, round_up, stacks
from pytest_slm.site.plots.pareto import ParetoPoint, front, pareto
from pytest_slm.site.speed import bars


def quantity(value, low=None, high=None, **more):
    return Quantity(value=value, unit="tok/s", n=7, spread=(low, high) if low is not None else None, **more)


def plot(**series):
    return line_plot("Speed", "", {name: list(points.items()) for name, points in series.items()}, of="tokens")


def test_the_axis_begins_at_0_and_more_is_higher():
    (line,) = plot(Q8_0={0: quantity(100.0), 512: quantity(50.0, 40.0, 60.0)}).lines
    first, second = line.marks
    assert (first.x, first.y) == (0, 0)
    assert (second.x, second.y, second.low, second.high) == (100, 50, 60, 40)
    assert line.segments == ((0, 0, 100, 50),)


def test_places_go_with_the_square_root():
    (line,) = plot(a={0: quantity(1.0), 512: quantity(1.0), 2048: quantity(1.0), 8192: quantity(1.0)}).lines
    assert [mark.x for mark in line.marks] == [0, 25, 50, 100]


def test_all_lines_have_one_scale():
    slow, fast = plot(a={0: quantity(10.0), 9: quantity(10.0)}, b={0: quantity(100.0), 9: quantity(100.0)}).lines
    assert (slow.marks[0].y, fast.marks[0].y) == (90, 0)


def test_one_point_is_no_line():
    assert plot(a={512: quantity(1.0)}, b={}) is None


def test_a_setting_that_a_line_lacks_is_a_dash_in_the_table_and_no_mark():
    made = plot(
        a={0: quantity(1.0), 512: quantity(1.0), 2048: quantity(1.0)}, b={0: quantity(1.0), 2048: quantity(1.0)}
    )
    assert [len(line.marks) for line in made.lines] == [3, 2]
    (_, full), (_, gap) = made.rows
    assert [cell.value for cell in full] != [cell.value for cell in gap]
    assert gap[1].value == "–"


def test_the_table_names_noise_with_its_reason_and_leaves_calm_rounds_alone():
    noisy = quantity(1.0, 0.5, 2.0, verdict="noisy", reason="steal")
    made = plot(a={0: quantity(1.0, 0.9, 1.1, verdict="stable"), 512: noisy})
    assert [cell.verdict for cell in made.rows[0][1]] == ["", "noisy: steal"]


def test_the_table_says_how_many_rounds_there_were():
    (_, cells), *_ = plot(a={0: quantity(1.0), 512: quantity(1.0)}, b={0: quantity(1.0)}).rows
    assert [cell.n for cell in cells] == ["7", "7"]
    assert plot(a={0: quantity(1.0), 512: quantity(1.0)}, b={0: quantity(1.0)}).rows[1][1][1].n == ""


def test_labels_that_would_overlap_are_left_out_but_never_the_last():
    made = plot(a={at: quantity(1.0) for at in (0, 10, 20, 4000, 8160, 8192)})
    assert made.x_ticks[-1].label == "8\u202f192"
    places = [tick.at for tick in made.x_ticks]
    assert all(two - one >= NARROW for one, two in pairwise(places))
    assert len(made.columns) == 6  # the table has them all


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        (11.2, ["0", "7.5", "15 tok/s"]),
        (0.45, ["0", "0.25", "0.5 tok/s"]),
        (0.95, ["0", "0.5", "1 tok/s"]),
        (0.013, ["0", "0.0075", "0.015 tok/s"]),
        (2900, ["0", "1\u202f500", "3\u202f000 tok/s"]),
    ],
)
def test_the_ticks_say_where_they_are(value, labels):
    # 7.5 once was an 8, and 0.45 ended at 0
    made = plot(a={0: quantity(value), 9: quantity(value)})
    assert [tick.label.replace("\u00a0", " ") for tick in made.y_ticks] == labels


def test_the_end_of_bars_is_told_with_all_digits():
    assert bars("Energy", "", [("a", quantity(0.012))]).top == "0.015"
    assert bars("Speed", "", [("a", quantity(1.2))]).top == "1.5"


def test_lines_differ_without_their_colours():
    made = plot(**{f"q{n}": {0: quantity(1.0), 9: quantity(1.0)} for n in range(30)})
    assert len({(line.colour, line.shape) for line in made.lines}) == 30


@given(st.floats(1e-6, 1e9))
def test_the_end_of_a_scale_is_round_and_holds_the_value(value):
    top = round_up(value)
    assert value <= top <= value * 2.0001
    assert f"{top:e}"[:3].rstrip("0").rstrip(".") in {"1", "1.5", "2", "3", "4", "5", "6", "8"}


def test_parts_stand_side_by_side_and_fill_the_largest_bar():
    made = stacks("Memory", "", {"a": {"x": 30.0, "y": 70.0}, "b": {"x": 50.0}}, "MB")
    a, b = made.rows
    assert [(part.x, part.width) for part in a.parts] == [(0, 30), (30, 70)]
    assert (a.total, b.total) == ("100", "50.0")


def test_a_part_that_is_not_known_is_not_0():
    made = stacks("Memory", "", {"a": {"x": 30.0, "y": 70.0}, "b": {"x": 50.0}}, "MB")
    (_, y) = made.rows[1].parts
    assert (y.value, y.width) == ("", 0)
    assert "y" not in made.rows[1].text


def test_no_parts_no_bars():
    assert stacks("Memory", "", {}, "MB") is None


candidates = st.lists(
    st.builds(
        ParetoPoint,
        name=st.uuids().map(str),
        size=st.integers(1, 4).map(float),
        tps=st.integers(1, 4).map(float),
        score=st.integers(1, 4).map(float),
        interval=st.none(),
    ),
    min_size=1,
    max_size=8,
)


@given(candidates)
def test_the_front_is_what_nothing_beats(found):
    beaten = front(found)
    by_name = {one.name: one for one in found}
    assert not all(beaten.values())  # somebody is always on it
    for one in found:
        assert bool(beaten[one.name]) == any(other.beats(one) for other in found)
        if beaten[one.name]:
            assert by_name[beaten[one.name]].beats(one)


@given(candidates, st.randoms())
def test_whatever_is_equivalent_somebody_is_on_the_front(found, random):
    names = [one.name for one in found]
    pairs = [frozenset((one, two)) for one in names for two in names if one < two and random.random() < 0.5]
    beaten = front(found, pairs)
    assert not all(beaten.values())
    # What is beaten without it is beaten with it, or equal to the one that beat it but for the score.
    by_name = {one.name: one for one in found}
    for name, other in front(found).items():
        mine, its = by_name[name], by_name.get(other)
        if its and frozenset((name, other)) in pairs and not beaten[name]:
            assert (mine.size, mine.tps) == (its.size, its.tps)


def test_an_equivalent_file_that_is_smaller_and_faster_beats_a_larger_one_with_a_higher_score():
    large = ParetoPoint(name="F16", size=271, tps=76, score=36.4, interval=None)
    small = ParetoPoint(name="Q4_1", size=98, tps=82, score=36.2, interval=None)
    assert front([large, small]) == {"F16": "", "Q4_1": ""}
    assert front([large, small], [frozenset(("F16", "Q4_1"))]) == {"F16": "Q4_1", "Q4_1": ""}
    slow = replace(small, tps=70)
    assert front([large, slow], [frozenset(("F16", "Q4_1"))]) == {"F16": "", "Q4_1": ""}


def test_equal_ones_do_not_beat_each_other():
    one = ParetoPoint(name="a", size=1, tps=1, score=1, interval=None)
    assert not one.beats(replace(one, name="b"))
    assert one.beats(replace(one, name="b", size=2))


@pytest.fixture
def entry(factory):
    """The registry's entry of a model by runs of it."""

    def make(*runs):
        return build_registry([StoredReport(path=str(n), sha256="", run=run) for n, run in enumerate(runs)]).models[0]

    return make


def test_a_quick_run_is_not_put_beside_full_ones(factory, entry):
    full = [factory.make_run(name, modern=True) for name in ("FP16", "Q8_0")]
    made = entry(*full, factory.make_run("Q4_0", "quick", modern=True))
    shown = pareto(made, made.performance)
    assert {row.name for row in shown.rows} == {"FP16", "Q8_0"}
    assert shown.left_out == "Without comparable numbers: Q4_0."


def test_speeds_are_of_the_length_at_which_most_files_were_timed_and_of_such_the_usual_one(factory, entry):
    made = entry(*(factory.make_run(name, modern=True) for name in ("FP16", "Q8_0", "Q4_0")))
    rows = dict(made.performance.quantizations)
    assert pareto(made, made.performance).of == rows["FP16"].tps_output.of == "500 tokens"
    # A quick run has timed one length only.
    (short,) = [one for one in rows["Q4_0"].decode if one.of == "100 tokens"]
    rows["Q4_0"] = replace(rows["Q4_0"], tps_output=short, decode=(short,))
    shown = pareto(made, replace(made.performance, quantizations=rows))
    assert {row.name for row in shown.rows} == {"FP16", "Q8_0", "Q4_0"}
    assert (shown.of, shown.left_out) == ("100 tokens", "")


def test_two_engines_are_in_no_order(factory, entry):
    ours, theirs = ({"engine_version": f"{name} 1.0"} for name in ("llama-cpp-python", "ik-llama-cpp-python"))
    runs = [factory.make_run(name, modern=True, backend=ours) for name in ("FP16", "Q8_0", "Q4_0")]
    runs += [factory.make_run(f"{name}+ik", modern=True, backend=theirs) for name in ("FP16", "Q4_0")]
    made = entry(*runs)
    shown = pareto(made, made.performance)
    assert {row.name for row in shown.rows} == {"FP16", "Q8_0", "Q4_0"}
    assert shown.left_out == "Without comparable numbers: FP16+ik, Q4_0+ik."


def test_one_quantization_has_no_front(factory, entry):
    made = entry(factory.make_run(modern=True))
    assert pareto(made, made.performance) is None


def test_what_is_slower_larger_and_worse_is_told_as_beaten(factory, entry):
    # By the factory Q4_K_M is slower than Q8_0, and its file is larger.
    made = entry(
        factory.make_run("Q8_0", modern=True, quality=0.8), factory.make_run("Q4_K_M", modern=True, quality=0.4)
    )
    good, bad = pareto(made, made.performance).rows
    assert (good.verdict, good.front) == ("best trade-off", True)
    assert (bad.verdict, bad.front) == ("dominated by Q8_0", False)
    assert good.x > bad.x
    assert good.y < bad.y
    assert good.radius < bad.radius
    assert re.fullmatch(r"\d\d\.\d–\d\d\.\d", good.interval)


def test_speeds_beside_the_front_have_interval_rounds_and_noise(factory, entry):
    made = entry(factory.make_run("Q8_0", modern=True), factory.make_run("Q4_0", modern=True))
    (row, _) = pareto(made, made.performance).rows
    assert (row.n, row.noise) == ("7", "")
    assert re.fullmatch(r"[\d.]+–[\d.]+", row.tps_interval)
    speeds = made.performance.quantizations
    noisy = {
        name: replace(one, tps_output=replace(one.tps_output, verdict="noisy", reason="steal"))
        for name, one in speeds.items()
    }
    (row, _) = pareto(made, replace(made.performance, quantizations=noisy)).rows
    assert row.noise == "noisy: steal"


def test_labels_of_near_circles_do_not_overlap(factory, entry):
    runs = [factory.make_run(name, modern=True, quality=0.6) for name in ("A1", "A2", "A3")]  # all as fast
    made = entry(*runs)
    places = sorted(row.label_y for row in pareto(made, made.performance).rows)
    assert all(two - one >= 7.9 for one, two in pairwise(places))


def test_no_name_stands_on_the_circle_of_another(factory, entry):
    made = entry(*(factory.make_run(name, modern=True, quality=0.6) for name in ("Q4_K_M", "Q4_1", "Q4_0")))
    rates = {"Q4_1": 100.0, "Q4_0": 112.0, "Q4_K_M": 115.0}  # of 150: the names of the last two stand to the left
    speeds = made.performance.quantizations
    timed = {
        name: replace(one, tps_output=replace(one.tps_output, value=rates[name], interval=None))
        for name, one in speeds.items()
    }
    rows = pareto(made, replace(made.performance, quantizations=timed)).rows
    assert [row.left for row in rows if row.name == "Q4_K_M"] == [True]
    (named,) = (row for row in rows if row.name == "Q4_K_M")
    (circle,) = (row for row in rows if row.name == "Q4_0")
    assert named.x - 10 < circle.x < named.x
    assert abs(named.label_y - circle.y) >= 7.9


def test_the_plot_has_the_score_that_files_are_chosen_by(factory, entry):
    made = entry(factory.make_run("Q8_0", modern=True), factory.make_run("Q4_0", modern=True))
    assert {*made.aggregates} == {"general", "marketplace"}
    assert pareto(made, made.performance).profile.startswith("Overall, ")


def test_weights_that_take_more_than_their_file_have_the_reason(factory, entry):
    row = entry(factory.make_run("Q4_0", modern=True)).performance.quantizations["Q4_0"]
    size = replace(row.size_gb, value=0.092)

    def hint(weights, engine="llama-cpp-python 0.3.36"):
        memory = {**row.memory, "weights": replace(row.memory["weights"], value=weights)}
        return memory_split({"Q4_0": replace(row, size_gb=size, memory=memory, engine=engine)}).hint

    told = hint(149e6)
    assert told.endswith(
        "Weights take more than the file where llama.cpp keeps a copy of some in another order: "
        "Q4_0 (a file of 92\N{NO-BREAK SPACE}MB)."
    )
    for other in (hint(91e6), hint(149e6, "transformers 5.23")):
        assert "another order" not in other


@pytest.mark.parametrize(("weights", "unit"), [(300e6, "MB"), (1_200e6, "GB")])
def test_memory_is_told_in_the_unit_of_what_is_drawn(factory, entry, weights, unit):
    row = entry(factory.make_run("Q4_0", modern=True)).performance.quantizations["Q4_0"]
    some = row.memory["weights"]
    # The peak of the whole run, with many sequences at once, is not in the plot.
    memory = {"weights": replace(some, value=weights), "kv_cache": replace(some, value=38e6)}
    memory["peak_rss_run"] = replace(some, value=3e9)
    assert f"in {unit}." in memory_split({"Q4_0": replace(row, memory=memory)}).hint
