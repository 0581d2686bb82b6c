"""``suite.yaml``: what a suite says of itself, and which tasks its score is made of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from pytest_slm.core.types import MetricPart, RateSource, Suite, SuiteFacts
from pytest_slm.load.document import Value, read
from pytest_slm.load.fields import Fields
from pytest_slm.load.mistakes import Mistakes

SUITE_KEYS = (
    *("suite", "title", "description", "tags", "tasks", "families", "rows", "chances", "scored", "use_case"),
    *("domain", "rates", "composites"),
)
WORD = re.compile(r"[a-z][a-z0-9_]{0,63}")
"""A name in the registry, and in addresses of pages."""
TAG = re.compile(r"[A-Za-z][\w.-]{0,63}", re.ASCII)
TAKEN = (
    *("parametrize", "skip", "skipif", "xfail", "usefixtures", "filterwarnings", "slm_task", "slm_timing"),
    *("and", "or", "not"),
)
"""A suite with such a tag would be more than marked, or ``-m`` could not name it."""


def load_suite(path: Path) -> Suite:
    """The suite that ``path``, a ``suite.yaml``, declares. Its name is the folder's unless the file says otherwise.
    Raises UsageError with a line for every mistake."""
    mistakes = Mistakes(path)
    fields = Fields(read(path, mistakes), mistakes=mistakes, what="suite", known=SUITE_KEYS)
    for index, tag in enumerate(fields.items("tags")):
        if isinstance(tag.data, str) and (not TAG.fullmatch(tag.data.strip()) or tag.data.strip() in TAKEN):
            wanted = "a marker's name (letters, digits, '_', '.', '-'; a letter first) that pytest does not use itself"
            fields.wrong(f"tags[{index}]", tag, wanted)
    name = fields.name("suite", path.absolute().parent.name)
    tasks = fields.texts("tasks")
    # "use_case:" with nothing behind it says that there is none, where no key at all says that it is the suite's name.
    unnamed = "use_case" in fields.values and "use_case" not in fields
    suite = Suite(
        name=name,
        facts=SuiteFacts(
            title=fields.text("title", name),
            scored=fields.flag("scored", default=True),
            use_case=None if unnamed else _word(fields, "use_case") or name,
            domain=_word(fields, "domain"),
            families=_families(fields),
            rows=_rows(fields),
            chances=_chances(fields),
            rates=_rates(fields, tasks),
            composites=_composites(fields),
        ),
        description=fields.text("description"),
        tags=fields.texts("tags"),
        tasks=tasks,
        path=str(path),
    )
    mistakes.check()
    return suite


def _word(fields: Fields, key: str) -> str | None:
    text = fields.optional_text(key)
    if text is not None and not WORD.fullmatch(text):
        fields.wrong(key, fields.values[key], "a name in small letters, digits and '_'")
    return text


def _by_name(fields: Fields, key: str) -> tuple[Mapping[str, Value], Fields]:
    """What stands behind a key, whatever its names, and the fields that read it."""
    named = fields.mapping(key)
    return named, fields.below(fields.values[key], key, named) if named else fields


def _families(fields: Fields) -> dict[str, tuple[str, ...]]:
    """Names to tasks; a task is of one family at most."""
    named, inside = _by_name(fields, "families")
    found: dict[str, tuple[str, ...]] = {}
    for name, value in named.items():
        where = f"families.{name:.80}"
        if not WORD.fullmatch(name):
            fields.add(value, f"{where}: expected a name in small letters, digits and '_'")
        tasks = inside.names(name)
        for task in sorted({task for others in found.values() for task in others} & set(tasks)):
            fields.add(value, f"{where}: {task!r:.80} is of another family, too; keep it in one")
        if not tasks and not fields.mistakes.at(where):
            fields.add(value, f"{where}: no task is of it; name its tasks, or leave it out")
        found[name] = tasks
    return found


def _rows(fields: Fields) -> dict[str, int]:
    named, inside = _by_name(fields, "rows")
    found = {task: inside.whole(task, None) for task in named if inside.required(task)}
    return {task: rows for task, rows in found.items() if rows is not None}


def _chances(fields: Fields) -> dict[str, str]:
    named, inside = _by_name(fields, "chances")
    return {task: inside.text(task) for task in named if inside.required(task)}


def _rates(fields: Fields, tasks: tuple[str, ...]) -> dict[str, RateSource]:
    rates: dict[str, RateSource] = {}
    for name, value in fields.mapping("rates").items():
        where = f"rates.{name:.80}"
        if not WORD.fullmatch(name):
            fields.add(value, f"{where}: expected a name in small letters, digits and '_'")
        entry = fields.below(value, where, ("task", "metric"))
        rates[name] = RateSource(task=entry.one_of("task", tasks) or "", metric=entry.text("metric", name))
    return rates


def _composites(fields: Fields) -> dict[str, tuple[MetricPart, ...]]:
    """Names to ``{task/metric: weight}``; the tasks need not be those that the score is made of."""
    found: dict[str, tuple[MetricPart, ...]] = {}
    for name, value in fields.mapping("composites").items():
        where = f"composites.{name:.80}"
        if not WORD.fullmatch(name):
            fields.add(value, f"{where}: expected a name in small letters, digits and '_'")
        parts = []
        for key, item in fields.free(value, where).items():
            task, _, metric = key.partition("/")
            weight = fields.real(f"{where}.{key:.80}", item)
            if not task or not metric or (weight is not None and weight <= 0):
                fields.add(item, f"{where}: expected `task/metric: weight` with a weight above 0, got {key!r:.80}")
            elif weight is not None:
                parts.append(MetricPart(task=task, metric=metric, weight=weight))
        found[name] = tuple(parts)
        if not parts and not fields.mistakes.at(where):
            fields.add(value, f"{where}: it is made of nothing; name its parts, as in `task/metric: 1`")
    return found
