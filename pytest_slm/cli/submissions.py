"""``pytest-slm detect``, ``submit`` and ``validate``: what headers of weights say, and the file that declares it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_slm.cli.say import say, warn
from pytest_slm.core.types import Submission, WeightsHeader
from pytest_slm.errors import SlmError, UsageError, writing_failed

if TYPE_CHECKING:
    from pytest_slm.models.remote import HeaderReader

T = TypeVar("T")
UNITS = ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "K"))


def add_commands(commands: Any, taught: Callable[[str], dict[str, Any]]) -> None:
    """Add the three commands to the parser."""
    detect = commands.add_parser(
        "detect", help="what the headers of a model's weights say, as JSON", **taught("detect")
    )
    detect.add_argument("reference", metavar="REF", help="a .gguf file, a folder, pkg:NAME, a Hub repo or a submission")
    _common(detect)
    detect.add_argument("--offline", action="store_true", help="never ask the Hub")
    detect.set_defaults(run=_detect)

    submit = commands.add_parser("submit", help="write the submission of a model on the Hub", **taught("submit"))
    submit.add_argument("reference", metavar="REF", help="a Hub repo (org/name, or org/name@commit) or pkg:NAME")
    _common(submit)
    submit.add_argument(
        "-o", "--output", type=Path, default=Path("submissions"), metavar="DIR", help="where it goes (./submissions)"
    )
    submit.add_argument("--slug", help="name of the file without .yml (default: made from the model's name)")
    submit.set_defaults(run=_submit)

    validate = commands.add_parser(
        "validate", help="check submissions, and compare them with their weights' headers", **taught("validate")
    )
    validate.add_argument("submissions", nargs="+", metavar="SUBMISSION", help="YAML files")
    validate.add_argument("--offline", action="store_true", help="never ask the Hub")
    validate.set_defaults(run=_validate)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--quant", metavar="NAMES", default="all", help="some quantizations, with commas (default: all)"
    )


def _read(
    reference: str, names: str, *, offline: bool = False
) -> tuple[Submission, dict[str, WeightsHeader], HeaderReader]:
    """The submission that a reference means, with the quantizations of these names, and what their headers say."""
    from pytest_slm.models import resolve, select
    from pytest_slm.models.remote import HeaderReader

    submission, reader = resolve(reference, offline=offline), HeaderReader(offline=offline)
    chosen = select(submission, names)
    return submission, {one.name: reader.read(submission, one) for one in chosen}, reader


def _tell_fetched(reader: HeaderReader) -> None:
    if total := reader.total:
        warn(
            f"fetched {total.bytes / 1e6:.2f} MB in {total.ranges} ranges, "
            f"of weights of {total.files_bytes / 1e6:,.1f} MB"
        )


def _detect(arguments: argparse.Namespace) -> int:
    submission, found, reader = _read(arguments.reference, arguments.quant, offline=arguments.offline)
    told = {
        "submission": submission.to_json(),
        "detected": {name: header.to_json() for name, header in found.items()},
        "fetched": {name: asdict(fetched) for name, fetched in reader.fetched.items()},
    }
    say(json.dumps(told, indent=2, sort_keys=True))
    _tell_fetched(reader)
    return 0


# -- submit ------------------------------------------------------------------------------------------------------------


def _submit(arguments: argparse.Namespace) -> int:
    from pytest_slm.load import load_submission, submission_problems, submission_text
    from pytest_slm.models import differences

    submission, found, reader = _read(arguments.reference, arguments.quant)
    submission = _filled(submission, found, arguments.slug)
    path = arguments.output / f"{submission.slug}.yml"
    _write(path, submission_text(submission))
    say(f"{path}: written")
    _tell_fetched(reader)
    problems = differences(load_submission(path), found)
    for problem in problems:
        warn(f"{path}: {problem}")
    for missing in submission_problems(load_submission(path)):
        say(f"not yet fit for publishing: {missing}")
    say(
        f"next: fill in what is marked TODO in {path}, then\n"
        f"  pytest-slm validate {path}\n"
        f"  pytest --slm-model={path} --slm-mode=quick\n"
        f"  git add {path}"
    )
    return 4 if problems else 0


def _filled(submission: Submission, found: Mapping[str, WeightsHeader], slug: str | None) -> Submission:
    """The submission with what the headers say. Raises UsageError for what no submission can be made of."""
    from pytest_slm.load import SLUG
    from pytest_slm.models import check_writes, too_large
    from pytest_slm.models.naming import as_name, slugify

    if submission.hf_repo is None and not submission.origin.startswith("pkg:"):
        raise UsageError(
            f"{submission.origin}: is neither on the Hub nor in a package, where others could find it; put the weights "
            "there, or copy submissions/template.yml",
            slug="submit-place",
        )
    if Path(submission.origin).suffix in (".yml", ".yaml"):
        raise UsageError(
            f"{submission.origin}: is a submission already; look at it with `pytest-slm validate`",
            slug="submission-exists",
        )
    slug = slug or slugify((submission.hf_repo or submission.slug).rpartition("/")[2])
    if not SLUG.fullmatch(slug):
        raise UsageError(
            f"--slug={slug:.80}: no slug; it has lower-case letters, digits, '.', '_' and '-'", slug="option-value"
        )
    for name, header in found.items():
        check_writes(f"{submission.origin} {name}", header)
        if problem := too_large(header):
            raise UsageError(f"{submission.origin} {name}: {problem}", slug="submission-too-large")
    declared = submission.license or _same(header.license for header in found.values())
    return replace(
        submission,
        slug=slug,
        name=submission.name.replace("-", " ").replace("_", " "),
        quantizations=tuple(
            # What is in hf_repo need not be named again.
            replace(one, source=None if one.source == submission.hf_repo else one.source)
            for one in submission.quantizations
            if one.name in found
        ),
        # A package's version is no commit of a repo.
        revision=submission.revision if submission.hf_repo else None,
        parameters=_rounded([header.parameters for header in found.values() if header.parameters]),
        architecture=_same(header.architecture for header in found.values()),
        context_length=_same(header.context_length for header in found.values()),
        license=as_name(declared) if declared else None,
        submitted_date=datetime.now(UTC).date().isoformat(),
    )


def _same(values: Iterable[T | None]) -> T | None:
    """What all say that say something; None where they differ, which a person has to decide."""
    said = {value for value in values if value is not None}
    return said.pop() if len(said) == 1 else None


def _rounded(counts: Sequence[int]) -> str | None:
    """The number of parameters as people write it; None where the files differ by more than rope factors."""
    if not counts or max(counts) > 1.01 * min(counts):
        return None
    rounded = float(f"{counts[0]:.3g}")
    size, unit = next(((size, unit) for size, unit in UNITS if rounded >= size), (1, ""))
    return f"{rounded / size:.3g}{unit}"


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(
            f"{path}: is there already, and nothing is overwritten; choose another name with --slug, or look "
            "at it with `pytest-slm validate`",
            slug="submission-exists",
        ) from None
    except OSError as error:
        raise writing_failed(path, error) from None


# -- validate ----------------------------------------------------------------------------------------------------------


def _validate(arguments: argparse.Namespace) -> int:
    code = 0
    for reference in arguments.submissions:
        problems = _problems(reference, arguments.offline)
        for problem in problems:
            warn(problem if problem.startswith(reference) else f"{reference}: {problem}")
        say(f"{reference}: {'failed' if problems else 'ok'}")
        for missing in _missing(reference):
            say(f"{reference}: not yet fit for publishing: {missing}")
        code = 4 if problems else code
    return code


def _missing(reference: str) -> tuple[str, ...]:
    from pytest_slm.load import load_submission, submission_problems

    try:
        return submission_problems(load_submission(Path(reference)))
    except SlmError:
        return ()  # a slug or a model reference has no file, and a broken file has been told


def _problems(reference: str, offline: bool) -> list[str]:
    from pytest_slm.models import differences

    try:
        submission, found, reader = _read(reference, "all", offline=offline)
    except SlmError as error:
        return [str(error)]
    _tell_fetched(reader)
    return differences(submission, found)
