"""What the suites say of themselves and of their tasks, and two questions of those tasks whose questions are ours."""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_slm.core.aggregation import task_weights
from pytest_slm.core.types import Suite, Task
from pytest_slm.errors import SlmError
from pytest_slm.files import inside, read_bytes
from pytest_slm.load import load_suite, load_task
from pytest_slm.load.builtin import suites_folder
from pytest_slm.load.rows import read_rows
from pytest_slm.site.names import page_name
from pytest_slm.site.titles.answers import TargetLine, target_lines
from pytest_slm.site.titles.wording import KEPT, variant_title, words

EXAMPLES = 2
TIMED: Mapping[str, str] = {
    "decode": "Speed",
    "depth": "Speed at a depth",
    "generate": "Generation (tg128)",
    "load": "Time to load",
    "memory": "Memory",
    "parallel": "Several answers at once",
    "prefill": "Prompt processing (pp512)",
    "ttft": "Time to first token",
}
"""What the tasks of the suite performance are called, which are no YAML files."""
LONGEST = 700
"""Characters of an example; of longer ones the end is left out."""
OURS = "original"
"""How the ``source`` of a task begins whose questions were written for this project."""
QUESTION = ("question", "input", "prompt")
CHOICES = ("options", "choices")
ANSWER = ("answer", "target", "canonical_solution")


@dataclass(frozen=True, kw_only=True)
class Example:
    """A question as it stands in the data, before anything is put around it, and what is right."""

    question: str
    choices: tuple[str, ...]
    right: tuple[TargetLine, ...]


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A suite, and its tasks by name."""

    suite: Suite
    tasks: Mapping[str, Task]


@functools.cache
def _every() -> Mapping[str, Definition]:
    """All built-in suites by name."""
    found = {}
    for path in sorted(suites_folder().glob("*/suite.yaml")):
        suite = load_suite(path)
        tasks = [load_task(one, suite) for one in sorted(path.parent.glob("*.yaml")) if one != path]
        found[suite.name] = Definition(suite=suite, tasks={task.name: task for task in tasks})
    return found


@functools.cache
def definitions() -> Mapping[str, Definition]:
    """All built-in suites by name, without those that measure no answers."""
    return {name: one for name, one in _every().items() if one.suite.facts.scored and one.tasks}


@functools.lru_cache(KEPT)
def task_title(suite: str, task: str) -> str:
    """What people call a task: the title that a built-in one declares, else its name in words."""
    if suite == "performance" and task in TIMED:
        return TIMED[task]
    one = _every().get(suite)
    declared = one.tasks.get(task) if one else None
    return declared.title if declared and declared.title else words(task)


@functools.lru_cache(KEPT)
def twins(suite: str, task: str) -> tuple[tuple[str, str], ...]:
    """The tasks of other suites that people call the same: each asks a sample of its own."""
    title = task_title(suite, task)
    every = ((other, name) for other, one in definitions().items() for name in one.tasks)
    return tuple(one for one in every if one[0] != suite and task_title(*one) == title)


def twin_note(suite: str, task: str) -> str:
    """What is said beside a task that another suite has, too; empty for most."""
    others = " and ".join(suite_title(other) for other, _ in twins(suite, task))
    return f"a task of the same title is in {others}, with a sample of its own" if others else ""


@functools.lru_cache(KEPT)
def suite_title(suite: str) -> str:
    """What people call a suite, also one that is in no score."""
    return words(_every()[suite].suite.facts.title if suite in _every() else suite)


@functools.lru_cache(KEPT)
def described(suite: str, task: str) -> str:
    """What a built-in task says of itself; a task that it names has its title there."""
    return titled(suite, definitions()[suite].tasks[task].description)


def titled(suite: str, text: str) -> str:
    """A text of a task of this suite, in which others are called by their titles: ``the questions of core/language`` ->
    ``the questions of English``."""

    def title(match: re.Match[str]) -> str:
        of = match[2] or suite
        known = of in definitions() and match[3] in definitions()[of].tasks
        return match[1] + task_title(of, match[3]) if known else match[0]

    return re.sub(r"\b(questions of )(?:(\w+)/)?(\w+)", title, text)


def weights(definition: Definition) -> Mapping[str, float]:
    """What part of the suite's score each of its tasks has where all are measured."""
    counted = [name for name in definition.suite.tasks if name in definition.tasks]
    return task_weights(counted, definition.suite.facts.family_of_tasks)


