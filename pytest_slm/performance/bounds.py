"""What no machine can do: numbers beyond it are errors of measurement, and never results.

A bound refuses only what is impossible; docs/engines.md says why each is one, and where it does not apply.
"""

from __future__ import annotations

import time
from typing import Any

from pytest_slm.core.backend_info import accelerator
from pytest_slm.errors import BackendError
from pytest_slm.performance.rounds import RoundsResult, Subject

CACHES = 2.0
"""Only weights of so many times the last-level caches are looked at: of less a part may stay there."""

ROOM = 3.0
"""A rate is impossible above so many times the bandwidth that was seen: reading byte for byte reaches less than the
best program would, and others may take a part of it while we look."""

LOOKS, PAUSE_S = 4, 0.2
"""So often the bandwidth is looked at before a rate is refused."""

RESIDENT = 0.8
"""A peak of memory is impossible below this part of the weights that every token reads."""


def check_rates(measured: RoundsResult, subject: Subject) -> None:
    """Raise BackendError (impossible) where an engine alone, on the CPU, writes faster than it could read its weights.
    Rates of texts are not looked at: drafts write several tokens for one reading of the weights."""
    size = subject.bytes_per_token
    backend: Any = subject.open()
    if measured.timing.profile != "engine" or size is None or accelerator(backend.describe().device) is not None:
        return
    for metric in measured.metrics:
        if metric.name == "decode_tps":
            _check_decode(metric.value, size, backend)


def _check_decode(tps: float, size: int, backend: Any) -> None:
    seen = 0.0
    for look in range(LOOKS):
        bandwidth, caches = backend.bandwidth()
        if bandwidth is None or caches is None or size < CACHES * caches:
            return
        seen = max(seen, bandwidth)
        if tps * (size - caches) <= ROOM * seen:
            return
        time.sleep(PAUSE_S * look)
    raise _impossible(
        f"{tps:.0f} tokens a second, one after the other, would read {tps * size / 1e9:.0f} GB of weights in it; the "
        f"memory of this machine gives {seen / 1e9:.0f} GB"
    )


def check_resident(peak: int | None, size: int | None) -> None:
    """Raise BackendError (impossible) for a peak of memory that the weights, which were all read, do not fit into."""
    if peak is not None and size is not None and peak < RESIDENT * size:
        raise _impossible(f"a peak of {peak / 1e6:.0f} MB, with {size / 1e6:.0f} MB of weights that every token reads")


def _impossible(problem: str) -> BackendError:
    return BackendError(
        f"{problem}: an error of measurement; report it, with the report of this run", slug="impossible"
    )
