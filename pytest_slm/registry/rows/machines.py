"""Machines in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_slm.core.backend_info import accelerator


def machine_name(machine: Mapping[str, Any]) -> str:
    """``AMD EPYC 9R14, 2 cores``; with the device where that is not the CPU."""
    name = str(machine.get("cpu") or "an unknown CPU")
    return ", ".join(filter(None, (name, cores(machine), accelerator(machine.get("device")))))


def cores(machine: Mapping[str, Any]) -> str:
    """How many cores a run could use, in words; empty if the report does not say."""
    usable = machine.get("cores_usable") or machine.get("cores_logical") or machine.get("cores_physical")
    if not isinstance(usable, int | float):
        return ""
    return f"{usable:g} core{'' if usable == 1 else 's'}"
