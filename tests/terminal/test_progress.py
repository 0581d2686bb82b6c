"""The live line: what it says, when, and to whom."""

import types

import pytest

from pytest_slm.core.types import ItemId
from pytest_slm.terminal import progress
from pytest_slm.terminal.progress import LiveLine, live_line

A, B = (ItemId(suite="core", task=task, variant="", quantization="Q8_0") for task in ("a", "b"))


class Clock:
    """A clock that stands until it is set."""

    now = 1000.0

    def monotonic(self):
        return self.now


class Screen:
    """Notes what is written on it."""

    def __init__(self):
        self.written = []

    def ensure_newline(self):
        self.written.append(("newline", ""))

    def rewrite(self, line, **markup):
        self.written.append(("rewrite", line))

    def write_line(self, line):
        self.written.append(("line", line))

    def lines(self, kind):
        return [text for written, text in self.written if written == kind]


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


@pytest.fixture
def screen():
    return Screen()


@pytest.fixture
def line(screen, clock):
    """A live line on a terminal, with two items planned: b is expected to take three times as long as a."""
    live = LiveLine(screen, None, rewrites=True)
    live.plan({A: 100.0, B: 300.0})
    return live


# -- how long it will take ------------------------------------------------------------------------------------------


def test_it_says_what_is_done_with_the_items(screen, clock):
    live = LiveLine(screen, None, rewrites=True, doing="planning")
    live.plan({A: 1.0, B: 1.0})
    live.start(A)
    assert live.text() == "  planning core/a[Q8_0] · item 1 of 2"


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
    line.plan({A: 2000.0, B: 1000.0}, each={A: 2.0})
    line.start(A)
    clock.now += 60
    line.advance(1000, 5000)
    assert line.eta() == pytest.approx(60 / 2000 * (8000 + 1000))
    clock.now += 240
    line.finish(A)
    line.start(B)
    assert line.eta() == pytest.approx(30)
    line.advance(1, 4)  # what was planned by its number stays
    assert line.eta() == pytest.approx(300 / 10250 * 750)


def test_an_item_without_samples_keeps_what_was_planned_for_it(line, clock):
    line.plan({A: 2000.0, B: 2000.0}, each={A: 2.0})
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


# -- what it says ---------------------------------------------------------------------------------------------------


def test_it_names_the_item_its_counts_its_place_and_the_time_left(line, clock):
    line.start(A)
    clock.now += 5
    line.advance(8, 16)
    assert line.text().strip() == "measuring core/a[Q8_0] 8/16 · item 1 of 2 · 35 s left"


def test_a_new_item_starts_without_counts(line, clock):
    line.start(A)
    clock.now += 10
    line.advance(16, 16)
    line.finish(A)
    line.start(B)
    assert line.text().strip() == "measuring core/b[Q8_0] · item 2 of 2 · 30 s left"


def test_from_a_hundred_seconds_on_it_says_minutes(line, clock):
    line.start(A)
    clock.now += 41
    line.finish(A)
    line.start(B)
    assert line.text().endswith("2 min 03 s left")


# -- where it writes --------------------------------------------------------------------------------------------------


def test_a_terminal_is_rewritten_but_not_more_often_than_eyes_can_follow(line, clock, screen):
    line.start(A)
    for done in range(100):
        clock.now += 0.01
        line.advance(done, 100)
    assert 2 <= len(screen.lines("rewrite")) <= 1 + 1.0 / progress.EVERY_S
    assert screen.lines("line") == []


def test_a_finished_item_takes_its_line_away(line, screen):
    line.start(A)
    line.finish(A)
    assert screen.written[-1] == ("rewrite", "")


def test_where_lines_cannot_be_rewritten_one_comes_now_and_then(clock, screen):
    live = LiveLine(screen, None, rewrites=False)
    live.plan({A: 100.0})
    live.start(A)
    before = len(screen.lines("line"))
    for done in range(60):
        clock.now += 1
        live.advance(done, 60)
    assert screen.lines("rewrite") == []
    assert len(screen.lines("line")) - before == 60 // progress.QUIET_S


def test_without_a_terminal_it_is_silent_and_still_counts(clock):
    live = LiveLine(None, None, rewrites=False)
    live.plan({A: 100.0, B: 100.0})
    live.start(A)
    clock.now += 10
    live.advance(1, 2)
    live.finish(A)
    live.clear()
    assert live.eta() == pytest.approx(10)


def test_it_writes_past_the_capture_of_a_test(clock, screen):
    opened = []

    class Capture:
        def global_and_fixture_disabled(self):
            class Held:
                def __enter__(self):
                    opened.append(True)

                def __exit__(self, *_):
                    opened.append(False)

            return Held()

    live = LiveLine(screen, Capture(), rewrites=True)
    live.start(A)
    assert screen.lines("rewrite")
    assert opened == [True, False] * (len(opened) // 2)
    assert opened


@pytest.mark.parametrize(
    ("settings", "quiet"),
    [({}, False), ({"workerinput": {}}, True), ({"verbosity": -1}, True), ({"terminal": None}, True)],
    ids=["a session", "a worker", "-q", "no terminal"],
)
def test_workers_and_quiet_sessions_say_nothing(clock, settings, quiet):
    screen = Screen()
    screen.isatty = True
    plugins = {"terminalreporter": settings.get("terminal", screen), "capturemanager": None}
    config = types.SimpleNamespace(
        pluginmanager=types.SimpleNamespace(get_plugin=plugins.get),
        get_verbosity=lambda: settings.get("verbosity", 0),
    )
    if "workerinput" in settings:
        config.workerinput = settings["workerinput"]
    live = live_line(config)
    live.start(A)
    assert (screen.written == []) is quiet
