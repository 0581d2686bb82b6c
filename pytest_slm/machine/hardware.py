"""The hardware and software that numbers depend on, and a fingerprint that tells whether two machines are alike.

docs/machine.md says where each fact is read, and when it is None.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

from pytest_slm.errors import BackendError
from pytest_slm.machine import cgroup, processor, virtual
from pytest_slm.machine.files import ROOT, read_text

FINGERPRINT = ("cpu", "cpu_flags", "cores_physical", "cores_logical", "ram_gib", "cgroup_cpus", "system", "machine")
"""What the fingerprint is made of: things that stay the same from run to run, and change speed when they change."""

SPEED_FLAGS = (
    *("avx", "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_int8", "amx_bf16", "f16c", "fma"),
    *("neon", "asimd", "asimddp", "i8mm", "sve", "bf16"),
)
"""CPU features that the kernels of inference engines choose by."""


def describe_machine(root: Path = ROOT) -> dict[str, Any]:
    """Everything that the system says of itself; None where it does not say. Takes a few milliseconds on Linux."""
    cpu, flags = processor.cpu_name_and_flags(root)
    facts: dict[str, Any] = {
        "cpu": cpu,
        "cpu_flags": [flag for flag in SPEED_FLAGS if flag in flags],
        "cores_physical": psutil.cpu_count(logical=False),
        "cores_logical": psutil.cpu_count(),
        "cores_usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        **processor.described(root),
        "ram_bytes": psutil.virtual_memory().total,
        "ram_gib": round(psutil.virtual_memory().total / 2**30),
        "cgroup_memory_bytes": cgroup.memory_limit(root),
        "cgroup_cpus": cgroup.cpu_limit(root),
        "virtualization": virtual.hypervisor(flags, root),
        "container": virtual.container(root),
        "os": platform.platform(),
        "system": platform.system(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "load_average": [round(load, 2) for load in psutil.getloadavg()],
    }
    facts["fingerprint"] = fingerprint(facts)
    return facts


def fingerprint(facts: dict[str, Any]) -> str:
    """The first 16 hex digits of SHA-256 over the FINGERPRINT facts as sorted JSON, and over the usable cores where the
    process may not use all of them: a container with one core of sixteen is another machine."""
    stable = {key: facts.get(key) for key in FINGERPRINT}
    if facts.get("cores_usable") not in (None, facts.get("cores_logical")):
        stable["cores_usable"] = facts["cores_usable"]
    return hashlib.sha256(json.dumps(stable, sort_keys=True).encode()).hexdigest()[:16]


def graphics(root: Path = ROOT) -> tuple[str, ...] | None:
    """The GPUs beside the CPU, by the numbers of their makers and models, in order; None on systems where only an
    engine could tell."""
    if platform.system() == "Darwin":  # part of the processor, which the fingerprint has
        return ()
    if platform.system() != "Linux":
        return None
    devices = [
        f"{vendor}:{read_text(place / 'device')}"
        for place in sorted(root.glob("sys/bus/pci/devices/*"))
        if (read_text(place / "class") or "").startswith("0x03") and (vendor := read_text(place / "vendor"))
    ]
    nodes = [path.name for name in ("nvidia[0-9]*", "kfd", "dxg") for path in sorted(root.glob(f"dev/{name}"))]
    return tuple(sorted(devices) + nodes)


def speed_id(root: Path = ROOT) -> str | None:
    """What tells this machine from all others that compute at another speed, before an engine is opened: the
    fingerprint, its GPUs, and those of them that this process may use; None where that cannot be known."""
    if (beside := graphics(root)) is None:
        return None
    visible = {name: os.environ[name] for name in VISIBLE if name in os.environ}
    said = json.dumps([beside, visible], sort_keys=True)
    known: str = describe_machine(root)["fingerprint"]
    return f"{known}-{hashlib.sha256(said.encode()).hexdigest()[:8]}" if beside or visible else known


VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GGML_VK_VISIBLE_DEVICES")
"""By these an engine is told which GPUs there are."""


def files_of(names: Iterable[str]) -> dict[str, str]:
    """Of each distribution that is installed, a hash of the list of its files, in which every file has its own: two
    builds of one version are two."""
    found = {}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            listed = importlib.metadata.distribution(name).read_text("RECORD") or ""
            found[name] = hashlib.sha256(listed.encode()).hexdigest()[:16]
    return found


def installed_versions(names: Iterable[str]) -> dict[str, str]:
    """Versions of the distributions that are installed, of those named."""
    versions = {"python": platform.python_version()}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = _version(name)
    return versions


_version = functools.cache(importlib.metadata.version)
"""Every call of the other would read the whole description of the package again, from its first line to its last."""


def usable_memory(root: Path = ROOT) -> int:
    """Bytes of RAM that this process may use: the machine's, or what its control group leaves of it."""
    return min(psutil.virtual_memory().total, cgroup.memory_limit(root) or sys.maxsize)


def usable_cores(root: Path = ROOT) -> int:
    """Physical cores that this process may keep busy: not those that its affinity or its control group denies. A part
    of a core counts for nothing beside whole ones: a thread that the quota does not pay for makes the others wait."""
    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    return max(1, min(cores, allowed, int(cgroup.cpu_limit(root) or cores)))


TIMES = 8
"""More threads than so many for each processor were never meant, and some machines have no room for them."""
ENGINE_THREADS = 512
"""ggml takes no more."""


def threads(asked: int | None) -> int:
    """Threads that an engine computes with: as many as were asked for, else the usable cores. Raises BackendError for
    more than this machine can be meant to have, which an engine would end with (llama.cpp), or crawl with."""
    processors = os.cpu_count() or 1
    most = min(ENGINE_THREADS, TIMES * processors)
    if asked is not None and asked > most:
        raise BackendError(
            f"threads={asked}: this machine has {processors} processors; at most {most} threads are taken "
            "(--slm-threads, or `engine:` of the submission)",
            slug="engine-settings",
        )
    return asked or usable_cores()
