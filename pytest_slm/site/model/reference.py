"""Which file are the others compared with? The most precise one, where bits that a lossy source never had count for
nothing."""

from __future__ import annotations

import re

from pytest_slm.registry.entry import QuantizationEntry, RegistryEntry

WHOLE = 15.0
"""From so many bits a weight on a file has lost nothing to quantization that a score could show."""


def reference_of(entry: RegistryEntry) -> str:
    """The quantization that others are compared with: of those with scores the one that holds most. An F16 that was
    made from a Q4_1 holds what the Q4_1 does; of equals the one that was made from no other, then the published one.
    """
    scored = {name: one for name, one in entry.quantizations.items() if one.use_cases} or entry.quantizations

    def place(name: str) -> tuple[float, bool, bool, float, int, str]:
        one = scored[name]
        bits = _bits(entry, name)
        return (
            bits,
            one.made_from is None,
            one.published is not None,
            one.bits_per_weight or 0.0,
            one.size_bytes or 0,
            name,
        )

    return max(scored, key=place)


def precision(entry: RegistryEntry, name: str) -> tuple[float, float]:
    """What files are ordered by where precision counts: the bits a weight that it holds, and those of the file."""
    return _bits(entry, name), entry.quantizations[name].bits_per_weight or 0.0


def what_it_is(entry: RegistryEntry) -> str:
    """Why this file is the reference: ``the most precise one; F16 was made from it and holds no more``."""
    name = reference_of(entry)
    own = entry.quantizations[name].bits_per_weight or 0.0
    larger = [
        other
        for other, one in entry.quantizations.items()
        if one.use_cases and (one.bits_per_weight or 0.0) > own and name in _sources(entry, other)
    ]
    if not larger:
        return "the most precise one"
    several = f"{', '.join(larger[:-1])} and {larger[-1]} were" if len(larger) > 1 else f"{larger[0]} was"
    return f"the most precise one ({several} made from it, and {'hold' if len(larger) > 1 else 'holds'} no more)"


def lost_before(entry: RegistryEntry) -> str:
    """What comparisons with the reference cannot see, as a sentence; empty where nothing was lost before it."""
    name = reference_of(entry)
    one = entry.quantizations[name]
    if one.made_from:
        return made_sentence(name, one)
    if one.bits_per_weight and one.bits_per_weight < WHOLE:
        return (
            f"{name} is quantized itself ({one.bits_per_weight:.3g} bits per weight): what that cost is not seen here."
        )
    return ""


def made_sentence(name: str, one: QuantizationEntry) -> str:
    """What comparisons with a file that the tester made from another one cannot see."""
    return f"{name} was made from {one.made_from} by the tester: what was lost before is not seen here."


def _sources(entry: RegistryEntry, name: str) -> list[str]:
    """The files that one was made from, the nearest first; the last one need not have been measured."""
    found: list[str] = []
    one: QuantizationEntry | None = entry.quantizations[name]
    while one is not None and one.made_from and one.made_from not in (name, *found):
        found.append(one.made_from)
        one = entry.quantizations.get(one.made_from)
    return found


def _bits(entry: RegistryEntry, name: str) -> float:
    """Bits a weight that a file holds: no more than anything that it was made from. Of a source that was not measured
    only the name is known, and the number in it is about its bits."""
    found = [entry.quantizations[name].bits_per_weight or 0.0]
    for source in _sources(entry, name):
        known = entry.quantizations.get(source)
        number = re.search(r"\d+", source)
        if known is not None and known.bits_per_weight:
            found.append(known.bits_per_weight)
        elif number is not None:
            found.append(float(number.group()) + 1)  # scales, and the embeddings of a Q4_0 in more bits
    return min(found)
