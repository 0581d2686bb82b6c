"""How the session and the model's process talk: JSON in length-prefixed frames over an authenticated socket.

``multiprocessing.connection`` does the sockets, the framing and the mutual HMAC challenge. Only its ``*_bytes`` calls
are used: its ``send`` and ``recv`` would unpickle what comes in.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from multiprocessing.connection import Client, Connection, answer_challenge, deliver_challenge
from pathlib import Path
from typing import Any

MAX_FRAME = 512 * 1024 * 1024
Address = str | tuple[str, int]
GREETING_S = 30.0
"""How long either side may take to prove that it knows the key. It takes a millisecond."""

LONGEST_SOCKET_PATH = 100
"""The kernel allows 104 to 108 bytes; in a longer temporary folder a loopback port is used."""


def place_to_listen(folder: Path) -> Address:
    """Where to listen: a socket in a folder that only this user may enter, or any free loopback port."""
    path = str(folder / "socket")
    unix = hasattr(socket, "AF_UNIX") and len(os.fsencode(path)) <= LONGEST_SOCKET_PATH
    return path if unix else ("127.0.0.1", 0)


def send(connection: Connection, message: dict[str, Any]) -> None:
    """Send one message. NaN and infinity are refused here, so they cannot travel."""
    connection.send_bytes(json.dumps(message, allow_nan=False).encode())


def receive(connection: Connection) -> dict[str, Any]:
    """The next message; EOFError or OSError when the other side is gone."""
    message = json.loads(connection.recv_bytes(MAX_FRAME))
    if not isinstance(message, dict):
        raise OSError("the other side does not speak this protocol")
    return message


def connect(address: Address | list[Any], authkey: bytes) -> Connection:
    """A connection to the process that listens at ``address`` (a path, or host and port) and knows ``authkey``."""
    if not isinstance(address, str):
        address = (str(address[0]), int(address[1]))
    connection: Connection = Client(address)
    with _greeting(connection):
        answer_challenge(connection, authkey)
        deliver_challenge(connection, authkey)
    return connection


def welcome(connection: Connection, authkey: bytes) -> None:
    """Have the client that has connected prove that it knows ``authkey``. Hangs up and raises if it does not.

    Not for the thread that accepts: a client that says nothing would keep all others waiting.
    """
    with _greeting(connection):
        deliver_challenge(connection, authkey)
        answer_challenge(connection, authkey)


@contextlib.contextmanager
def _greeting(connection: Connection) -> Iterator[None]:
    """Hang up if the block fails, or is not done in time; then TimeoutError is raised."""
    late = threading.Event()
    borrowed = socket.socket(fileno=connection.fileno())
    line = borrowed.dup()  # shutting it down wakes whoever reads; its number cannot have become another file's
    borrowed.detach()

    def hang_up() -> None:
        late.set()
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(GREETING_S, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    except BaseException as error:
        connection.close()
        if late.is_set() and isinstance(error, EOFError | OSError):
            raise TimeoutError(f"the other side did not prove that it knows the key in {GREETING_S:g} s") from None
        raise
    finally:
        timer.cancel()
        line.close()
