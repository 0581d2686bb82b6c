"""One line on the terminal that says what is being measured, or planned, and how long it will still take."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from typing import Protocol

import pytest

from pytest_slm.core.types import ItemId
from pytest_slm.errors import shown

QUIET_S = 15.0
"""Where the terminal cannot rewrite a line (a file, CI), a line comes this often at most."""
EVERY_S = 0.2
ENOUGH, ENOUGH_LATER, LATER_S = 0.05, 0.01, 60.0
"""The share of all work from which the rest is reckoned, and that after some time: the first answers of many that are
written together take as long as most of them."""


class Terminal(Protocol):
    """The part of pytest's terminal reporter that is used."""

    def ensure_newline(self) -> None: ...
    def rewrite(self, line: str, **markup: bool) -> None: ...
    def write_line(self, line: str) -> None: ...


class LiveLine:
    """Shows progress within and over items. The ETA is the time until the last answer times what was left then over
    what was done by then, weighed by the tokens or seconds that each item is expected to take; from there it counts
    down, since waiting for a long batch says nothing of what comes after it. Until enough is done to tell it is what is
    left of the seconds; with tokens there is none, and none where the batch takes longer than all that was expected."""

    def __init__(
        self,
        terminal: Terminal | None,
        capture: object | None,
        *,
        rewrites: bool,
        words: bool = False,
        doing: str = "measuring",
    ) -> None:
        self._words = words
        self._doing = doing
        self._terminal = terminal
        self._capture = capture
        self._rewrites = rewrites
        self._costs: dict[ItemId, float] = {}
        self._each: Mapping[ItemId, float] = {}
        self._seconds = False
        self._finished: set[ItemId] = set()
        self._item: ItemId | None = None
        self._share = 0.0
        self._kept_share = 0.0
        self._kept = 0.0
        self._counts = (0, 0)
        self._began: float | None = None
        self._last = 0.0
        """When something was done last."""
        self._shown = 0.0
        self._dirty = False

    def plan(
        self, costs: Mapping[ItemId, float], *, each: Mapping[ItemId, float] | None = None, seconds: bool = False
    ) -> None:
        """What is to be measured, in expected tokens, or in expected ``seconds``. ``each`` are those of one sample: how
        many an item has is known for certain when it begins, and then of the other quantizations, too."""
        self._costs = dict(costs)
        self._each = each or {}
        self._seconds = seconds

    def start(self, item: ItemId) -> None:
        """An item begins."""
        if self._began is None:
            self._began = self._last = time.monotonic()
        self._item, self._share, self._kept_share, self._counts = item, 0.0, 0.0, (0, 0)
        self._show(force=self._rewrites)

    def advance(self, done: int, total: int) -> None:
        """The current item has done so much."""
        share = done / total if total else 0.0
        if share != self._share:
            self._last = time.monotonic()
        if total and total != self._counts[1] and self._item is not None and self._item in self._each:
            asked = (self._item.suite, self._item.task, self._item.variant)
            alike = [one for one in self._each if (one.suite, one.task, one.variant) == asked]
            self._costs |= {one: self._each[one] * total for one in alike if one not in self._finished}
        self._share, self._counts = share, (done, total)
        self._show()

    def kept(self) -> None:
        """What is done of the current item was kept by an earlier session, and took no time of this one."""
        self._kept_share = self._share

    def finish(self, item: ItemId, *, taken_over: bool = False, measured: bool = True) -> None:
        """An item is done, or was ``taken_over`` from elsewhere; make room for pytest's own line about it. One that was
        not ``measured`` (skipped, or an error) has done no more than it told."""
        cost = self._costs.get(item, 0.0)
        self._kept += (1.0 if taken_over else self._kept_share) * cost
        if not measured and item in self._costs:
            self._costs[item] = self._share * cost
        self._kept_share = 0.0
        self._finished.add(item)
        self._item = None
        self._last = time.monotonic()
        self.clear()

    def result(self, text: str) -> None:
        """Put a finished item's line in the place of the live one."""
        if self._terminal is None:
            return
        if self._dirty and self._rewrites:
            self._write(lambda terminal: (terminal.rewrite(text, erase=True), terminal.write_line("")))
            self._dirty = False
        else:
            self._write(lambda terminal: (terminal.ensure_newline(), terminal.write_line(text)))

    @property
    def tells_results(self) -> bool:
        """Whether finished items get a line here, in the place of pytest's dots."""
        return self._terminal is not None and not self._words

    def clear(self) -> None:
        """Take the line away."""
        if self._dirty and self._rewrites and self._terminal is not None:
            self._write(lambda terminal: terminal.rewrite("", erase=True))
        self._dirty = False

    def text(self) -> str:
        """What the line says now."""
        place = len(self._finished) + 1
        counts = f" {self._counts[0]}/{self._counts[1]}" if self._counts[1] else ""
        eta = self.eta()
        left = f" · {_minutes(eta)} left" if eta is not None else ""
        return (
            f"  {self._doing} {shown(str(self._item))}{counts} · item {place} of {max(place, len(self._costs))}{left}"
        )

    def eta(self) -> float | None:
        """Seconds until all items are done, or None while too little is done to tell."""
        if self._began is None:
            return None
        done = sum(self._costs.get(item, 0.0) for item in self._finished)
        kept = self._kept
        if self._item is not None:
            done += self._share * self._costs.get(self._item, 0.0)
            kept += self._kept_share * self._costs.get(self._item, 0.0)
        total = sum(self._costs.values())
        elapsed, mine = self._last - self._began, done - kept
        waited = time.monotonic() - self._last
        enough = ENOUGH if elapsed + waited < LATER_S else ENOUGH_LATER
        if mine > 0 and mine >= enough * (total - kept):
            left = elapsed * (total - done) / mine - waited
        elif self._seconds:
            left = total - done - waited
        else:
            return None
        return left if left >= 0 else 0.0 if total <= done else None

    def _show(self, *, force: bool = False) -> None:
        now = time.monotonic()
        pause = EVERY_S if self._rewrites else QUIET_S
        if self._terminal is None or self._item is None or not (force or now - self._shown >= pause):
            return
        self._shown = now
        # A line that wraps cannot be taken back.
        line = self.text()[: max(20, shutil.get_terminal_size().columns - 1)] if self._rewrites else self.text()
        if self._rewrites:
            if not self._dirty:
                self._write(lambda terminal: terminal.ensure_newline())
            self._write(lambda terminal: terminal.rewrite(line, erase=True))
            self._dirty = True
        else:
            self._write(lambda terminal: (terminal.ensure_newline(), terminal.write_line(line)))

    def _write(self, write: object) -> None:
        # While a test runs, pytest holds back what is printed; this line is not the test's output.
        assert callable(write)
        disabled = getattr(self._capture, "global_and_fixture_disabled", None)
        if disabled is None:
            write(self._terminal)
            return
        with disabled():
            write(self._terminal)


def live_line(config: pytest.Config, doing: str = "measuring") -> LiveLine:
    """The live line of this session; silent in workers and under ``-q``. ``doing``: what is done with the items."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if hasattr(config, "workerinput") or terminal is None or config.get_verbosity() < 0:
        return LiveLine(None, None, rewrites=False)
    rewrites = bool(terminal.isatty)
    capture = config.pluginmanager.get_plugin("capturemanager")
    return LiveLine(terminal, capture, rewrites=rewrites, words=config.get_verbosity() > 0, doing=doing)


def _minutes(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 100 else f"{whole // 60} min {whole % 60:02d} s"
