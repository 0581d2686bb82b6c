"""Timings: nothing is cached, lengths are exact, warm-ups stand apart, and what is told is arithmetic on raw values."""

import dataclasses
import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.backends.fake import TEMPLATE_TOKENS, Fake
from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.rounds import RoundRule
from pytest_slm.core.types import EngineSettings, Measurement, Timings
from pytest_slm.errors import BackendError, NotAvailableError
from pytest_slm.runners.performance import (
    Decode,
    Depth,
    FirstToken,
    Generate,
    Parallel,
    Player,
    Prefill,
    Round,
    Rounds,
    median_metric,
    play,
    require_context,
)
from pytest_slm.runners.performance.prompts import Prompts
from pytest_slm.runners.performance.rounds import Quantity

RULE = RoundRule(budget_s=60)


class Watching(Fake):
    """Keeps the prompts and engine tests that it was asked."""

    def __init__(self, spec):
        super().__init__(spec)
        self.prompts, self.tests = [], []

    def generate(self, requests, *progress):
        self.prompts += [request.messages[0].content for request in requests]
        return super().generate(requests, *progress)

    def time(self, test, *progress):
        self.tests.append(test)
        return super().time(test, *progress)


class Caching(Fake):
    """Remembers the prompt before, as engines do that re-use the longest common prefix."""

    def generate(self, requests, *progress):
        return [
            dataclasses.replace(made, timings=dataclasses.replace(made.timings, n_evaluated=1))
            for made in super().generate(requests, *progress)
        ]


class Scripted(Rounds):
    """Rounds that give what they are told to, without a model."""

    quantities = (Quantity(name="tps", unit="tok/s", higher_is_better=True, decides=True),)

    def __init__(self, values, log=None, name="", fails_at=None):
        self._values, self._log, self._name, self._fails_at = iter(values), log, name, fails_at
        self._n = 0

    def run(self):
        if self._n == self._fails_at:
            raise BackendError("gone", slug="host-died")
        self._n += 1
        if self._log is not None:
            self._log.append(self._name)
        value = next(self._values)
        return Round(values={"tps": value}, seconds=1 / value)


def one(rounds, n=1):
    for _ in range(n):
        rounds.prepare()
        last = rounds.run()
    return last


def played(rounds, rule=RULE):
    player = Player(rounds, rule)
    play([player])
    return player.measured()


def stamped(*token_s, **changes):
    plain = {"prepare_s": 0.0, "prefill_s": 0.0, "sample_s": 0.0, "end_s": token_s[-1], "n_evaluated": 64}
    return Timings(token_s=token_s, **{**plain, **changes})


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


# -- requests of the profile user -----------------------------------------------------------------------------------


def test_every_token_of_the_prompt_is_computed_and_every_token_of_the_answer_comes(fake):
    rounds = Decode(fake(), 20)
    rounds.prepare()
    timings = rounds.timings()
    assert timings.n_evaluated == 64
    assert len(timings.token_s) == 20


def test_an_engine_that_caches_is_an_error_and_no_speed(fake):
    with pytest.raises(BackendError, match="1 of 64 prompt tokens were computed") as caught:
        one(Decode(fake(Caching), 20))
    assert caught.value.slug == "prompt-cached"


def test_a_backend_without_timings_is_an_error(fake):
    class Timeless(Fake):
        def generate(self, requests, *progress):
            return [dataclasses.replace(made, timings=None) for made in super().generate(requests, *progress)]

    with pytest.raises(BackendError, match="0 of 64"):
        one(Decode(fake(Timeless), 20))


def test_an_answer_that_ends_early_although_its_length_is_forced_is_an_error(fake):
    class Short(Fake):
        def generate(self, requests, *progress):
            return [dataclasses.replace(made, n_output=7) for made in super().generate(requests, *progress)]

    with pytest.raises(BackendError, match="7 of 20 tokens came") as caught:
        one(Decode(fake(Short), 20))
    assert caught.value.slug == "context-too-long"


def test_every_round_has_other_words(fake):
    backend = fake(Watching)
    one(Decode(backend, 4), 7)
    assert len(set(backend.prompts)) == 7
    # an engine may keep a common beginning even where the whole differs
    assert len({prompt.split()[0] for prompt in backend.prompts}) > 1


def test_a_seed_gives_the_same_words(fake):
    prompts = [[Prompts(fake(), 64, seed).next()[0].content for _ in range(3)] for seed in (1, 1, 2)]
    assert prompts[0] == prompts[1] != prompts[2]


@pytest.mark.parametrize("n", [TEMPLATE_TOKENS, 64, 512, 2048])
def test_a_prompt_has_exactly_so_many_tokens(fake, n):
    rounds = FirstToken(fake(), n)
    one(rounds)
    assert rounds.timings().n_evaluated == n


