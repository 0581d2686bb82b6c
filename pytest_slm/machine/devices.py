"""Which devices a quantization fits on: its measured memory against what ``devices.toml`` says is usable there."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Literal

from pytest_slm.core.record import Record
from pytest_slm.errors import did_you_mean

FILE = "devices.toml"
GB = 1e9
CONTEXT = 2048
"""Tokens of context with which the memory is measured that is compared here."""


@dataclass(frozen=True, kw_only=True)
class DeviceClass(Record):
    """A kind of device. ``usable_bytes`` is what a model's process may have of ``total_bytes``; ``basis`` says whether
    that was measured or assumed, ``reasoning`` how it was reached, and ``sources`` where the figures come from."""

    name: str
    title: str
    total_bytes: int
    usable_bytes: int
    basis: Literal["measured", "assumption"]
    reasoning: str
    sources: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 0 < self.usable_bytes < self.total_bytes:
            raise ValueError(f"{self.name}: {self.usable_bytes} usable bytes of {self.total_bytes}")
        if not self.reasoning or not self.sources:
            raise ValueError(f"{self.name}: a figure without reasoning or source")


@dataclass(frozen=True, kw_only=True)
class DeviceTable(Record):
    """All devices, in the order of the file."""

    device: tuple[DeviceClass, ...]

    def __post_init__(self) -> None:
        names = [device.name for device in self.device]
        if len(set(names)) < len(names):
            raise ValueError("two devices of one name")

    def __iter__(self) -> Iterator[DeviceClass]:
        return iter(self.device)

    def __getitem__(self, name: str) -> DeviceClass:
        """The device of that name. KeyError with the nearest one."""
        for device in self.device:
            if device.name == name:
                return device
        raise KeyError(f"no device {name!r}. {did_you_mean(name, (device.name for device in self.device))}")


@dataclass(frozen=True, kw_only=True)
class Fit(Record):
    """Whether one quantization fits on one device; ``fits`` is None if its memory was not measured."""

    device: str
    quantization: str
    peak_bytes: int | None
    usable_bytes: int
    fits: bool | None

    def __str__(self) -> str:
        """``Q4_0 fits on raspberry_pi_5_4gb: 0.31 GB of 3.6 GB usable``."""
        if self.peak_bytes is None:
            return f"whether {self.quantization} fits on {self.device} is not known: its memory was not measured"
        verb = "fits" if self.fits else "does not fit"
        peak, usable = self.peak_bytes / GB, self.usable_bytes / GB
        return f"{self.quantization} {verb} on {self.device}: {peak:.2f} GB of {usable:.1f} GB usable"


def fits(device: DeviceClass, peak_bytes: float | None) -> bool | None:
    """Whether a process of that peak (with ``CONTEXT`` tokens) fits; None if it was not measured.

    0 bytes are no measurement: no process has so few.
    """
    return None if not peak_bytes or peak_bytes < 0 else peak_bytes <= device.usable_bytes


def fit(device: DeviceClass, quantization: str, peak_bytes: float | None) -> Fit:
    """The same, with the names that a reader needs."""
    fitting = fits(device, peak_bytes)
    return Fit(
        device=device.name,
        quantization=quantization,
        peak_bytes=None if fitting is None or peak_bytes is None else int(peak_bytes),
        usable_bytes=device.usable_bytes,
        fits=fitting,
    )


@functools.cache
def device_table() -> DeviceTable:
    """What ``devices.toml`` says."""
    text = resources.files(__package__).joinpath(FILE).read_text("utf-8")
    return DeviceTable.from_json(tomllib.loads(text))
