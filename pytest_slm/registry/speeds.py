"""What the registry holds of times and memory: of each quantization on one machine, and what that means for devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pytest_slm.core.backend_info import Agreement, correctness
from pytest_slm.core.record import (
    FileName,
    Inside,
    Record,
)
from pytest_slm.core.statistics import Interval


@dataclass(frozen=True, kw_only=True)
class Quantity(Record):
    """A measured quantity: ``of`` what it was measured (``500 tokens``), ``spread`` the least and greatest round,
    ``cv`` standard deviation over mean, ``verdict`` stable or noisy as the run found it, and its ``reason``."""

    value: float
    unit: str
    n: int
    interval: Interval | None = None
    spread: Interval | None = None
    cv: float | None = None
    of: str = ""
    verdict: Literal["stable", "noisy"] | None = None
    """None where there is one value only."""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Point(Record):
    """What was measured at one setting of a series: ``at`` so many tokens, or so many sequences."""

    at: int
    quantities: Mapping[str, Quantity]


@dataclass(frozen=True, kw_only=True)
class QuantizationSpeed(Record):
    """Speed and memory of one quantization on one machine. What was not measured is None. GB are 10^9 bytes."""

    mode: str
    engine: str | None
    report: Inside
    size_gb: Quantity | None = None
    ram_gb: Quantity | None = None
    tps_output: Quantity | None = None
    ttft_ms: Quantity | None = None
    decode: tuple[Quantity, ...] = ()
    ttft: tuple[Quantity, ...] = ()
    latency: tuple[Point, ...] = ()
    """Percentiles of the time between two tokens, ``tpot`` and ``e2e_tps``, by output tokens."""
    ttft_parts: tuple[Point, ...] = ()
    """What the time to the first token is made of, in ms, by tokens of the prompt."""
    prefill_tps: Quantity | None = None
    """llama-bench's pp, ``generate_tps`` its tg: the engine alone."""
    generate_tps: Quantity | None = None
    depth: tuple[Point, ...] = ()
    """``prefill_tps`` and ``decode_tps`` by tokens that were in memory already."""
    parallel: tuple[Point, ...] = ()
    """``total_tps`` and ``per_sequence_tps`` by sequences that were written together."""
    load: Mapping[str, Quantity] = field(default_factory=dict)
    """Seconds to open the model, ``cold`` and ``warm``."""
    energy_per_token: Quantity | None = None
    energy_reason: str = ""
    """Why there is no energy, where the report says."""
    memory: Mapping[str, Quantity] = field(default_factory=dict)
    other: Mapping[str, Quantity] = field(default_factory=dict)
    kv_bytes_per_token: int | None = None
    """Bytes of KV cache that a token takes by the header of the weights: layers x heads of keys and values x the sizes
    of both x bytes of ``kv_type``."""
    kv_type: str | None = None
    kernels_nmse: float | None = None
    """How far the logits of many tokens at once were from those of a few, as a share of their variance, in the worst of
    the reports; None where nobody has looked."""
    kernels_beside: tuple[Agreement, ...] = ()
    """The same beside a reference, the worst of each."""

    @property
    def engine_name(self) -> str:
        """The engine without its version: speeds of two engines are shown side by side, and in no order."""
        name, _, version = (self.engine or "").partition(" ")
        return self.engine or "" if version.startswith("sha256:") else name  # of a library nothing else is known

    @property
    def correctness(self) -> tuple[str, ...]:
        """Whether what was so fast was right, as lines."""
        return correctness(self.engine or "an unknown engine", self.kernels_nmse, self.kernels_beside)


@dataclass(frozen=True, kw_only=True)
class Performance(Record):
    """What was measured on one machine; numbers of two machines never stand in one of these."""

    machine: str
    hardware: Mapping[str, Any]
    quantizations: Mapping[FileName, QuantizationSpeed]


@dataclass(frozen=True, kw_only=True)
class DeploymentTarget(Record):
    """A quantization that fits on a device, the best of each device first; if none does, the smallest one.

    ``tps`` was measured on ``machine``, not on the device. ``score`` and ``lower``, the lower end of its interval, are
    those of the first profile; None where nothing of it was measured."""

    device: str
    quantization: str
    peak_ram_gb: float
    usable_ram_gb: float
    fits: bool
    tps: Quantity | None
    machine: str
    score: float | None = None
    lower: float | None = None
