"""``pytest-slm compare``: two runs side by side, and an exit code for whoever gates on it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_slm.cli.say import say, warn
from pytest_slm.errors import ReportError, UsageError


def add_command(commands: Any, taught: Callable[[str], dict[str, Any]]) -> None:
    """Put ``compare`` among the commands; ``taught`` gives what its help says beside its arguments."""
    compare = commands.add_parser(
        "compare",
        help="two runs: what is faster, slower, better, worse, equivalent, and what cannot be told apart",
        **taught("compare"),
    )
    compare.add_argument("a", type=Path, metavar="A", help="a run folder, or a report.json: what to compare with")
    compare.add_argument("b", type=Path, metavar="B", help="another one")
    compare.add_argument(
        "--smallest",
        type=_percent,
        default=0.03,
        metavar="PERCENT",
        help="timings that differ by less are equivalent (default: 3, as two runs of one thing may)",
    )
    compare.add_argument("--all", action="store_true", help="every measurement of an item, such as the parts of ttft")
    compare.add_argument(
        "--margin", type=_percent, metavar="POINTS", help="scores that differ by less are equivalent (default: none is)"
    )
    compare.add_argument(
        "--flips", action="store_true", help="list the questions that one of both answered better, with both answers"
    )
    compare.add_argument(
        "--fail-if-worse",
        action="store_true",
        help="exit code 0: no score of B is worse by POINTS or more, 1: one is worse, 2: not known; needs --margin",
    )
    compare.add_argument("--json", action="store_true", help="the comparison as JSON")
    compare.set_defaults(run=_compare)


def _percent(text: str) -> float:
    value = float(text)
    if not 0 <= value < 100:
        raise argparse.ArgumentTypeError(f"{text}: expected a percentage from 0 to 100")
    return value / 100


def _compare(arguments: argparse.Namespace) -> int:
    from pytest_slm.comparing import compare, read_run, reasons, told, verdict

    gate = arguments.fail_if_worse
    if gate and not arguments.margin:
        raise UsageError(
            "--fail-if-worse needs --margin=POINTS above 0: it is never sure that two models are exactly equal",
            slug="compare-margin",
        )
    try:
        found = compare(
            read_run(arguments.a),
            read_run(arguments.b),
            smallest=arguments.smallest,
            every=arguments.all,
            margin=arguments.margin,
            flips=arguments.flips,
        )
    except ReportError as error:
        if not gate:
            raise
        warn(error)
        return 2  # whoever cannot compare does not know, and 1 would say that B is worse
    say(json.dumps(found.to_json(), indent=2, sort_keys=True) if arguments.json else told(found))
    if not gate:
        return 0
    for line in reasons(found):
        (warn if arguments.json else say)(line)
    return verdict(found)
