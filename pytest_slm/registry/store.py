"""Run reports on disk: found, read strictly, and written so that a reader never sees half a file.

A run folder is ``<model slug>/<quantization>/<run id>/`` with ``report.json`` (a pytest-json-report document whose
``slm`` section is a ``RunReport``), ``samples/*.jsonl`` and ``report.html``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any

from pytest_slm import files
from pytest_slm.core.record import Record, RecordError, jsonable, names_of
from pytest_slm.core.types import REPORT_SCHEMA, RunReport
from pytest_slm.decoding import decoded
from pytest_slm.errors import ReportError, writing_failed
from pytest_slm.registry.questions import QuestionScores, question_scores

REPORT_NAME = "report.json"
LEVELS = files.MAX_DEPTH - 40
"""Of lists and objects in a report: what is made of it says some of them further inside, and is read again, too."""
TOGETHER = 16
"""Files that are waited for at once: what a disk writes down for one of them is there for others, too."""


@dataclass(frozen=True, kw_only=True)
class StoredReport:
    """A run report with the place it was read from (relative to the reports folder) and the hash of its bytes."""

    path: str
    sha256: str
    run: RunReport
    questions: Mapping[str, QuestionScores] = field(default_factory=dict)
    """The scores of the questions of its items, by ``Result.samples``."""


# -- writing ------------------------------------------------------------------------------------------------------


def write_text(path: Path, text: str) -> None:
    """Put ``text`` at ``path`` as UTF-8, all of it or nothing: a temporary file beside it, synced, then renamed.

    Raises ReportError where the system refuses (full disk, read-only folder).
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A model may write half a surrogate pair. UTF-8 cannot hold it; as \ud83d it is readable, and valid in JSON.
        with temporary.open("x", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise writing_failed(path, error) from error


def write_new(path: Path, content: bytes) -> None:
    """Put bytes where nobody looks yet. They are in the kernel's hands: ``settle`` sees that they are on the disk.
    Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(content)


def settle(paths: Sequence[Path]) -> None:
    """See that files are on the disk before they get their names. Raises OSError."""

    def wait(path: Path) -> None:
        handle = os.open(path, os.O_WRONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    with ThreadPoolExecutor(TOGETHER) as pool:
        list(pool.map(wait, paths))


def to_text(data: object) -> str:
    """JSON with sorted keys and one trailing newline: equal data, equal bytes. NaN and infinity raise RecordError."""
    return _indented(jsonable(data), "\n") + "\n"


def _indented(value: Any, newline: str) -> str:
    """What ``json.dumps`` makes with ``indent=1``, which is slow there: the json module indents without its C part."""
    inner = newline + " "
    if isinstance(value, str):
        return encode_basestring(value)
    if value and isinstance(value, dict):
        parts = [f"{encode_basestring(key)}: {_indented(value[key], inner)}" for key in sorted(value)]
        return f"{{{inner}{f',{inner}'.join(parts)}{newline}}}"
    if value and isinstance(value, list):
        return f"[{inner}{f',{inner}'.join([_indented(item, inner) for item in value])}{newline}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return float.__repr__(value)
    return int.__repr__(value) if isinstance(value, int) else ("{}" if isinstance(value, dict) else "[]")


def to_lines(data: object) -> str:
    """The same data as ``to_text``, a value a line but not indented: in a quarter of the time, for thousands of files.
    NaN and infinity raise RecordError."""
    try:
        return _LINES.encode(data) + "\n"
    except (TypeError, ValueError):  # where it is, and what
        return to_text(data)


def _fields(value: object) -> Any:
    """A record as the JSON module takes it."""
    if isinstance(value, Record):
        found, names = value.__dict__, names_of(value.__class__)
        return found if len(found) == len(names) else {name: found[name] for name in names}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)


_LINES = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, sort_keys=True, separators=(",\n", ": "), default=_fields
)


def write_json(path: Path, data: object) -> None:
    """Write ``data`` (a record, or plain JSON types) as deterministic JSON. Raises ReportError, and writes nothing,
    if it holds a number that is not finite or a thing that JSON cannot say."""
    try:
        text = to_text(data)
    except RecordError as error:
        raise ReportError(f"{path}: not written: {error}", slug="report-not-finite") from error
    write_text(path, text)


# -- reading ------------------------------------------------------------------------------------------------------


def read_json(path: Path) -> Any:
    """The JSON document in a file. Raises ReportError where it is no JSON; NaN and Infinity are none."""
    return parse_json(path, read_report_bytes(path))


def parse_json(path: Path, content: bytes, depth: int = files.MAX_DEPTH) -> Any:
    """The JSON document in ``content``, which was read from ``path``."""
    try:
        return files.parse_json(content, depth)
    except ValueError as error:
        raise ReportError(
            f"{path}: not valid JSON ({error}). Was the run ended in mid-write?", slug="report-broken"
        ) from error


def read_report(path: Path) -> RunReport:
    """The run report in a ``report.json``. Raises ReportError that names the file and the first value that is wrong."""
    return _parse_report(path, read_report_bytes(path))


def report_paths(folder: Path) -> list[Path]:
    """The files below a folder that have the name of a run report, in order. Raises ReportError if it is no folder."""
    if not folder.is_dir():
        raise no_folder(folder)
    return sorted(folder.rglob(REPORT_NAME))


def no_folder(folder: Path) -> ReportError:
    """That there is no folder of reports."""
    return ReportError(f"{folder}: no such folder. Run pytest with --slm-model first", slug="report-missing")


def stored_report(folder: Path, path: Path, content: bytes | None = None) -> StoredReport:
    """The run report in a file below a folder, or in the ``content`` that was read from there. Raises ReportError where
    it is none."""
    content = read_report_bytes(path, within=folder) if content is None else content
    run = _parse_report(path, content)
    digest = hashlib.sha256(content).hexdigest()
    questions = read_questions(path.parent, run)
    return StoredReport(path=path.relative_to(folder).as_posix(), sha256=digest, run=run, questions=questions)


def find_reports(folder: Path) -> tuple[tuple[StoredReport, ...], tuple[ReportError, ...]]:
    """All run reports below a folder, in the order of their paths, and an error for each file that is none."""
    found: list[StoredReport] = []
    errors: list[ReportError] = []
    for path in report_paths(folder):
        try:
            found.append(stored_report(folder, path))
        except ReportError as error:
            errors.append(error)
    return tuple(found), tuple(errors)


def read_samples(folder: Path, run: RunReport) -> dict[str, Sequence[Mapping[str, Any]]]:
    """The sample lines of a run folder by ``Result.samples``; results whose file is gone are left out.

    Raises ReportError for a line that is no JSON object, and for a path that leaves the run folder.
    """
    samples: dict[str, Sequence[Mapping[str, Any]]] = {}
    missing = _missing(folder, {result.samples.partition("/")[0] for result in run.results if result.samples})
    for result in run.results:
        if result.samples is None or result.samples.partition("/")[0] in missing:
            continue
        lines = read_lines(folder, result.samples)
        if lines is not None:
            samples[result.samples] = lines
    return samples


def _missing(folder: Path, names: Collection[str]) -> set[str]:
    """Which of these names are not in a folder: most reports are read without their samples, which nobody then looks
    for one by one."""
    missing = set()
    for name in names:
        with contextlib.suppress(ValueError):  # a NUL: told where it is read
            if not os.path.lexists(folder / name):
                missing.add(name)
    return missing


def read_questions(folder: Path, run: RunReport) -> dict[str, QuestionScores]:
    """The scores of the questions of a run folder by ``Result.samples``, where they make the number of their item."""
    lines = read_samples(folder, run)
    found = {
        result.samples: question_scores(result, lines[result.samples])
        for result in run.results
        if result.samples in lines
    }
    return {name: scores for name, scores in found.items() if name is not None and scores is not None}


def read_lines(folder: Path, name: str) -> Sequence[Mapping[str, Any]] | None:
    """The lines of one file of samples in a run folder; None where it is gone. Raises ReportError as above."""
    with contextlib.suppress(ValueError):
        if not os.path.lexists(folder / name):
            return None
    try:
        content = files.read_bytes(files.inside(folder, name), files.LINES)
    except FileNotFoundError:
        return None
    except OSError as error:
        problem = f"{folder}: the samples {name!r:.80} cannot be read: {error.strerror or error}"
        raise ReportError(problem, slug="report-path") from None
    return _parsed_lines(folder / name, content)


def _parse_report(path: Path, content: bytes) -> RunReport:
    read = decoded(Document, content, LEVELS)
    if read is not None and read.slm.schema == REPORT_SCHEMA:
        return read.slm
    document = parse_json(path, content, LEVELS)
    section = document.get("slm") if isinstance(document, Mapping) else None
    if not isinstance(section, Mapping):
        raise ReportError(f"{path}: has no 'slm' section, so no run of pytest-slm wrote it", slug="report-foreign")
    schema = section.get("schema")
    if schema != REPORT_SCHEMA:
        raise ReportError(
            f"{path}: report schema {schema!r:.80}, this version reads {REPORT_SCHEMA!r}. Run the model again, "
            "or use the pytest-slm version that wrote it",
            slug="report-schema",
        )
    try:
        return RunReport.from_json(section)
    except ValueError as error:
        raise ReportError(f"{path}: {error}", slug="report-invalid") from error


@dataclass(frozen=True, kw_only=True)
class Document(Record):
    """What pytest-json-report writes. A document that has more, or something else there, is read the long way."""

    created: float | None = None
    duration: float | None = None
    exitcode: int | None = None
    root: str | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    collectors: tuple[Any, ...] = ()
    tests: tuple[Any, ...] = ()
    warnings: tuple[Any, ...] = ()
    slm: RunReport


def _parsed_lines(path: Path, content: bytes) -> tuple[Mapping[str, Any], ...]:
    # Split at \n only: str.splitlines would also cut at U+2028, which models do write.
    samples = []
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            sample = files.parse_json(line)
        except ValueError as error:
            raise ReportError(f"{path}:{number}: not valid JSON ({error})", slug="samples-broken") from error
        if not isinstance(sample, Mapping):
            raise ReportError(f"{path}:{number}: a sample is a JSON object", slug="samples-broken")
        samples.append(sample)
    return tuple(samples)


def read_report_bytes(path: Path, within: Path | None = None) -> bytes:
    """The bytes of a report, which a link may not lead out of the folder ``within``. Raises ReportError."""
    try:
        return files.read_bytes(files.inside(within, str(path.relative_to(within))) if within else path)
    except OSError as error:
        raise ReportError(f"{path}: cannot be read ({error.strerror or error})", slug="report-missing") from error
