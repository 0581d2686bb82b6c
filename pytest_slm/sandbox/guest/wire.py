"""Messages between two interpreters: one line of JSON each.

Read and written with the C parts of ``json`` only: importing the package would take longer than most programs.
"""

import _json
import os


class Unfit(Exception):
    """A value that cannot travel, or a message that no honest partner sends."""


class Hangup(BaseException):
    """The other side is gone; no test can take that for an answer."""


class _Settings:
    strict, memo = True, {}
    object_hook = object_pairs_hook = None
    parse_float, parse_int = float, int

    @staticmethod
    def parse_constant(name):
        raise Unfit(name)


_scan = _json.make_scanner(_Settings())
_encode = _json.make_encoder(None, None, _json.encode_basestring_ascii, None, ":", ",", False, False, False)


def write(message, before=""):
    """Send one message; ``before`` stands before it in the line."""
    data = f"{before}{''.join(_encode(message, 0))}\n".encode()
    while data:
        data = data[os.write(1, data) :]


def parse(text):
    """What a line says. Unfit if it is no message."""
    try:
        return _scan(text, 0)[0]
    except (ValueError, StopIteration, RecursionError) as error:
        raise Unfit(f"no message: {error}") from None


class Reader:
    """Lines from the other side."""

    def __init__(self):
        self.rest = b""

    def read(self):
        """The next line as text. Raises Hangup when the other side has ended."""
        parts = [self.rest]
        while b"\n" not in parts[-1]:
            part = os.read(0, 1 << 16)
            if not part:
                raise Hangup
            parts.append(part)
        line, _, self.rest = b"".join(parts).partition(b"\n")
        return line.decode("ascii", "replace")
