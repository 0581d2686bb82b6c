"""One name out of some, wherever it stands in the answer."""

import pytest

from pytest_slm.core.record import RecordError
from pytest_slm.core.types import Generation, Sample
from pytest_slm.errors import UsageError
from pytest_slm.scorers.rules.label import LABEL, LabelOptions

OPTIONS = LabelOptions(labels=("set_alarm", "set", "c++"), otherwise="none")


def judged(answer, target="set_alarm", options=OPTIONS):
    sample = Sample(id="1", input="?", target=target)
    return LABEL.judge(sample, Generation(text=answer, n_prompt=1, n_output=1, finish="stop"), options)


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("set_alarm", "set_alarm"),  # "set" is no word of its own here
        ("`set_alarm`.", "set_alarm"),
        ("Use set_alarm(time=7).", "set_alarm"),
        ('{"name": "set_alarm"}', "set_alarm"),
        ("c++", "c++"),
        ("Set_Alarm", "none"),
        ("set_alarms", "none"),
        ("s\u0435t", "none"),  # a Cyrillic letter that looks like one
        ("none", "none"),
        ("I cannot do that.", "none"),
        ("set or c++", None),
        ("", None),
    ],
)
def test_which_name_was_chosen(answer, label):
    verdict = judged(answer)
    assert verdict.label == label
    assert verdict.value == float(label == "set_alarm")
    assert judged(answer, "none").value == float(label == "none")


def test_without_a_label_for_the_rest_no_name_is_wrong():
    assert judged("hm", options=LabelOptions(labels=("a", "b"))).value == 0


@pytest.mark.parametrize("answer", ["a" * 10**6, "[" * 10_000, "set_alarm " * 5000, "\x00", "NaN", str(2**70)])
def test_whatever_the_answer_is_it_has_a_verdict(answer):
    assert judged(answer).value in (0.0, 1.0)
    assert judged(answer[:50] + "x" * 10**6, "none").value == 0  # a megabyte is not read


@pytest.mark.parametrize("labels", [("a",), ("a", "a"), ("a", ""), ("a", " b")])
def test_options_that_cannot_be_meant(labels):
    with pytest.raises(RecordError):
        LabelOptions(labels=labels)


def test_a_target_is_one_of_the_labels():
    with pytest.raises(UsageError, match="'other' is none of the labels"):
        LABEL.check(Sample(id="1", input="?", target="other"), OPTIONS)
