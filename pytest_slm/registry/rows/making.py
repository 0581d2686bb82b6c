"""From registry entries to rows: one for each quantization and machine that anything was measured on."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_slm.machine.devices import device_table, fits
from pytest_slm.registry.entry import AggregateScore, QuantizationEntry, Registry, RegistryEntry, UseCase
from pytest_slm.registry.rows.machines import machine_name
from pytest_slm.registry.rows.row import PEAK, Row
from pytest_slm.registry.speeds import QuantizationSpeed


def rows(registry: Registry) -> tuple[Row, ...]:
    """All rows of a registry, in the order of models, quantizations and machines."""
    return tuple(row for entry in registry.models for row in entry_rows(entry))


def entry_rows(entry: RegistryEntry) -> tuple[Row, ...]:
    """The rows of one model."""
    speeds = _speeds(entry)
    reports = {reference.path: reference.machine or "" for reference in entry.provenance.reports}
    return tuple(
        _row(entry, name, machine, quantization, speeds.get((name, machine)))
        for name, quantization in sorted(entry.quantizations.items())
        for machine in _machines(name, quantization, speeds, reports)
    )


def _machines(
    name: str,
    quantization: QuantizationEntry,
    speeds: Mapping[tuple[str, str], QuantizationSpeed],
    reports: Mapping[str, str],
) -> list[str]:
    """Where anything of a quantization was measured, or should have been; nowhere known if it was listed only.
    ``reports`` are the machines of reports by their paths."""
    scores = _places(quantization)
    found = {case.machine or "" for cases, _ in scores for case in cases.values()}
    found |= {total.machine or "" for _, totals in scores for total in totals.values()}
    found |= {machine for of, machine in speeds if of == name}
    # Not every item counts in a score, nor is every one measured.
    found |= {reports.get(path, "") for path in {item.report for item in quantization.items}}
    found |= {past.machine or "" for past in quantization.history}
    return sorted(found) or [""]


def _places(
    quantization: QuantizationEntry,
) -> list[tuple[Mapping[str, UseCase], Mapping[str, AggregateScore]]]:
    """Its scores: those that other machines have, too, before the best ones."""
    elsewhere = [(one.use_cases, one.aggregates) for one in quantization.elsewhere]
    return [*elsewhere, (quantization.use_cases, quantization.aggregates)]


def _speeds(entry: RegistryEntry) -> dict[tuple[str, str], QuantizationSpeed]:
    found: dict[tuple[str, str], QuantizationSpeed] = {}
    here = (entry.performance,) if entry.performance else ()
    for performance in (*here, *entry.performance_elsewhere):
        # Each report of a machine that has no fingerprint is a machine of its own there; the newest one is shown.
        machine = performance.machine if performance.machine in entry.provenance.machines else ""
        for name, speed in performance.quantizations.items():
            found.setdefault((name, machine), speed)
    return found


def _row(
    entry: RegistryEntry, name: str, machine: str, quantization: QuantizationEntry, speed: QuantizationSpeed | None
) -> Row:
    places = _places(quantization)
    cases = {use: case for found, _ in places for use, case in found.items() if (case.machine or "") == machine}
    totals = {of: total for _, found in places for of, total in found.items() if (total.machine or "") == machine}
    peak = speed.memory.get(PEAK) if speed else None
    peak = peak if peak and peak.value > 0 else None  # 0 bytes are no measurement: no process has so few
    return Row(
        model=entry.id,
        name=entry.name,
        quantization=name,
        machine=machine,
        machine_title=machine_name(entry.provenance.machines[machine]) if machine in entry.provenance.machines else "",
        headline=name == entry.quantization,
        format=quantization.format,
        hf_repo=entry.hf_repo,
        revision=entry.revision,
        family=entry.family,
        architecture=entry.architecture,
        license=entry.license,
        parameters=entry.parameters,
        context_length=entry.context_length,
        tags=entry.tags,
        date_added=entry.date_added,
        size_bytes=quantization.size_bytes,
        bits_per_weight=quantization.bits_per_weight,
        weights_sha256=quantization.weights_sha256,
        made_from=quantization.made_from,
        server=quantization.server,
        scores=dict(sorted(cases.items())),
        titles={use: _title(entry, use) for use in sorted(cases)},
        aggregates=dict(sorted(totals.items())),
        speed=speed,
        claims=tuple(one for one in entry.claims if one.quantization in (None, name)),
        fits={device.name: bool(fits(device, peak.value)) for device in device_table()} if peak else {},
    )


def _title(entry: RegistryEntry, use_case: str) -> str:
    facts = next((facts for facts in entry.suites.values() if facts.scored and facts.use_case == use_case), None)
    facts = facts or entry.suites.get(use_case)
    return facts.title if facts else (use_case[:1].upper() + use_case[1:]).replace("_", " ")
