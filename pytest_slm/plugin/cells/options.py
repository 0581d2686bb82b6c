"""The options of a store of cells, and of shards: declared, and read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

CELLS = ("store", "shard")
"""The names of their values."""


def add_cells(add: Callable[..., None]) -> None:
    """Declare them."""
    add(
        "--slm-store",
        metavar="DIR",
        help="a folder with a file for each item that was ever measured: one that depends on nothing that has changed "
        "since is taken over, and what is measured now is kept there",
    )
    add(
        "--slm-shard",
        metavar="I/N",
        help="measure the I-th of N parts, from 1 on, of equal length as far as one can tell; env: as the environment "
        "says (SLM_SHARD_INDEX from 0, SLM_SHARD_COUNT; a SLURM array; an Indexed Job of Kubernetes)",
    )


def cells_of(given: Mapping[str, Any], path_of: Callable[[str], Path]) -> dict[str, str | None]:
    """The settings of a run that they give."""
    return {"store": None if given["store"] is None else str(path_of(given["store"])), "shard": given["shard"]}
