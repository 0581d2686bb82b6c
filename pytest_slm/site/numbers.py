"""Numbers as people read them: as many digits as the interval allows, with a unit, never more."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from pytest_slm.core.statistics import Interval, figures

MISSING = "–"
NBSP = "\u00a0"
THIN = "\u202f"
_MOST = sys.float_info.max
_TWICE = tuple(2 * 10**places for places in range(16))
_PLACES = tuple(Decimal(1).scaleb(-places) for places in range(16))


def power(value: float) -> int:
    """The power of ten that a number other than 0 has; that of the largest one where percent of it are infinite."""
    return math.floor(math.log10(min(abs(value), _MOST)))


def decimals(value: float, interval: Interval | None) -> int:
    """How many decimals are worth printing: one digit beyond the size of the doubt, else three significant digits."""
    doubt = (interval[1] - interval[0]) / 2 if interval else 0.0
    if doubt > 0:
        return min(6, max(0, 1 - power(doubt)))
    return 0 if value == 0 else min(6, max(0, 2 - power(value)))


def number(value: float, places: int) -> str:
    """With a thin space between thousands, and no minus sign before a zero; what lies just between two numbers goes
    away from zero (62.5 to 63), as in the browser."""
    text = f"{value:,.{places}f}"
    if value * _TWICE[places] % 2 == 1:  # Python would go to the even one
        text = f"{Decimal(value).quantize(_PLACES[places], ROUND_HALF_UP):,}"
    if "," in text:
        text = text.replace(",", "\u202f")
    # Most numbers are no negative ones, and pages have thousands of them.
    return text[1:] if text[0] == "-" and float(text.replace("\u202f", "")) == 0 else text


def exact(value: float) -> str:
    """A round number with all of its digits, at most three that count: ``7.5``, ``0.225``, ``1 500``."""
    places = 0 if value == 0 else max(0, 2 - power(value))
    text = number(value, places)
    return text.rstrip("0").rstrip(".") if places else text


def estimate(value: float, interval: Interval | None) -> tuple[str, str]:
    """A value and its interval with the same decimals; the interval is empty where it is not known."""
    places = decimals(value, interval)
    return number(value, places), span(interval, places)


def points(value: float, interval: Interval | None) -> tuple[str, str]:
    """A score from 0 to 100 and its interval."""
    places = points_places(value, interval)
    return number(value, places), span(interval, places)


def points_places(value: float, interval: Interval | None) -> int:
    """The decimals of a score: at most one."""
    return min(1, decimals(value, interval)) if interval else 1


def span(interval: Interval | None, places: int) -> str:
    """``57.1–67.3``, or nothing."""
    return f"{number(interval[0], places)}–{number(interval[1], places)}" if interval else ""


def percent(share: float) -> str:
    """A share as a whole percentage; rounding never turns an almost into an all, or a little into nothing."""
    most = _MOST
    whole = math.floor(max(-most, min(100 * share, most)) + 0.5)
    if whole == 100 and share < 1:
        whole = 99
    if whole == 0 and share > 0:
        return f"<1{NBSP}%"
    return f"{whole}{NBSP}%"


def size(count: float) -> str:
    """Bytes in decimal units: 1 GB is 10^9 bytes, as disks and downloads are sold."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(count) >= factor:
            return f"{number(count / factor, 2 if unit == 'GB' else 0)}{NBSP}{unit}"
    return f"{count:.0f}{NBSP}bytes"


def parameters(count: int) -> str:
    """``135 M``, ``1.7 B``."""
    if count >= 1e9:
        return f"{figures(count / 1e9)}{NBSP}B"
    return f"{number(count / 1e6, 0)}{NBSP}M" if count >= 1e6 else number(count, 0)


def duration(seconds: float) -> str:
    """``1 h 20 min``, ``12.5 s``."""
    if seconds < 60:
        return f"{figures(seconds)}{NBSP}s"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours}{NBSP}h {rest}{NBSP}min" if hours else f"{minutes}{NBSP}min"


def day(time: str) -> str:
    """``1 November 2026, 10:00 UTC``; text that is no time stays as it is."""
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return time
    moment = moment.astimezone(UTC) if moment.tzinfo else moment
    return f"{moment.day} {moment:%B %Y, %H:%M}" + (" UTC" if moment.tzinfo else "")


LABELS: Mapping[str, str] = {
    "caches": "CPU caches",
    "cgroup_cpus": "CPU limit (control group)",
    "cgroup_memory_bytes": "Memory limit (control group)",
    "cores_logical": "Logical cores",
    "cores_physical": "Physical cores",
    "cores_usable": "Cores it could use",
    "cpu": "CPU",
    "cpu_flags": "CPU features",
    "frequency_mhz": "CPU clock",
    "governor": "CPU frequency governor",
    "load_average": "Load average (1, 5, 15 minutes)",
    "machine": "Architecture",
    "numa_nodes": "NUMA nodes",
    "os": "Operating system",
    "smt": "Hyper-threading (SMT)",
    "virtualization": "Virtual machine",
}
"""What people call those keys of a report whose words do not say it."""


def label(key: str) -> str:
    """A key of a report as a heading: ``ram_bytes`` -> ``RAM``."""
    if key in LABELS:
        return LABELS[key]
    words = key.removesuffix("_bytes").removesuffix("_s").replace("_", " ").replace("-", " ").split()
    known = {
        "ram": "RAM",
        "cpu": "CPU",
        "os": "OS",
        "kv": "KV",
        "sha256": "SHA-256",
        "id": "id",
        "n": "n",
        "ctx": "context",
    }
    shown = [known.get(word, word) for word in words] or [key]
    return shown[0][:1].upper() + shown[0][1:] + "".join(f" {word}" for word in shown[1:])


def _binary(count: int) -> str:
    """Bytes as caches are sold, in steps of 1,024; those of no whole number of KiB as they are."""
    if count % 1024:
        return f"{number(count, 0)}{NBSP}bytes"
    return f"{number(count / 2**20, 0)}{NBSP}MiB" if count % 2**20 == 0 else f"{number(count / 1024, 0)}{NBSP}KiB"


def plain(key: str, value: Any) -> str:
    """Any JSON value as text: sizes for ``*_bytes``, ``not known`` for null, lists with commas."""
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        if key.endswith("_bytes"):
            return size(value)
        if key.endswith("_s"):
            return duration(value)
        if key.endswith("_mhz"):
            return f"{number(value, 0)}{NBSP}MHz"
        return figures(value, 4) if isinstance(value, float) else str(value)
    if isinstance(value, Mapping):
        if key == "caches":  # sizes, whose own keys do not end in _bytes
            value = {name: _binary(item) if isinstance(item, int) else item for name, item in value.items()}
        return ", ".join(f"{name}: {plain(str(name), item)}" for name, item in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(plain("", item) for item in value) or "none"
    return str(value)
