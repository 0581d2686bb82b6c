"""The order in which rows are shown."""

from __future__ import annotations

import math
from collections.abc import Iterable

from pytest_slm.registry.rows.row import Row


def in_order(rows: Iterable[Row], profile: str) -> tuple[Row, ...]:
    """Rows as a table shows them: ranked ones by rank, then those with an aggregate, the widest coverage first, then
    those without one, by name.

    Aggregates of different tasks are never compared: within one coverage, rows of one basis stand together, by the
    lower end of their intervals.
    """

    def place(row: Row) -> tuple[object, ...]:
        total = row.aggregates.get(profile)
        named = (row.name.casefold(), row.quantization, row.id)
        if total is None:
            return (2, 0.0, "", 0.0, *named)
        if total.rank is not None:
            return (0, 0.0, "", total.rank, *named)
        lower = row.lower(profile)
        return (1, -total.coverage, str(row.basis(profile)), math.inf if lower is None else -lower, *named)

    return tuple(sorted(rows, key=place))
