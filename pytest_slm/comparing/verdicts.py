"""What a baseline says of a session, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_slm.comparing.baseline import Baseline
from pytest_slm.comparing.comparison import differing
from pytest_slm.comparing.drops import counted, probability, sight
from pytest_slm.core.comparison import BaselineVerdict
from pytest_slm.core.config import BaselineOptions
from pytest_slm.core.types import Result, RunReport
from pytest_slm.terminal.table import aligned
from pytest_slm.terminal.words import name_of

HEAD = ("item", "n", "baseline", "this run", "change", "95 % interval", "p", "sees", "verdict")


def lines(baseline: Baseline, reports: Sequence[RunReport], options: BaselineOptions) -> Iterator[str]:
    """A table of all items that were compared, why others were not, and how many are worse."""
    found = [(run, result, result.baseline) for run in reports for result in run.results if result.baseline]
    yield f"baseline: {baseline.name}"
    for run in reports:
        for theirs in baseline.runs:
            for key, (then, now) in differing(theirs.run, run).items():
                yield f"   {key}: {then} | {now}"
    several = len(reports) > 1
    compared = [one for one in found if one[2].p is not None]
    if compared:
        yield from aligned([HEAD, *(_row(result, verdict, several) for _, result, verdict in compared)])
        yield f"p: that it is worse by no more than {_may(options)}, after Holm; sees: the smallest drop that is"
        yield "   found in 4 of 5 cases; pass: beyond doubt worse by less"
    for _, result, verdict in found:
        if verdict.verdict == "inconclusive":
            yield f"inconclusive {_name(result, several)}: {verdict.reason if verdict.p is None else sight(verdict)}"
    rest = [result for run in reports for result in run.results if result.baseline is None and not result.measurements]
    new = sum(not baseline.has(result.id) for result in rest)
    others = f"; {new} items are not in the baseline" if new else ""
    strict = ", strict" if options.strict else ""
    yield f"against the baseline{strict}: {counted(verdict for _, _, verdict in found) or 'nothing compared'}{others}"


def _may(options: BaselineOptions) -> str:
    speed = "" if options.max_slowdown is None else f" (speeds {100 * options.max_slowdown:g} %)"
    return f"{100 * options.max_drop:g} points{speed}"


def _name(result: Result, several: bool) -> str:
    return str(result.id) if several else name_of(result)


def _row(result: Result, verdict: BaselineVerdict, several: bool) -> tuple[str, ...]:
    low, high = verdict.interval or (None, None)
    ratio = verdict.unit == "ratio"
    if low is None or high is None:
        between = "unknown"
    else:
        between = f"{low:.3f} – {high:.3f}" if ratio else f"{100 * low:+.1f} – {100 * high:+.1f}"
    change = verdict.change or 0.0
    return (
        _name(result, several),
        str(verdict.n),
        "" if verdict.baseline is None else f"{100 * verdict.baseline:.1f} %",
        "" if verdict.value is None else f"{100 * verdict.value:.1f} %",
        f"× {change:.3f}" if ratio else f"{100 * change:+.1f}",
        between,
        probability(verdict.p_corrected),
        "" if verdict.detectable is None else f"{100 * verdict.detectable:.1f}{' %' if ratio else ''}",
        verdict.verdict.upper(),
    )
