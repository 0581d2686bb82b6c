"""Energy that a round took, where hardware counts it: RAPL of Intel and AMD CPUs, or the counter of an NVIDIA GPU.

A counter is read or there is no number: nothing is made from an assumed wattage. RAPL counts whole packages, so that
what other programs use is in it too. Linux lets only root read RAPL since 5.10 (CVE-2020-8694).
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Protocol

from pytest_slm.machine.files import ROOT, read_int, read_text

ZONES = "sys/class/powercap"


class EnergyCounter(Protocol):
    """Energy since some moment in the past, which may start again from 0."""

    source: str

    def read(self) -> list[int]:
        """The counters now, in the unit of the source. Raises OSError."""
        ...

    def joules(self, before: list[int], after: list[int]) -> float:
        """What was used between two readings."""
        ...


class Rapl:
    """The packages of ``/sys/class/powercap``: microjoules that start again from 0 after ``max_energy_range_uj``."""

    source = "RAPL"

    def __init__(self, root: Path = ROOT) -> None:
        """Raises OSError with the reason if this machine does not let itself be read."""
        folder = root / ZONES
        # intel-rapl:0 is a package, intel-rapl:0:0 a part of it. psys (the whole board) contains the packages.
        zones = sorted(zone for zone in folder.glob("intel-rapl:*") if zone.name.count(":") == 1)
        self._zones = [zone for zone in zones if (read_text(zone / "name") or "").startswith("package")]
        if not self._zones:
            raise OSError("no RAPL: the kernel shows no package under /sys/class/powercap (virtual machines have none)")
        self._ranges = [read_int(zone / "max_energy_range_uj") or 0 for zone in self._zones]
        self.read()

    def read(self) -> list[int]:
        found = []
        for zone in self._zones:
            try:
                found.append(int((zone / "energy_uj").read_text()))
            except PermissionError:
                raise OSError(f"RAPL may not be read: let this user read /{ZONES}/{zone.name}/energy_uj") from None
            except (OSError, ValueError) as error:
                raise OSError(f"RAPL cannot be read: /{ZONES}/{zone.name}/energy_uj: {error}") from None
        return found

    def joules(self, before: list[int], after: list[int]) -> float:
        """At most one start from 0 in between: at 100 W a counter lasts for minutes (262,143 J are 44)."""
        return sum(map(wrapped, before, after, self._ranges)) / 1e6


class Nvml:
    """NVIDIA's counter of millijoules since the driver was loaded (Volta and later), of all GPUs in this machine."""

    source = "NVML"

    def __init__(self) -> None:
        """Raises OSError with the reason; needs the package nvidia-ml-py."""
        try:
            import pynvml
        except ImportError:
            raise OSError("no NVML: pip install 'pytest-slm[energy]' reads the energy of NVIDIA GPUs") from None
        self._nvml: Any = pynvml
        try:
            pynvml.nvmlInit()
            self._gpus = [pynvml.nvmlDeviceGetHandleByIndex(n) for n in range(pynvml.nvmlDeviceGetCount())]
        except pynvml.NVMLError as error:
            raise OSError(f"no NVML: {error}") from None
        if not self._gpus:
            raise OSError("no NVML: this machine has no NVIDIA GPU")
        self.read()

    def read(self) -> list[int]:
        try:
            return [int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(gpu)) for gpu in self._gpus]
        except self._nvml.NVMLError as error:
            raise OSError(f"NVML cannot read the energy: {error}") from None

    def joules(self, before: list[int], after: list[int]) -> float:
        return sum(b - a for a, b in zip(before, after, strict=True)) / 1e3


class EnergyMeter:
    """Joules of one round. Not ``readable``: ``reason`` says why, and every round has None.

    ``gpu`` asks for the GPU's counter instead of the CPU's: where the model computes on it.
    """

    def __init__(self, *, gpu: bool = False, root: Path = ROOT) -> None:
        self._counter: EnergyCounter | None = None
        self._before: list[int] | None = None
        self.reason = ""
        try:
            self._counter = Nvml() if gpu else Rapl(root)
        except OSError as error:
            self.reason = str(error)

    @property
    def readable(self) -> bool:
        """Whether this machine tells."""
        return self._counter is not None

    @property
    def source(self) -> str | None:
        """'RAPL', 'NVML', or None."""
        return self._counter.source if self._counter else None

    def start(self) -> None:
        """The round begins now."""
        self._before = None
        if self._counter is not None:
            with contextlib.suppress(OSError):
                self._before = self._counter.read()

    def stop(self) -> float | None:
        """Joules since ``start``; None if a counter could not be read."""
        if self._counter is None or self._before is None:
            return None
        try:
            return self._counter.joules(self._before, self._counter.read())
        except OSError:
            return None


def wrapped(before: int, after: int, limit: int) -> int:
    """How far a counter went that starts again from 0 after ``limit``. Raises OSError if it cannot have gone so."""
    used = after - before if after >= before else after - before + limit + 1
    if used < 0:
        raise OSError(f"the counter went from {before} to {after}, and its range is {limit}")
    return used


def nvidia_driver() -> str | None:
    """The version of NVIDIA's driver; None where NVML is not there to tell it."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        said = pynvml.nvmlSystemGetDriverVersion()
    except pynvml.NVMLError:
        return None
    return said.decode() if isinstance(said, bytes) else str(said)
