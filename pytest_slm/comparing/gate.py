"""Is B worse than A? One answer for a machine that shall act on it: no, yes, or nobody knows."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_slm.comparing.comparison import Comparison
from pytest_slm.comparing.timings import ALPHA
from pytest_slm.errors import shown

NO_WORSE, WORSE, NOT_KNOWN = 0, 1, 2


def verdict(comparison: Comparison) -> int:
    """``WORSE`` if any item is, beyond doubt and not within the margin; ``NO_WORSE`` if every item that has a score in
    A is beyond doubt less than the margin worse; else ``NOT_KNOWN``. Timings do not count.

    All items have to be no worse, each at 5 %, so that nothing is corrected for their number (an intersection-union
    test, Berger 1982); the worse ones are those after Holm's correction.
    """
    if any(one.verdict == "worse" and not _no_worse(one.p_no_worse) for one in comparison.scores):
        return WORSE
    known = comparison.scores and not comparison.unknown
    return NO_WORSE if known and all(_no_worse(one.p_no_worse) for one in comparison.scores) else NOT_KNOWN


def reasons(comparison: Comparison) -> Iterator[str]:
    """What the verdict is, and of which items, for the terminal."""
    return map(shown, _reasons(comparison))


def _reasons(comparison: Comparison) -> Iterator[str]:
    found = verdict(comparison)
    points = f"{100 * (comparison.margin or 0.0):g} points"
    if found == NO_WORSE:
        yield f"B is no worse than A: less than {points} in each of {len(comparison.scores)} items"
    worse = [one.item for one in comparison.scores if one.verdict == "worse" and not _no_worse(one.p_no_worse)]
    if worse:
        yield f"B is worse than A: {', '.join(worse)}"
    doubt = [one.item for one in comparison.scores if not _no_worse(one.p_no_worse) and one.item not in worse]
    if doubt:
        yield f"not known whether B is worse by {points}: {', '.join(doubt)}"
    if comparison.unknown:
        yield f"not known whether B is worse, for want of a comparison: {', '.join(comparison.unknown)}"


def _no_worse(p: float | None) -> bool:
    return p is not None and p <= ALPHA
