"""What is wrong or missing in a suite: its files are read as a session would, and its scorers try answers whose worth
is known. No model is needed, and no code of the suite is run unless somebody says so."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_slm.authoring.fitness import SECONDS, try_players
from pytest_slm.authoring.trying import few, try_samples
from pytest_slm.core.types import Suite, Task
from pytest_slm.errors import SlmError, UsageError
from pytest_slm.extensions import Extensions
from pytest_slm.files import read_bytes
from pytest_slm.kinds.checking import check_task, find_mistakes
from pytest_slm.kinds.checks import ChecksOptions
from pytest_slm.kinds.choices import ChoicesOptions, Question
from pytest_slm.kinds.questions import beside, read_questions
from pytest_slm.load import load_suite, load_task
from pytest_slm.load.builtin import check_own_name


@dataclass(kw_only=True)
class SuiteCheck:
    """What was found: ``problems`` are wrong, ``notes`` say what is missing, ``tried`` what was looked at. ``unfit``
    are the tasks whose right answers do not get everything, or that say too little of what chance gets."""

    name: str
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    unfit: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """What is to be said of it in a line."""
        n = len(self.problems)
        problems = f"{n} problem{'s' * (n > 1)}"
        if self.unfit:
            return f"not fit to rank ({', '.join(self.unfit)}): {problems}"
        return problems if n else "ok"


@dataclass(frozen=True, kw_only=True)
class TrialTerms:
    """What may be done to try a suite: run its code, read rows from the mirror ``data``, and go on with the variants of
    a task for so many ``seconds``."""

    run_code: bool = False
    data: str | None = None
    seconds: float = SECONDS


def check_suites(folder: Path, trial: TrialTerms = TrialTerms()) -> list[SuiteCheck]:
    """Look at the suite in a folder, or at those in the folders of it. Raises UsageError where there is no suite."""
    found = sorted(path for path in (folder / "suite.yaml", *folder.glob("*/suite.yaml")) if path.is_file())
    if not found:
        raise UsageError(f"{folder}: no suite.yaml in it, nor in a folder of it; see docs/suites.md", slug="no-suites")
    return [_check_suite(path, trial) for path in found]


def _check_suite(path: Path, trial: TrialTerms) -> SuiteCheck:
    check = SuiteCheck(name=path.absolute().parent.name)
    try:
        suite = load_suite(path)
        check.name = suite.name
        check_own_name(suite)
    except SlmError as error:
        check.problems += str(error).splitlines()
        return check
    files = sorted(file for file in path.parent.glob("*.yaml") if file != path)
    checked = (_check_task(file, suite, check, trial) for file in files)
    names = [name for name in checked if name is not None]
    python = [file.stem.removeprefix("test_") for file in path.parent.glob("test_*.py")]
    broken = len(files) > len(names)
    for name in suite.tasks:
        if name not in (*names, *python) and not broken:
            check.problems.append(f"{path}: tasks: {name!r:.80} has no file; write {name}.yaml, or leave it out")
    for name in names:
        if name not in suite.tasks:
            check.notes.append(f"{path}: {name} is not among `tasks`, so the suite's score leaves it out")
    if not files and not python:
        check.problems.append(f"{path}: no task beside it; write one, as docs/tutorial-own-suite.md shows")
    if not suite.description:
        check.notes.append(f"{path}: no description")
    return check


def _check_task(path: Path, suite: Suite, check: SuiteCheck, trial: TrialTerms) -> str | None:
    """The name of the task, None where the file is so wrong that it has none."""
    extensions, foreign = Extensions(), list[str]()
    above = list(path.absolute().parents)[:4]
    brought = any((folder / "conftest.py").is_file() for folder in above)

    def mistakes(task: Task) -> Iterator[tuple[str, str]]:
        for key, problem in find_mistakes(task, extensions):
            if brought and problem.startswith(("unknown scorer", "unknown kind", "unknown gen", "unknown grader")):
                foreign.append(problem.partition(". ")[0])
            else:
                yield key, problem

    try:
        task = load_task(path, suite, mistakes)
        if foreign:
            check.notes.append(f"{path}: not tried: {foreign[0]} may be of a conftest.py, which is not run here")
            return task.name
        check_task(task, extensions)
        _look(task, extensions, check, run_code=trial.run_code)
        _play(task, extensions, check, trial)
    except SlmError as error:
        check.problems += str(error).splitlines()
        return None
    for name in ("description", "source", "license"):
        if not getattr(task, name):
            check.notes.append(f"{path}: no {name}")
    return task.name


def _look(task: Task, extensions: Extensions, check: SuiteCheck, *, run_code: bool) -> None:
    name = task.options.get("samples")
    if task.kind == "choices":
        options = ChoicesOptions.from_json(task.options)
        _look_at_choices(task, read_questions(beside(task, options.samples), Question, "question"), check)
    elif task.kind == "checks" and name is not None:
        made = ChecksOptions.from_json(task.options)
        tried = try_samples(task, made, extensions, run_code=run_code)
        check.problems += tried.problems
        check.notes += tried.notes
        check.tried.append(f"{task.suite}/{task.name}: {tried.told}")
    if isinstance(name, str) and "sha256" not in task.options:
        check.notes.append(
            f"{task.path}: no sha256 of {name}: with one, a changed file is noticed ({_digest(task, name)})"
        )


def _play(task: Task, extensions: Extensions, check: SuiteCheck, trial: TrialTerms) -> None:
    """Let models play the task whose score is known: who knows everything, and who knows nothing."""
    fitness = try_players(task, extensions, data=trial.data, run_code=trial.run_code, seconds=trial.seconds)
    check.problems += fitness.problems
    check.notes += fitness.notes
    if fitness.problems:
        check.unfit.append(task.name)
    check.tried += [f"{task.suite}/{task.name}{line}" for line in fitness.lines]


def _digest(task: Task, name: str) -> str:
    return f"sha256: {hashlib.sha256(read_bytes(beside(task, name))).hexdigest()}"


def _look_at_choices(task: Task, questions: Sequence[Question], check: SuiteCheck) -> None:
    check.tried.append(f"{task.suite}/{task.name}: {len(questions)} questions, each with one right answer")
    letter, n = Counter(question.answer for question in questions).most_common(1)[0]
    if n > 0.6 * len(questions) and len(questions) > 2:
        check.notes.append(
            f"{task.path}: {letter} is right in {n} of {len(questions)} questions, so always {letter} gets that"
        )
    if not any(spec.chance is not None for spec in task.metrics):
        share = sum(1 / len(question.options) for question in questions) / len(questions)
        check.notes.append(f"{task.path}: no chance level; by guessing it is {share:.3g} (chance: {share:.3g})")
    check.notes += few(task, len(questions))
