"""What failed in the process that holds the model, as data that the session can raise again."""

from __future__ import annotations

import errno
import traceback
from typing import Any

from pytest_slm.errors import NotAvailableError, SlmError
from pytest_slm.machine.memory import peak_rss
from pytest_slm.machine.processor import cpu_name_and_flags


def error_json(error: Exception) -> dict[str, Any]:
    """An exception as data: expected failures by their message, bugs with their traceback."""
    if isinstance(error, SlmError):
        kind = "not-available" if isinstance(error, NotAvailableError) else "backend"
        return {"kind": kind, "slug": error.slug, "message": error.args[0], "traceback": None}
    if _is_want_of_memory(error):
        peak = peak_rss()
        told = f"out of memory, peak {peak / 1e9:.2f} GB" if peak else "out of memory, peak not known"
        message = f"{told}: {type(error).__name__}: {error}"
        return {"kind": "backend", "slug": "out-of-memory", "message": message, "traceback": None}
    if isinstance(error, OSError):  # a file that is gone, a device that fails: it is the system's word that counts
        return {
            "kind": "backend",
            "slug": "backend",
            "message": f"the system refused the backend something: {type(error).__name__}: {error}",
            "traceback": None,
        }
    return {
        "kind": "bug",
        "slug": "backend-bug",
        "message": f"{type(error).__name__}: {error}",
        "traceback": traceback.format_exc(),
    }


BUILT_FOR = (
    *("sse4_2", "avx", "f16c", "fma", "avx2", "bmi2", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni"),
    *("avx512_bf16", "amx_int8", "asimd", "asimdhp", "asimddp", "i8mm", "sve", "bf16"),
)
"""Flags of processors, of both kinds, that builds of engines ask for."""
ARM = frozenset(("asimd", "asimdhp", "asimddp", "i8mm", "sve", "bf16"))


def unknown_instruction() -> str:
    """What a process needs to be told that was ended by an instruction which its processor does not have."""
    _, flags = cpu_name_and_flags()
    kind = ARM if flags & {"asimd"} else frozenset(BUILT_FOR) - ARM
    missing = [flag for flag in BUILT_FOR if flag in kind and flag not in flags]
    lacking = f" (it lacks {', '.join(missing)})" if flags and missing else ""
    return f"its library is built for another processor than this one{lacking}; install or build one for it"


def broken_amx() -> str:
    """What may have ended a process that read where nothing is: the kernels for AMX, where GCC 12 has built them. It
    leaves out most of the settings that they load (https://github.com/ggml-org/llama.cpp/pull/26954)."""
    _, flags = cpu_name_and_flags()
    if "amx_int8" not in flags:
        return ""
    return (
        "; with llama.cpp on a processor with AMX, as this one is, this can be the compiler's fault (GCC 12): install "
        "llama-cpp-python again with CFLAGS=-mno-amx-int8 CXXFLAGS=-mno-amx-int8 in the environment, or choose "
        "--slm-engine=ik"
    )


def _is_want_of_memory(error: Exception) -> bool:
    """Whether the system refused memory. torch says so by a class of its own (GPU), or by words alone (CPU)."""
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and "allocate memory" in str(error))
    )
