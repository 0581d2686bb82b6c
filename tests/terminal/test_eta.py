"""How long it will take: reckoned from what is done, and counted down meanwhile."""

import dataclasses

import pytest

from pytest_slm.core.types import ItemId

A, B = (ItemId(suite="core", task=task, variant="", quantization="Q8_0") for task in ("a", "b"))


def test_until_something_is_done_nobody_knows(line, clock):
    assert line.eta() is None
    line.start(A)
    clock.now += 60
    assert line.eta() is None
    assert "left" not in line.text()


def test_what_is_left_takes_as_long_as_what_was_done_by_weight(line, clock):
    line.start(A)
    clock.now += 10
    line.finish(A)
    assert line.eta() == pytest.approx(30)  # a quarter took 10 s


def test_a_part_of_an_item_counts_as_that_part(line, clock):
    line.start(A)
    clock.now += 5
    line.advance(1, 2)
    assert line.eta() == pytest.approx(35)  # 50 of 400 took 5 s


def test_what_an_earlier_session_did_says_nothing_of_the_speed(line, clock):
    line.start(B)
    line.advance(2, 3)
    line.kept()
    assert line.eta() is None  # 200 of 400 were there; nothing was done yet
    clock.now += 10
    line.advance(5, 6)
    assert line.eta() == pytest.approx(30)  # 50 took 10 s, 150 are left
    clock.now += 10
    line.finish(B)
    line.start(A)
    assert line.eta() == pytest.approx(20)  # 100 took 20 s, 100 are left
    line.advance(1, 1)
    line.kept()
    assert line.eta() == 0


def test_a_session_that_finds_all_answers_has_nothing_to_reckon_with(line, clock):
    for item in (A, B):
        line.start(item)
        clock.now += 1
        line.advance(1, 1)
        line.kept()
        line.finish(item)
    assert line.eta() is None


def test_there_is_no_eta_from_next_to_nothing(line, clock):
    # 1 of 40 answers that are written together comes when most of them are nearly done.
    line.plan({A: 400.0})
    line.start(A)
    clock.now += 10
    line.advance(1, 40)
    assert line.eta() is None
    line.advance(2, 40)
    assert line.eta() == pytest.approx(190)


def test_after_a_minute_little_is_enough(line, clock):
    # 5,000 questions that are answered one batch after the other
    line.plan({A: 400.0})
    line.start(A)
    clock.now += 50
    line.advance(10, 500)
    assert line.eta() is None
    clock.now += 50
    assert line.eta() == pytest.approx(2400)  # 50 s for 10 of them, and 50 s that are gone


def test_while_a_long_batch_is_awaited_the_time_goes_down_and_not_up(line, clock):
    # An item of one batch: nothing is heard of it until it ends.
    line.start(A)
    clock.now += 10
    line.finish(A)
    line.start(B)
    left = []
    for _ in range(4):
        left.append(line.eta())
        clock.now += 10
    assert left == pytest.approx([30, 20, 10, 0])
    assert line.eta() is None  # it takes longer than was expected, and how long nobody knows
    assert "left" not in line.text()
    line.advance(1, 2)
    assert line.eta() == pytest.approx(50 * 150 / 250)


def test_how_many_samples_a_data_set_has_is_known_when_its_item_begins(line, clock):
    # Planned as 1,000 samples of 2 tokens; it has 5,000, so the item after it is a tenth of it and no half.
    line.plan({A: 2000.0, B: 1000.0}, each={A: 2.0, B: 250.0})
    line.start(A)
    clock.now += 60
    line.advance(1000, 5000)
    assert line.eta() == pytest.approx(60 / 2000 * (8000 + 1000))
    clock.now += 240
    line.finish(A)
    line.start(B)
    assert line.eta() == pytest.approx(30)
    line.advance(1, 4)
    assert line.eta() == pytest.approx(300 / 10250 * 750)


