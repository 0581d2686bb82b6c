"""The live line: what it says, when, and to whom."""

import types

import pytest

from pytest_slm.core.types import ItemId
from pytest_slm.terminal import progress
from pytest_slm.terminal.progress import LiveLine, live_line

A, B = (ItemId(suite="core", task=task, variant="", quantization="Q8_0") for task in ("a", "b"))


# -- what it says ---------------------------------------------------------------------------------------------------


def test_it_says_what_is_done_with_the_items(screen, clock):
    live = LiveLine(screen, None, rewrites=True, doing="planning")
    live.plan({A: 1.0, B: 1.0})
    live.start(A)
    assert live.text() == "  planning core/a[Q8_0] · item 1 of 2"


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
def test_workers_and_quiet_sessions_say_nothing(clock, screen, settings, quiet):
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
