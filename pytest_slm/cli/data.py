"""``pytest-slm data pull|list|verify``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pytest_slm.cli.packages import addresses, packages
from pytest_slm.cli.say import say, warn
from pytest_slm.core.types import Dataset, Task
from pytest_slm.data import articles, checkouts
from pytest_slm.data.checkouts import Checkout
from pytest_slm.data.manifest import NAME, Manifest, problems, read_manifest
from pytest_slm.data.needs import Need
from pytest_slm.data.packages import Package, fetch
from pytest_slm.errors import NotAvailableError, SlmError, UsageError
from pytest_slm.extensions import Extensions
from pytest_slm.lm_eval.needs import needs


def add_command(commands: Any, taught: Callable[[str], dict[str, Any]]) -> None:
    """Declare the command and its verbs; ``taught`` has the help text of each by its name."""
    data = commands.add_parser("data", help="fetch and check the data sets that suites read", **taught("data"))
    verbs = data.add_subparsers(metavar="pull|list|verify", required=True)
    pull = verbs.add_parser(
        "pull", help="fetch what suites need into a mirror for --slm-data; again: go on", **taught("data pull")
    )
    pull.add_argument("mirror", type=Path, metavar="DIR", help="the mirror, DIR/<org>/<name>/...")
    pull.add_argument("--from", type=Path, dest="source", metavar="DIR", help="another mirror instead of the Hub")
    pull.add_argument("--revision", metavar="REV", help="branch, tag or commit on the Hub (default: main)")
    pull.set_defaults(run=_pull)
    listing = verbs.add_parser("list", help="what suites need, and what of it a mirror has", **taught("data list"))
    listing.add_argument("mirror", type=Path, nargs="?", metavar="DIR", help="a mirror")
    listing.set_defaults(run=_list)
    for verb in (pull, listing):
        verb.add_argument("--suite", metavar="S", help="suites or suite/task, with commas (default: all)")
        verb.add_argument("--task", metavar="T", help="tasks or groups of lm-eval: lm_eval:NAME, with commas")
    verify = verbs.add_parser(
        "verify", help="compare every file of a mirror with its manifest", **taught("data verify")
    )
    verify.add_argument("mirror", type=Path, metavar="DIR", help="the mirror")
    verify.set_defaults(run=_verify)


def _needs(arguments: argparse.Namespace) -> list[Need]:
    for option in ("suite", "task"):
        text = getattr(arguments, option)
        if text is not None and not all(name.strip() for name in text.split(",")):
            raise UsageError(f"--{option}={text}: an empty name; say a value, or leave it out", slug="option-value")
    tasks = [name.removeprefix("lm_eval:") for name in arguments.task.split(",")] if arguments.task else []
    return needs(arguments.suite.split(",") if arguments.suite else [], tasks, others=_read)


def _read(task: Task) -> Sequence[Dataset]:
    extensions, name = Extensions(), task.options.get("generator")
    generated = extensions.generators.lookup(name).datasets(task.options) if isinstance(name, str) else ()
    return (*generated, *extensions.kinds.lookup(task.kind).datasets(task))


def _pull(arguments: argparse.Namespace) -> int:
    from pytest_slm.data.pull import pull
    from pytest_slm.data.sources import Folder, Hub

    source = Folder(arguments.source) if arguments.source else Hub(arguments.revision)
    wanted = _needs(arguments)
    failed = pull(arguments.mirror, wanted, source, say)
    for error in failed:
        warn(error)
    say(f"{arguments.mirror}: {len(wanted) - len(failed)} of {len(wanted)} data sets from {source.name}")
    lacking = [problem for one in _packages(arguments) if (problem := _fetched(one)) is not None]
    lacking += _articles(arguments)
    for problem in lacking:
        warn(problem)
    return 1 if failed or lacking else 0


def _fetched(wanted: Package | Checkout) -> SlmError | None:
    return fetch(wanted, say) if isinstance(wanted, Package) else checkouts.fetch(wanted, say)


def _articles(arguments: argparse.Namespace) -> list[SlmError]:
    """Fetch the articles that tasks show, which their rows name; return what failed."""
    if arguments.task and not arguments.suite:
        return []
    try:
        wanted = addresses(arguments.suite.split(",") if arguments.suite else (), arguments.mirror)
    except SlmError as error:
        return [error]
    return articles.pull(arguments.mirror, wanted, say) if wanted else []


def _packages(arguments: argparse.Namespace) -> list[Package | Checkout]:
    if arguments.task and not arguments.suite:
        return []
    return packages(arguments.suite.split(",") if arguments.suite else ())


def _list(arguments: argparse.Namespace) -> int:
    mirror = arguments.mirror
    if mirror is not None and not mirror.is_dir():
        raise UsageError(f"{mirror}: no such folder", slug="data-missing")
    manifest = (read_manifest(mirror) if mirror is not None else None) or Manifest()
    for need in _needs(arguments):
        say(f"{need.dataset}: {_state(mirror, manifest, need)}")
        say(f"  configurations: {_few([config or 'default' for config in need.configs])}")
        say(f"  for: {', '.join(need.tasks)}")
    return 0


def _state(mirror: Path | None, manifest: Manifest, need: Need) -> str:
    if mirror is None:
        return "needed"
    folder = mirror / need.dataset
    if not folder.is_dir():
        return "missing"
    try:
        lacking = [config for config in need.configs if not _has(folder, config)]
    except SlmError as error:
        return f"broken, {error}"
    entry = manifest.datasets.get(need.dataset)
    size = entry.size if entry else sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    about = f"{size / 1e6:.1f} MB, licence {(entry and entry.license) or 'not recorded'}"
    about += f", {entry.revision or 'revision not known'}" if entry else ", not in a manifest"
    if lacking:
        return f"partial, {len(need.configs) - len(lacking)} of {len(need.configs)} configurations, {about}"
    return f"there, {about}"


def _has(folder: Path, config: str | None) -> bool:
    from pytest_slm.data.rows import data_files

    try:
        files = data_files(folder, config)
    except NotAvailableError:
        return False
    if files is None:  # the card does not list them: there is something, or a folder of that name
        return config is None or (folder / config).is_dir() or any(folder.glob("*.parquet"))
    return bool(files) and all(listed.there and not listed.missing for listed in files.values())


def _verify(arguments: argparse.Namespace) -> int:
    manifest = read_manifest(arguments.mirror)
    if manifest is None:
        raise UsageError(
            f"{arguments.mirror / NAME}: this mirror has no manifest to compare with; "
            f"`pytest-slm data pull NEW --from {arguments.mirror}` makes a mirror that has one",
            slug="data-manifest",
        )
    found = problems(arguments.mirror, manifest)
    for problem in found:
        warn(problem)
    files = sum(len(entry.files) for entry in manifest.datasets.values())
    told = f"{len(found)} of {files} files are not what they were; `pytest-slm data pull` fetches them again"
    say(f"{arguments.mirror}: {told if found else f'{files} files of {len(manifest.datasets)} data sets, all right'}")
    return 1 if found else 0


def _few(names: list[str]) -> str:
    return f"{', '.join(names[:6])}{f' and {len(names) - 6} more' if len(names) > 6 else ''}"
