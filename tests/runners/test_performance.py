"""Timings: nothing is cached, lengths are exact, warm-ups stand apart, and what is told is arithmetic on raw values."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.backends.fake import TEMPLATE_TOKENS, Fake
from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.statistics import median_interval
from pytest_slm.core.types import EngineSettings, Measurement, Timings
from pytest_slm.errors import BackendError, NotAvailableError
from pytest_slm.runners import performance
from pytest_slm.runners.performance import ROUNDS, WARMUPS, Rounds


class Watching(Fake):
    """Keeps the prompts that it was asked."""

    def __init__(self, spec):
        super().__init__(spec)
        self.prompts = []

    def generate(self, requests, *progress):
        self.prompts += [request.messages[0].content for request in requests]
        return super().generate(requests, *progress)


class Caching(Fake):
    """Remembers the prompt before, as engines do that re-use the longest common prefix."""

    def generate(self, requests, *progress):
        return [
            dataclasses.replace(made, timings=dataclasses.replace(made.timings, n_evaluated=1))
            for made in super().generate(requests, *progress)
        ]


def timings(*token_s, **changes):
    plain = {"prepare_s": 0.0, "prefill_s": 0.0, "sample_s": 0.0, "end_s": token_s[-1], "n_evaluated": 1}
    return Timings(token_s=token_s, **{**plain, **changes})


def play(rounds, n=ROUNDS + WARMUPS):
    for _ in range(n):
        rounds.prepare()
        rounds.run()
    return rounds


def measured(values):
    return Measurement(name="decode_tps", unit="tok/s", values=tuple(values), higher_is_better=True)


# -- rounds -------------------------------------------------------------------------------------------------------


def test_every_token_of_the_prompt_is_computed_and_every_token_of_the_answer_comes(fake):
    for generation in play(Rounds(fake(), 64, 20, seed=1)).generations:
        assert generation.n_prompt == generation.timings.n_evaluated == 64
        assert generation.n_output == len(generation.timings.token_s) == 20


def test_an_engine_that_caches_is_an_error_and_no_speed(fake):
    with pytest.raises(BackendError, match="1 of 64 prompt tokens were computed") as caught:
        play(Rounds(fake(Caching), 64, 20, seed=1))
    assert caught.value.slug == "prompt-cached"


def test_a_backend_without_timings_is_an_error(fake):
    class Timeless(Fake):
        def generate(self, requests, *progress):
            return [dataclasses.replace(made, timings=None) for made in super().generate(requests, *progress)]

    rounds = Rounds(fake(Timeless), 64, 20, seed=1)
    with pytest.raises(BackendError, match="0 of 64"):
        play(rounds)
    assert rounds.generations == []


def test_an_answer_that_ends_early_is_an_error(fake):
    class Short(Fake):
        def generate(self, requests, *progress):
            return [dataclasses.replace(made, n_output=7) for made in super().generate(requests, *progress)]

    with pytest.raises(BackendError, match="7 of 20 tokens came") as caught:
        play(Rounds(fake(Short), 64, 20, seed=1))
    assert caught.value.slug == "context-too-long"


def test_every_round_has_other_words(fake):
    backend = fake(Watching)
    play(Rounds(backend, 64, 4, seed=1))
    assert len(set(backend.prompts)) == ROUNDS + WARMUPS
    # an engine may keep a common beginning even where the whole differs
    assert len({prompt.split()[0] for prompt in backend.prompts}) > 1


def test_a_seed_gives_the_same_words(fake):
    prompts = []
    for seed in (1, 1, 2):
        backend = fake(Watching)
        play(Rounds(backend, 64, 4, seed=seed))
        prompts.append(backend.prompts)
    assert prompts[0] == prompts[1] != prompts[2]


@pytest.mark.parametrize("n", [TEMPLATE_TOKENS, 64, 512, 2048])
def test_a_prompt_has_exactly_so_many_tokens(fake, n):
    assert play(Rounds(fake(), n, 1, seed=1), 1).generations[0].n_prompt == n


@pytest.mark.parametrize("letters_per_token", [4, 2, 1])
def test_a_tokenizer_of_several_tokens_a_word_is_fitted_too(fake, letters_per_token):
    # one word for each missing token overshoots more and more where a word is two tokens
    class Pieces(Fake):
        @staticmethod
        def _n_prompt(request):
            words = request.messages[0].content.split()
            return TEMPLATE_TOKENS + sum(math.ceil(len(word) / letters_per_token) for word in words)

    for seed in range(5):
        assert play(Rounds(fake(Pieces), 512, 1, seed=seed), 1).generations[0].n_prompt == 512


def test_a_length_that_no_prompt_has_is_an_error(fake):
    with pytest.raises(BackendError, match=r"exactly 2 tokens.*template alone may be longer") as caught:
        play(Rounds(fake(), TEMPLATE_TOKENS - 1, 1, seed=1))
    assert caught.value.slug == "prompt-length"


def test_warm_ups_are_kept_apart(fake):
    rounds = play(Rounds(fake(), 64, 4, seed=1))
    numbered = iter(range(100))
    measurement = rounds.measurement("order", "1", lambda _: float(next(numbered)), higher_is_better=False)
    assert measurement.warmups == tuple(float(n) for n in range(WARMUPS))
    assert measurement.values == tuple(float(n) for n in range(WARMUPS, WARMUPS + ROUNDS))
    assert (measurement.name, measurement.unit, measurement.higher_is_better) == ("order", "1", False)


def test_under_pytest_benchmark_the_rounds_are_those_declared(fake, benchmark):
    if benchmark.disabled:
        pytest.skip("pytest-benchmark runs one round only when it is disabled, as under xdist")
    rounds = Rounds(fake(), 64, 4, seed=1)
    performance.measure(benchmark, rounds)
    assert len(rounds.generations) == WARMUPS + ROUNDS
    assert len(rounds.measurement("t", "s", performance.ttft, higher_is_better=False).values) == ROUNDS


# -- what is told -------------------------------------------------------------------------------------------------


def test_decoding_speed_counts_the_tokens_after_the_first():
    # three gaps of 0.1 s after a prompt of 5 s: the prompt is in none of it
    assert performance.decode_tps(timings(5.0, 5.1, 5.2, 5.3)) == pytest.approx(10.0)


def test_the_first_token_is_waited_for_from_the_request_on():
    assert performance.ttft(timings(0.25, 0.5)) == 0.25


@given(st.integers(2, 500), st.floats(0.001, 10), st.floats(0.0001, 1))
def test_decoding_speed_is_the_inverse_of_the_gap_whatever_the_prompt_took(n, first, gap):
    stamps = timings(*(first + i * gap for i in range(n)))
    assert performance.decode_tps(stamps) == pytest.approx(1 / gap, rel=1e-6)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_fewer_than_six_rounds_give_no_interval(n):
    # even the widest, from the least to the greatest of five, covers 93.75 % only
    metric = performance.median_metric(measured([10.0, 11.0, 12.0, 13.0, 14.0][:n]))
    assert metric.interval is None
    assert metric.n == n


def test_six_rounds_give_their_range():
    metric = performance.median_metric(measured([12.0, 10.0, 15.0, 11.0, 14.0, 13.0]))
    assert (metric.value, metric.interval, metric.n) == (12.5, (10.0, 15.0), 6)
    assert (metric.name, metric.unit, metric.higher_is_better) == ("decode_tps", "tok/s", True)


def test_so_many_rounds_are_played_that_there_is_an_interval():
    assert median_interval([1.0] * ROUNDS) is not None


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=40))
def test_a_median_is_in_its_interval(values):
    metric = performance.median_metric(measured(values))
    assert min(values) <= metric.value <= max(values)
    if metric.interval is not None:
        assert metric.interval[0] <= metric.value <= metric.interval[1]


def test_warm_ups_are_in_no_metric():
    measurement = Measurement(name="t", unit="s", values=(1.0, 1.0), warmups=(99.0,), higher_is_better=False)
    assert performance.median_metric(measurement).value == 1.0
    assert not performance.median_metric(measurement).higher_is_better


def test_what_does_not_fit_is_skipped_with_both_lengths(fake):
    backend = fake(context_length=2048)
    performance.require_context(backend, 2048)
    with pytest.raises(NotAvailableError, match="2049 tokens do not fit into the context of 2048") as caught:
        performance.require_context(backend, 2049)
    assert caught.value.slug == "context-too-short"


# -- a real model -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def llama(real_model):
    from pytest_slm.backends.llamacpp import LlamaCpp

    opened = LlamaCpp(ModelSpec(path=str(real_model), format="gguf", settings=EngineSettings(threads=1)))
    yield opened
    opened.close()


def test_a_real_tokenizer_is_fitted_exactly_and_nothing_is_cached(llama):
    rounds = play(Rounds(llama, 64, 4, seed=4), 2)
    for generation in rounds.generations:
        assert generation.n_prompt == generation.timings.n_evaluated == 64
        assert generation.n_output == 4
    speeds = rounds.measurement("decode_tps", "tok/s", performance.decode_tps, higher_is_better=True)
    assert all(speed > 0 for speed in speeds.values)


@pytest.mark.parametrize("n", [512, 2048])
def test_the_lengths_of_the_suite_are_hit_with_a_real_tokenizer(llama, n):
    rounds = Rounds(llama, n, 1, seed=n)
    rounds.prepare()
    assert llama.count_tokens([rounds._next]) == [n]