def item_title(suite: str, task: str, variant: str) -> str:
    """What people call an item: its suite, its task and its variant."""
    return " · ".join(filter(None, (suite_title(suite), task_title(suite, task), variant_title(variant))))


@functools.lru_cache(KEPT)
def use_case_title(name: str) -> str:
    """What people call a use case: the title of the built-in suite that it is the score of, else its name in words."""
    suites = (one.suite.facts for one in definitions().values())
    return words(next((facts.title for facts in suites if facts.use_case == name), name))


@functools.lru_cache(KEPT)
def task_address(suite: str, task: str) -> str:
    """The address of a built-in task's page, from the site's top; empty for all others."""
    definition = definitions().get(suite)
    known = definition is not None and task in definition.tasks
    return f"tasks/{page_name(suite)}/{page_name(task)}.html" if known else ""


@functools.cache
def examples(suite: str, task: str) -> tuple[Example, ...]:
    """The first questions of a task, if they are ours and hurt nobody."""
    definition = definitions().get(suite)
    found = definition.tasks.get(task) if definition else None
    if found is None or found.harmful or not found.source.startswith(OURS):
        return ()
    kind = found.scorer or ("program" if found.kind == "functions" else "")
    return tuple(_example(row, kind) for row in itertools.islice(_rows(found), EXAMPLES))


def _rows(task: Task) -> Iterator[Mapping[str, Any]]:
    folder = Path(task.path).parent
    samples, generator = task.options.get("samples"), task.options.get("generator")
    if isinstance(samples, str):
        path = inside(folder, samples)
        yield from (row for _, row in read_rows(read_bytes(path), path, "question"))
    elif isinstance(generator, str) and "tokens" not in task.requires:  # those need a model to count by
        yield from _made(task, generator, folder)


def _made(task: Task, name: str, folder: Path) -> Iterator[Mapping[str, Any]]:
    from pytest_slm.extensions.catalogue import Catalogue
    from pytest_slm.generators import GENERATORS, Generator, GeneratorContext

    generator: Generator = Catalogue[Generator]("generator", GENERATORS).lookup(name)
    context = GeneratorContext(
        options=task.options, variant={}, limit=EXAMPLES, seed=0, count_tokens=len, folder=folder
    )
    try:
        samples = list(generator.make(context))
    except SlmError:  # it wants rows of a data set, which are not ours
        return
    for sample in samples:
        yield {
            "input": sample.input if isinstance(sample.input, str) else sample.to_json()["input"],
            "target": sample.target,
        }


def _example(row: Mapping[str, Any], kind: str) -> Example:
    choices: Sequence[Any] = next((row[key] for key in CHOICES if isinstance(row.get(key), list)), ())
    return Example(
        question=_text(next((row[key] for key in QUESTION if key in row), "")),
        choices=tuple(f"{chr(65 + place)}. {_text(choice)}" for place, choice in enumerate(choices[:26])),
        right=target_lines(next((row[key] for key in ANSWER if row.get(key) is not None), None), kind),
    )


def _text(value: Any) -> str:
    if isinstance(value, str):
        text = value
    elif (
        isinstance(value, Sequence) and value and all(isinstance(turn, Mapping) and "content" in turn for turn in value)
    ):
        text = "\n\n".join(f"{turn.get('role', '')}: {turn['content']}" for turn in value)
    else:
        text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rstrip()} …"
