"""NESTful: gold answers get everything, in every metric; no calls get nothing."""

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.core.types import Generation
from pytest_slm.kinds.checking import make_kind
from pytest_slm.run.drive import drive, measure

NAMES = ("partial_match", "full_match", "f1_functions", "f1_parameters")


def oracle(samples):
    """A model that knows the gold answers."""
    answers = {sample.input: sample.right_answers[0] for sample in samples}

    class Oracle(Fake):
        def generate(self, requests, *progress):
            return [
                Generation(text=answers[one.messages[-1].content], n_prompt=1, n_output=1, finish="stop")
                for one in requests
            ]

    return Oracle


def values(result):
    return {metric.name: metric.value for metric in result.metrics if metric.name in NAMES}


def test_gold_gets_everything_and_no_calls_nothing(built_in, mirror, context, fake):
    pytest.importorskip("datasets", reason="needs pip install 'pytest-slm[data]'")
    task = built_in("function_calling/nestful")
    settings = {"data": str(mirror), "mode": "full"}
    kind = make_kind(task, "", context(fake(), **settings))
    kind.ready()
    samples = kind.samples()
    assert len(samples) == len({sample.input for sample in samples}) == 300
    result = drive(make_kind(task, "", context(fake(oracle(samples)), **settings)))
    assert values(result) == dict.fromkeys(NAMES, 1.0)
    assert result.provenance["data_from"] == "mirror"
    for text in ("", "abc abc"):
        assert values(measure(task, "", context(fake(text=text, context_length=100_000), data=str(mirror)))) == (
            dict.fromkeys(NAMES, 0.0)
        )
