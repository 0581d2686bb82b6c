"""``pytest-slm ci ...``: each step of a workflow is one call into the room ``ci``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_slm.cli.ci.texts import TEXTS
from pytest_slm.cli.help_texts import taught
from pytest_slm.cli.say import say
from pytest_slm.errors import SlmError, UsageError, writing_failed

if TYPE_CHECKING:
    from pytest_slm.ci.collecting import RunSource
    from pytest_slm.ci.job import Job

Handler = Callable[[argparse.Namespace, "Job"], int]


def add_command(commands: Any) -> None:
    """Put ``ci`` among the commands."""
    ci = commands.add_parser("ci", help="the steps of the GitHub workflows", **taught("ci", TEXTS))
    verbs = ci.add_subparsers(metavar="STEP", required=True)

    def step(name: str, short: str, handler: Handler) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = verbs.add_parser(name, help=short, **taught(f"ci {name}", TEXTS))
        parser.set_defaults(run=lambda arguments: _stopped(handler, arguments))
        return parser

    submission = step("submission", "look at the submission of a pull request", _submission)
    _folder(submission, "--output", "the submission, and comment.md")
    submission.add_argument("--offline", action="store_true", help="never ask the Hub")
    command = step("command", "is this comment a command, and may it be given?", _command)
    _folder(command, "--output", "the order of what is to be measured")
    matrix = step("matrix", "the jobs of an order, for the matrix of a workflow", _matrix)
    _order(matrix)
    matrix.add_argument("--minutes", type=float, default=240, metavar="M", help="the longest shard (default: 240)")
    matrix.add_argument("--data", metavar="DIR", help="a mirror of the Hub's data sets")
    matrix.add_argument("--suite", metavar="S", help="suites or suite/task, with commas (default: all)")
    matrix.add_argument("--offline", action="store_true", help="never use the network")
    measure = step("measure", "one job of an order: measure, and pack what came of it", _measure)
    _order(measure)
    _folder(measure, "--output", "what is handed over")
    measure.add_argument("--quantization", required=True, metavar="Q", help="which one of the submission")
    measure.add_argument("--shard", metavar="I/N", help="measure a part for the store, I from 1 to N")
    measure.add_argument("--cells", type=Path, metavar="DIR", help="the store of what shards have measured")
    measure.add_argument("--machine", type=Path, metavar="FILE", help="the declaration of this machine, if it has one")
    measure.add_argument("pytest", nargs="*", metavar="OPTION", help="further options of pytest, behind --")
    collect = step("collect", "artifacts of a run, checked and put together", _collect)
    _order(collect)
    _folder(collect, "--output", "the store of a quantization, or the reports and comment.md")
    collect.add_argument("--cells", metavar="Q", help="collect the cells of this quantization instead of the reports")
    collect.add_argument("--shards", type=int, default=1, metavar="N", help="how many there should be")
    collect.add_argument("--expected", type=int, metavar="N", help="reports that there should be (default: of all)")
    publish = step("publish", "merge the pull request, add its reports, make registry and pages", _publish)
    _folder(publish, "--repository", "a checkout whose origin is pushed to")
    _folder(publish, "--site", "the pages")
    publish.add_argument("--branch", required=True, metavar="NAME", help="the branch for the results")
    publish.add_argument("--head", required=True, metavar="SHA", help="the commit that was measured")
    publish.add_argument("--measured", required=True, type=int, metavar="RUN", help="the run that measured it")
    comment = step("comment", "write the comment of a subject, or write it again", _comment)
    comment.add_argument("file", type=Path, metavar="FILE", help="its Markdown")
    comment.add_argument("--subject", required=True, metavar="NAME", help="which comment: submission, results")
    status = step("status", "say of a commit how this run went", _status)
    for name, what in (("--head", "the commit"), ("--context", "of what"), ("--state", "success, failure, ...")):
        status.add_argument(name, required=True, help=what)
    status.add_argument("--description", default="", help="some words")


def _folder(parser: argparse.ArgumentParser, name: str, what: str) -> None:
    parser.add_argument(name, type=Path, required=True, metavar="DIR", help=what)


def _order(parser: argparse.ArgumentParser) -> None:
    _folder(parser, "--order", "the order, as `ci command` wrote it")


def _stopped(handler: Handler, arguments: argparse.Namespace) -> int:
    """Run a step while the runner takes nothing that is printed for a command to itself: neither a name in a message
    nor what pytest prints can add a mask, an output or an annotation. Steps of ours give none."""
    import atexit
    import secrets

    from pytest_slm.ci.job import Job

    if os.environ.get("GITHUB_ACTIONS") == "true":
        token = secrets.token_hex(16)
        say(f"::stop-commands::{token}")
        atexit.register(say, f"::{token}::")  # behind a traceback, too
    return handler(arguments, Job.of(os.environ))


# -- looking at what strangers wrote: these have tokens that can only read ---------------------------------------------


def _submission(arguments: argparse.Namespace, job: Job) -> int:
    from pytest_slm.ci.github.pulls import offered
    from pytest_slm.ci.submitting import look, refused

    try:
        offer = offered(job.github(os.environ), job.pull, job.head)  # the status is set on that commit
    except SlmError as error:
        if error.slug != "ci-pull":
            raise
        found = refused(error)
    else:
        found = look(offer, arguments.output, main=Path(), offline=arguments.offline)
    _write(arguments.output / "comment.md", found.markdown)
    job.tell(found.markdown)
    job.put(state=found.state, line=found.line)
    for problem in found.problems:
        say(problem)
    say(f"pull request {job.pull}: {found.line}")
    return 0


def _command(arguments: argparse.Namespace, job: Job) -> int:
    from pytest_slm.ci.comments import NotFollowedError, command_of
    from pytest_slm.ci.github.pulls import offered
    from pytest_slm.ci.orders import MODES, write_order
    from pytest_slm.markdown import escaped

    github = job.github(os.environ)
    try:
        command = command_of(github, job)
    except NotFollowedError as error:
        if error.answered:
            _write(arguments.output / "answer.md", escaped(error.args[0]))
            job.put(refused=True)
        raise
    if command is None:
        say("no command")
        job.put(command="")
        return 0
    if command.name in MODES:
        write_order(arguments.output, job, offered(github, command.pull, command.head), command.name)
    job.put(command=command.name, head=command.head, measured=command.measured or 0)
    say(f"{command.user}: {command.name} of {command.head} in pull request {command.pull}")
    return 0


def _matrix(arguments: argparse.Namespace, job: Job) -> int:
    from pytest_slm.api import plan
    from pytest_slm.ci.orders import read_order
    from pytest_slm.ci.planning import jobs

    order, path = read_order(arguments.order, job)
    options = {"data": arguments.data, "suites": arguments.suite.split(",") if arguments.suite else ()}
    found = jobs(order, path, plan, minutes=arguments.minutes, offline=arguments.offline, options=options)
    job.tell(found.markdown())
    job.put(quantizations=found.quantizations, shards=found.shards, count=found.count)
    say(found.markdown())
    return 0


# -- measuring: these have no token at all -----------------------------------------------------------------------------


def _measure(arguments: argparse.Namespace, job: Job) -> int:
    from pytest_slm.cells.shards import Shard
    from pytest_slm.ci.artifacts import Origin, pack
    from pytest_slm.ci.measuring import arguments as told
    from pytest_slm.ci.measuring import measure
    from pytest_slm.ci.orders import read_order
    from pytest_slm.load.machines import load_machine

    order, path = read_order(arguments.order, job)
    shard = None if arguments.shard is None else Shard.of(arguments.shard, {})
    try:
        origin = Origin(
            repo=job.repo,
            run=job.run_id,
            pull=order.pull,
            head=order.head,
            kind="report" if shard is None else "cells",
            quantization=arguments.quantization,
            shard=shard.index if shard else 0,
        )
    except ValueError as error:
        raise UsageError(f"--quantization: {error}", slug="ci-environment") from None
    machine = load_machine(arguments.machine) if arguments.machine else None
    line = told(order, path, origin, arguments.output, count=shard.count if shard else 1, cells=arguments.cells)
    # Energy is that of a whole benchmark; a shard's would be counted twice by who adds them up.
    whole = order.mode == "full" and shard is None
    energy = measure([*line, *arguments.pytest], os.environ, arguments.output, energy=whole, machine=machine)
    if energy is not None:
        say(energy)
    manifest = pack(arguments.output, origin)
    say(f"{arguments.output}: {len(manifest.files)} files of {origin.kind} of {origin.quantization}")
    return 0


# -- putting together --------------------------------------------------------------------------------------------------


def _collect(arguments: argparse.Namespace, job: Job) -> int:
    from pytest_slm.ci.collecting import check_run, collect_cells, collect_reports, markdown
    from pytest_slm.ci.orders import ordered, read_order
    from pytest_slm.models.resolve import completed

    order, path = read_order(arguments.order, job)
    submission = completed(ordered(path), offline=False)
    source = _source(job, pull=order.pull, head=order.head, run=job.run_id, mode=order.mode, submission=submission)
    github = job.github(os.environ)
    check_run(github, job, source, finished=False)
    if arguments.cells:
        n, missing = collect_cells(github, job, source, arguments.cells, arguments.output, shards=arguments.shards)
        for line in missing:
            say(line)
        say(f"{arguments.output}: {n} cells of {arguments.cells}")
        return 0
    found = collect_reports(github, job, source, arguments.output)
    text = markdown(found, source)
    _write(arguments.output / "comment.md", text)
    job.tell(text)
    expected = arguments.expected or len(submission.quantizations)
    line = f"{len(found)} of {expected} quantizations measured"
    job.put(state="success" if len(found) == expected else "failure", line=line)
    say(f"{arguments.output}: {line}")
    return 0


def _source(job: Job, **facts: Any) -> RunSource:
    from pytest_slm.ci.collecting import RunSource

    return RunSource(**facts)


def _publish(arguments: argparse.Namespace, job: Job) -> int:
    import tempfile

    from pytest_slm.ci.collecting import check_run, collect_reports
    from pytest_slm.ci.comments import head_named
    from pytest_slm.ci.git import Git, branch_named
    from pytest_slm.ci.github.pulls import offered
    from pytest_slm.ci.publishing import check_publishable, merge_pull, publish
    from pytest_slm.load import load_submission
    from pytest_slm.models.resolve import completed

    github, branch, now = job.github(os.environ), branch_named(arguments.branch), datetime.now(UTC)
    offer = offered(github, job.pull, head_named(arguments.head))
    with tempfile.TemporaryDirectory() as scratch:
        path = offer.put(Path(scratch))
        submission = completed(load_submission(path), offline=False)
        source = _source(
            job, pull=offer.pull, head=offer.head, run=arguments.measured, mode="full", submission=submission
        )
        check_run(github, job, source, finished=True)
        found = collect_reports(github, job, source, Path(scratch) / "artifacts")
        check_publishable(offer, path, found, now=now)
        merge_pull(github, offer)
        git = Git(arguments.repository, token=os.environ.get("GITHUB_TOKEN", ""))
        done = publish(
            git,
            offer,
            found,
            branch=branch,
            merged_into=job.default_branch,
            run=arguments.measured,
            site=arguments.site,
            now=now,
        )
    told = f"{done.reports} reports of {offer.slug} are published; the registry has {done.models} models"
    _write(arguments.site.with_name("published.md"), f"{told}.")
    job.tell(told)
    job.put(commit=done.commit or "")
    say(f"{told}, commit {done.commit or 'none: they were there already'}")
    return 0


# -- talking: these can write, and read nothing but a text of ours -----------------------------------------------------


def _comment(arguments: argparse.Namespace, job: Job) -> int:
    from pytest_slm.ci.github.talking import put_comment
    from pytest_slm.files import MIB, read_text

    try:
        text = read_text(arguments.file, MIB)
    except (OSError, ValueError) as error:
        raise UsageError(f"{arguments.file}: cannot be read ({error})", slug="ci-environment") from None
    number = put_comment(job.github(os.environ), job.pull, arguments.subject, text)
    say(f"comment {number} of pull request {job.pull}")
    return 0


def _status(arguments: argparse.Namespace, job: Job) -> int:
    from pytest_slm.ci.github.statuses import set_status

    set_status(job.github(os.environ), job, arguments.head, arguments.context, arguments.state, arguments.description)
    say(f"{arguments.context}: {arguments.state}")
    return 0


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", "utf-8", "backslashreplace", newline="\n")
    except OSError as error:
        raise writing_failed(path, error) from None
