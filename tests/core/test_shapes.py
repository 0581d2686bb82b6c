"""Records of objects that look like earlier ones are made a shorter way, and are the same; so are the errors."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.record import MOST_KNOWN, Form, RecordError, building
from pytest_slm.core.types import Cuts, Metric, Quantization, Result

GOOD = Result(
    suite="s", task="t", variant="", quantization="Q8_0", mode="full", outcome="passed",
    metrics=(Metric(name="acc", value=0.5, n=4, interval=(0.1, 0.9), cuts=Cuts(cut=0.1, censored=0.0)),),
    without_effect={"top_p": "greedy"}, provenance={"n": 3, "at": 0.5, "more": [1, {"x": None}]},
)  # fmt: skip
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from(["", "acc", "full"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


def outcome(data):
    """As it is written, since 1 equals 1.0."""
    try:
        return repr(Result.from_json(data))
    except RecordError as error:
        return str(error)


def without_shapes(data):
    """The same, with nothing that was learnt before."""
    building._SHAPES.clear()
    return outcome(data)


@given(st.sampled_from(sorted(GOOD.to_json())), anything)
def test_one_odd_value_is_seen_as_if_nothing_like_it_had_been_there(name, value):
    data = {**GOOD.to_json(), name: value}
    expected = without_shapes(data)
    assert outcome(GOOD.to_json()) == repr(GOOD)
    assert outcome(data) == outcome(data) == expected


@given(st.sampled_from(sorted(GOOD.metrics[0].to_json())), anything)
def test_so_is_one_further_inside(name, value):
    data = GOOD.to_json()
    data["metrics"][0][name] = value
    expected = without_shapes(data)
    assert outcome(GOOD.to_json()) == repr(GOOD)
    assert outcome(data) == outcome(data) == expected


@pytest.mark.parametrize("value", [2**63, -(2**63), float("nan"), float("inf"), True, "1", None])
def test_numbers_that_nobody_could_read_are_refused_the_second_time_too(value):
    Metric.from_json({"name": "acc", "value": 0.5, "n": 4})
    for _ in range(2):
        with pytest.raises(RecordError, match=r"Metric\.n: expected"):
            Metric.from_json({"name": "acc", "value": 0.5, "n": value})


def test_an_integer_where_a_float_is_wanted_is_one_the_second_time_too():
    data = {**GOOD.metrics[0].to_json(), "value": 1}
    for _ in range(3):
        assert repr(Metric.from_json(data).value) == "1.0"


def test_an_unknown_key_is_named_among_many_of_the_same():
    for _ in range(2):
        with pytest.raises(RecordError, match="unknown key 'x'"):
            Metric.from_json({"name": "acc", "value": 0.5, "n": 4, "x": 1})


def test_what_is_left_out_is_never_shared():
    made = [Quantization.from_json({"name": "Q8_0", "format": "gguf"}) for _ in range(2)]
    assert made[0] == made[1]
    first, second = (Result.from_json({**GOOD.to_json(), "provenance": {}}) for _ in range(2))
    assert first.provenance is not second.provenance


def test_strangers_cannot_fill_the_memory(monkeypatch):
    monkeypatch.setattr(building, "MOST_SHAPES", 3)
    names = ["name", "value", "n", "unit", "chance"]
    values = {"name": "acc", "value": 0.5, "n": 4, "unit": "s", "chance": None}
    for turn in range(5):
        Metric.from_json({name: values[name] for name in names[turn:] + names[:turn]})
        assert len(building._SHAPES) <= 3
    form = Form("short", lambda text: len(text) < 9)
    for number in range(MOST_KNOWN + 5):
        form.check(str(number), "x")
    assert 0 < len(form.known) <= MOST_KNOWN
    with pytest.raises(RecordError, match="expected short"):
        form.check("longer than that", "x")


def test_some_fields_of_a_record_are_other_ones():
    metric = GOOD.metrics[0]
    assert metric.but(value=0.25, unit="s") == replace(metric, value=0.25, unit="s")
    with pytest.raises(RecordError, match="does not exist"):
        metric.but(n=0)
    with pytest.raises(TypeError, match="no field 'valeu'"):
        metric.but(valeu=1.0)


def test_what_was_worked_out_of_a_record_is_not_that_of_the_next():
    assert str(GOOD.id) == "s/t[Q8_0]"
    other = GOOD.but(task="u")
    assert str(other.id) == "s/u[Q8_0]"
    assert other == replace(GOOD, task="u")
