"""The ``options`` of a task as a record: every mistake in them is found at once, before a model is there."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pytest_slm.core.record import Record, RecordError, stays_inside
from pytest_slm.errors import did_you_mean
from pytest_slm.extensions.catalogue import Catalogue
from pytest_slm.scorers import Rule, Scorer, Scoring, Setting

HINTS: Mapping[str, str] = {
    **dict.fromkeys(
        ("temperature", "top_p", "top_k"), "Answers are greedy, so that they can be made again; leave it out."
    ),
    **dict.fromkeys(("max_new_tokens", "max_length"), "It is called `max_tokens`."),
    **dict.fromkeys(("n_shot", "num_few_shots", "fewshot"), "It is called `num_fewshot`, in tasks of kind lm_eval."),
    **dict.fromkeys(("limit",), "It belongs under `modes:`, as in `quick: {limit: 100}`."),
    **dict.fromkeys(("prompt", "questions", "dataset", "data"), "They stand in a file: `samples: data/FILE.jsonl`."),
}
"""What people look for among the options of a task, and where it is."""

R = TypeVar("R", bound=Record)


class OptionsError(ValueError):
    """Options that cannot be meant. ``problems`` are (key, what is wrong with it), the key empty for the whole."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(": ".join(filter(None, problem)) for problem in problems))
        self.problems = problems

    def mistakes(self, within: str = "options") -> list[tuple[str, str]]:
        """The problems with the keys that a task's file has for them."""
        return [(f"{within}.{key}" if key else within, problem) for key, problem in self.problems]


def read_options(
    kind: type[R],
    said: Mapping[str, Any],
    more: type[Record] | None = None,
    hints: Mapping[str, str] = HINTS,
) -> R:
    """The record of these options; those that it does not have are of the record ``more``, where there is one. Raises
    OptionsError with all that is wrong with them."""
    fields = {field.name: (record, field) for record in (more, kind) if record for field in dataclasses.fields(record)}
    problems = list(_problems(fields, said, hints))
    for record in () if problems else (kind, more):
        if record is None:
            continue
        try:
            record.from_json({key: value for key, value in said.items() if fields[key][0] is record})
        except RecordError as error:  # values that do not fit each other: what __post_init__ says
            problems.append(("", str(error).removeprefix(f"{record.__name__}: ")))
    if problems:
        raise OptionsError(problems)
    return kind.from_json({key: value for key, value in said.items() if fields[key][0] is kind})


def _problems(
    fields: Mapping[str, tuple[type[Record], dataclasses.Field[Any]]], said: Mapping[str, Any], hints: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for key, value in said.items():
        if key not in fields:
            yield key, f"unknown option. {hints.get(key) or did_you_mean(key, fields)}"
            continue
        try:
            fields[key][0].check_field(key, value)
        except RecordError as error:
            yield key, str(error).removeprefix(f"{key}: ")
    for name, (_, field) in fields.items():
        if name not in said and field.default is field.default_factory is dataclasses.MISSING:
            yield "", f"the option `{name}` is missing"


def _keyed(problem: str, said: Mapping[str, Any]) -> tuple[str, str]:
    """A problem that begins with a key of what was said (``checks[0].weight: ...``), as key and problem."""
    key, colon, rest = problem.partition(": ")
    known = colon and re.split(r"[.\[]", key, maxsplit=1)[0] in said
    return (key, rest) if known else ("", problem)


def _deeper(key: str, problem: str) -> tuple[str, str]:
    """A problem of a value within that of ``key`` (``checks[0]: weight: ...``), with the key of that value."""
    found = re.match(rf"({re.escape(key)}[\[.][^:\s]*): (?:(\w+): )?", problem)
    if not found:
        return key, problem
    return ".".join(filter(None, found.groups())), problem[found.end() :]


def check_inside(name: str, path: str) -> None:
    """Raise RecordError for a path that leads out of the suite's folder."""
    if not stays_inside(path):
        raise RecordError(f"{name}: expected a relative path inside the suite's folder, not {path!r:.80}")


def bind_scorer(scorers: Catalogue[Scorer | Rule], folder: Path, name: str, said: Mapping[str, Any]) -> Scoring:
    """The scorer of that name with these options, for the suite in ``folder``. Raises UsageError for a name that nobody
    has, and OptionsError with all that is wrong with the options."""
    found = scorers.lookup(name)
    if isinstance(found, Rule):
        rule = found
    elif said:
        raise OptionsError([("", f"the scorer {name!r} has no options; leave them out")])
    else:
        plain = found
        rule = Rule(judge=lambda sample, generation, _: plain(sample, generation))
    try:
        options = read_options(rule.options, said, hints={})
    except OptionsError as error:
        raise OptionsError(
            [_keyed(told, said) if not key else _deeper(key, told) for key, told in error.problems]
        ) from None
    setting = Setting(folder=folder, bind=lambda other, theirs: bind_scorer(scorers, folder, other, theirs))
    try:
        prepared = rule.prepare(options, setting)
    except RecordError as error:  # what only the suite's folder can tell, as ``key: problem``
        raise OptionsError([_keyed(str(error), said)]) from None
    return Scoring(name=name, rule=rule, options=prepared)