@pytest.mark.parametrize("letters_per_token", [4, 2, 1])
def test_a_tokenizer_of_several_tokens_a_word_is_fitted_too(fake, letters_per_token):
    # one word for each missing token overshoots more and more where a word is two tokens
    class Pieces(Fake):
        @staticmethod
        def _n_prompt(request):
            words = request.messages[0].content.split()
            return TEMPLATE_TOKENS + sum(math.ceil(len(word) / letters_per_token) for word in words)

    for seed in range(5):
        content = Prompts(fake(Pieces), 512, seed).next()[0].content
        assert TEMPLATE_TOKENS + sum(math.ceil(len(word) / letters_per_token) for word in content.split()) == 512


def test_a_length_that_no_prompt_has_is_an_error(fake):
    with pytest.raises(BackendError, match=r"exactly 2 tokens.*template alone may be longer") as caught:
        Prompts(fake(), TEMPLATE_TOKENS - 1, 1).next()
    assert caught.value.slug == "prompt-length"


def test_what_does_not_fit_is_skipped_with_both_lengths(fake):
    backend = fake(context_length=2048)
    require_context(backend, 2048)
    one(FirstToken(backend, 2048))  # its answer of one token is never shown to the model
    for ask in (
        lambda: require_context(backend, 2049),
        lambda: FirstToken(backend, 2049),
        lambda: Prefill(backend, 2049),
        lambda: Depth(backend, 2048 - 511),
    ):
        with pytest.raises(NotAvailableError, match="2049 tokens do not fit into the context of 2048") as caught:
            ask()
        assert caught.value.slug == "context-too-short"


# -- what is told ---------------------------------------------------------------------------------------------------


def test_decoding_speed_counts_the_tokens_after_the_first(fake):
    backend = fake(Stamped)
    backend.stamps = (5.0, 5.1, 5.2, 5.3)  # three gaps of 0.1 s after a prompt of 5 s: the prompt is in none of it
    found = one(Decode(backend, 4))
    assert found.values == pytest.approx({"decode_tps": 10.0, "tpot": 0.1, "e2e_tps": 4 / 5.3})
    assert found.seconds == pytest.approx(0.3)


@given(st.integers(2, 100), st.floats(0.001, 10), st.floats(0.0001, 1))
def test_decoding_speed_is_the_inverse_of_the_gap_whatever_the_prompt_took(n, first, gap):
    backend = Stamped(ModelSpec(path=None, format="fake"))
    backend.stamps = tuple(first + i * gap for i in range(n))
    assert one(Decode(backend, n)).values["decode_tps"] == pytest.approx(1 / gap, rel=1e-6)


def test_latencies_are_those_of_all_tokens_after_the_warm_ups(fake):
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


def test_the_first_token_is_waited_for_from_the_request_on(fake):
    backend = fake(pace_s=[0.5])
    found = one(FirstToken(backend, 10))
    assert found.values["ttft"] == found.seconds == found.values["ttft_prefill"] == 5.0
    assert {"ttft_tokenize", "ttft_sample", "ttft_detokenize"} <= set(found.values)


def test_the_time_for_text_is_absent_in_answers_without_it(fake):
    class Older(Fake):
        def generate(self, requests, *progress):
            made = super().generate(requests, *progress)
            return [
                dataclasses.replace(one, timings=dataclasses.replace(one.timings, detokenize_s=None)) for one in made
            ]

    assert "ttft_detokenize" not in one(FirstToken(fake(Older), 10)).values


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


# -- the engine alone -----------------------------------------------------------------------------------------------


def test_the_shapes_are_llama_benchs(fake):
    backend = fake(Watching, context_length=8192)
    for rounds in (Prefill(backend, 512), Generate(backend, 128), Depth(backend, 2048), Parallel(backend, 4)):
        one(rounds)
    shapes = [(t.n_prompt, t.n_gen, t.n_depth, t.n_sequences) for t in backend.tests]
    assert shapes == [(512, 0, 0, 1), (0, 128, 0, 1), (512, 0, 2048, 1), (0, 32, 2048, 1), (0, 64, 0, 4)]


def test_filling_a_depth_is_none_of_its_rounds(fake):
    backend = fake(Watching, context_length=8192)
    player = Player(Depth(backend, 2048), RULE)
    play([player])
    measured = player.measured()
    rounds = len(measured.warmups) + len(measured.rounds)
    assert [t.n_prompt for t in backend.tests] == [512, *[512, 0] * rounds]
    assert all(test.n_depth == 2048 for test in backend.tests)


def test_every_round_of_the_engine_has_other_ids(fake):
    backend = fake(Watching)
    one(Prefill(backend, 16), 5)
    assert len({test.seed for test in backend.tests}) == 5


def test_rates_of_the_engine(fake):
    backend = fake(pace_s=[0.01])
    assert one(Prefill(backend, 512)).values == pytest.approx({"prefill_tps": 100.0})
    assert one(Generate(backend, 128)).seconds == pytest.approx(1.28)
    assert one(Parallel(backend, 4)).values == pytest.approx({"total_tps": 100.0, "per_sequence_tps": 25.0})


