"""llama.cpp's own quantizer, in a process of its own: ``python -m pytest_slm.backends.llamacpp.quantize``.

It reads one JSON object from standard input (``source``, ``target``, ``file_type``: llama.cpp's number, ``threads``)
and writes one to standard output: ``ok`` with the engine's version, or ``error``, perhaps with a ``slug``. A process of
its own because the source is a foreign file that a C library parses, and because the library ends its process when it
runs out of memory.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys

from pytest_slm.backends.llamacpp.binding.installed import library
from pytest_slm.errors import BackendError


def quantize(source: str, target: str, file_type: int, threads: int) -> str:
    """Write ``source`` as ``target`` with other weights and return the engine's version. Raises OSError; BackendError
    where no engine is installed."""
    engine = library()
    engine.start()
    parameters = engine.params("quantize")
    parameters.ftype = file_type
    parameters.nthread = threads
    parameters.allow_requantize = True
    status = engine.c.llama_model_quantize(os.fsencode(source), os.fsencode(target), ctypes.byref(parameters))
    if status != 0:
        raise OSError(f"{engine.engine} could not quantize it (status {status}: {engine.log.last_words()})")
    return engine.version


def main() -> None:
    """Carry out the order on standard input."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # the quantizer prints a line for every tensor; our one line must not be mixed with those
    order = json.loads(sys.stdin.readline())
    try:
        print(json.dumps({"ok": quantize(**order)}), file=answer, flush=True)
    except OSError as error:
        print(json.dumps({"error": str(error)}), file=answer, flush=True)
    except BackendError as error:
        print(json.dumps({"error": error.args[0], "slug": error.slug}), file=answer, flush=True)


if __name__ == "__main__":
    main()
