"""``pytest-slm registry``: built from reports, checked, compared, exported, filled from an older format; and copies of
reports that may be handed on."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_slm.cli.say import say, warn
from pytest_slm.errors import UsageError, did_you_mean

MOST_PARTS = 20
"""Lines for results that an export leaves out."""
FORMS = ("csv", "parquet", "sqlite", "markdown", "hf", "model-index", "eee")


def add_command(commands: Any, taught: Callable[[str], dict[str, Any]]) -> None:
    """Put ``registry`` among the commands; ``taught`` gives what its help says beside its arguments."""
    registry = commands.add_parser("registry", help="make the registry from run reports", **taught("registry"))
    verbs = registry.add_subparsers(metavar="VERB", required=True)

    build = verbs.add_parser("build", help="all reports below a folder -> a registry", **taught("registry build"))
    build.add_argument("reports", type=Path, metavar="REPORTS", help="folder with run reports, searched at every depth")
    build.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="the registry to write")
    build.add_argument(
        "--keep", action="store_true", help="keep models of DIR of which REPORTS has no report, and claims"
    )
    build.add_argument("--strict", action="store_true", help="fail, and write nothing, if any report is refused")
    build.set_defaults(run=_build)

    shared = verbs.add_parser("share", help="copies of runs without texts", **taught("registry share"))
    shared.add_argument(
        "reports", type=Path, metavar="REPORTS", help="folder with run reports, searched at every depth"
    )
    shared.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="where the copies go")
    shared.add_argument(
        "--public", action="store_true", help="keep the texts of tasks whose questions may stand in public"
    )
    shared.set_defaults(run=_share)

    check = verbs.add_parser("check", help="is every file of a registry in order?", **taught("registry check"))
    check.add_argument("registry", type=Path, metavar="DIR", help="the folder that 'registry build' wrote")
    check.set_defaults(run=_check)

    diff = verbs.add_parser("diff", help="what differs between two registries", **taught("registry diff"))
    diff.add_argument("old", type=Path, metavar="OLD", help="a registry")
    diff.add_argument("new", type=Path, metavar="NEW", help="a later one")
    diff.add_argument("--exit-code", action="store_true", help="exit with 1 if anything differs")
    diff.set_defaults(run=_diff)

    export = verbs.add_parser("export", help="every number, in forms that others read", **taught("registry export"))
    export.add_argument("registry", type=Path, metavar="DIR", help="the folder that 'registry build' wrote")
    export.add_argument("--to", required=True, metavar="FORM", choices=FORMS, help=", ".join(FORMS))
    export.add_argument(
        "-o", "--output", type=Path, required=True, metavar="PATH", help="the file (a table), or a folder (the others)"
    )
    export.add_argument("--model", metavar="ID", help="that model alone")
    export.set_defaults(run=_export)

    imported = verbs.add_parser(
        "import", help="numbers of a registry of schema 2.0.0, as unverified claims", **taught("registry import")
    )
    imported.add_argument("old", type=Path, metavar="FILE", help="the older registry, a JSON document")
    imported.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="the registry to add them to")
    imported.set_defaults(run=_import)


def _build(arguments: argparse.Namespace) -> int:
    from pytest_slm.registry import build_folder

    index = build_folder(
        arguments.reports, arguments.output, now=datetime.now(UTC), keep=arguments.keep, strict=arguments.strict
    )
    scripted = sum(one.slug == "report-scripted" for one in index.refused)
    if scripted:
        warn(f"left out: {scripted} reports of scripted models, which are no models")
    for one in index.refused:
        if one.slug != "report-scripted":
            warn(f"warning: {arguments.reports / one.path}: {one.reason}  [{one.slug}]")
    left_out = f", {len(index.refused) - scripted} left out" if len(index.refused) > scripted else ""
    say(f"{arguments.output}: {index}{left_out}")
    return 0


def _share(arguments: argparse.Namespace) -> int:
    from pytest_slm.registry.folder.sharing import share

    shared = share(arguments.reports, arguments.output, public=arguments.public)
    for error in shared.refused:
        warn(f"warning: {error}")
    texts = "without texts, but for those of public tasks" if arguments.public else "without texts"
    say(f"{arguments.output}: {len(shared.copied)} runs {texts}")
    return 0 if shared.copied and not shared.refused else 1


def _check(arguments: argparse.Namespace) -> int:
    from pytest_slm.registry.folder import check_registry, read_index

    problems = check_registry(arguments.registry)
    for problem in problems:
        warn(problem)
    if problems:
        return 1
    index = read_index(arguments.registry)
    rows = sum(model.files for model in index.models)
    counts = f"{len(index.models)} models with {rows} rows, {len(index.refused)} refused reports"
    say(f"{arguments.registry}: in order, {counts}")
    return 0


def _diff(arguments: argparse.Namespace) -> int:
    from pytest_slm.registry.folder import differences

    found = differences(arguments.old, arguments.new)
    for change in found:
        say(change)
    if not found:
        say("no difference in any row")
    return 1 if found and arguments.exit_code else 0


def _export(arguments: argparse.Namespace) -> int:
    from pytest_slm.registry import read_registry
    from pytest_slm.registry.exports import HUB, export, left_out

    registry = read_registry(arguments.registry)
    if arguments.model is not None:
        models = tuple(entry for entry in registry.models if entry.id == arguments.model)
        if not models:
            known = did_you_mean(arguments.model, (entry.id for entry in registry.models))
            raise UsageError(f"--model={arguments.model}: no such model. {known}", slug="registry-model")
        registry = replace(registry, models=models)
    # Where a link leads is written: somebody reads it there, or a web server does.
    output = Path(os.path.realpath(arguments.output)) if arguments.output.is_symlink() else arguments.output
    written = export(arguments.to, registry, output, all_models=arguments.model is None)
    if arguments.to in HUB:
        parts = left_out(registry)
        for one in parts[:MOST_PARTS]:
            warn(f"left out: {one}")
        if len(parts) > MOST_PARTS:
            warn(f"left out: {len(parts) - MOST_PARTS} more, of parts of data sets")
    if not written:
        warn("nothing written: no full run on a whole data set of the Hub; see docs/registry.md")
        return 1
    say(written[0] if len(written) == 1 else f"{arguments.output}: {len(written)} files")
    return 0


def _import(arguments: argparse.Namespace) -> int:
    from pytest_slm.registry import build_registry, read_registry, write_registry
    from pytest_slm.registry.folder import INDEX, import_registry, read_index

    there = (arguments.output / INDEX).is_file()
    refused = read_index(arguments.output).refused if there else ()
    registry, count, errors = import_registry(
        arguments.old, read_registry(arguments.output) if there else build_registry(())
    )
    for error in errors:
        warn(f"warning: {error}")
    if not count:
        warn(f"nothing written: {arguments.old} has no numbers")
        return 1
    write_registry(arguments.output, registry, refused)
    say(f"{arguments.output}: {count} unverified numbers of {arguments.old}; 'registry build --keep' keeps them")
    return 0
