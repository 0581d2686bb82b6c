"""The same questions in every format: how far the formats are apart."""

import dataclasses
import statistics

import pytest

from pytest_slm.bfcl.formats import FORMATS
from pytest_slm.bfcl.sensitivity import spread
from pytest_slm.core.types import JudgedSample, Sample, Verdict
from pytest_slm.errors import SlmError
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.checking import check_task, make_kind
from pytest_slm.run.drive import drive

KEY = "function_calling/bfcl_format_sensitivity"


def judged(**formats):
    return [
        JudgedSample(
            sample=Sample(id=f"{form}{n}", input="", cluster=str(n), metadata={"format": form}),
            verdict=Verdict(
                value=None if value is None else 0.0,
                answer="",
                explanation="",
                values={} if value is None else {"bfcl": value},
            ),
        )
        for form, values in formats.items()
        for n, value in enumerate(values)
    ]


def test_the_spread_of_formats_is_in_points():
    difference, deviation = spread(judged(a=[1, 1, 0, 0], b=[1, 0, 0, 0], c=[1, 1, 1, 1]))
    assert (difference.name, difference.value, difference.n, difference.unit) == (
        "greatest_difference",
        75,
        4,
        "points",
    )
    assert deviation.value == pytest.approx(statistics.stdev([50, 25, 100]))
    assert not deviation.higher_is_better


def test_a_question_that_was_not_asked_in_every_format_compares_nothing():
    difference, _ = spread(judged(a=[1, 1, 0], b=[1, None, 0]))
    assert (difference.value, difference.n) == (0, 2)
    assert spread(judged(a=[1, 0])) == ()
    assert spread(judged(a=[None, 0], b=[1, None])) == ()


def test_every_question_is_asked_in_every_format(built_in, context, fake, mirror, records):
    pytest.importorskip("datasets", reason="needs pip install 'pytest-slm[bfcl]'")
    backend = fake(text="[f(x=1)]", context_length=100_000)
    config = {"data": str(mirror), "offline": True, "mode": "full", "limit": 60}
    result = drive(make_kind(built_in(KEY), "", context(backend, **config)))
    assert len(records) == 2 * len(FORMATS)
    assert len({record.cluster for record in records}) == 2
    found = {metric.name: metric.value for metric in result.metrics}
    assert (found["accuracy"], found["greatest_difference"], found["standard_deviation"]) == (0, 0, 0)
    assert sum(name.startswith("accuracy[format=") for name in found) == len(FORMATS)
    assert len({record.prompt_sha256 for record in records}) == len(records)


def test_no_format_can_be_chosen(built_in):
    task = built_in(KEY)
    for options in ({"prompting": "auto"}, {"format": "ret_fmt=json"}):
        with pytest.raises(SlmError, match="all formats are asked"):
            check_task(dataclasses.replace(task, options={**task.options, **options}), Extensions())
