"""Where a session keeps what its items need of the store."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_slm.core.types import Result

Measure = Callable[[], Result]
Through = Callable[[pytest.Item, Measure], Result]

THROUGH: pytest.StashKey[Through] = pytest.StashKey()
"""Gives the result of an item: that of the store, or else what measuring brings."""

Keep = Callable[[pytest.Item, Result], Result]

KEEP: pytest.StashKey[Keep] = pytest.StashKey()
"""Keeps what a test function has measured, and marks it."""


def kept(item: pytest.Item, result: Result) -> Result:
    """The result of a test function, which a store keeps where there is one."""
    return item.config.stash[KEEP](item, result) if KEEP in item.config.stash else result


def straight(_item: pytest.Item, measure: Measure) -> Result:
    """Without a store everything is measured."""
    return measure()
