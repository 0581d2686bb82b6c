"""``pytest-slm fleet``: the cells of many models on the machines of a Ray cluster, into one store."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_slm.cli.say import say, warn

if TYPE_CHECKING:
    from pytest_slm.fleet.driver import FleetResult


def add_command(commands: Any, taught: Callable[[str], dict[str, Any]]) -> None:
    """Put ``fleet`` among the commands."""
    fleet = commands.add_parser("fleet", help="measure many models on several machines, with Ray", **taught("fleet"))
    fleet.add_argument("references", nargs="+", metavar="SUBMISSION", help="submissions, or what --slm-model takes")
    fleet.add_argument(
        "--address", default="auto", help="the Ray cluster: auto (default), HOST:PORT, or local: this machine"
    )
    fleet.add_argument(
        "--slm-store", type=Path, required=True, metavar="DIR", help="where results are kept, and looked for"
    )
    fleet.add_argument("--suite", metavar="S", help="suites or suite/task, with commas (default: all)")
    fleet.add_argument("--mode", choices=("quick", "full"), default="quick", help="default: quick")
    fleet.add_argument("--quant", metavar="Q", default="all", help="quantizations, with commas (default: all)")
    fleet.add_argument("--limit", metavar="N", type=int, help="at most N samples per item")
    fleet.add_argument(
        "--data", type=Path, metavar="DIR", help="a mirror of the Hub's data sets, at this place on all nodes"
    )
    fleet.add_argument("--offline", action="store_true", help="never use the network")
    fleet.add_argument(
        "--path", action="append", default=[], metavar="DIR", help="suites of your own, on all nodes; repeat"
    )
    fleet.add_argument(
        "--option", action="append", default=[], metavar="O", help="a further option, --option=--slm-exact; repeat"
    )
    fleet.add_argument(
        "--lanes", type=int, default=1, metavar="N", help="cells at once on one node, where memory allows (1)"
    )
    fleet.add_argument("--retries", type=int, default=2, metavar="N", help="of a cell that could not be measured (2)")
    fleet.add_argument("--json", action="store_true", help="what came of it, as JSON")
    fleet.set_defaults(run=_fleet)


def _fleet(arguments: argparse.Namespace) -> int:
    from pytest_slm.cells.store import CellStore
    from pytest_slm.fleet.driver import Driver
    from pytest_slm.fleet.jobs import jobs_of
    from pytest_slm.fleet.rays import RayCluster
    from pytest_slm.fleet.scheduler import RetryLimits

    jobs = jobs_of(
        arguments.references,
        quant=arguments.quant,
        options=_options(arguments),
        paths=[str(Path(path).absolute()) for path in arguments.path],
        offline=arguments.offline,
        warn=warn,
    )
    cluster = RayCluster(arguments.address)
    try:
        if place := cluster.open_dashboard:
            warn(
                f"the cluster's dashboard at {place} can be reached by others, who may run what they like on its nodes"
            )
        limits = RetryLimits(lanes=max(1, arguments.lanes), failures=max(0, arguments.retries))
        tell = warn if arguments.json else say
        outcome = Driver(cluster, jobs, CellStore(arguments.slm_store), limits=limits, tell=tell).run()
    finally:
        cluster.stop()
    return _told(arguments, outcome)


def _options(arguments: argparse.Namespace) -> list[str]:
    said = [f"--slm-mode={arguments.mode}"]
    said += [f"--slm-suite={arguments.suite}"] if arguments.suite else []
    said += [f"--slm-limit={arguments.limit}"] if arguments.limit is not None else []
    said += [f"--slm-data={arguments.data.absolute()}"] if arguments.data is not None else []
    return [*said, *(["--slm-offline"] if arguments.offline else []), *arguments.option]


def _told(arguments: argparse.Namespace, outcome: FleetResult) -> int:
    loads = sum(outcome.loads.values())
    if arguments.json:
        left_out = [{"model": one.group, "item": one.item, "reason": one.reason} for one in outcome.left_out]
        where = [{"model": group, "item": item, "machine": at} for (group, item), at in sorted(outcome.where.items())]
        counts = {"before": outcome.before, "retries": outcome.retries, "loads": loads, "seconds": outcome.seconds}
        told = {**counts, "measured": where, "left_out": left_out, "noisy": list(outcome.noisy)}
        say(json.dumps(told, indent=2, sort_keys=True))
    else:
        for one in outcome.left_out:
            warn(f"not measured: {one.group} {one.item or '(all of it)'}: {one.reason}")
        for line in outcome.noisy:
            warn(f"noisy: {line}")
        say(
            f"{arguments.slm_store}: {outcome.before} cells were there, {len(outcome.where)} measured, "
            f"{len(outcome.left_out)} left out; {loads} loads, {outcome.retries} retries, {outcome.seconds:.0f} s"
        )
    return 1 if outcome.left_out else 0
