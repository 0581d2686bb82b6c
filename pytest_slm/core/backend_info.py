"""What is said of an open model: by its backend, by the process that holds it, and of the machine where that runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_slm.core.record import Record
from pytest_slm.core.rounds import Conditions


@dataclass(frozen=True, kw_only=True)
class HostInfo(Record):
    """The process that holds a model. Nothing that the model answers depends on it; how fast it answers may.

    ``load_s``: seconds to open the model; ``start_s``: from the start of the process until it could be asked, importing
    the engine and hashing the weights included; ``starting``: what went on around it meanwhile. ``thread_wait``: how
    long its threads wait for each other before they sleep, where an environment variable says it.
    """

    pid: int
    capabilities: tuple[str, ...]
    load_s: float
    start_s: float | None = None
    starting: Conditions | None = None
    thread_wait: str | None = None


@dataclass(frozen=True, kw_only=True)
class HostDescription(Record):
    """All that the process with a model says when it is ready; ``machine`` is that of docs/machine.md."""

    backend: Mapping[str, Any]
    host: HostInfo
    machine: Mapping[str, Any]

    @property
    def machine_id(self) -> str | None:
        """Which machine the model is on."""
        return machine_id(self.machine, self.backend)


def device_facts(backend: Mapping[str, Any]) -> dict[str, Any]:
    """The device that a backend computes on, with the engine's build, in which a GPU has its name; nothing for the CPU,
    which the fingerprint knows."""
    device = accelerator(backend.get("device"))
    return {} if device is None else {"device": device, "engine_build": backend.get("engine_build")}


def machine_id(machine: Mapping[str, Any], backend: Mapping[str, Any]) -> str | None:
    """The fingerprint of a machine, with a hash of the device where that is not the CPU (docs/machine.md); None if it
    has none: two unknown machines are never the same one."""
    fingerprint, device = machine.get("fingerprint"), device_facts(backend)
    if fingerprint is None or not device:
        return None if fingerprint is None else str(fingerprint)
    return f"{fingerprint}-{hashlib.sha256(json.dumps(device, sort_keys=True).encode()).hexdigest()[:8]}"


def accelerator(device: str | None) -> str | None:
    """The device by name; None for the CPU, and where none is named."""
    name = device or "cpu"
    return None if name.casefold() == "cpu" else name
