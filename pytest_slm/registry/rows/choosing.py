"""Which files fit on a device, the best one first: measured memory against the table of devices."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from pytest_slm.machine.devices import GB, DeviceClass, DeviceTable, device_table, fits
from pytest_slm.registry.rows.row import PEAK, Row
from pytest_slm.registry.speeds import DeploymentTarget


def deployment_targets(
    rows: Iterable[Row], profile: str, table: DeviceTable | None = None
) -> tuple[DeploymentTarget, ...]:
    """Of each device every quantization of a model that fits on it, the best one first.

    The best one has the highest lower end of the interval of its aggregate, among those of which the same was measured:
    full runs come before others, then the widest coverage. Without any scores it is the one of most bits per weight.
    Where none fits, the one with the least memory stands there with ``fits`` false. A row whose peak with the context
    of devices was not measured is no candidate; of one quantization on several machines the best row counts.
    """
    best: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: _place(row, profile)):
        if _peak(row) > 0:
            best.setdefault(row.quantization, row)
    known = list(best.values())
    return tuple(target for device in table or device_table() if known for target in _targets(device, known, profile))


def _targets(device: DeviceClass, known: Sequence[Row], profile: str) -> list[DeploymentTarget]:
    fitting = [row for row in known if fits(device, _peak(row))]
    shown = fitting or [min(known, key=lambda row: (_peak(row), row.quantization))]
    return [
        DeploymentTarget(
            device=device.name,
            quantization=row.quantization,
            peak_ram_gb=_peak(row) / GB,
            usable_ram_gb=device.usable_bytes / GB,
            fits=bool(fitting),
            tps=row.tps,
            machine=row.machine,
            score=row.aggregates[profile].score if profile in row.aggregates else None,
            lower=row.lower(profile),
        )
        for row in shown
    ]


def _peak(row: Row) -> float:
    peak = row.speed.memory.get(PEAK) if row.speed else None
    return peak.value if peak else 0.0


def _place(row: Row, profile: str) -> tuple[object, ...]:
    total, lower = row.aggregates.get(profile), row.lower(profile)
    full = bool(total and total.mode == "full" and total.limit is None and not total.settings)
    coverage = total.coverage if total else 0.0
    sure = math.inf if lower is None else -lower
    return (not full, -coverage, sure, -(row.bits_per_weight or 0.0), row.quantization, row.machine)
