"""Registry -> HomeView: all models, in groups that were measured on one machine, because only those may be ranked."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_slm.registry.entry import Registry, RegistryEntry
from pytest_slm.registry.performance import STANDARD_CONTEXT, STANDARD_DECODE
from pytest_slm.registry.rows import machine_name
from pytest_slm.registry.speeds import Quantity, QuantizationSpeed
from pytest_slm.site import numbers
from pytest_slm.site.views import Plot, sampled, score_plot, title_of


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A number in a table of models; ``sort`` is its plain form for the page's script, empty if not measured."""

    text: str
    note: str = ""
    sort: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelRow:
    """One model on the home page. ``data`` are the attributes that search, sort and filters read."""

    name: str
    href: str
    by: str
    license: str
    quick: str
    rank: str
    unranked: str
    score: Cell
    plot: Plot | None
    coverage: str
    cases: tuple[tuple[str, str, str], ...]
    """Name and score; and ``quick`` or ``limited`` where that is not what ``quick`` says of the model."""
    parameters: Cell
    size: Cell
    ram: Cell
    tps: Cell
    ttft: Cell
    data: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class MachineGroup:
    """The models that were measured on one machine: ranked ones first, by rank, then by score, then by name."""

    title: str
    fingerprint: str
    rows: tuple[ModelRow, ...]


@dataclass(frozen=True, kw_only=True)
class HomeView:
    """The whole page. ``profile`` is the one that the models are ordered by."""

    profile: str
    total: int
    updated: str
    groups: tuple[MachineGroup, ...]
    cases: tuple[tuple[str, str], ...]
    licenses: tuple[str, ...]


def home_view(registry: Registry, addresses: Mapping[str, str]) -> HomeView:
    """What the home page shows; ``addresses`` holds the page of each model by id."""
    groups: dict[str, list[RegistryEntry]] = {}
    for entry in registry.models:
        groups.setdefault(machine_of(entry, registry.rules.profiles[0].name), []).append(entry)
    cases = {name: title_of(entry, name) for entry in registry.models for name in entry.use_cases}
    profile = registry.rules.profiles[0].name
    return HomeView(
        profile=profile,
        total=len(registry.models),
        updated=numbers.day(registry.metadata.last_updated) if registry.metadata.last_updated else "",
        groups=tuple(
            _group(key, groups[key], addresses, profile)
            for key in sorted(groups, key=lambda key: (not key, -len(groups[key]), key))
        ),
        cases=tuple(sorted(cases.items())),
        licenses=tuple(sorted({entry.license for entry in registry.models if entry.license})),
    )


def machine_of(entry: RegistryEntry, profile: str) -> str:
    """The fingerprint of the machine that an entry's headline numbers are from; empty if not known."""
    total = entry.aggregates.get(profile)
    if total is not None:
        return total.machine or ""
    found = [case.machine for case in entry.use_cases.values() if case.machine]
    return found[0] if found else entry.performance.machine if entry.performance else ""


def _group(key: str, entries: Sequence[RegistryEntry], addresses: Mapping[str, str], profile: str) -> MachineGroup:
    hardware = next((e.provenance.machines[key] for e in entries if key in e.provenance.machines), {})

    def place(entry: RegistryEntry) -> tuple[float, float, str, str]:
        total = entry.aggregates.get(profile)
        rank = total.rank if total and total.rank else math.inf
        return rank, -total.score if total else math.inf, entry.name.casefold(), entry.id

    named = Counter(speed.engine_name for entry in entries if (speed := _speed(entry, profile)))
    engine = min(named, key=lambda name: (-named[name], name), default="")
    return MachineGroup(
        title=machine_name(hardware) if key else "Machine not known",
        fingerprint=key,
        rows=tuple(_row(entry, addresses[entry.id], profile, engine) for entry in sorted(entries, key=place)),
    )