def test_what_one_quantization_knows_of_a_data_set_is_known_of_all(line, clock):
    q4, other = dataclasses.replace(A, quantization="Q4_0"), dataclasses.replace(A, variant="long", quantization="Q4_0")
    line.plan(dict.fromkeys((A, q4, other), 1000.0), each=dict.fromkeys((A, q4, other), 1.0))
    line.start(A)
    clock.now += 100
    line.advance(5000, 10000)
    line.finish(A)
    line.start(q4)
    assert line.eta() == pytest.approx(100 * (10000 + 1000) / 10000)  # as much again, and another variant


def test_what_is_done_keeps_its_weight(line, clock):
    # One item over 100 samples, the same on another quantization has fewer: nothing of the past changes.
    q4 = dataclasses.replace(A, quantization="Q4_0")
    line.plan({A: 100.0, q4: 100.0}, each={A: 1.0, q4: 1.0})
    line.start(A)
    clock.now += 10
    line.advance(100, 100)
    line.finish(A)
    line.start(q4)
    line.advance(0, 50)
    assert line.eta() == pytest.approx(5)


def test_an_item_that_was_taken_over_says_nothing_of_the_speed(line, clock):
    line.plan({A: 100.0, B: 300.0})
    line.start(A)
    line.finish(A, taken_over=True)
    line.start(B)
    clock.now += 60
    line.advance(1, 2)
    assert line.eta() == pytest.approx(60)  # half of the only item that is measured


def test_an_item_that_was_skipped_is_no_work_done(line, clock):
    # One that needs a package may be most of what was planned, and is over at once.
    line.plan({A: 10_000.0, B: 300.0})
    line.start(A)
    line.finish(A, measured=False)
    line.start(B)
    assert line.eta() is None
    clock.now += 60
    line.advance(1, 3)
    assert line.eta() == pytest.approx(120)
    assert "item 2 of 2" in line.text()


def test_of_an_item_that_broke_off_counts_what_it_had_done(line, clock):
    line.plan({A: 400.0, B: 300.0})
    line.start(A)
    clock.now += 10
    line.advance(1, 4)
    line.finish(A, measured=False)
    line.start(B)
    assert line.eta() == pytest.approx(30)


def test_an_item_without_samples_keeps_what_was_planned_for_it(line, clock):
    line.plan({A: 2000.0, B: 2000.0}, each={A: 2.0, B: 2.0})
    line.start(A)
    line.advance(0, 0)
    clock.now += 10
    line.finish(A)
    assert line.eta() == pytest.approx(10)


def test_planned_seconds_are_left_until_something_is_done(line, clock):
    line.plan({A: 100.0, B: 300.0}, seconds=True)
    line.start(A)
    clock.now += 5
    assert line.eta() == 395
    line.advance(1, 100)
    assert line.eta() == 399  # one second of work says nothing yet
    clock.now += 45
    line.advance(50, 100)
    assert line.eta() == pytest.approx(350)


def test_parts_of_the_second_item_come_on_top_of_the_first(line, clock):
    line.start(A)
    line.finish(A)
    line.start(B)
    clock.now += 20
    line.advance(1, 3)
    assert line.eta() == pytest.approx(20)  # 200 of 400 took 20 s


def test_when_all_is_done_nothing_is_left(line, clock):
    for item in (A, B):
        line.start(item)
        clock.now += 10
        line.finish(item)
    assert line.eta() == 0


def test_time_before_the_first_item_does_not_count(line, clock):
    clock.now += 500
    line.start(A)
    clock.now += 10
    line.finish(A)
    assert line.eta() == pytest.approx(30)


def test_an_item_that_was_not_planned_breaks_nothing(line, clock):
    stranger = ItemId(suite="x", task="y", variant="", quantization="Q8_0")
    line.start(stranger)
    clock.now += 5
    line.advance(1, 2)
    assert line.eta() is None


def test_a_total_of_zero_is_no_progress(line):
    line.start(A)
    line.advance(0, 0)
    assert line.eta() is None
