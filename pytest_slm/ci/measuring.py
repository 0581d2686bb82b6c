"""One job of an order: pytest in a process of its own, which has neither a token nor a way into later steps."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_slm.ci.artifacts import Origin
from pytest_slm.ci.orders import Order
from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.statistics import figures
from pytest_slm.errors import SlmError
from pytest_slm.load.machines import MachineDeclaration
from pytest_slm.machine.energy import EnergyMeter
from pytest_slm.registry import write_json

ENERGY = "energy.json"
WITHHELD = ("GITHUB_", "ACTIONS_", "INPUT_", "RUNNER_TOKEN")
"""Beginnings of names of variables that the measuring process does not get: tokens, and the files that set the
environment, the path and the outputs of later steps. A chat template or weights may be hostile."""
KEPT = ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY")
SECRETS = ("GH_TOKEN", "HF_TOKEN", "SLM_API_KEY", "HUGGING_FACE_HUB_TOKEN")
JOULES_PER_KWH = 3.6e6
LOOK_S = 60.0
"""RAPL's counters begin anew after so many joules: at 100 W after 44 minutes, at 1 kW after four."""
NOTHING_TO_DO = 5
MEASURED = (0, 1, NOTHING_TO_DO)
"""Codes of pytest: all is well, some item failed or could not be measured, nothing was in this shard."""

Runner = Callable[[Sequence[str], Mapping[str, str]], int]


@dataclass(frozen=True, kw_only=True)
class JobEnergy(Record):
    """The energy that the machine took while a job measured, everything on it included. ``joules`` is None where it
    does not say, with the ``reason``; ``grams`` of CO2 None where also nobody declared what its grid emits."""

    seconds: float
    joules: float | None = None
    source: str | None = None
    reason: str = ""
    machine: str | None = None
    grid_g_per_kwh: float | None = None
    grid_source: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.joules is None) == (not self.reason) or self.seconds < 0 or (self.joules or 0) < 0:
            raise RecordError("energy was read, or there is a reason why not")

    @property
    def grams(self) -> float | None:
        """CO2 equivalent of the energy by what the machine's declaration says of its grid."""
        if self.joules is None or self.grid_g_per_kwh is None:
            return None
        return self.joules / JOULES_PER_KWH * self.grid_g_per_kwh

    def __str__(self) -> str:
        if self.joules is None:
            return f"energy was not measured: {self.reason}"
        told = f"{self.joules:,.0f} J ({self.source}) in {self.seconds:,.0f} s"
        if self.grams is None:
            return f"{told}; no CO2, since the machine declares no grid"
        return f"{told}, {figures(self.grams)} g of CO2 at {self.grid_g_per_kwh:g} g/kWh ({self.grid_source})"


class LongMeter:
    """An ``EnergyMeter`` that is read again and again, so that no counter begins anew twice between two looks."""

    def __init__(self, meter: EnergyMeter, every_s: float = LOOK_S) -> None:
        self._meter, self._every_s, self._joules, self._lost = meter, every_s, 0.0, False
        self._done, self._thread = threading.Event(), threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> LongMeter:
        self._began = time.monotonic()
        self._meter.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._take()
        self.seconds = time.monotonic() - self._began

    @property
    def joules(self) -> float | None:
        """What was used; None where one of the looks failed."""
        return None if self._lost else self._joules

    def _watch(self) -> None:
        while not self._done.wait(self._every_s):
            self._take()
            self._meter.start()

    def _take(self) -> None:
        joules = self._meter.stop()
        self._lost = self._lost or joules is None
        self._joules += joules or 0.0


def arguments(
    order: Order, submission: Path, origin: Origin, output: Path, *, count: int = 1, cells: Path | None = None
) -> list[str]:
    """What pytest is told: of a shard only what is kept in a store, of a report everything, with what shards have kept
    taken over."""
    store = output / "cells" if origin.kind == "cells" else cells
    # Reports of shards are no reports: they stand outside of what is handed over.
    reports = output / "reports" if origin.kind == "report" else output.with_name(f"{output.name}-part")
    told = [
        f"--slm-model={submission}",
        f"--slm-quant={origin.quantization}",
        f"--slm-mode={order.mode}",
        f"--slm-reports={reports}",
        "-p",
        "no:cacheprovider",
        *([f"--slm-store={store}"] if store is not None else []),
    ]
    if origin.kind == "cells":
        told += [f"--slm-shard={origin.shard + 1}/{count}", "-m", "not slm_timing"]
    return told


def measure(
    told: Sequence[str],
    environment: Mapping[str, str],
    output: Path,
    *,
    energy: bool,
    machine: MachineDeclaration | None = None,
    runner: Runner | None = None,
    meter: EnergyMeter | None = None,
) -> JobEnergy | None:
    """Let pytest measure. Raises SlmError (ci-measure) where it ended in mid-work; items that failed are in its
    report."""
    output.mkdir(parents=True, exist_ok=True)
    run = _in_a_process if runner is None else runner
    if not energy:
        _check(run(told, cleaned(environment)))
        return None
    reader = EnergyMeter() if meter is None else meter
    with LongMeter(reader) as looks:
        code = run(told, cleaned(environment))
    joules = looks.joules if reader.readable else None
    found = JobEnergy(
        seconds=round(looks.seconds, 3),
        joules=joules,
        source=reader.source if joules is not None else None,
        reason="" if joules is not None else reader.reason or "a counter could not be read in between",
        machine=machine.name if machine else None,
        grid_g_per_kwh=machine.grid_g_per_kwh if machine else None,
        grid_source=machine.source if machine else None,
    )
    write_json(output / ENERGY, found)
    _check(code)
    return found


def cleaned(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without tokens, and without the runner's files."""
    return dict(_kept(environment))


def _kept(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in environment.items():
        if name in KEPT or not (name.startswith(WITHHELD) or name in SECRETS or name.endswith(("_TOKEN", "_SECRET"))):
            yield name, value


def _in_a_process(told: Sequence[str], environment: Mapping[str, str]) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *told], env=dict(environment), check=False).returncode


def _check(code: int) -> None:
    if code not in MEASURED:
        raise SlmError(
            f"pytest ended with code {code}, before everything was measured; its output says why", slug="ci-measure"
        )
