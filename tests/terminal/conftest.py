"""A live line, a screen that notes what is written, and a clock that stands."""

import pytest

from pytest_slm.core.types import ItemId
from pytest_slm.terminal import progress
from pytest_slm.terminal.progress import LiveLine


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
def items():
    """Two items, a and b."""
    return tuple(ItemId(suite="core", task=task, variant="", quantization="Q8_0") for task in ("a", "b"))


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


@pytest.fixture
def screen():
    return Screen()


@pytest.fixture
def line(screen, clock, items):
    """A live line on a terminal, with two items planned: b is expected to take three times as long as a."""
    live = LiveLine(screen, None, rewrites=True)
    live.plan({items[0]: 100.0, items[1]: 300.0})
    return live
