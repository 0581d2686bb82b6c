"""Which file for which device? One choice for each, with its reasons, from measured numbers only."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from pytest_slm.comparing.use_cases import Comparisons, UseCaseDifference
from pytest_slm.core.aggregation import Profile
from pytest_slm.core.statistics import figures
from pytest_slm.machine.devices import DeviceClass, device_table, fits
from pytest_slm.registry.entry import RegistryEntry
from pytest_slm.registry.speeds import Quantity, QuantizationSpeed
from pytest_slm.site import numbers
from pytest_slm.site.home.columns import length
from pytest_slm.site.model.cuts import cut_more
from pytest_slm.site.model.forest import counted, signed, span_of, total_of, verdict_of
from pytest_slm.site.model.reference import lost_before, precision, reference_of
from pytest_slm.site.titles.wording import profile_title
from pytest_slm.site.views import title_of

RULED_OUT = 0.10
"""A file is chosen only where a loss of so much of the total is ruled out: the lower end of its paired interval is
above."""
PEAK = "peak_rss_2k"


@dataclass(frozen=True, kw_only=True)
class FileChoice:
    """A file, the devices that it is the choice for, what it costs and saves against the reference, and why it is no
    other."""

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
    """The choices, the device with least memory first; ``rule`` says how was chosen, ``before`` what the comparisons
    cannot see, ``missing`` why there is no choice."""

    choices: tuple[FileChoice, ...]
    devices: tuple[DeviceRow, ...]
    rule: str
    before: str
    missing: str


def card(entry: RegistryEntry, found: Mapping[str, Comparisons], profile: Profile | None) -> Card:
    """The decision card of a model; ``profile`` is the one by which the total of ``found`` is weighed."""
    speeds = _speeds(entry)
    peaks = {name: row.memory[PEAK].value for name, row in speeds.items() if PEAK in row.memory}
    reference = reference_of(entry)
    total = f"the {profile_title(profile.name).lower()} score" if profile else "all use cases together"
    rule = (
        "The choice is the file that takes the least memory while it runs, of those that fit, are not shown to be "
        f"worse than {reference} (in {total} or in any use case), and for which a loss of {100 * RULED_OUT:g} points "
        f"of {total} is ruled out; single use cases may have lost more. If there is none, it is the most precise one "
        "that fits."
        if len(entry.quantizations) > 1
        else ""
    )
    before = lost_before(entry) if found else ""
    if not peaks:
        missing = "No file's peak memory with 2 048 tokens of context was measured, so it is not known where it fits."
        return Card(choices=(), devices=(), rule=rule, before=before, missing=missing)
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
        choices=tuple(
            _choice(entry, name, devices, found, speeds, profile_title(profile.name) if profile else "")
            for name, devices in chosen.items()
        ),
        devices=tuple(rows),
        rule=rule,
        before=before,
        missing="",
    )


def _chosen(
    entry: RegistryEntry, device: DeviceClass, peaks: Mapping[str, float], found: Mapping[str, Comparisons]
) -> str | None:
    fitting, reference = [name for name, peak in peaks.items() if fits(device, peak)], reference_of(entry)
    sound = [name for name in fitting if name == reference or _sound(found.get(name))]
    size = {name: entry.quantizations[name].size_bytes or 0 for name in fitting}
    if sound:  # a device gives memory, and what a file leaves of it is there for a longer context and for others
        return min(sound, key=lambda name: (peaks[name], size[name], name))
    return max(fitting, key=lambda name: (precision(entry, name), name), default=None)


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
    profile: str,
) -> FileChoice:
    reference = reference_of(entry)
    one, row = found.get(name), speeds[name]
    peak = row.memory[PEAK].value
    reasons = [
        f"Fits: peak memory of {numbers.size(peak)} with 2 048 tokens of context; {devices[0].title} has "
        f"{numbers.size(devices[0].usable_bytes)} to give"
    ]
    kind, parts = "", []
    if len(entry.quantizations) == 1:
        parts.append("The only file measured")
    elif name == reference:
        parts.append("The file that the others are compared with")
        reasons += _better(entry, found)
    elif one is None or one.overall is None:
        parts.append(f"Not compared with {reference}: they have no questions in common")
    else:
        verdict, _ = verdict_of(one.overall)
        kind = "good" if verdict.startswith("equivalent") else "bad" if one.overall.verdict == "worse" else ""
        parts.append(
            f"Against {reference}: {signed(100 * one.overall.difference)} points ({span_of(one.overall)}), {verdict}"
        )
        reasons += _compared(entry, name, reference, one, profile)
    parts += _cheaper(entry, name, reference, speeds)
    return FileChoice(
        quantization=name,
        devices=tuple(device.title for device in devices),
        against="; ".join(parts),
        reasons=(*reasons, *_faster(name, speeds), *_others(entry, name, devices[0], found, speeds)),
        kind=kind,
    )


def _compared(entry: RegistryEntry, name: str, reference: str, one: Comparisons, profile: str) -> list[str]:
    """What the comparison with the reference is made of, and what it leaves open."""
    whole = one.overall
    if whole is None:
        return []
    _, note = verdict_of(whole)
    title, of = total_of(one, profile)
    tasks = f" ({whole.tasks} of {whole.of} tasks)" if whole.tasks < whole.of else ""
    told = [
        f"{title}: {numbers.number(whole.n, 0)} questions of {of}{tasks}: "
        f"{counted(whole, f'only {reference} got right', f'only {name}')}" + (f"; {note}" if note else "")
    ]
    worse = [title_of(entry, part.use_case) for part in one.use_cases.values() if part.verdict == "worse"]
    if worse:
        told.append(f"Worse in {', '.join(worse)}")
    if len(one.use_cases) > 1:
        told += _may_have_lost(entry, one.use_cases.values())
    return [*told, *filter(None, [cut_more(entry.quantizations[name], entry.quantizations[reference], reference)])]


def _better(entry: RegistryEntry, found: Mapping[str, Comparisons]) -> list[str]:
    """Which files were shown to be better than the reference, and in what."""
    if not any(one.overall for one in found.values()):
        return []
    told = [
        f"{name} in {', '.join(cases)}"
        for name, one in found.items()
        if (cases := [title_of(entry, part.use_case) for part in one.use_cases.values() if part.verdict == "better"])
    ]
    return [f"Shown to be better: {'; '.join(told)}" if told else "No file was shown to be better in any use case"]


def _may_have_lost(entry: RegistryEntry, cases: Collection[UseCaseDifference]) -> Iterator[str]:
    """The use case in which the loss may be largest, and those of which so few questions say nothing."""
    few = [title_of(entry, one.use_case) for one in cases if one.verdict == "too few"]
    least = min((one for one in cases if one.verdict != "too few"), key=lambda one: one.interval[0], default=None)
    if least is not None and least.interval[0] < 0:
        yield (
            f"May have lost the most in {title_of(entry, least.use_case)}: {signed(100 * least.difference)} points "
            f"({span_of(least)}, {numbers.number(least.n, 0)} questions)"
        )
    if few:
        yield f"Too few questions to say anything of {', '.join(few)}"


def _cheaper(entry: RegistryEntry, name: str, reference: str, speeds: Mapping[str, QuantizationSpeed]) -> list[str]:
    """How much smaller and faster a file is than the reference."""
    told = []
    size, whole = entry.quantizations[name].size_bytes, entry.quantizations[reference].size_bytes
    if name != reference and size and whole and size != whole:
        share = numbers.percent(abs(whole - size) / whole)
        told.append(f"{share} {'smaller' if size < whole else 'larger'}")
    mine, its = _same_length(speeds[name], speeds.get(reference) if name != reference else None)
    if mine is not None:
        speed = f"{numbers.estimate(mine.value, mine.interval)[0]}{numbers.NBSP}{mine.unit} on the test machine"
        noisy = " (noisy)" if "noisy" in (mine.verdict, its and its.verdict) else ""
        times = f", {figures(mine.value / its.value, 2)} times as fast" if its is not None and its.value else ""
        told.append(speed + times + noisy)
    return told


def _faster(name: str, speeds: Mapping[str, QuantizationSpeed]) -> Iterator[str]:
    """The files that are shown to be faster than the chosen one, and those that begin to answer sooner: what that costs
    them, the lines beside this one say."""
    mine = speeds[name]
    others = [(other, row) for other, row in speeds.items() if other != name and row.engine_name == mine.engine_name]
    for title, sign, its, theirs in (
        ("Faster", 1, mine.tps_output, [(other, row.tps_output) for other, row in others]),
        ("Sooner to the first token", -1, mine.ttft_ms, [(other, row.ttft_ms) for other, row in others]),
    ):
        found = [(other, one) for other, one in theirs if one and its and one.of == its.of and _apart(one, its, sign)]
        if its and found:
            told = ", ".join(
                f"{other} ({numbers.estimate(one.value, one.interval)[0]}{numbers.NBSP}{one.unit})"
                for other, one in sorted(found, key=lambda pair: -sign * pair[1].value)
            )
            yield f"{title} ({length(its.of)}) on the test machine: {told}"


def _apart(one: Quantity, other: Quantity, sign: int) -> bool:
    """Whether the whole interval of one lies on the better side of the other's."""
    if one.interval is None or other.interval is None:
        return False
    return one.interval[0] > other.interval[1] if sign > 0 else one.interval[1] < other.interval[0]


