"""What a pull request's submission says, and the headers of its weights, in Markdown for a comment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_slm.ci.github.pulls import OfferedSubmission
from pytest_slm.ci.github.statuses import State
from pytest_slm.core.types import Submission, WeightsHeader
from pytest_slm.errors import SlmError
from pytest_slm.load import load_submission, submission_problems
from pytest_slm.markdown import escaped, table
from pytest_slm.models import differences, select
from pytest_slm.models.remote import HeaderReader
from pytest_slm.models.resolve import completed, slugs
from pytest_slm.registry import read_registry
from pytest_slm.registry.folder import INDEX

MOST_FILES = 32
"""Quantizations of one submission: each is some questions to the Hub, and later a job."""
ANOTHER_TIME = frozenset({"hub-unreachable", "hub-busy", "hub-answer", "hub-client-missing"})
"""Slugs of what is not the submission's fault."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What came of it: ``failure`` where something has to be changed, ``error`` where it could not be looked at."""

    state: State
    problems: tuple[str, ...]
    markdown: str

    @property
    def line(self) -> str:
        """A few words for the status of the commit."""
        n = len(self.problems)
        return "in order" if not n else f"{n} problem{'' if n == 1 else 's'}: see the comment"


def refused(error: SlmError) -> Look:
    """What is told of a pull request that has no submission to look at."""
    return Look(state="failure", problems=(str(error),), markdown="\n".join(_lines(None, {}, [str(error)], (), "")))


def look(offer: OfferedSubmission, folder: Path, *, main: Path, offline: bool = False) -> Look:
    """Write the submission below ``folder``, and look at it and at the headers of its weights; ``main`` is the checkout
    with the submissions and the registry that are there already."""
    path = offer.put(folder)
    submission, found, problems, state = None, {}, [], "failure"
    missing: tuple[str, ...] = ()
    try:
        submission = load_submission(path)
        missing = tuple(one.partition(": ")[2] for one in submission_problems(submission))
        problems = [*_paths(submission), *_again(submission, offer, main)]
        if not problems:
            submission = completed(submission, offline=offline)
            problems = _too_many(submission)
        if not problems:
            reader = HeaderReader(offline=offline)
            found = {one.name: reader.read(submission, one) for one in select(submission, "all")}
            problems = differences(submission, found)
    except SlmError as error:
        state = "error" if error.slug in ANOTHER_TIME else "failure"
        problems += [line.replace(f"{path}:", f"{offer.path}:") for line in str(error).split("\n")]
    lines = "\n".join(_lines(submission, found, problems, missing, offer.head))
    return Look(state=_state(problems, state), problems=tuple(problems), markdown=lines)


def _state(problems: list[str], state: str) -> State:
    return "success" if not problems else "error" if state == "error" else "failure"


def _paths(submission: Submission) -> list[str]:
    """A pull request brings one file: weights are on the Hub, or in a package that is installed."""
    return [
        f"{one.name}: source {one.source!r:.80} is a folder, which a pull request does not bring; name a Hub repo"
        for one in submission.quantizations
        if one.source is not None and one.source.startswith((".", "/"))
    ]


def _too_many(submission: Submission) -> list[str]:
    n = len(submission.quantizations)
    return [f"{n} quantizations, and at most {MOST_FILES} are measured; list some"] if n > MOST_FILES else []


def _again(submission: Submission, offer: OfferedSubmission, main: Path) -> list[str]:
    """What is there already: the same repo in another submission, or the same file in the registry."""
    repo = (submission.hf_repo or "").casefold()
    if not repo:
        return []
    problems = []
    for slug in slugs(main / "submissions"):
        known = next(path for path in sorted((main / "submissions").glob(f"{slug}.y*ml")))
        other = load_submission(known)
        if slug != offer.slug and (other.hf_repo or "").casefold() == repo:
            problems.append(f"submissions/{known.name} is of {other.hf_repo}, too; change that one")
    if offer.is_new and submission.revision and (main / "registry" / INDEX).is_file():
        for entry in read_registry(main / "registry").models:
            if (entry.hf_repo or "").casefold() == repo and entry.revision == submission.revision:
                same = sorted(entry.quantizations.keys() & {one.name for one in submission.quantizations})
                problems += [f"{name} of {entry.hf_repo} at {entry.revision} is in the registry" for name in same]
    return problems


def _lines(
    submission: Submission | None,
    found: Mapping[str, WeightsHeader],
    problems: list[str],
    missing: tuple[str, ...],
    head: str,
) -> Iterator[str]:
    name = escaped(submission.name) if submission else "This pull request"
    yield f"### {name}: {'the submission is in order' if not problems else 'the submission is not in order'}"
    yield ""
    for problem in problems[:50]:
        yield f"- {escaped(problem)}"
    if found:
        yield ""
        yield from table(
            ("quantization", "format", "parameters", "MB", "bits/weight", "architecture", "context", "license"),
            (
                (
                    name,
                    one.format,
                    _or(one.parameters and f"{one.parameters:,}"),
                    _or(one.file_size and f"{one.file_size / 1e6:,.1f}"),
                    _or(one.bits_per_weight and f"{one.bits_per_weight:.2f}"),
                    _or(one.architecture),
                    _or(one.context_length),
                    _or((submission and submission.license) or one.license),
                )
                for name, one in found.items()
            ),
        )
    if missing:
        yield ""
        yield "Not yet fit for publishing:"
        yield from (f"- {escaped(one)}" for one in missing)
    if not problems and head:
        yield ""
        yield "Nothing has been measured. People who may write to this repository start that by a comment of one line:"
        yield from (f"- `/{command} {head}`" for command in ("quick-test", "full-benchmark", "publish-results"))
        yield ""
        yield "Without the commit a command is about the newest one, if that was looked at before the comment."


def _or(value: object) -> object:
    return "not told" if value is None else value
