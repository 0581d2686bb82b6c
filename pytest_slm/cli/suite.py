"""``pytest-slm suite new|check``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_slm.cli.say import say, warn


def add_command(commands: Any, taught: Callable[[str], dict[str, Any]]) -> None:
    """Declare the command and its verbs; ``taught`` has the help text of each by its name."""
    suite = commands.add_parser("suite", help="begin or check a suite of your own", **taught("suite"))
    verbs = suite.add_subparsers(metavar="new|check", required=True)
    new = verbs.add_parser("new", help="write a small suite that works, to be changed", **taught("suite new"))
    new.add_argument("folder", type=Path, metavar="DIR", help="a folder that is not there yet, or empty")
    new.set_defaults(run=_new)
    check = verbs.add_parser(
        "check", help="what is wrong or missing in a suite, without a model", **taught("suite check")
    )
    check.add_argument("folder", type=Path, metavar="DIR", help="a suite's folder, or one with suites in it")
    check.add_argument("--data", metavar="DIR", help="a mirror of benchmark data, for tasks that read rows from it")
    check.add_argument(
        "--seconds",
        type=float,
        default=60.0,
        metavar="S",
        help="how long the variants of a task may be played; the first always is (60)",
    )
    check.add_argument("--run-code", action="store_true", help="run functions of scorers `python`, to try answers")
    check.set_defaults(run=_check)


def _new(arguments: argparse.Namespace) -> int:
    from pytest_slm.authoring.new import write_suite

    for path in write_suite(arguments.folder):
        say(path)
    say(f"Next: pytest-slm suite check {arguments.folder}, then pytest {arguments.folder} --slm-model=fake")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from pytest_slm.authoring.check import TrialTerms, check_suites

    trial = TrialTerms(run_code=arguments.run_code, data=arguments.data, seconds=arguments.seconds)
    checks = check_suites(arguments.folder, trial)
    for check in checks:
        for line in check.tried:
            say(line)
        for line in check.problems:
            warn(line)
        for line in check.notes:
            say(f"note: {line}")
        say(f"{check.name}: {check.verdict}")
    return int(any(check.problems for check in checks))
