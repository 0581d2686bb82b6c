"""How many samples of each group a limit allows."""

from __future__ import annotations

from collections.abc import Mapping


def apportion(sizes: Mapping[str, int], limit: int) -> dict[str, int]:
    """Shares of ``limit`` in proportion to the sizes of the groups, none greater than its group; they add up to
    ``limit``, or to all there is. Every group gets at least one where the limit allows it."""
    limit = min(limit, sum(sizes.values()))
    total = sum(sizes.values())
    if not total:
        return dict.fromkeys(sizes, 0)
    exact = {name: limit * size / total for name, size in sizes.items()}
    least = 1 if limit >= len(sizes) else 0
    share = {name: min(sizes[name], max(least, int(value))) for name, value in exact.items()}
    while (difference := limit - sum(share.values())) != 0:
        step = 1 if difference > 0 else -1
        able = [name for name in sizes if min(least, sizes[name]) <= share[name] + step <= sizes[name]]
        share[max(able, key=lambda name: (step * (exact[name] - share[name]), name))] += step
    return share
