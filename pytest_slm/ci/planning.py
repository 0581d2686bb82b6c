"""The jobs of an order: one for each quantization, and before it shards where that is long."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_slm.ci.orders import Order
from pytest_slm.errors import SlmError, UsageError
from pytest_slm.markdown import escaped, table
from pytest_slm.models import resolve

if TYPE_CHECKING:
    from pytest_slm.planning.plan import RunPlan

MOST_JOBS = 256
"""Jobs that a matrix of GitHub may have."""
MOST_SHARDS = 8
"""Of one quantization: each of them downloads the weights."""

Planner = Callable[..., "RunPlan"]


@dataclass(frozen=True, kw_only=True)
class QuantizationPlan:
    """What a quantization takes: seconds of the items whose time is known, and how many are not known. ``reason`` says
    why it is not measured at all."""

    name: str
    number: int
    cells: int = 0
    seconds: float = 0.0
    unknown: int = 0
    why: str = ""
    """Why the first of these is not known."""
    shards: int = 1
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """Two matrices: of the shards (empty where nothing is long), and of the quantizations."""

    plans: tuple[QuantizationPlan, ...]

    @property
    def shards(self) -> str:
        """As JSON of one line."""
        parts = [
            {"quantization": plan.name, "id": plan.number, "index": index, "count": plan.shards}
            for plan in self._measured
            for index in range(plan.shards)
            if plan.shards > 1
        ]
        return json.dumps(parts)

    @property
    def quantizations(self) -> str:
        """As JSON of one line."""
        return json.dumps(
            [{"quantization": plan.name, "id": plan.number, "count": plan.shards} for plan in self._measured]
        )

    @property
    def count(self) -> int:
        """How many reports there will be."""
        return len(self._measured)

    @property
    def _measured(self) -> list[QuantizationPlan]:
        return [plan for plan in self.plans if not plan.reason]

    def markdown(self) -> str:
        """A table for the page of the job."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        rows = [
            (plan.name, plan.cells, f"{plan.seconds:.0f} s", plan.unknown, plan.shards if plan.shards > 1 else "")
            for plan in self._measured
        ]
        yield from table(("quantization", "cells", "predicted", "of unknown length", "shards"), rows)
        yield ""
        for plan in self.plans:
            if plan.reason:
                yield f"- {escaped(plan.name)} is not measured: {escaped(plan.reason)}"
            elif plan.why:
                yield f"- {escaped(plan.name)}: of unknown length is, say, {escaped(plan.why)}"


def jobs(order: Order, path: Path, plan: Planner, *, minutes: float, offline: bool, options: Mapping[str, Any]) -> Jobs:
    """Plan every quantization of a submission by itself: one that cannot be planned does not stop the others. A full
    run is cut so that no shard is predicted to take more than ``minutes``. Raises SlmError where nothing is left."""
    submission = resolve(str(path), offline=offline)
    found = [
        _planned(order, str(path), quantization.name, number, plan, offline=offline, options=options)
        for number, quantization in enumerate(submission.quantizations)
    ]
    if not any(not one.reason for one in found):
        reasons = "; ".join(f"{one.name}: {one.reason}" for one in found)
        raise SlmError(f"{order.slug}: nothing of it can be measured here: {reasons}", slug="ci-nothing")
    cut = [_cut(one, order, minutes) for one in found]
    total = sum(one.shards for one in cut)
    if total > MOST_JOBS:
        raise UsageError(f"{order.slug}: {total} jobs, and a matrix has at most {MOST_JOBS}", slug="ci-nothing")
    return Jobs(plans=tuple(cut))


def _planned(
    order: Order, path: str, name: str, number: int, plan: Planner, *, offline: bool, options: Mapping[str, Any]
) -> QuantizationPlan:
    try:
        found = plan(path, mode=order.mode, quant=name, offline=offline, **options)
    except SlmError as error:
        return QuantizationPlan(name=name, number=number, reason=error.args[0])
    problems: Sequence[str] = found.problems
    if problems:
        return QuantizationPlan(name=name, number=number, reason="; ".join(problems))
    return QuantizationPlan(
        name=name,
        number=number,
        cells=len(found.items),
        seconds=sum(item.seconds or 0.0 for item in found.items),
        unknown=sum(item.seconds is None for item in found.items),
        why=next((f"{item.item}: {item.reason}" for item in found.items if item.seconds is None), ""),
    )


def _cut(plan: QuantizationPlan, order: Order, minutes: float) -> QuantizationPlan:
    """Quick runs are never cut: each part would load the model for some minutes of work."""
    if plan.reason or order.mode == "quick" or minutes <= 0:
        return plan
    parts = min(MOST_SHARDS, max(1, math.ceil(plan.seconds / (60 * minutes))), max(1, plan.cells))
    return QuantizationPlan(**{**vars(plan), "shards": parts})