def _same_length(one: QuantizationSpeed, other: QuantizationSpeed | None) -> tuple[Quantity | None, Quantity | None]:
    """The speeds of two files that may be divided: of one engine, at one length; else that of the first one alone."""
    usual = one.tps_output
    if usual is None or other is None or one.engine_name != other.engine_name:
        return usual, None
    theirs = {quantity.of: quantity for quantity in (*other.decode, *filter(None, [other.tps_output]))}
    mine = next((quantity for quantity in (usual, *one.decode) if quantity.of in theirs), None)
    return (usual, None) if mine is None else (mine, theirs[mine.of])


def _others(
    entry: RegistryEntry,
    name: str,
    device: DeviceClass,
    found: Mapping[str, Comparisons],
    speeds: Mapping[str, QuantizationSpeed],
) -> list[str]:
    """Why no other file was chosen."""
    size = entry.quantizations[name].size_bytes or 0
    taken = speeds[name].memory[PEAK].value
    told, more = [], []
    for other, one in entry.quantizations.items():
        if other == name:
            continue
        row = speeds.get(other)
        if row is None or PEAK not in row.memory:
            told.append(f"{other}: memory not measured")
            continue
        peak = row.memory[PEAK].value
        if not fits(device, peak):
            told.append(f"{other} needs {numbers.size(peak)}")
        elif peak < taken:
            told.append(f"{other} takes less memory ({numbers.size(peak)}), but {_why_not(entry, found.get(other))}")
        elif one.size_bytes and one.size_bytes < size:
            size_of = numbers.size(one.size_bytes)
            told.append(f"{other} is a smaller file ({size_of}), but takes {numbers.size(peak)} while it runs")
        else:
            more.append(f"{other} ({numbers.size(peak)})")
    return told + ([f"More memory: {', '.join(more)}"] if more else [])


def _why_not(entry: RegistryEntry, known: Comparisons | None) -> str:
    if known is None or known.overall is None:
        return "was not compared"
    if known.overall.verdict == "worse":
        return f"is worse ({signed(100 * known.overall.difference)} points)"
    worse = [part for part in known.use_cases.values() if part.verdict == "worse"]
    if worse:
        cases = (f"{title_of(entry, part.use_case)} ({signed(100 * part.difference)} points)" for part in worse)
        return f"is worse in {', '.join(cases)}"
    if known.overall.interval[0] <= -RULED_OUT:
        return f"may be {numbers.number(-100 * known.overall.interval[0], 0)} points worse"
    return "is less precise"


def _speeds(entry: RegistryEntry) -> dict[str, QuantizationSpeed]:
    """What was measured of each quantization, on the machine that was measured last if on several."""
    measured = [*filter(None, [entry.performance]), *entry.performance_elsewhere]
    found: dict[str, QuantizationSpeed] = {}
    for performance in reversed(measured):
        found |= performance.quantizations
    return found
