"""``machines/<name>.yml``: what nobody can read of a machine, but its owner declares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytest_slm.load.document import Value, read
from pytest_slm.load.fields import Fields
from pytest_slm.load.mistakes import Mistakes

KEYS = ("name", "grid_g_per_kwh", "source", "year")
MOST_G_PER_KWH = 2_000
"""Lignite in an old plant emits some 1,200."""


@dataclass(frozen=True, kw_only=True)
class MachineDeclaration:
    """A machine's name, and grams of CO2 equivalent that its grid emits for a kWh, with where that number is from."""

    name: str
    grid_g_per_kwh: int
    source: str
    year: int


def load_machine(path: Path) -> MachineDeclaration:
    """The machine that a file declares. Raises UsageError with a line for every mistake."""
    mistakes = Mistakes(path)
    outer = Fields(read(path, mistakes), mistakes=mistakes, what="machine", known=("machine",))
    value = outer.required("machine") or Value(data=None, line=1, broken=True)
    fields = outer.below(value, "machine", KEYS)
    for key in ("grid_g_per_kwh", "source", "year"):
        fields.required(key)
    grams, year = fields.whole("grid_g_per_kwh", 0), fields.whole("year", 0, least=2000)
    if grams is not None and grams > MOST_G_PER_KWH:
        fields.fail("grid_g_per_kwh", f"machine.grid_g_per_kwh: no grid emits more than {MOST_G_PER_KWH} g/kWh")
    declared = MachineDeclaration(
        name=fields.name("name", path.stem),
        grid_g_per_kwh=grams or 0,
        source=fields.name("source", "-"),
        year=year or 0,
    )
    mistakes.check()
    return declared
