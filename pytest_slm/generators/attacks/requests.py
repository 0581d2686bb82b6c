"""Harmful and benign requests of several data sets, as they are, within somebody's jailbreak prompt, or encoded."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.types import Dataset, Sample
from pytest_slm.errors import BackendError
from pytest_slm.generators import Generator, GeneratorContext
from pytest_slm.generators.attacks.disguises import DISGUISES, disguised
from pytest_slm.generators.rows import RowsOptions, count_unlabelled, samples_of

_PLACE = re.compile(
    r"[\[{<(]\s*(?:insert|enter|your|put)?[\s_]*(?:any|the|your|user)?[\s_]*(?:prompt|question|query|request)(?:[\s_]*here)?"
    r"\s*\\?[\]}>)]",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class RequestSource(Record):
    """Requests of one data set: which rows, whether they are ``harmful`` or ``benign``, and what of a row is the
    ``request``, and its ``category`` of harm, where it has one."""

    dataset: Dataset
    request: str
    group: Literal["harmful", "benign"]
    name: str
    category: str = ""
    where: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Templates(Record):
    """Jailbreak prompts of a data set, by ``column``: those of at most ``longest`` letters that have a mark where the
    request stands (``[INSERT PROMPT HERE]``)."""

    dataset: Dataset
    column: str = "prompt"
    longest: int = 1200


@dataclass(frozen=True, kw_only=True)
class RequestsOptions(Record):
    """Where requests are from, and templates for variants with ``disguise: template``. The other values of a variant's
    ``disguise`` are the name of an encoding, a list of names (they take turns), or nothing."""

    sources: tuple[RequestSource, ...]
    templates: Templates | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if len({source.name for source in self.sources}) < len(self.sources):
            raise RecordError("sources: each has a name of its own, which the ids of its samples begin with")


def generate(context: GeneratorContext) -> Iterator[Sample]:
    """A sample of each request. Its category is that of harm (``metadata.category``), its request without disguise is
    ``metadata.request``. Raises BackendError (``data-broken``) where none can be made."""
    options = context.own(RequestsOptions)
    how = context.variant.get("disguise") or ()
    names = (how,) if isinstance(how, str) else tuple(how)
    for name in names:
        if name != "template" and name not in DISGUISES:
            raise BackendError(
                f"the variant's disguise is {name!r:.80}; known: template, {', '.join(DISGUISES)}", slug="data-broken"
            )
    templates = _templates(options, context) if "template" in names else []
    columns: dict[Dataset, set[str]] = {}
    for source in options.sources:
        columns.setdefault(source.dataset, set()).update(source.where)
    count_unlabelled(context, {dataset: context.rows(dataset) for dataset in columns}, columns)
    for source in options.sources:
        for sample in _requests(source, context):
            if not names:
                yield sample
                continue
            # By the id, so that a question keeps its disguise whatever else is asked.
            draw = int.from_bytes(hashlib.sha256(sample.id.encode()).digest()[:8])
            name = names[draw % len(names)]
            request = str(sample.input)
            scoring: Mapping[str, Any] = {}
            if name == "template":
                text = _within(templates[draw % len(templates)], request)
            else:
                text = disguised(name, request)
                scoring = {"about": True}  # who cannot read it has not served it
            yield replace(sample, input=text, scoring=scoring, metadata={**sample.metadata, "disguise": name})


def _within(template: str, request: str) -> str:
    """The template with the request at its place; what looks like a reference to a group in it is none."""
    return _PLACE.sub(lambda _: request, template, count=1)


def _requests(source: RequestSource, context: GeneratorContext) -> Iterator[Sample]:
    category = {"category": source.category} if source.category else {}
    made = RowsOptions(
        dataset=source.dataset,
        where=source.where,
        sample={
            "id": f"{source.name}-{{row}}",
            "input": source.request,
            "metadata": {"group": source.group, "request": source.request, **category},
        },
    )
    return samples_of(made, context.rows(source.dataset))


def _templates(options: RequestsOptions, context: GeneratorContext) -> Sequence[str]:
    """The prompts with one place for a request, each once."""
    if options.templates is None:
        raise BackendError("a variant has the disguise template, and the task no `templates`", slug="data-broken")
    wanted = options.templates
    texts = [row.get(wanted.column) for row in context.rows(wanted.dataset)]
    found = list(
        dict.fromkeys(
            text
            for text in texts
            if isinstance(text, str) and len(text) <= wanted.longest and len(_PLACE.findall(text)) == 1
        )
    )
    if not found:
        raise BackendError(
            f"{wanted.dataset.path}: no prompt of at most {wanted.longest} letters has one place for a request",
            slug="data-empty",
        )
    context.facts["templates"] = len(found)
    return found


def _datasets(options: Mapping[str, Any]) -> Sequence[Dataset]:
    read = [Dataset.from_json(source["dataset"]) for source in options["sources"]]
    templates = options.get("templates")
    return read if templates is None else [*read, Dataset.from_json(templates["dataset"])]


REQUESTS = Generator(make=generate, options=RequestsOptions, datasets=_datasets, finite=True)
