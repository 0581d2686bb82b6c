"""What an engine can compute on, as it tells: ``python -m pytest_slm.backends.llamacpp.binding.devices``.

It reads one JSON object from standard input (``engine`` and ``path``, as ``installed.library`` takes them) and writes
one to standard output: the engine and its ``devices``, or ``error``, perhaps with a ``slug``. A process of its own
because drivers of devices are loaded for it, and a driver that does not work may end its process.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pytest_slm.backends.llamacpp.binding.functions import SIZE
from pytest_slm.backends.llamacpp.binding.installed import library
from pytest_slm.backends.llamacpp.binding.library import Library
from pytest_slm.core.backend_info import Device
from pytest_slm.errors import BackendError
from pytest_slm.machine.energy import nvidia_driver

KINDS = ("CPU", "GPU", "integrated GPU", "accelerator")
"""By ggml's numbers. An accelerator is one that computes beside the CPU, in its memory."""

CPU = Device(name="CPU", kind="CPU")


def devices(engine: Library) -> tuple[Device, ...]:
    """All that the engine can compute on, in its order. One that has no functions for it computes on the CPU, and on a
    GPU that it does not name where it is built for one."""
    engine.start()
    c = engine.c
    if c.ggml_backend_dev_count is None or c.ggml_backend_dev_get is None or c.ggml_backend_dev_name is None:
        return (CPU, Device(name="GPU", kind="GPU")) if c.llama_supports_gpu_offload() else (CPU,)
    return tuple(_device(c, c.ggml_backend_dev_get(number)) for number in range(c.ggml_backend_dev_count()))


def computing(engine: Library) -> tuple[Device, ...]:
    """Those that compute in this process: the CPU, and each on which the engine has opened a buffer."""
    known = [replace(one, memory_free=None) for one in devices(engine)]
    places = engine.log.places
    found = [one for one in known if one.kind == "CPU" or one.name in places]
    unlisted = sorted(places - {one.name for one in known})
    return (*found, *(Device(name=name) for name in unlisted))


def _device(c: Any, handle: Any) -> Device:
    name = _text(c.ggml_backend_dev_name(handle)) or "a device without a name"
    number = None if c.ggml_backend_dev_type is None else int(c.ggml_backend_dev_type(handle))
    total, free = _memory(c, handle)
    kind = KINDS[number] if number is not None and 0 <= number < len(KINDS) else None
    return Device(
        name=name,
        kind=kind,
        description=None if c.ggml_backend_dev_description is None else _text(c.ggml_backend_dev_description(handle)),
        memory_total=total,
        memory_free=None if kind == "CPU" else free,  # the engine says that all of it is free, and has not looked
        driver=nvidia_driver() if name.startswith("CUDA") else None,
    )


def _memory(c: Any, handle: Any) -> tuple[int | None, int | None]:
    """Bytes in all and free; where an engine says 0 in all, it has not looked."""
    if c.ggml_backend_dev_memory is None:
        return None, None
    free, total = SIZE(0), SIZE(0)
    c.ggml_backend_dev_memory(handle, ctypes.byref(free), ctypes.byref(total))
    return (total.value, free.value) if total.value else (None, None)


def _text(said: bytes | None) -> str | None:
    return said.decode("utf-8", "replace").strip() or None if said else None


def listing(engine: str | None, path: str | None) -> Mapping[str, Any]:
    """An engine with its devices, for a program."""
    found = library(engine, path)
    told = [device.to_json() for device in devices(found)]
    return {"engine": found.engine, "version": found.version, "library": str(found.path), "devices": told}


def main() -> None:
    """Carry out the order on standard input."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # drivers print; our one line must not be mixed with that
    order = json.loads(sys.stdin.readline())
    try:
        print(json.dumps(listing(**order)), file=answer, flush=True)
    except BackendError as error:
        print(json.dumps({"error": error.args[0], "slug": error.slug}), file=answer, flush=True)


if __name__ == "__main__":
    main()
