"""An open library of llama.cpp, or of a dialect of it. Nothing that it says is believed before it was looked at: which
functions it has, and how its structures lie in memory.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pytest_slm.backends.llamacpp.binding import functions, layouts
from pytest_slm.backends.llamacpp.binding.layouts import Layout
from pytest_slm.backends.llamacpp.binding.log import EngineLog
from pytest_slm.errors import BackendError

LLAMA, IK = "llama.cpp", "ik_llama.cpp"
STRUCTURES = {
    functions.MODEL: "llama_model_default_params",
    functions.CONTEXT: "llama_context_default_params",
    functions.QUANTIZE: "llama_model_quantize_default_params",
}


class Library:
    """``c`` has the functions of ``binding.functions``, in llama.cpp's words whatever the dialect; ``engine`` is the
    engine's own name, ``version`` that of the package, or of the file, that it is from.

    ``declared`` gives the layout that the library's own package declares, for a version that is newer than this code.
    Raises BackendError (engine-library) for a file that cannot be loaded, lacks functions, or has another layout.
    """

    def __init__(self, path: Path, version: str, declared: Callable[[], Layout] | None = None) -> None:
        self.path, self.version = path, version
        self.log = EngineLog()
        self._dll = self._load()
        self.engine = IK if self._has("llama_kv_cache_seq_rm") and not self._has("llama_get_memory") else LLAMA
        self._layout = self._probed(declared)
        self.c = self._bind()
        self._started = False

    @property
    def separates_sequences(self) -> bool:
        """Whether every sequence can have a memory of its own, so that none looks at the others' cells."""
        return self.engine == LLAMA

    @property
    def sees_beyond_gaps(self) -> bool:
        """Whether a step sees all of a memory in which cells were freed below others. ik_llama.cpp (0.1.5) takes the
        end of what is filled from the last cell of every 32: where that one is free, and the step itself lies below,
        it does not see the others of its block. Seen without flash attention; with it nobody has looked."""
        return self.engine == LLAMA

    @property
    def plain_kv_types(self) -> tuple[str, ...]:
        """The types that the KV memory can have without flash attention."""
        return ("F32", "F16", "BF16") if self.engine == LLAMA else ("F16",)

    @property
    def flash_is_sound(self) -> bool:
        """Whether flash attention works on all processors. ik_llama.cpp's ends the process where the processor has no
        AVX-VNNI and the model a shape that its kernels for others do not have."""
        return self.engine == LLAMA

    def start(self) -> None:
        """Let the engine begin: once in a process."""
        if self._started:
            return
        self.c.llama_log_set(self.log.callback, None)
        if self.c.ggml_backend_dev_count is not None and not self.c.ggml_backend_dev_count():
            # Kernels for each kind of processor, and each kind of GPU, may be libraries of their own, beside this one.
            if self.c.ggml_backend_load_all_from_path is not None:
                self.c.ggml_backend_load_all_from_path(os.fsencode(self.path.parent))
            if not self.c.ggml_backend_dev_count():
                raise self._refused("no kernels for this processor are beside it (libggml-cpu-*)")
        self.c.llama_backend_init()
        self._started = True

    def params(self, what: str) -> Any:
        """The engine's defaults of a structure: ``model``, ``context`` or ``quantize``."""
        return getattr(self.c, STRUCTURES[what])()

    # -- what it is ----------------------------------------------------------------------------------------------

    def _load(self) -> ctypes.CDLL:
        if not self.path.is_file():
            raise self._refused("no such file")
        try:
            if sys.platform == "win32":
                os.add_dll_directory(str(self.path.parent))
            return ctypes.CDLL(str(self.path))
        except OSError as error:
            raise self._refused(f"it cannot be loaded: {error}") from None

    def _has(self, symbol: str) -> bool:
        return hasattr(self._dll, symbol)

    def _refused(self, reason: str) -> BackendError:
        return BackendError(
            f"{self.path}: {reason}; take a libllama of {layouts.LLAMA_CPP.version} or of "
            f"{layouts.IK_LLAMA_CPP.version}",
            slug="engine-library",
        )

    def _probed(self, declared: Callable[[], Layout] | None) -> Layout:
        missing = [name for name in STRUCTURES.values() if not self._has(name)]
        if missing:
            raise self._refused(f"it has no function {missing[0]}")
        known = layouts.IK_LLAMA_CPP if self.engine == IK else layouts.LLAMA_CPP
        problem = self._problem(known)
        if problem and declared is not None:
            with contextlib.suppress(ImportError, AttributeError, TypeError):
                theirs = declared()
                if self._problem(theirs) is None:
                    return theirs
        if problem:
            raise self._refused(f"it is of another version ({problem})")
        return known

    def _problem(self, layout: Layout) -> str | None:
        """Why this cannot be the layout of the library; None if nothing speaks against it."""
        for what, symbol in STRUCTURES.items():
            fields = getattr(layout, what)
            if not fields:  # the package does not declare it, and it is not needed to measure
                continue
            expected, found = layouts.length(fields), layouts.written(self._dll, symbol)
            if found is not None and not expected - ctypes.sizeof(ctypes.c_void_p) < found <= expected:
                return f"{symbol} gives {found} bytes, not {expected}"
            made = self._find(symbol, layouts.structure(what, fields), ())()
            if problem := layouts.mismatch(made, fields):
                return f"{symbol}: {problem}"
        return None

    def _bind(self) -> SimpleNamespace:
        made = {what: layouts.structure(what, getattr(self._layout, what)) for what in STRUCTURES}
        adapt = functions.ik_adapters if self.engine == IK else functions.llama_adapters
        try:
            bound = adapt(self._find)
            for name, (result, arguments) in functions.FUNCTIONS.items():
                if name not in bound:
                    symbol = functions.IK_NAMES.get(name, name) if self.engine == IK else name
                    types = [made.get(kind, kind) if isinstance(kind, str) else kind for kind in (result, *arguments)]
                    bound[name] = self._find(symbol, types[0], tuple(types[1:]))
        except AttributeError as error:
            raise self._refused(f"it has no function {str(error).rpartition(' ')[2]}") from None
        for name, (result, arguments) in functions.OPTIONAL.items():
            bound[name] = self._find(name, result, arguments) if self._has(name) else None
        return SimpleNamespace(**bound)

    def _find(self, symbol: str, result: Any, arguments: tuple[Any, ...]) -> Any:
        # A new object for each: attributes of the library are shared by all who ask it.
        function = self._dll[symbol]
        function.restype, function.argtypes = result, arguments
        return function