def test_the_depth_of_a_context_is_what_is_left_of_it(fake):
    rounds = Depth(fake(context_length=3000, pace_s=[0.001]), "context")
    assert rounds.depth == 3000 - 512
    assert rounds.provenance()["depth"] == 2488


def test_a_context_that_would_take_too_long_to_fill_is_skipped_with_the_time(fake):
    # 512 tokens take 5 s, and so do the 131,000
    with pytest.raises(NotAvailableError, match="would take about 22 minutes, more than 5") as caught:
        Depth(fake(context_length=131_072, pace_s=[0.01]), "context")
    assert caught.value.slug == "context-too-slow"


def test_a_backend_without_timing_is_skipped(fake):
    backend = fake(capabilities=["chat", "generate"])
    with pytest.raises(NotAvailableError) as caught:
        Prefill(backend, 16)
    assert caught.value.slug == "no-timing"
    one(Decode(backend, 4))  # the profile user needs no more than generate


# -- playing --------------------------------------------------------------------------------------------------------


def test_warm_ups_are_kept_apart_from_rounds():
    found = played(Scripted([50.0, 99.0, *[100.0, 101.0] * 20]))
    (speed,) = found.measurements
    assert speed.warmups[:2] == (50.0, 99.0)
    assert set(speed.values) <= {100.0, 101.0}
    assert len(speed.values) == len(found.rounds) == 6
    assert found.metrics[0].value == statistics.median(speed.values)
    assert found.provenance["rounds_reason"] == "interval within 2 %"
    assert found.provenance["warmups_agree"] is True


def test_every_round_has_its_conditions():
    found = played(Scripted([100.0] * 40))
    conditions = found.provenance["conditions"]
    assert len(conditions) == len(found.warmups) + len(found.rounds)
    assert all(entry["seconds"] >= 0 for entry in conditions)
    # whose process it was is not known here: the model's own work is not taken for that of others
    assert all(entry["foreign_cores"] is None for entry in conditions)


def test_rounds_that_disagree_are_noisy():
    found = played(Scripted([100.0, 200.0] * 40))
    assert found.provenance["verdict"] == "noisy"
    assert found.provenance["rounds_reason"] == "round limit"
    assert len(found.rounds) == RULE.most


def test_an_engine_that_fails_has_no_speed():
    player = Player(Scripted([100.0] * 40, fails_at=4), RULE)
    play([player])
    with pytest.raises(BackendError, match="gone"):
        player.measured()


def test_rounds_of_several_models_alternate():
    log = []
    players = [Player(Scripted([speed] * 40, log, name), RULE) for name, speed in (("A", 10.0), ("B", 20.0))]
    play(players)
    assert log == ["A", "B"] * (len(log) // 2)
    assert [player.measured().metrics[0].value for player in players] == [10.0, 20.0]


def test_one_that_fails_or_is_done_does_not_end_the_others():
    log = []
    players = [
        Player(Scripted([10.0] * 40, log, "A", fails_at=1), RULE),
        Player(Scripted([20.0] * 40, log, "B"), RULE),
        Player(Scripted([20.0, 30.0] * 40, log, "C"), RULE),
    ]
    play(players)
    assert players[1].measured().provenance["verdict"] in ("stable", "noisy")
    assert log[:5] == ["A", "B", "C", "B", "C"]
    assert log.count("C") > log.count("B") > log.count("A") == 1


def test_energy_is_absent_with_the_reason_or_a_number(fake):
    found = played(Decode(fake(pace_s=[0.01]), 10))
    names = {measurement.name for measurement in found.measurements}
    if "energy_per_token" in names:
        assert found.provenance["energy"] == "RAPL"
    else:
        assert found.provenance["energy"]


# -- a real model ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def llama(real_model):
    from pytest_slm.backends.llamacpp import LlamaCpp

    opened = LlamaCpp(ModelSpec(path=str(real_model), format="gguf", settings=EngineSettings(threads=1)))
    yield opened
    opened.close()


def test_a_real_tokenizer_is_fitted_exactly_and_nothing_is_cached(llama):
    rounds = Decode(llama, 4)
    assert all(one(rounds).values["decode_tps"] > 0 for _ in range(2))


@pytest.mark.parametrize("n", [512, 2048])
def test_the_lengths_of_the_suite_are_hit_with_a_real_tokenizer(llama, n):
    from pytest_slm.core.types import Request

    assert llama.count_tokens([Request(messages=Prompts(llama, n, n).next(), max_tokens=1)]) == [n]


def test_the_time_to_the_first_token_is_the_sum_of_its_parts(llama):
    rounds = FirstToken(llama, 128)
    for _ in range(3):
        values = dict(one(rounds).values)
        total = values.pop("ttft")
        assert len(values) == 4
        assert sum(values.values()) == pytest.approx(total, rel=0.01)
        assert all(value >= 0 for value in values.values())


def test_depth_makes_a_real_engine_slower_and_its_memory_is_kept(llama):
    near, far = Depth(llama, 0), Depth(llama, 1024)
    assert one(far).values["prefill_tps"] < one(near).values["prefill_tps"]
