"""The plan of a run, as data: what every item asks and takes, what the whole takes, and what does not fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_slm.core.record import Record
from pytest_slm.core.statistics import figures
from pytest_slm.core.types import ItemId
from pytest_slm.planning.rates import Rates

REPORT_S = 1.0
"""Seconds for the reports and the end of the processes."""
COMPETE = "; other programs compete, and when they come or go all times change"


@dataclass(frozen=True, kw_only=True)
class PlannedItem(Record):
    """One item. What is not known is None, and ``reason`` says why. ``shown``: prompt tokens of all requests;
    ``evaluated``: those that are left when common beginnings are computed once; ``output``: tokens that are expected to
    be written; ``seconds``: from its first line of code to its result; ``prepare_s``: of these, what is needed to make
    the requests; ``peak_bytes``: memory of the model's process while it runs."""

    item: ItemId
    samples: int | None = None
    requests: int | None = None
    shown: int | None = None
    evaluated: int | None = None
    output: int | None = None
    prepare_s: float = 0.0
    seconds: float | None = None
    doubt_s: float = 0.0
    planned: int | None = None
    """Samples that were looked at, where it has more: the rest is reckoned from them."""
    peak_bytes: int | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Needs(Record):
    """What a run takes from the machine, and what there is. Bytes; None where it is not known."""

    session_bytes: int | None
    memory_limit: int
    disk_bytes: int
    disk_free: int | None
    download_bytes: int | None
    download_free: int | None
    download_reason: str = ""
    weights_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class RunPlan(Record):
    """A plan: ``startup_s`` to the first item, with the start of the models; ``took_s``: what planning took, which a
    run without a plan does not pay; ``load``: programs that wanted a processor when it began, and processors."""

    items: tuple[PlannedItem, ...]
    rates: tuple[tuple[str, Rates], ...]
    startup_s: float
    took_s: float
    needs: Needs
    load: tuple[float, int]

    @property
    def seconds(self) -> float | None:
        """Seconds from the command to its end; None where an item that will run has no estimate."""
        unknown = [item for item in self.items if item.seconds is None]
        return None if unknown else self.startup_s + sum(item.seconds or 0.0 for item in self.items) + REPORT_S

    @property
    def interval(self) -> tuple[float, float] | None:
        """Between which times the run is expected to end: by how much the rates differed when they were measured again,
        and what is not known of the length of the answers. A load that comes or goes is not in it."""
        if self.seconds is None:
            return None
        doubt = self.doubt({})
        return max(self.startup_s, self.seconds - doubt), self.seconds + doubt

    def doubt(self, samples: Mapping[str, int]) -> float:
        """By how many seconds a run may be off that takes so many samples of these items, and all of the others."""
        spread = max((rates.spread for _, rates in self.rates), default=0.0)
        computed, unsure = 0.0, []
        for item in self.items:
            part = samples.get(str(item.item), item.samples or 1) / (item.samples or 1)
            computed += part * max(0.0, (item.seconds or 0.0) - item.prepare_s)
            unsure.append(part * item.doubt_s)
        return math.hypot(spread * computed, *unsure)

    @property
    def busy(self) -> str:
        """How busy the machine was, in words."""
        load, cores = self.load
        return f"load: {load:.1f} on {cores} processors before planning" + (COMPETE if load > cores / 2 else "")

    @property
    def peak_bytes(self) -> int | None:
        """Memory of the model's process at its peak."""
        peaks = [item.peak_bytes for item in self.items if item.peak_bytes is not None]
        return max(peaks) if peaks and all(item.seconds is not None for item in self.items) else None

    @property
    def problems(self) -> tuple[str, ...]:
        """What does not fit on this machine, each with both numbers and a remedy."""
        needs = self.needs
        found = []
        # What is known of it: at least that much is needed.
        memory = (self.peak_bytes or needs.weights_bytes or 0) + (needs.session_bytes or 0)
        if memory > needs.memory_limit:
            found.append(
                f"memory: {size(memory)} are needed, this machine (or its control group) has "
                f"{size(needs.memory_limit)}: choose a smaller quantization or a shorter --slm-n-ctx"
            )
        if needs.disk_free is not None and needs.disk_bytes > needs.disk_free:
            found.append(
                f"disk: {size(needs.disk_bytes)} for the reports, {size(needs.disk_free)} are free: free some space, "
                "or choose another --slm-reports"
            )
        if needs.download_bytes and needs.download_free is not None and needs.download_bytes > needs.download_free:
            found.append(
                f"download: {size(needs.download_bytes)} of weights, {size(needs.download_free)} are free for them: "
                "free some space, or let HF_HOME name another disk"
            )
        return tuple(found)


def size(n: float) -> str:
    """Bytes for reading: ``280 MB``."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= factor:
            return f"{figures(n / factor)} {unit}"
    return f"{n:.0f} B"
