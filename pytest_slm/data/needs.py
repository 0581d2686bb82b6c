"""What somebody needs of a data set."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Need:
    """A data set, the configurations of it that are read (None: its only one), and the tasks that read them."""

    dataset: str
    configs: tuple[str | None, ...]
    tasks: tuple[str, ...]
