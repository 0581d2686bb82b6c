"""What is told is arithmetic on raw time stamps."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.backends.fake import Fake
from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.types import GenerationTimes, Measurement
from pytest_slm.performance import Decode, FirstToken, median_metric


def stamped(*token_s, **changes):
    parts = {"prepare_s": 0.0, "prefill_s": 0.0, "sample_s": 0.0, "detokenize_s": 0.0}
    plain = {**parts, "end_s": token_s[-1], "n_evaluated": 64}
    return GenerationTimes(token_s=token_s, **{**plain, **changes})


class Stamped(Fake):
    """Answers with given time stamps."""

    stamps: tuple = ()

    def generate(self, requests, *progress):
        made = super().generate(requests, *progress)
        return [dataclasses.replace(one, timings=stamped(*self.stamps)) for one in made]


def measured(values, warmups=()):
    return Measurement(
        name="decode_tps", unit="tok/s", values=tuple(values), warmups=tuple(warmups), higher_is_better=True
    )


def test_decoding_speed_counts_the_tokens_after_the_first(fake, one):
    backend = fake(Stamped)
    backend.stamps = (5.0, 5.1, 5.2, 5.3)  # three gaps of 0.1 s after a prompt of 5 s: the prompt is in none of it
    found = one(Decode(backend, 4))
    assert found.values == pytest.approx({"decode_tps": 10.0, "tpot": 0.1, "e2e_tps": 4 / 5.3})
    assert found.seconds == pytest.approx(0.3)


@given(st.integers(2, 100), st.floats(0.001, 10), st.floats(0.0001, 1))
def test_decoding_speed_is_the_inverse_of_the_gap_whatever_the_prompt_took(one, n, first, gap):
    backend = Stamped(ModelSpec(path=None, format="fake"))
    backend.stamps = tuple(first + i * gap for i in range(n))
    assert one(Decode(backend, n)).values["decode_tps"] == pytest.approx(1 / gap, rel=1e-6)


def test_latencies_are_those_of_all_tokens_after_the_warm_ups(fake, one):
    backend = fake(Stamped)
    rounds = Decode(backend, 3)
    for stamps in ((9.0, 99.0, 999.0), (1.0, 1.1, 1.2), (1.0, 1.3, 1.6)):
        backend.stamps = stamps
        one(rounds)
    told = {metric.name: metric for metric in rounds.metrics(n_warmups=1)}
    assert told["itl_p50"].n == 4
    assert told["itl_p50"].value == pytest.approx(0.2)
    assert told["itl_p99"].value == pytest.approx(0.3, rel=0.02)
    assert not told["itl_p50"].higher_is_better


def test_the_first_token_is_waited_for_from_the_request_on(fake, one):
    backend = fake(pace_s=[0.5])
    found = one(FirstToken(backend, 10))
    assert found.values["ttft"] == found.seconds == found.values["ttft_prefill"] == 5.0
    assert {"ttft_tokenize", "ttft_sample", "ttft_detokenize"} <= set(found.values)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_fewer_than_six_rounds_give_no_interval(n):
    # even the widest, from the least to the greatest of five, covers 93.75 % only
    metric = median_metric(measured([10.0, 11.0, 12.0, 13.0, 14.0][:n]))
    assert metric.interval is None
    assert metric.n == n


def test_six_rounds_give_their_range():
    metric = median_metric(measured([12.0, 10.0, 15.0, 11.0, 14.0, 13.0]))
    assert (metric.value, metric.interval, metric.n) == (12.5, (10.0, 15.0), 6)
    assert (metric.name, metric.unit, metric.higher_is_better) == ("decode_tps", "tok/s", True)


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=40))
def test_a_median_is_in_its_interval(values):
    metric = median_metric(measured(values, warmups=[99.0]))
    assert min(values) <= metric.value <= max(values)
    if metric.interval is not None:
        assert metric.interval[0] <= metric.value <= metric.interval[1]
