"""What an engine says: kept for messages about what went wrong, and read for the sizes of its buffers."""

from __future__ import annotations

import re
from collections import deque

from pytest_slm.backends.llamacpp.binding.functions import LOG

WARNING, ERROR = 3, 4
BUFFER = re.compile(r"^(?:\S+: +)?(\S+) +(?:\S+ +)*?(?:(\w+) +)?buffer size = +([0-9.]+) MiB")
"""The engine says how large its buffers are in its log only: ``CPU KV buffer size =    45.00 MiB``."""

OF_THE_CPU = re.compile(r"CPU|AMX$|BLAS$|.*_Host$")
"""Buffers in the machine's own memory. Others begin with the name of their device: ``CUDA0``, ``MTL0_Mapped``."""

KINDS = {"KV": "kv_cache", "RS": "kv_cache", "compute": "compute_buffers", "output": "outputs"}
"""Our names of them; RS is the memory of layers with a running state. Those without a kind have weights."""


class EngineLog:
    """The words of one library, in this process."""

    def __init__(self) -> None:
        self._last: deque[str] = deque(maxlen=20)
        self._sizes: dict[str, int] = {}
        self.places: set[str] = set()
        """Devices other than the CPU on which it has ever opened a buffer."""
        self.callback = LOG(self._keep)  # the library calls it for as long as the process lives

    def _keep(self, level: int, text: bytes, _data: object) -> None:
        # Warnings and errors explain a failure; the rest would fill the terminal.
        if level in (WARNING, ERROR):
            self._last.append(text.decode("utf-8", "replace").strip())
        elif b"buffer size = " in text and (found := BUFFER.search(text.decode("utf-8", "replace"))):
            kind, size = KINDS.get(found[2], "weights"), round(float(found[3]) * 2**20)
            names = [kind]
            if not OF_THE_CPU.match(found[1]):
                place = found[1].partition("_")[0]
                self.places.add(place)
                names.append(f"{kind}@{place}")
            for name in names:
                self._sizes[name] = self._sizes.get(name, 0) + size

    def buffer_sizes(self, *, forget: bool = False) -> dict[str, int]:
        """Bytes of the buffers that the engine has opened since they were last forgotten, to 0.01 MiB: ``weights``
        (copies in another order included), ``kv_cache``, ``compute_buffers``, ``outputs``; and of each what is in the
        memory of another device than the CPU, as ``weights@CUDA0``."""
        found = dict(self._sizes)
        if forget:
            self._sizes.clear()
        return found

    def last_words(self) -> str:
        """The engine's last warnings and errors, for messages about what went wrong."""
        return "; ".join(list(self._last)[-3:]) or "the engine gave no reason"

    def forget_words(self) -> None:
        """Let ``last_words`` be of what comes now."""
        self._last.clear()
