"""Engines side by side: which one runs a file fastest here, and how sure that is."""

from dataclasses import replace

import pytest

from pytest_slm.core.types import Measurement
from pytest_slm.terminal.engines import side_by_side

ENGINES = ("llama-cpp-python 0.3.36", "ik-llama-cpp-python 0.1.5")


@pytest.fixture
def run(factory):
    """A timed run of one engine, of the same weights as all others, in turns with them or not."""

    def make(engine, rates, *, turns=True, weights="a" * 64, noise=""):
        made = factory.make_run(modern=True)
        timed = next(one for one in made.results if one.task == "decode")
        verdict = "noisy" if noise else "stable"
        timing = replace(timed.timing, verdict=verdict, reason=noise, interleaved=("x", "y") if turns else ())
        (measured,) = (one for one in timed.measurements if one.name == timed.primary)
        timed = replace(
            timed,
            timing=timing,
            measurements=(replace(measured, values=rates),),
        )
        memory = next(one for one in made.results if one.task == "memory")
        peak = Measurement(name="peak_rss", unit="B", values=(2e8,), higher_is_better=False)
        backend = replace(made.backend, engine_version=engine, weights_sha256=weights)
        return replace(made, results=(timed, replace(memory, measurements=(peak,))), backend=backend)

    return make


RATES = ((50.0, 52.0, 51.0, 53.0, 50.5), (100.0, 104.0, 102.0, 106.0, 101.0))


def test_rounds_in_turns_have_a_ratio_with_its_interval(run):
    title, head, decode, memory = side_by_side([run(*one) for one in zip(ENGINES, RATES, strict=True)])
    assert title == "engines on the same weights, rounds in turns"
    assert all(engine in head for engine in ENGINES)
    *told, low, _, high = decode.split()
    assert told == ["performance/decode[100]", "decode_tps", "51", "tok/s", "102", "tok/s", "2"]
    assert 1.85 < float(low) < 2 < float(high) < 2.15
    # One value has no interval, and that is said.
    assert memory.split()[-2:] == ["1", "unknown"]


def test_what_is_noisy_and_was_measured_one_after_the_other_is_told(run):
    title, _, decode, _ = side_by_side(
        [run(ENGINES[0], RATES[0], turns=False, noise="steal"), run(ENGINES[1], RATES[1], turns=False)]
    )
    assert "one after the other; --slm-interleave" in title
    assert "51 tok/s (noisy)" in decode


@pytest.mark.parametrize(
    "other",
    [{"engine": ENGINES[0]}, {"engine": ENGINES[1], "weights": "b" * 64}, {"engine": ENGINES[1], "weights": None}],
)
def test_one_engine_and_other_weights_are_not_put_side_by_side(run, other):
    assert side_by_side([run(ENGINES[0], RATES[0]), run(rates=RATES[1], **other)]) == []


def test_a_rate_of_nothing_has_no_ratio(run):
    _, _, decode, _ = side_by_side([run(ENGINES[0], RATES[0]), run(ENGINES[1], (0.0, 1.0))])
    assert decode.split()[-2:] == ["unknown", "unknown"]


def test_three_engines_are_three_pairs(run):
    found = side_by_side([run(engine, RATES[0]) for engine in (*ENGINES, "libllama.so sha256:0123")])
    assert len([line for line in found if line.startswith("engines on")]) == 3
