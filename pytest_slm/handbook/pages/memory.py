"""What a model needs: weights as counted, the KV cache by its formula, both beside what was measured."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pytest_slm.core.footprint import PROGRAM
from pytest_slm.handbook.facts import HubModel
from pytest_slm.handbook.pages.markdown import Md, code, md, say
from pytest_slm.machine.devices import CONTEXT, device_table
from pytest_slm.registry.rows import Row
from pytest_slm.registry.rows.row import PEAK
from pytest_slm.registry.speeds import Quantity
from pytest_slm.site import numbers

LENGTHS = (2048, 8192, 32768)
SAFETENSORS = "safetensors"
MOST_FORMS = 40
"""Files in a table; a repository has rarely more than 25 quantizations."""
BASES = {"measured": "measured", "assumption": "assumed"}


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A form in which a repository has its weights: a GGUF, or all of its safetensors."""

    name: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class MemoryTable:
    """Weights and KV cache by context; ``checks`` are the same sums beside measured peaks."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Md, ...], ...]
    notes: tuple[Md, ...]
    checks: tuple[tuple[Md, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Target:
    """The largest file of a model that a device has room for: ``need`` is ``known`` by measuring or by adding up."""

    device: str
    title: str
    usable: str
    fits: bool
    file: Md
    need: str
    known: str


def weights(model: HubModel) -> tuple[Weights, ...]:
    """All forms whose size is known, the smallest first."""
    found = [Weights(name=one.name, bytes=one.size) for one in model.quantizations if one.size]
    if model.safetensors_bytes:
        found.append(Weights(name=SAFETENSORS, bytes=model.safetensors_bytes))
    return tuple(sorted(found, key=lambda one: (one.bytes, one.name)))


def added_up(model: HubModel, form: Weights, tokens: int) -> int | None:
    """Bytes of weights and KV cache; None where the latter is not known."""
    return form.bytes + model.attention.cache_bytes(tokens) if model.attention else None


def memory_table(model: HubModel, rows: Iterable[Row]) -> MemoryTable | None:
    """The table of a model; None where no size is known."""
    forms = weights(model)
    if not forms:
        return None
    longest = model.context_length
    lengths = [length for length in LENGTHS if longest is None or length <= longest] if model.attention else []
    if model.attention and longest and longest not in lengths:
        lengths.append(longest)
    told = []
    for form in forms[:MOST_FORMS]:
        sums = [added_up(model, form, length) for length in lengths]
        told.append((code(form.name), md(numbers.size(form.bytes)), *(md(numbers.size(one or 0)) for one in sums)))
    columns = ("file", "weights", *(f"with {numbers.number(length, 0)} tokens" for length in lengths))
    return MemoryTable(
        columns=columns, rows=tuple(told), notes=tuple(_notes(model)), checks=tuple(_checks(model, rows))
    )


def _notes(model: HubModel) -> Iterator[Md]:
    kept = model.attention
    if kept is None:
        yield Md(
            "What its KV cache takes is not known: no configuration says it, or it keeps something else than keys and "
            "values."
        )
        return
    yield say(
        "The KV cache in F16 takes {each} for each token ({layers} layers × 2 × {heads} key-value heads × {size} × "
        "2 bytes, from the configuration of {source}).",
        each=numbers.size(kept.bytes_per_token),
        layers=kept.layers,
        heads=kept.kv_heads,
        size=kept.head_size,
        source=code(kept.source),
    )
    if kept.window_layers and kept.window:
        yield say(
            "{n} further layers keep the last {window} tokens only.",
            n=kept.window_layers,
            window=numbers.number(kept.window, 0),
        )
    if kept.other_layers:
        yield say("{n} further layers keep a state of fixed size, which is not in these sums.", n=kept.other_layers)
    if kept.at_most:
        yield Md("It has a window, and where that holds is not said: the KV cache may be smaller.")
    yield Md("The engine's own buffers and program come on top, and are not in these sums.")


def _checks(model: HubModel, rows: Iterable[Row]) -> Iterator[tuple[Md, ...]]:
    """The size is that of the file that was measured, which may be another one than that of this repository."""
    for row in rows:
        peak, tokens = row.peak, _tokens(row.peak)
        if peak is None or tokens is None or not row.size_bytes or model.attention is None:
            continue
        formula = row.size_bytes + model.attention.cache_bytes(tokens)
        cache = row.speed.memory.get("kv_cache") if row.speed else None
        of_cache = _tokens(cache)
        yield (
            code(row.quantization),
            md(numbers.size(model.attention.cache_bytes(of_cache or tokens))),
            md(numbers.size(cache.value)) if cache and of_cache else Md("not measured"),
            say("{size} with {n} tokens", size=numbers.size(formula), n=numbers.number(tokens, 0)),
            md(numbers.size(peak.value)),
            md(f"{100 * (formula / peak.value - 1):+.0f} %"),
            md(row.machine_title or "not known"),
        )


def _tokens(quantity: Quantity | None) -> int | None:
    found = re.match(r"\d+", quantity.of) if quantity and quantity.value > 0 else None
    return int(found[0]) if found else None


def targets(model: HubModel, rows: Iterable[Row]) -> tuple[Target, ...]:
    """For each device of the table the largest file that there is room for, or the smallest one: a GGUF where there is
    one, of this repository or measured here. None where no size is known."""
    measured = _measured(rows)
    own = [form for form in weights(model) if form.name != SAFETENSORS]
    names = {form.name for form in own}
    others = [
        Weights(name=name, bytes=row.size_bytes)
        for name, row in measured.items()
        if row.size_bytes and row.format == "gguf" and name not in names
    ]
    forms = sorted([*own, *others], key=lambda form: (form.bytes, form.name)) or list(weights(model))
    found = []
    for device in device_table() if forms else ():
        needs = [(form, *_need(model, form, measured)) for form in forms]
        fitting = [one for one in needs if one[1] <= device.usable_bytes]
        form, need, known = (fitting or needs)[-1 if fitting else 0]
        elsewhere = "" if form.name in {one.name for one in weights(model)} else " (not in this repository)"
        found.append(
            Target(
                device=device.name,
                title=device.title,
                usable=f"{numbers.size(device.usable_bytes)} ({BASES[device.basis]})",
                fits=bool(fitting),
                file=say("{name}{elsewhere}", name=code(form.name), elsewhere=elsewhere),
                need=numbers.size(need),
                known=known,
            )
        )
    return tuple(found)


def _need(model: HubModel, form: Weights, measured: Mapping[str, Row]) -> tuple[float, str]:
    row = measured.get(form.name)
    peak = row.speed.memory.get(PEAK) if row and row.speed else None
    if peak and peak.value > 0:
        return peak.value, f"measured with {numbers.number(CONTEXT, 0)} tokens"
    total = added_up(model, form, CONTEXT)
    if total is not None:
        return total + PROGRAM, f"weights, KV cache of {numbers.number(CONTEXT, 0)} tokens and the program"
    return form.bytes + PROGRAM, "weights and the program"


def _measured(rows: Iterable[Row]) -> dict[str, Row]:
    """Of each quantization the row with a peak of memory, the fastest of several."""
    found: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: (row.tps is None, -(row.tps.value if row.tps else 0), row.id)):
        if row.peak or row.tps:
            found.setdefault(row.quantization, row)
    return found


def tokens_a_second(row: Row) -> Md:
    """Tokens a second with their interval, or a dash."""
    if row.tps is None:
        return Md("–")
    value, span = numbers.estimate(row.tps.value, row.tps.interval)
    noisy = ", noisy" if row.tps.verdict == "noisy" else ""
    return say("{value} tok/s{span}{noisy}", value=value, span=f" ({span})" if span else "", noisy=noisy)
