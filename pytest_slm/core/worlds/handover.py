"""What one conversation finds out for others that go on from it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any


class Handover:
    """What one conversation of an item finds out for others, which yield it and are answered when it is there.

    The one that finds it out does so inside of ``with handover.giving():``. If it ends without having given anything,
    those that wait cannot be scored.
    """

    def __init__(self) -> None:
        self.value: Any = None
        self.given = False
        self.ended = False

    def give(self, value: Any) -> None:
        """Let all have it who wait, now and later."""
        self.value, self.given = value, True

    @contextlib.contextmanager
    def giving(self) -> Iterator[None]:
        """For as long as it may still be given."""
        try:
            yield
        finally:
            self.ended = True
