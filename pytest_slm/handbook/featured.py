"""``featured.yaml``: which models the hub is about. A list by hand, and filters of the Hub with a limit of size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytest_slm.core.record import Inside, Name, Record, RecordError, Repo
from pytest_slm.load.document import Value, read
from pytest_slm.load.fields import Fields
from pytest_slm.load.mistakes import Mistakes

NEEDS = ("any", "gguf", "safetensors", "onnx")


@dataclass(frozen=True, kw_only=True)
class FeaturedModel(Record):
    """A model that always has its page."""

    repo: Repo
    tasks: tuple[Name, ...] = ()
    notebook: Inside | None = None
    """Below the folder of the pages' source."""


@dataclass(frozen=True, kw_only=True)
class TaskFilter(Record):
    """The ``most`` models of the Hub with all of these ``tags``, most downloads first, of at most ``max_parameters``;
    ``search`` is part of their names."""

    task: Name
    tags: tuple[Name, ...]
    most: int
    max_parameters: int
    search: Name | None = None


@dataclass(frozen=True, kw_only=True)
class Guide(Record):
    """A page of the hub's source that is for models which have files of the kind that it ``needs``."""

    page: Inside
    title: Name
    needs: str = "any"


@dataclass(frozen=True, kw_only=True)
class FeaturedList(Record):
    """The file: models, filters, and guides that a model's page leads to."""

    models: tuple[FeaturedModel, ...] = ()
    filters: tuple[TaskFilter, ...] = ()
    guides: tuple[Guide, ...] = ()
    task_titles: Mapping[str, str] = field(default_factory=dict)


def load_featured(path: Path) -> FeaturedList:
    """The list in a file. Raises UsageError with a line for every mistake."""
    mistakes = Mistakes(path)
    known = ("models", "filters", "guides", "tasks")
    fields = Fields(read(path, mistakes), mistakes=mistakes, what="featured", known=known)
    titles = {}
    for name, value in fields.mapping("tasks").items():
        if isinstance(value.data, str) and value.data:
            titles[name] = value.data
        else:
            fields.wrong(f"tasks.{name:.80}", value, "a title")
    found = FeaturedList(
        models=tuple(filter(None, [_model(fields, n, value) for n, value in enumerate(fields.items("models"))])),
        filters=tuple(filter(None, [_filter(fields, n, value) for n, value in enumerate(fields.items("filters"))])),
        guides=tuple(filter(None, [_guide(fields, n, value) for n, value in enumerate(fields.items("guides"))])),
        task_titles=titles,
    )
    for name in {task for one in found.models for task in one.tasks} | {one.task for one in found.filters}:
        if name not in titles:
            fields.fail("tasks", f"tasks: {name!r:.80} has no title; add one")
    repos = [one.repo.lower() for one in found.models]
    for repo in sorted({repo for repo in repos if repos.count(repo) > 1}):
        fields.fail("models", f"models: {repo} is listed twice; keep one")
    mistakes.check()
    return found


def _model(fields: Fields, number: int, value: Value) -> FeaturedModel | None:
    where = f"models[{number}]"
    found = fields.below(value, where, ("repo", "tasks", "notebook"))
    found.required("repo")
    repo, notebook = found.text("repo", "org/name"), found.optional_text("notebook")
    try:
        return FeaturedModel(repo=repo, tasks=found.texts("tasks"), notebook=notebook)
    except RecordError as error:
        found.fail("repo", f"{where}: {error}")
        return None


def _filter(fields: Fields, number: int, value: Value) -> TaskFilter | None:
    where = f"filters[{number}]"
    found = fields.below(value, where, ("task", "tags", "most", "max_parameters", "search"))
    for key in ("task", "tags", "max_parameters"):
        found.required(key)
    try:
        return TaskFilter(
            task=found.text("task", "-"),
            tags=found.texts("tags"),
            most=min(found.whole("most", 20) or 20, 1000),
            max_parameters=found.whole("max_parameters", 1) or 1,
            search=found.optional_text("search"),
        )
    except RecordError as error:
        found.fail("task", f"{where}: {error}")
        return None


def _guide(fields: Fields, number: int, value: Value) -> Guide | None:
    where = f"guides[{number}]"
    found = fields.below(value, where, ("page", "title", "needs"))
    for key in ("page", "title"):
        found.required(key)
    needs = found.one_of("needs", NEEDS) if "needs" in found else "any"
    try:
        return Guide(page=found.text("page", "-"), title=found.text("title", "-"), needs=needs or "any")
    except RecordError as error:
        found.fail("page", f"{where}: {error}")
        return None
