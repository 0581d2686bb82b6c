"""The system calls of a program in the sandbox. This is all that reaches out of it.

CPython for WASI asks for 44 functions of ``wasi_snapshot_preview1``. The few in ``CALLS`` are answered: the clock, a
source of numbers that look random, and three files, which are queues to the runner. All others, so every one that
names a path, a folder or a socket, say that they do not exist (``ENOSYS``). No file, address or variable of the machine
can be named by any of them.

A pointer is a number that the program chose: ``Guest.load`` and ``Guest.store`` hold it against the size of its memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

MODULE = "wasi_snapshot_preview1"
OK, EBADF, EFAULT, EINVAL, EIO, ENOSYS = 0, 8, 21, 28, 29, 52
CHARACTER_DEVICE = 2
IOVEC_MAX = 1024
PIECE = 1 << 20
"""Bytes of output that are taken out of a program's memory at once: it may be much more than will be kept."""


class BadAddressError(Exception):
    """The program named memory that it does not have."""


class Process(Protocol):
    """What a system call may use of the program that called."""

    arguments: tuple[bytes, ...]
    slept_ns: int

    def load(self, address: int, length: int) -> bytes:
        """Bytes of the program's memory."""
        ...

    def store(self, address: int, data: bytes) -> None:
        """Put bytes into the program's memory."""
        ...

    def take(self, most: int) -> bytes:
        """Input; waits for it. Empty at its end."""
        ...

    def give(self, fd: int, data: bytes) -> bool:
        """Output. False if it was too much."""
        ...

    def random(self, length: int) -> bytes:
        """Bytes that look random, the same in every run."""
        ...

    def exit(self, code: int) -> None:
        """Stop the program before its next instruction."""
        ...


def _u32(*numbers: int) -> bytes:
    return b"".join((number & 0xFFFFFFFF).to_bytes(4, "little") for number in numbers)


def _u64(number: int) -> bytes:
    return (number & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little")


def _vectors(process: Process, address: int, count: int) -> list[tuple[int, int]]:
    if not 0 <= count <= IOVEC_MAX:
        raise BadAddressError(count)
    data = process.load(address, 8 * count)
    numbers = [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def args_sizes_get(process: Process, count: int, size: int) -> int:
    """How many arguments there are, and how long they are together."""
    process.store(count, _u32(len(process.arguments)))
    process.store(size, _u32(sum(len(argument) + 1 for argument in process.arguments)))
    return OK


def args_get(process: Process, pointers: int, buffer: int) -> int:
    """The arguments."""
    for argument in process.arguments:
        process.store(pointers, _u32(buffer))
        process.store(buffer, argument + b"\0")
        pointers, buffer = pointers + 4, buffer + len(argument) + 1
    return OK


def environ_sizes_get(process: Process, count: int, size: int) -> int:
    """There are no environment variables."""
    process.store(count, _u32(0))
    process.store(size, _u32(0))
    return OK


def environ_get(_process: Process, _pointers: int, _buffer: int) -> int:
    """There are no environment variables."""
    return OK


def clock_res_get(process: Process, _clock: int, result: int) -> int:
    """All clocks tick in nanoseconds."""
    process.store(result, _u64(1))
    return OK


def clock_time_get(process: Process, clock: int, _precision: int, result: int) -> int:
    """The time, moved on by what the program has slept."""
    now = time.time_ns() if clock == 0 else time.monotonic_ns()
    process.store(result, _u64(now + process.slept_ns))
    return OK


def random_get(process: Process, buffer: int, length: int) -> int:
    """Numbers for seeds and hashes: the same ones in every run, so that a program ends as it did the last time."""
    process.store(buffer, process.random(length & 0xFFFFFFFF))
    return OK


def fd_prestat_get(_process: Process, _fd: int, _result: int) -> int:
    """No folder is open."""
    return EBADF


def fd_fdstat_get(process: Process, fd: int, result: int) -> int:
    """Input, output and errors are terminals of a kind."""
    if not 0 <= fd <= 2:
        return EBADF
    process.store(result, bytes([CHARACTER_DEVICE]) + bytes(7) + b"\xff" * 16)
    return OK


def fd_filestat_get(process: Process, fd: int, result: int) -> int:
    """The same, in another form."""
    if not 0 <= fd <= 2:
        return EBADF
    process.store(result, bytes(16) + bytes([CHARACTER_DEVICE]) + bytes(47))
    return OK


def fd_read(process: Process, fd: int, vectors: int, count: int, result: int) -> int:
    """Wait for a message of the runner."""
    if fd != 0:
        return EBADF
    places = [place for place in _vectors(process, vectors, count) if place[1]]
    data = process.take(places[0][1]) if places else b""
    if data:
        process.store(places[0][0], data)
    process.store(result, _u32(len(data)))
    return OK


def fd_write(process: Process, fd: int, vectors: int, count: int, result: int) -> int:
    """A message to the runner (1), or what the program prints (2)."""
    if fd not in (1, 2):
        return EBADF
    written = 0
    for address, length in _vectors(process, vectors, count):
        for start in range(0, length, PIECE):
            if not process.give(fd, process.load(address + start, min(PIECE, length - start))):
                return EIO
        written += length
    process.store(result, _u32(written))
    return OK


def poll_oneoff(process: Process, subscriptions: int, events: int, count: int, result: int) -> int:
    """Sleeping takes no time: the clocks are put forward instead. Waiting for anything else is not to be had."""
    if not 0 < count <= IOVEC_MAX:
        return EINVAL
    longest = 0
    told = []
    for number in range(count):
        asked = process.load(subscriptions + 48 * number, 48)
        if asked[8] != 0:  # not a clock
            return ENOSYS
        wanted = int.from_bytes(asked[24:32], "little")
        if asked[40] & 1:  # a point in time instead of a while
            clock = time.time_ns() if asked[16] == 0 else time.monotonic_ns()
            wanted = max(0, wanted - clock - process.slept_ns)
        longest = max(longest, wanted)
        told.append(asked[:8] + bytes(24))
    process.slept_ns += min(longest, 1 << 62)
    process.store(events, b"".join(told))
    process.store(result, _u32(count))
    return OK


def sched_yield(_process: Process) -> int:
    """There is nobody to yield to."""
    return OK


def proc_exit(process: Process, code: int) -> None:
    """The end."""
    process.exit(code)


CALLS: Mapping[str, Callable[..., Any]] = {
    call.__name__: call
    for call in (
        *(args_sizes_get, args_get, environ_sizes_get, environ_get, clock_res_get, clock_time_get, random_get),
        *(fd_prestat_get, fd_fdstat_get, fd_filestat_get, fd_read, fd_write, poll_oneoff, sched_yield, proc_exit),
    )
}
