"""The command ``pytest-slm devices``: what the engines that are here can compute on."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pytest_slm.cli.say import say
from pytest_slm.core.submission import ENGINES
from pytest_slm.errors import BackendError, UsageError

LISTER = "pytest_slm.backends.llamacpp.binding.devices"
PATIENCE_S = 120
"""A driver may compile something when it is first loaded."""


def add_command(commands: Any, taught: Callable[[str], dict[str, Any]]) -> None:
    """Add ``devices`` to the command line."""
    parser = commands.add_parser("devices", help="what the engines here can compute on", **taught("devices"))
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--engine", choices=ENGINES, help="this engine alone (default: each that is installed)")
    which.add_argument("--engine-lib", type=Path, metavar="PATH", help="a libllama of your own instead")
    parser.add_argument("--json", action="store_true", help="for programs: what is not told is null")
    parser.set_defaults(run=_devices)


def _devices(arguments: argparse.Namespace) -> int:
    if arguments.engine_lib is not None:
        found = [_listed(None, str(arguments.engine_lib.absolute()))]
    elif arguments.engine is not None:
        found = [_listed(arguments.engine, None)]
    else:
        found = _installed()
    if arguments.json:
        say(json.dumps({"engines": found}, indent=2, sort_keys=True))
        return 0
    for one in found:
        say(f"{one['engine']} ({one['version']}): {one['library']}")
        for device in one["devices"]:
            say(f"  {_line(device)}")
    return 0


def _installed() -> list[Mapping[str, Any]]:
    """Every engine that is installed. Raises UsageError (missing-extra) where none is."""
    found = []
    for engine in ENGINES:
        try:
            found.append(_listed(engine, None))
        except UsageError as error:
            if error.slug != "missing-extra":
                raise
    return found or [_listed(None, None)]


def _line(device: Mapping[str, Any]) -> str:
    total, free = device["memory_total"], device["memory_free"]
    memory = "memory not told" if total is None else f"{total / 1e9:.1f} GB"
    memory += "" if free is None else f", {free / 1e9:.1f} GB free"
    driver = f", driver {device['driver']}" if device["driver"] else ""
    description = device["description"] or "not described"
    return f"{device['name']}: {device['kind'] or 'kind not told'}, {description}, {memory}{driver}"


def _listed(engine: str | None, path: str | None) -> Mapping[str, Any]:
    """What the engine tells, in a process of its own. Raises BackendError, or UsageError for one that is not there."""
    what = path or engine or "an engine"
    # -P: the working directory must not be able to replace a module of the process.
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", LISTER],
            input=json.dumps({"engine": engine, "path": path}) + "\n",
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        problem = f"{what}: no answer within {PATIENCE_S} s; is a driver of a device hanging?"
        raise BackendError(problem, slug="devices") from None
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        problem = f"its process ended with code {done.returncode} while it was asked"
        said = done.stderr.strip()[-300:]
        raise BackendError(
            f"{what}: {problem}{f' (…{said})' if said else ''}; is it built for this processor, and does the driver of "
            "each device work?",
            slug="devices",
        ) from None
    if "error" in answer:
        kind = UsageError if answer["slug"] in ("missing-extra", "engine-library") else BackendError
        raise kind(answer["error"], slug=answer["slug"])
    return answer
