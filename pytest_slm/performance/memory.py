"""Memory of a fresh process with the model: before it is loaded, after, and at its peak while a context was used.

``peak_rss_run`` is another process's: of the one that has measured the items before, many requests at once among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_slm.core.backend_info import accelerator
from pytest_slm.core.rounds import Shape
from pytest_slm.core.types import Measurement
from pytest_slm.errors import NotAvailableError
from pytest_slm.performance.bounds import check_resident
from pytest_slm.performance.prompts import Prompts
from pytest_slm.performance.rounds import Subject, require_context

CONTEXT = 2048
"""The context that devices are compared by."""
WRITTEN = 16
LEAST_CONTEXT = 128


def memory(subject: Subject) -> tuple[tuple[Measurement, ...], Shape, Mapping[str, Any]]:
    """Bytes, of which context, and how they were found. What the system or the engine does not tell is left out."""
    subject.require_own("the memory")
    run_peak = subject.open().memory()["now"].peak
    backend = subject.reopen(lambda: None)
    info = backend.describe()
    require_context(backend, LEAST_CONTEXT)
    n_ctx = min(CONTEXT, info.n_ctx or CONTEXT)
    request = Prompts(backend, n_ctx - WRITTEN, seed=1).request(max_tokens=WRITTEN, forced_length=True)
    opened = backend.memory()
    reset = backend.reset_peak()
    with backend.watch(memory=True) as sight:
        backend.generate([request])
    used = backend.memory()["now"]
    buffers = _buffers(backend)
    peaks = [peak for peak in (opened["now"].peak, used.peak) if peak is not None]
    peak = max(peaks) if peaks else None
    parts = {
        "weights": buffers.get("weights", info.weights_bytes),
        "kv_cache": buffers.get("kv_cache"),
        "compute_buffers": _sum(buffers.get("compute_buffers"), buffers.get("outputs")),
    }
    gpu = accelerator(info.device)
    if gpu is None:
        check_resident(peak, subject.bytes_per_token)
    # While a model is loaded there is neither KV memory nor a compute buffer: that peak has other parts.
    running = None if gpu else used.peak
    rest = None if running is None else running - sum(size for size in parts.values() if size is not None)
    numbers = {
        "rss_before_load": opened["before_load"].rss,
        "rss_after_load": opened["after_load"].rss,
        "private_after_load": opened["after_load"].private,
        "mapped_after_load": opened["after_load"].mapped,
        "private_now": used.private,
        "peak_rss": peak,
        "peak_rss_2k": running if n_ctx == CONTEXT else None,
        "peak_pss": sight.seen.peak_pss,
        "peak_rss_run": run_peak,
        **parts,
        **{name: size for name, size in buffers.items() if "@" in name},
        # Buffers are told as they were asked for; pages that were never touched are no memory yet.
        "other": rest if rest is not None and rest >= 0 else None,
        "file_size": info.file_bytes,
    }
    provenance = {
        "peak": "the kernel's high-water mark, " + ("begun again after loading" if reset else "of the whole process"),
        "absent": sorted(name for name, value in numbers.items() if value is None),
    }
    if gpu:
        provenance["device"] = (
            f"weights and KV memory are in the memory of {gpu}: the process does not say what a device must have "
            "(no peak_rss_2k, no other)"
        )
    return (*_measurements(numbers), _one("load_s", "s", backend.host.load_s)), Shape(context=n_ctx), provenance


def _buffers(backend: Any) -> Mapping[str, int]:
    try:
        found: Mapping[str, int] = backend.buffers()
    except NotAvailableError:
        return {}
    return found


def _sum(*sizes: int | None) -> int | None:
    known = [size for size in sizes if size is not None]
    return sum(known) if known else None


def _measurements(numbers: Mapping[str, int | None]) -> Iterator[Measurement]:
    for name, value in numbers.items():
        if value is not None:
            yield _one(name, "B", value)


def _one(name: str, unit: str, value: float) -> Measurement:
    return Measurement(name=name, unit=unit, values=(float(value),), higher_is_better=False)
