"""The engine alone: the tests of llama-bench, and what they cost."""

import pytest

from pytest_slm.errors import NotAvailableError
from pytest_slm.performance import Decode, Depth, Generate, Parallel, Prefill, RoundPlayer, play


def test_the_shapes_are_llama_benchs(fake, watching, one):
    backend = fake(watching, context_length=8192)
    for rounds in (Prefill(backend, 512), Generate(backend, 128), Depth(backend, 2048), Parallel(backend, 4)):
        one(rounds)
    shapes = [(t.n_prompt, t.n_gen, t.n_depth, t.n_sequences) for t in backend.tests]
    assert shapes == [(512, 0, 0, 1), (0, 128, 0, 1), (512, 0, 2048, 1), (0, 32, 2048, 1), (0, 64, 0, 4)]


def test_filling_a_depth_is_none_of_its_rounds(fake, watching, rule):
    backend = fake(watching, context_length=8192)
    depth = Depth(backend, 2048)
    depth.observed = None  # a model in this process has none who could
    player = RoundPlayer(depth, rule)
    play([player])
    measured = player.measured()
    rounds = len(measured.warmups) + len(measured.rounds)
    assert [t.n_prompt for t in backend.tests] == [512, *[512, 0] * rounds]
    assert all(test.n_depth == 2048 for test in backend.tests)


def test_every_round_of_the_engine_has_other_ids(fake, watching, one):
    backend = fake(watching)
    one(Prefill(backend, 16), 5)
    assert len({test.seed for test in backend.tests}) == 5


def test_rates_of_the_engine(fake, one):
    backend = fake(pace_s=[0.01])
    assert one(Prefill(backend, 512)).values == pytest.approx({"prefill_tps": 100.0})
    assert one(Generate(backend, 128)).seconds == pytest.approx(1.28)
    assert one(Parallel(backend, 4)).values == pytest.approx({"total_tps": 100.0, "per_sequence_tps": 25.0})


def test_the_depth_of_a_context_is_what_is_left_of_it(fake):
    rounds = Depth(fake(context_length=3000, pace_s=[0.001]), "context")
    assert rounds.depth == 3000 - 512
    assert rounds.shape.depth == 2488


def test_a_context_that_would_take_too_long_to_fill_is_skipped_with_the_time(fake):
    # 512 tokens take 5 s, and so do the 131,000
    with pytest.raises(NotAvailableError, match="would take about 22 minutes, more than 5") as caught:
        Depth(fake(context_length=131_072, pace_s=[0.01]), "context")
    assert caught.value.slug == "context-too-slow"


def test_a_backend_without_timing_is_skipped(fake, one):
    backend = fake(capabilities=["chat", "generate"])
    with pytest.raises(NotAvailableError) as caught:
        Prefill(backend, 16)
    assert caught.value.slug == "no-timing"
    one(Decode(backend, 4))  # the profile user needs no more than generate
