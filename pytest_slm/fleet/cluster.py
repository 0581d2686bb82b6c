"""What the driver wants of machines, whoever provides them; and what they tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pytest_slm.fleet.job import Answer, Farewell, GroupJob, Hello
from pytest_slm.fleet.work import Node


@dataclass(frozen=True, kw_only=True)
class Event:
    """What a worker said, or in ``lost`` what became of it."""

    worker: int
    said: Hello | Answer | Farewell | None = None
    lost: str = ""


class Cluster(Protocol):
    """Machines that workers can be started on. Nothing of it waits but ``wait``."""

    def nodes(self) -> Sequence[Node]:
        """Those that are there now."""
        ...

    def open(self, worker: int, node: str, job: GroupJob, memory: int) -> None:
        """Start a worker, which takes so many bytes of memory; it says hello."""
        ...

    def measure(self, worker: int, item: str, *, alone: bool) -> None:
        """Let it measure an item; ``alone``: while nothing else runs on its node."""
        ...

    def close(self, worker: int) -> None:
        """Let it come to its end; it says farewell."""
        ...

    def kill(self, worker: int) -> None:
        """End it at once. Nothing more is heard of it."""
        ...

    def wait(self, seconds: float) -> Sequence[Event]:
        """What was said since, at the latest after so many seconds."""
        ...

    def stop(self) -> None:
        """End all workers, and let the machines go."""
        ...
