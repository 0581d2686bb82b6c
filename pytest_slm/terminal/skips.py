"""Why there is no number: once for each reason with what helps, however many items it is the reason of."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from pytest_slm.core.types import MEASURED, ItemId, Result
from pytest_slm.terminal.words import name_of, short_name

WIDTH = 80
"""Columns of a terminal."""
REMEDIES: Mapping[str, str] = {
    "checkout-missing": "`pytest-slm data pull DIR` fetches the files",
    "data-elsewhere": "data that is not on the Hub (-rs says where)",
    "data-not-public": "data that is not public (-rs says more)",
    "data-unreachable": "needs `pytest-slm data pull DIR` and --slm-data=DIR",
}
"""What helps, in one line, where the reasons of single items are long: each names its own data set. pytest's
own ``-rs`` lists them."""


def unmeasured(results: Iterable[Result]) -> list[str]:
    """The lines about items without a number. Skips of one kind are one line; of anything else those with one reason
    are, because two errors of a kind may have two causes."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        if result.reason and result.outcome not in MEASURED:
            slug = _slug(result.reason)
            kind = slug if slug and result.outcome == "skipped" else result.reason
            groups.setdefault((result.outcome, kind), []).append(result)
    return [line for (outcome, kind), mine in groups.items() for line in _lines(outcome.replace("_", " "), kind, mine)]


def remedy(item: ItemId | Result, reason: str) -> str:
    """What helps against the reason of an item, in one line with its slug; the reason itself where that says it."""
    slug = _slug(reason)
    return f"{REMEDIES[slug]}  [{slug}]" if slug in REMEDIES else nameless(item, reason)


def nameless(item: ItemId | Result, reason: str) -> str:
    """A reason without the name of its item at its beginning: that stands before it, or is one of several."""
    return reason.removeprefix(f"{item.suite}/{item.task} ")


def listed(items: Iterable[tuple[str, str]]) -> list[str]:
    """Items by suite in lines that fit: ``rag/frames``, and of a suite with several how many, ``safety (7)``."""
    suites: dict[str, list[str]] = {}
    for suite, name in items:
        suites.setdefault(suite, []).append(name)
    told = (
        f"{suite}/{names[0]}" if len(names) == 1 else f"{suite}\u00a0({len(names)})" for suite, names in suites.items()
    )
    wrapped = textwrap.wrap(
        ", ".join(told), WIDTH - 2, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )
    return [f"  {line}".replace("\u00a0", " ") for line in wrapped]


def _lines(outcome: str, kind: str, mine: Sequence[Result]) -> list[str]:
    several = listed((result.suite, short_name(result)) for result in mine) if len(mine) > 1 else []
    return [_line(outcome, kind, mine), *several]


def _line(outcome: str, kind: str, mine: Sequence[Result]) -> str:
    reasons = list(dict.fromkeys(nameless(result, result.reason) for result in mine))
    what = f"{outcome} {name_of(mine[0]) if len(mine) == 1 else f'{len(mine)} items'}"
    if kind not in REMEDIES:
        more = f" (and {len(reasons) - 1} more of this kind: -rs lists them)" if len(reasons) > 1 else ""
        return f"{what}: {reasons[0]}{more}"
    line = f"{what}: {REMEDIES[kind]}"
    return f"{line}  [{kind}]" if len(line) + len(kind) + 4 <= WIDTH else line


def _slug(reason: str) -> str:
    found = re.search(r"\[([a-z][a-z0-9-]*)\]\s*$", reason)
    return found.group(1) if found else ""
