"""On which devices a model fits, and with which quantization: measured memory against the table of devices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pytest_slm.machine.devices import GB, Device, DeviceTable, device_table, fits
from pytest_slm.registry.speeds import DeploymentTarget, Performance, Quantity

PEAK = "peak_rss_2k"
"""The peak with the context that devices are compared by. The peak of another context says nothing about it."""


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    quantization: str
    bits: float
    peak: float
    tps: Quantity | None
    machine: str


def deployment_targets(
    measured: Iterable[Performance], bits: Mapping[str, float | None], table: DeviceTable | None = None
) -> tuple[DeploymentTarget, ...]:
    """Every device of the table with the quantization of most bits per weight that fits on it.

    Where none fits, the one with the least memory stands there with ``fits`` false. A quantization whose peak at that
    context was not measured is no candidate, and a model without any is listed for no device. Of several machines the
    first one that measured a quantization counts.
    """
    found: dict[str, _Candidate] = {}
    for performance in measured:
        for name, row in performance.quantizations.items():
            peak = row.memory.get(PEAK)
            if peak is not None and peak.value > 0 and name not in found:
                found[name] = _Candidate(
                    quantization=name,
                    bits=bits.get(name) or 0.0,
                    peak=peak.value,
                    tps=row.tps_output,
                    machine=performance.machine,
                )
    candidates = sorted(found.values(), key=lambda one: (-one.bits, -one.peak, one.quantization))
    return tuple(_target(device, candidates) for device in table or device_table() if candidates)


def _target(device: Device, candidates: list[_Candidate]) -> DeploymentTarget:
    fitting = [one for one in candidates if fits(device, one.peak)]
    best = fitting[0] if fitting else min(candidates, key=lambda one: (one.peak, one.quantization))
    return DeploymentTarget(
        device=device.name,
        quantization=best.quantization,
        peak_ram_gb=best.peak / GB,
        usable_ram_gb=device.usable_bytes / GB,
        fits=bool(fitting),
        tps=best.tps,
        machine=best.machine,
    )
