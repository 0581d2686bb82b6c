"""From work and rates to seconds: more work is never less time, and the parts add up."""

import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.backends.protocol import Workload
from pytest_slm.core.types import Request
from pytest_slm.planning import costs
from pytest_slm.planning.costs import in_time, of_item, of_rounds, pilot, reading, writing
from pytest_slm.planning.plan import size
from pytest_slm.planning.rates import Rates, glance, measure, seconds_to_measure
from pytest_slm.run.drive import FirstRound

RATES = Rates(step_s=0.01, row_s=0.001, depth_s=1e-7, spoken_s=0.002, scored_s=0.0, took_s=1.0)


def work(**changes):
    plain = {
        "shown": 0,
        "evaluated": 0,
        "depth": 0,
        "predicted": 0,
        "steps": 0,
        "together": 4,
        "cells": 0,
        "outputs": 1,
    }
    return Workload(**{**plain, **changes})


def test_reading_adds_steps_rows_and_looking_back():
    assert reading(work(steps=2, evaluated=600, depth=100_000), RATES) == pytest.approx(0.02 + 0.6 + 0.01)


def test_texts_that_run_together_share_their_steps():
    # four texts of ten tokens in four sequences are ten steps, one after the other forty
    assert writing([10] * 4, work(), RATES) == pytest.approx(10 * 0.01 + 40 * 0.002)
    assert writing([10] * 4, work(together=1), RATES) == pytest.approx(40 * 0.01 + 40 * 0.002)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=60), st.integers(1, 32))
def test_the_steps_are_those_of_a_queue(lengths, together):
    steps = (writing(lengths, work(together=together), RATES) - sum(lengths) * RATES.spoken_s) / RATES.step_s
    assert steps == pytest.approx(round(steps))
    assert max(max(lengths), sum(lengths) / together) - 0.01 <= steps <= sum(lengths) + 0.01


class Four:
    """A backend that writes four texts at once, with prompts of ten tokens; notes how many are in each call."""

    def __init__(self):
        self.calls = []

    def workload_of_requests(self, requests):
        self.calls.append(len(requests))
        return work(together=min(4, len(requests)), steps=1, evaluated=10 * len(requests), shown=10 * len(requests))


def test_answers_whose_own_time_counts_are_asked_one_by_one():
    def cost(alone):
        requests = tuple(Request(prompt=str(n), max_tokens=20, alone=n in alone) for n in range(8))
        found = Four()
        first = FirstRound(samples=8, requests=requests, pairs=(), seconds=0.0)
        return of_item(first, found, RATES, [20]), found.calls

    (together, calls), (apart, single), (mixed, both) = cost(()), cost(range(8)), cost((0, 7))
    assert (calls, single, both) == ([8], [1] * 8, [6, 1, 1])
    assert together.output == apart.output == mixed.output == 160
    # eight texts one after the other are 8 x 20 steps to write, four at once 2 x 20; so are steps for the prompts
    assert apart.seconds - together.seconds == pytest.approx((160 - 40 + 8 - 1) * RATES.step_s)
    assert together.seconds < mixed.seconds < apart.seconds


def test_rounds_are_one_after_the_other():
    one = of_rounds(64, 100, 1, RATES, 512)
    seven = of_rounds(64, 100, 7, RATES, 512)
    assert seven.seconds == pytest.approx(7 * one.seconds)
    assert (seven.requests, seven.shown, seven.output) == (7, 448, 700)
    assert one.seconds == pytest.approx(0.01 + 0.064 + 2016e-7 + 99 * (0.01 + 0.002 + 64e-7))


def test_rates_tell_what_people_ask_for():
    assert RATES.decode_tps == pytest.approx(1 / 0.012)
    assert RATES.prefill_tps == pytest.approx(512 / (0.01 + 0.512 + 512 * 511 / 2 * 1e-7))


class Writer:
    """Answers every request with as many tokens as its text says; notes how many it was asked, and the longest."""

    def __init__(self):
        self.asked = self.longest = 0

    def count_tokens(self, requests):
        return [len(request.prompt) for request in requests]

    def generate(self, requests):
        self.asked += len(requests)
        ends = [(int(request.prompt), request.max_tokens) for request in requests]
        self.longest = max([self.longest, *map(min, ends)])
        return [
            types.SimpleNamespace(n_output=min(said, most), finish="length" if said >= most else "stop")
            for said, most in ends
        ]


def asked(lengths, max_tokens=512):
    requests = tuple(Request(prompt=str(length), max_tokens=max_tokens) for length in lengths)
    return FirstRound(samples=len(requests), requests=requests, pairs=(), seconds=0.0)


def test_a_pilot_of_long_answers_is_small():
    writer = Writer()
    assert pilot(asked([200] * 100), writer) == [200] * 8
    assert writer.asked == 8


def test_a_pilot_does_not_wait_for_answers_without_end():
    writer = Writer()
    assert pilot(asked([511] * 50 + [100] * 50, max_tokens=511), writer) == [511] * 4 + [100] * 4
    assert writer.longest == 256


