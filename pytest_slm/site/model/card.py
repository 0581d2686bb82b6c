"""Which file for which device? One choice for each, with its reasons, from measured numbers only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_slm.comparing.use_cases import Comparisons
from pytest_slm.machine.devices import DeviceClass, device_table, fits
from pytest_slm.registry.entry import RegistryEntry
from pytest_slm.registry.speeds import QuantizationSpeed
from pytest_slm.site import numbers
from pytest_slm.site.model.forest import most_precise, signed, span_of, verdict_of
from pytest_slm.site.views import title_of

RULED_OUT = 0.10
"""A smaller file is chosen only where a loss of so much is ruled out: the lower end of its paired interval is above."""
PEAK = "peak_rss_2k"


@dataclass(frozen=True, kw_only=True)
class FileChoice:
    """A file, the devices that it is the choice for, what it costs and saves against the most precise one, and why it
    is no other."""

    quantization: str
    devices: tuple[str, ...]
    against: str
    reasons: tuple[str, ...]
    kind: str


@dataclass(frozen=True, kw_only=True)
class DeviceRow:
    """A device, what a model may have of its memory, the choice for it, and which files fit and which do not."""

    title: str
    usable: str
    assumed: bool
    choice: str
    fits: str
    too_large: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """The choices, the device with least memory first; ``rule`` says how was chosen, ``missing`` why there is no
    choice."""

    choices: tuple[FileChoice, ...]
    devices: tuple[DeviceRow, ...]
    rule: str
    missing: str


def card(entry: RegistryEntry, found: Mapping[str, Comparisons]) -> Card:
    """The decision card of a model."""
    speeds = _speeds(entry)
    peaks = {name: row.memory[PEAK].value for name, row in speeds.items() if PEAK in row.memory}
    rule = (
        f"The choice is the smallest file that fits, is not shown to be worse than {most_precise(entry)}, and for "
        f"which a loss of {100 * RULED_OUT:g} points is ruled out; if there is none, the most precise one that fits."
    )
    if not peaks:
        missing = "No file's peak memory with 2 048 tokens of context was measured, so it is not known where it fits."
        return Card(choices=(), devices=(), rule=rule, missing=missing)
    chosen: dict[str, list[DeviceClass]] = {}
    rows = []
    for device in sorted(device_table(), key=lambda device: device.usable_bytes):
        name = _chosen(entry, device, peaks, found)
        if name is not None:
            chosen.setdefault(name, []).append(device)
        inside = [one for one, peak in peaks.items() if fits(device, peak)]
        rows.append(
            DeviceRow(
                title=device.title,
                usable=numbers.size(device.usable_bytes),
                assumed=device.basis == "assumption",
                choice=name or "",
                fits=", ".join(f"{one} ({numbers.size(peaks[one])})" for one in inside),
                too_large=", ".join(f"{one} ({numbers.size(peaks[one])})" for one in peaks if one not in inside),
            )
        )
    return Card(
        choices=tuple(_choice(entry, name, devices, found, speeds) for name, devices in chosen.items()),
        devices=tuple(rows),
        rule=rule,
        missing="",
    )


def _chosen(
    entry: RegistryEntry, device: DeviceClass, peaks: Mapping[str, float], found: Mapping[str, Comparisons]
) -> str | None:
    fitting, reference = [name for name, peak in peaks.items() if fits(device, peak)], most_precise(entry)
    sound = [name for name in fitting if name == reference or _sound(found.get(name))]
    size = {name: entry.quantizations[name].size_bytes or 0 for name in fitting}
    if sound:
        return min(sound, key=lambda name: (size[name], name))
    return max(fitting, key=lambda name: (entry.quantizations[name].bits_per_weight or 0.0, name), default=None)


def _sound(one: Comparisons | None) -> bool:
    """Whether a file is not shown to be worse, and a large loss is ruled out."""
    if one is None or one.overall is None:
        return False
    worse = any(part.verdict == "worse" for part in (one.overall, *one.use_cases.values()))
    return not worse and one.overall.interval[0] > -RULED_OUT


def _choice(
    entry: RegistryEntry,
    name: str,
    devices: list[DeviceClass],
    found: Mapping[str, Comparisons],
    speeds: Mapping[str, QuantizationSpeed],
) -> FileChoice:
    reference = most_precise(entry)
    one, row = found.get(name), speeds[name]
    peak = row.memory[PEAK].value
    reasons = [
        f"Fits: peak memory of {numbers.size(peak)} with 2 048 tokens of context; {devices[0].title} has "
        f"{numbers.size(devices[0].usable_bytes)} to give"
    ]
    kind, parts = "", []
    if name == reference:
        parts.append("The most precise file measured")
    elif one is None or one.overall is None:
        parts.append(f"Not compared with {reference}: they have no questions in common")
    else:
        whole = one.overall
        verdict, note = verdict_of(whole)
        kind = "good" if verdict.startswith("equivalent") else "bad" if whole.verdict == "worse" else ""
        cases = len(one.use_cases)
        parts.append(f"Against {reference}: {signed(100 * whole.difference)} points ({span_of(whole)}), {verdict}")
        reasons.append(
            f"Both were asked {numbers.number(whole.n, 0)} questions of {cases} use case{'' if cases == 1 else 's'}: "
            f"{numbers.number(whole.only_a, 0)} only {reference} got right, {numbers.number(whole.only_b, 0)} only "
            f"{name}" + (f"; {note}" if note else "")
        )
        worse = [part.use_case for part in one.use_cases.values() if part.verdict == "worse"]
        if worse:
            reasons.append(f"Worse in {', '.join(title_of(entry, case) for case in worse)}")
    parts += _cheaper(entry, name, reference, speeds)
    return FileChoice(
        quantization=name,
        devices=tuple(device.title for device in devices),
        against="; ".join(parts),
        reasons=tuple(reasons + _others(entry, name, devices[0], found, speeds)),
        kind=kind,
    )


def _cheaper(entry: RegistryEntry, name: str, reference: str, speeds: Mapping[str, QuantizationSpeed]) -> list[str]:
    """How much smaller and faster a file is than the most precise one."""
    told = []
    size, whole = entry.quantizations[name].size_bytes, entry.quantizations[reference].size_bytes
    if name != reference and size and whole and size != whole:
        share = numbers.percent(abs(whole - size) / whole)
        told.append(f"{share} {'smaller' if size < whole else 'larger'}")
    mine, its = speeds[name].tps_output, speeds[reference].tps_output if reference in speeds else None
    if mine is not None:
        speed = f"{numbers.estimate(mine.value, mine.interval)[0]}{numbers.NBSP}{mine.unit} on the test machine"
        noisy = " (noisy)" if mine.verdict == "noisy" else ""
        times = ""
        if its is not None and name != reference and its.value and _alike(speeds[name], speeds[reference]):
            times = f", {mine.value / its.value:.2g} times as fast"
        told.append(speed + times + noisy)
    return told


def _alike(one: QuantizationSpeed, other: QuantizationSpeed) -> bool:
    """Whether two speeds may be divided: of one engine, at one length."""
    lengths = {row.tps_output.of if row.tps_output else "" for row in (one, other)}
    return len(lengths) == 1 and one.engine_name == other.engine_name


def _others(
    entry: RegistryEntry,
    name: str,
    device: DeviceClass,
    found: Mapping[str, Comparisons],
    speeds: Mapping[str, QuantizationSpeed],
) -> list[str]:
    """Why no smaller and no more precise file was chosen."""
    size = entry.quantizations[name].size_bytes or 0
    told = []
    for other, one in entry.quantizations.items():
        if other == name:
            continue
        smaller = (one.size_bytes or 0) < size
        row = speeds.get(other)
        if row is None or PEAK not in row.memory:
            told.append(f"{other}: memory not measured")
        elif not fits(device, row.memory[PEAK].value):
            told.append(f"{other} needs {numbers.size(row.memory[PEAK].value)}")
        elif smaller and other != most_precise(entry):
            known = found.get(other)
            if known is None or known.overall is None:
                told.append(f"{other} is smaller, but was not compared")
            elif known.overall.verdict == "worse":
                told.append(f"{other} is smaller, but worse ({signed(100 * known.overall.difference)} points)")
            elif worse := [part for part in known.use_cases.values() if part.verdict == "worse"]:
                cases = ", ".join(
                    f"{title_of(entry, part.use_case)} ({signed(100 * part.difference)} points)" for part in worse
                )
                told.append(f"{other} is smaller, but worse in {cases}")
            else:
                told.append(
                    f"{other} is smaller, but may be {numbers.number(-100 * known.overall.interval[0], 0)} points worse"
                )
    return told


def _speeds(entry: RegistryEntry) -> dict[str, QuantizationSpeed]:
    """What was measured of each quantization, on the machine that was measured last if on several."""
    measured = [*filter(None, [entry.performance]), *entry.performance_elsewhere]
    found: dict[str, QuantizationSpeed] = {}
    for performance in reversed(measured):
        found |= performance.quantizations
    return found
