"""Where a session keeps what its items need of the baseline."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_slm.core.types import Result

JUDGE: pytest.StashKey[Callable[[Result], Result]] = pytest.StashKey()
"""Gives a result the verdict of the baseline."""
BESIDE: pytest.StashKey[str] = pytest.StashKey()
"""The quantization whose rounds alternate with those of every timing: the baseline's weights."""


def unjudged(result: Result) -> Result:
    """Without a baseline there is no verdict."""
    return result