def test_where_answers_are_short_the_few_long_ones_are_looked_for():
    # one in ten, and none of them among the first eight
    lengths = [900 if number % 10 == 3 else 2 for number in range(100)]
    found = pilot(asked(lengths), Writer())
    assert len(found) == 24
    assert 0 < found.count(512) < 24


@pytest.mark.parametrize(("prompt", "answers"), [(10, 24), (200, 10), (600, 3), (3000, 2)])
def test_a_pilot_reads_no_more_than_it_can_afford(prompt, answers):
    writer = Writer()
    assert pilot(asked(["7".zfill(prompt)] * 100), writer) == [7] * answers


def test_a_pilot_asks_no_more_than_there_is():
    assert pilot(asked([1, 2, 3]), Writer()) == [1, 2, 3]
    assert pilot(asked([]), Writer()) == []


def test_answers_that_hardly_matter_are_not_asked_for():
    writer = Writer()
    assert pilot(asked(["7" * 300] * 20, max_tokens=16), writer) == [16] * 8
    assert writer.asked == 0


@pytest.mark.parametrize(("allowed_s", "answers"), [(0.0, 0), (2.6, 0), (4.0, 2), (6.5, 6), (100.0, 8)])
def test_a_pilot_takes_no_longer_than_it_may(allowed_s, answers):
    # 256 steps of 10 ms together, and 0.1 s + 0.512 s for each
    writer = Writer()
    found = pilot(asked(["200".zfill(100)] * 100), writer, RATES, allowed_s)
    assert found == [200] * answers
    assert writer.asked == answers
    taken = 256 * 0.01 + answers * (100 * 0.001 + 256 * 0.002)
    assert not answers or taken <= allowed_s


def test_a_second_pilot_has_only_the_time_that_the_first_has_left(monkeypatch):
    writer, clock = Writer(), iter([0.0, 0.0, 20.0, 20.0])
    monkeypatch.setattr(costs.time, "perf_counter", lambda: next(clock))
    assert pilot(asked(["7".zfill(10)] * 100), writer, RATES, 22.0) == [7] * 8
    assert writer.asked == 8


def test_what_was_not_looked_at_costs_as_much_as_what_was():
    one = of_rounds(64, 100, 7, RATES, 512)
    more = one.times(3)
    assert (more.requests, more.shown, more.output) == (21, 3 * 448, 2100)
    assert more.seconds == pytest.approx(3 * one.seconds)
    assert (more.cells, more.outputs) == (one.cells, one.outputs)  # it is asked in batches all the same


class Clocked:
    """A model whose steps and rows take what RATES says; adds up how long it was busy."""

    capabilities = frozenset()
    busy_s = 0.0

    def describe(self):
        return types.SimpleNamespace(vocab_size=1000, n_ctx=4096)

    def generate(self, requests):
        n = len(requests)
        read = RATES.step_s + sum(len(request.prompt_ids) for request in requests) * RATES.row_s
        step = RATES.step_s + n * RATES.spoken_s
        stamps = tuple(read + place * step for place in range(requests[0].max_tokens))
        self.busy_s += stamps[-1]
        timings = types.SimpleNamespace(prefill_s=read, token_s=stamps)
        return [types.SimpleNamespace(timings=timings) for _ in requests]


def test_a_glance_is_short_and_knows_what_measuring_would_take():
    glanced, measured = Clocked(), Clocked()
    rough = glance(glanced)
    rates = measure(measured)
    assert rates.step_s == pytest.approx(RATES.step_s, rel=0.05)
    assert rates.row_s == pytest.approx(RATES.row_s, rel=0.05)
    assert rates.spoken_s == pytest.approx(RATES.spoken_s, rel=0.05)
    assert rough.row_s == pytest.approx(RATES.row_s, rel=0.1)
    assert glanced.busy_s < measured.busy_s / 10
    assert seconds_to_measure(rough) == pytest.approx(measured.busy_s, rel=0.3)
    assert rough.spread > rates.spread > 0


@pytest.mark.parametrize(
    ("round_s", "budget_s", "seconds"),
    [
        (1, None, 8),
        (1, 30, 30),  # more rounds than the least are made, as many as fit
        (10, 30, 80),  # the least number of rounds takes longer
        (10, 15, 60),  # but patience ends
        (100, 15, 200),  # one warm-up and one round are made in any case
    ],
)
def test_a_budget_bounds_the_rounds_from_both_sides(round_s, budget_s, seconds):
    slow = Rates(step_s=0.0, row_s=float(round_s), depth_s=0.0, spoken_s=0.0, scored_s=0.0, took_s=1.0)
    assert in_time(of_rounds(1, 1, 8, slow, 512), budget_s) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("n", "text"), [(999, "999 B"), (999_700_000, "1000 MB"), (1.5e9, "1.5 GB"), (4e12, "4000 GB")]
)
def test_a_size_is_a_plain_number(n, text):
    assert size(n) == text
