"""The order in which rows are shown."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_slm.registry.rows.row import Row
from pytest_slm.registry.rows.standings import order_of


def in_order(rows: Iterable[Row], profile: str) -> tuple[Row, ...]:
    """Rows as a table shows them: ranked ones by rank, then those with an aggregate, the widest coverage first, then
    those without one, by name.

    Aggregates of different tasks are never compared: within one coverage, rows of one basis stand together, by the
    lower end of their intervals.
    """

    def place(row: Row) -> tuple[object, ...]:
        total = row.aggregates.get(profile)
        if total is None:
            return (2, 0.0, "", 0.0, row.name.casefold(), row.quantization, row.id)
        basis = "" if total.rank is not None else str(row.basis(profile))
        about = (row.name, row.quantization, row.id)
        return order_of(total.rank, total.coverage, basis, row.lower(profile), *about)

    return tuple(sorted(rows, key=place))