def _speed(entry: RegistryEntry, profile: str) -> QuantizationSpeed | None:
    """Speeds belong to the machine of the group; those of another machine stand on the model's page only."""
    here = entry.performance if entry.performance and entry.performance.machine == machine_of(entry, profile) else None
    return here.quantizations.get(entry.quantization) if here else None


def _row(entry: RegistryEntry, href: str, profile: str, engine: str) -> ModelRow:
    total = entry.aggregates.get(profile)
    sampled_cases = {name: sampled(case.mode, case.limit, case.settings) for name, case in entry.use_cases.items()}
    # Without an aggregate the model's scores are those of its use cases.
    quick = (
        sampled(total.mode, total.limit, total.settings)
        if total
        else ", ".join(sorted({*sampled_cases.values()} - {""}))
    )
    score = numbers.points(total.score, total.interval) if total else (numbers.MISSING, "")
    speed = _speed(entry, profile)
    other = speed.engine if speed and speed.engine_name != engine else None
    size = entry.quantizations[entry.quantization].size_bytes
    cells = {
        "score": Cell(text=score[0], note=score[1], sort=f"{total.score:.6g}" if total else ""),
        "parameters": _count(entry),
        "size": Cell(text=numbers.size(size), sort=str(size)) if size else Cell(text=numbers.MISSING),
        "ram": _cell(speed.ram_gb if speed else None, gigabytes=True),
        "tps": _cell(speed.tps_output if speed else None, standard=STANDARD_DECODE, other=other),
        "ttft": _cell(speed.ttft_ms if speed else None, standard=STANDARD_CONTEXT, other=other),
    }
    search = " ".join(filter(None, (entry.name, entry.id, entry.family, entry.hf_repo, *entry.tags, *entry.categories)))
    data = {
        "search": search.casefold(),
        "name": entry.name.casefold(),
        "license": entry.license or "",
        "context": str(entry.context_length or ""),
        **{name: cell.sort for name, cell in cells.items()},
        "cases": " ".join(f"{name}:{case.score:.4g}" for name, case in entry.use_cases.items()),
    }
    return ModelRow(
        name=entry.name,
        href=href,
        by=" · ".join(filter(None, (entry.quantization, entry.hf_repo or entry.id))),
        license=entry.license or "",
        quick=quick,
        rank=str(total.rank) if total and total.rank else "",
        unranked=f"not ranked: {total.unranked}" if total and total.unranked else "" if total else "no score",
        plot=score_plot(total.score, total.interval) if total else None,
        coverage=numbers.percent(total.coverage) if total else "",
        cases=tuple(
            (
                title_of(entry, name),
                numbers.points(case.score, case.interval)[0],
                sampled_cases[name] if sampled_cases[name] != quick else "",
            )
            for name, case in entry.use_cases.items()
        ),
        data=tuple(data.items()),
        **cells,
    )


def _count(entry: RegistryEntry) -> Cell:
    if entry.parameters is None:
        return Cell(text=numbers.MISSING)
    return Cell(text=numbers.parameters(entry.parameters), sort=str(entry.parameters))


def _cell(
    quantity: Quantity | None, *, gigabytes: bool = False, standard: int | None = None, other: str | None = None
) -> Cell:
    """A quantity; one of another length than the standard one, or by another engine than that of most models here, is
    shown, but neither sorted nor filtered by."""
    if quantity is None:
        return Cell(text=numbers.MISSING)
    if gigabytes:
        return Cell(text=numbers.size(quantity.value * 1e9), sort=f"{quantity.value * 1e9:.6g}")
    text = numbers.estimate(quantity.value, quantity.interval)[0]
    # The reason of noise stands on the model's page.
    told = "noisy" if quantity.verdict == "noisy" else ""
    comparable = standard is None or (quantity.of == f"{standard} tokens" and other is None)
    sort = f"{quantity.value:.6g}" if comparable else ""
    return Cell(
        text=f"{text}{numbers.NBSP}{quantity.unit}",
        note=", ".join(filter(None, (quantity.of, told, other and f"by {other}"))),
        sort=sort,
    )
