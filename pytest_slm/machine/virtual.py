"""Whether the machine is a virtual one, and whether this process is in a container; by the files that say so."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from pytest_slm.machine.files import ROOT, read_text

FIRMWARE = {
    "amazon ec2": "amazon",
    "google compute engine": "google",
    "vmware": "vmware",
    "virtualbox": "virtualbox",
    "innotek": "virtualbox",
    "microsoft corporation virtual machine": "hyperv",
    "parallels": "parallels",
    "apple virtualization": "apple",
    "xen": "xen",
    "kvm": "kvm",
    "qemu": "qemu",
    "bochs": "qemu",
    "bhyve": "bhyve",
}
"""Words of the firmware's (DMI's) names, and what they mean: the first that fits, after systemd-detect-virt."""

CLOCKS = {"kvm-clock": "kvm", "hyperv": "hyperv", "xen": "xen"}
"""Clock sources that a hypervisor offers: small ones (Firecracker) have no firmware that would name them."""


def hypervisor(flags: Collection[str], root: Path = ROOT) -> str | None:
    """``kvm``, ``hyperv``, ``amazon``, ...; ``hypervisor`` for one without a name; ``none`` for a CPU that says that
    there is none; None where the system does not tell (not Linux; ARM without firmware).

    ``flags`` are the CPU's features: on x86 a hypervisor shows itself as one.
    """
    if not read_text(root / "proc/cpuinfo"):
        return None
    named = _by_kernel(root) or _by_firmware(root)
    # A metal instance of a cloud has the cloud's firmware, and no hypervisor.
    if "fpu" in flags and "hypervisor" not in flags:
        return "none"
    if "hypervisor" in flags:
        return named or _by_clock(root) or "hypervisor"
    return named


def container(root: Path = ROOT) -> str | None:
    """``docker``, ``podman``, ``wsl``, ...; None if nothing says that this is one."""
    told = read_text(root / "run/systemd/container")
    if told:
        return told
    if (root / ".dockerenv").exists():
        return "docker"
    if (root / "run/.containerenv").exists():
        return "podman"
    release = (read_text(root / "proc/sys/kernel/osrelease") or "").lower()
    return "wsl" if "microsoft" in release else None


def _by_kernel(root: Path) -> str | None:
    told = read_text(root / "sys/hypervisor/type")
    if told:
        return told
    device_tree = (read_text(root / "proc/device-tree/hypervisor/compatible") or "").strip("\0")
    return device_tree.rpartition(",")[2] or None


def _by_firmware(root: Path) -> str | None:
    names = ("sys_vendor", "product_name", "board_vendor", "bios_vendor")
    text = " ".join(read_text(root / "sys/class/dmi/id" / name) or "" for name in names).lower()
    return next((name for words, name in FIRMWARE.items() if words in text), None)


def _by_clock(root: Path) -> str | None:
    clocks = read_text(root / "sys/devices/system/clocksource/clocksource0/available_clocksource") or ""
    return next((name for clock, name in CLOCKS.items() if clock in clocks), None)
