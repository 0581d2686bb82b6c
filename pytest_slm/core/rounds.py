"""When the rounds of a timing are enough, and whether they can be trusted: arithmetic on what they gave, no clock.

A *series* is the values of one quantity, round by round. Where an item has several that matter, all of them decide.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_slm.core.record import Record, RecordError, check_counts
from pytest_slm.core.statistics import median, median_interval

Series = Sequence[float]
Verdict = Literal["stable", "noisy"]
Profile = Literal["engine", "user"]

TIME_LIMIT = "time limit"
ROUND_LIMIT = "round limit"


@dataclass(frozen=True, kw_only=True)
class Conditions(Record):
    """What went on around one round; every field None where the system does not tell.

    ``steal_share``: of the CPU time that was asked for (by anybody, on all CPUs), what the hypervisor gave to another
    machine. ``foreign_cores``: CPU of other programs, in cores. ``throttled``: times that a CPU was slowed for heat.
    ``voluntary_switches`` and ``involuntary_switches``: how often the threads of the model's process gave a CPU up, and
    lost one. ``frequency_mhz``: the fastest core's clock when the round ended. ``quota_waits``: times that the CPU
    limit of the process's control group made it wait.
    """

    seconds: float
    steal_share: float | None
    foreign_cores: float | None
    load_1m: float | None
    throttled: int | None
    voluntary_switches: int | None
    involuntary_switches: int | None
    frequency_mhz: float | None
    quota_waits: int | None = None


@dataclass(frozen=True, kw_only=True)
class RoundRule(Record):
    """How many rounds are made. Times are seconds of the rounds together, with what they need around them.

    ``least``: 6 is the fewest of which the range is a 95 % interval of the median, whatever the distribution. They are
    made even if ``budget_s`` is over, but not beyond ``patience`` times it.
    """

    budget_s: float
    least: int = 6
    most: int = 30
    precision: float = 0.02
    """Of the median, by which the interval may reach to each side of it."""
    agreement: float = 0.05
    """Of the median, by which two windows of warm-ups may differ."""
    window_s: float = 1.0
    most_in_window: int = 3
    most_warmups: int = 8
    patience: float = 4.0

    def __post_init__(self) -> None:
        if self.least < 1 or self.most < self.least:
            raise RecordError(f"at least one round is needed, and no fewer at most: not {self.least} to {self.most}")
        if not (0 < self.precision < 1 and 0 < self.agreement < 1):
            raise RecordError("precision and agreement are shares between 0 and 1")
        if not (self.budget_s > 0 and self.window_s > 0 and self.patience >= 1):
            raise RecordError("times are above 0, patience is at least 1")
        if self.most_in_window < 1 or self.most_warmups < 2 * self.most_in_window:
            raise RecordError("a window has at least one round, and there are two of them")

    def window(self, seconds: Series) -> int:
        """Rounds in a window of warm-ups: as many as take ``window_s``, judged by the quickest so far."""
        quickest = min(seconds, default=self.window_s)
        needed = math.ceil(self.window_s / quickest) if quickest > 0 else self.most_in_window
        return max(1, min(self.most_in_window, needed))

    def warm(self, series: Sequence[Series], seconds: Series) -> bool:
        """Whether the last two windows of every series agree: their medians differ by ``agreement`` at most."""
        n = self.window(seconds)
        return len(seconds) >= 2 * n and all(self._agree(values[-2 * n : -n], values[-n:]) for values in series)

    def warm_enough(self, series: Sequence[Series], seconds: Series) -> bool:
        """Whether warming up ends: the windows agree, or there is no more patience (half of the budget)."""
        spent = len(seconds) >= self.most_warmups or sum(seconds) >= self.budget_s / 2
        return self.warm(series, seconds) or spent

    def _agree(self, before: Series, after: Series) -> bool:
        return abs(median(after) - median(before)) <= self.agreement * abs(median(before))

    def precise(self, values: Series) -> bool:
        """Whether the 95 % interval of the median is known and within ``precision`` of it on both sides."""
        interval = median_interval(values)
        if interval is None:
            return False
        centre = median(values)
        return max(centre - interval[0], interval[1] - centre) <= self.precision * abs(centre)

    @property
    def interval_reached(self) -> str:
        """The reason to stop that says nothing against the rounds."""
        return f"interval within {100 * self.precision:g} %"

    def stop(self, series: Sequence[Series], seconds: Series, warmup_s: float = 0.0) -> str:
        """Why there are no more rounds after these, for which ``warmup_s`` seconds were warmed up; '' if there are."""
        n = len(seconds)
        if n == 0:
            return ""
        next_ends = warmup_s + math.fsum(seconds) + statistics.fmean(seconds)
        if n < self.least:
            return TIME_LIMIT if next_ends > self.patience * self.budget_s else ""
        if all(self.precise(values) for values in series):
            return self.interval_reached
        if n >= self.most:
            return ROUND_LIMIT
        return TIME_LIMIT if next_ends > self.budget_s else ""

    def verdict(self, series: Sequence[Series], disturbance: str) -> tuple[Verdict, str]:
        """Whether the medians can be trusted, and why not: what disturbed the rounds as far as anybody knows."""
        n = min(map(len, series), default=0)
        reasons = [disturbance] if disturbance else []
        if not series or not all(self.precise(values) for values in series):
            if median_interval(range(n)) is None:
                rounds = "1 round is too few to tell how far it agrees with others"
                reasons.append(rounds if n == 1 else f"{n} rounds are too few to tell how far they agree")
            elif not disturbance:
                reasons.append("the rounds disagree")
        return ("noisy", "; ".join(reasons)) if reasons else ("stable", "")


@dataclass(frozen=True, kw_only=True)
class Timing(Record):
    """Whether the rounds of an item can be trusted, and how they came about.

    ``profile``: ``engine`` (what llama-bench measures) or ``user`` (what somebody who asks waits for); ``reason``: why
    the rounds are noisy; ``rounds_reason``: why there were no more of them; ``warmups_agree``: whether the last two
    windows of warm-ups did, None where one is made without asking. ``conditions`` of each round, warm-ups first, where
    somebody has looked; ``energy``: the counter, or why there is none; ``interleaved``: quantizations whose rounds took
    turns, where some did.
    """

    profile: Profile
    verdict: Verdict
    reason: str = ""
    rounds_reason: str
    warmups_agree: bool | None
    rule: RoundRule
    conditions: tuple[Conditions, ...] = ()
    energy: str = ""
    interleaved: tuple[str, ...] = ()

    @property
    def noise(self) -> str:
        """Why the rounds are not to be trusted; '' if they are."""
        return "" if self.verdict == "stable" else self.reason or "the rounds differ too much"


@dataclass(frozen=True, kw_only=True)
class Shape(Record):
    """What was measured, where the name of the item does not say it; two shapes are two measures. In tokens: ``depth``
    in memory, ``prompt`` and ``output`` read and written there, ``context`` that was filled. ``page_cache``: whether
    the file was in it (``warm``) or not."""

    depth: int | None = None
    prompt: int | None = None
    output: int | None = None
    context: int | None = None
    page_cache: Literal["cold", "warm"] | None = None

    def __post_init__(self) -> None:
        check_counts(depth=self.depth, prompt=self.prompt, output=self.output, context=self.context)
