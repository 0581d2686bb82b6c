"""The options of a comparison with a baseline: declared, and read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pytest_slm.core.config import BaselineOptions
from pytest_slm.errors import UsageError

BASELINE = ("baseline", "max_drop", "max_slowdown", "strict")
"""The names of their values."""
LEAST_SLOWDOWN = 3.0
"""In percent: two loads of one model differ by as much (decision 15)."""


def add_baseline(add: Callable[..., None]) -> None:
    """Declare them."""
    add(
        "--slm-baseline",
        metavar="RUN",
        help="a finished run (its folder, or its report.json), or REGISTRY#MODEL/QUANTIZATION: every item is "
        "compared with the same item there, question by question, and fails where it is worse beyond doubt",
    )
    add(
        "--slm-max-drop",
        metavar="POINTS",
        type=float,
        help="how many points an item may be worse than the baseline (default: 2)",
    )
    add(
        "--slm-max-slowdown",
        metavar="PERCENT",
        type=float,
        help="how much slower a timing may be than the baseline's, from 3 on; its weights are loaded too, and rounds "
        "of both alternate (--slm-interleave). Default: speeds are not judged",
    )
    add(
        "--slm-strict",
        action="store_true",
        default=None,
        help="an item fails, too, where it is not known whether it is worse than the baseline",
    )


def baseline_of(given: Mapping[str, Any], path_of: Callable[[str], Path]) -> BaselineOptions | None:
    """What a run is held against, and how. Raises UsageError for what cannot be meant."""
    if given["baseline"] is None:
        alone = next((name for name in BASELINE if given[name] is not None), None)
        if alone is not None:
            option = f"--slm-{alone.replace('_', '-')}"
            raise UsageError(f"{option} needs --slm-baseline=RUN: worse than what?", slug="baseline")
        return None
    for name, least in (("max_drop", 0.0), ("max_slowdown", LEAST_SLOWDOWN)):
        if given[name] is not None and not least <= given[name] < 100:
            raise UsageError(
                f"--slm-{name.replace('_', '-')}={given[name]}: expected a number from {least:g} to below 100",
                slug="option-value",
            )
    place, mark, row = given["baseline"].partition("#")
    known = {} if given["max_drop"] is None else {"max_drop": given["max_drop"] / 100}
    return BaselineOptions(
        run=f"{path_of(place)}{mark}{row}",
        max_slowdown=None if given["max_slowdown"] is None else given["max_slowdown"] / 100,
        strict=bool(given["strict"]),
        **known,
    )
