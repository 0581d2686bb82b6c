"""The page of one model: everything that its template needs, said in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_slm.handbook.facts import HubModel
from pytest_slm.handbook.featured import FeaturedList
from pytest_slm.handbook.pages.markdown import Md, code, counted, front_matter, joined, link, md, say
from pytest_slm.handbook.pages.measured import MeasuredTables, measured
from pytest_slm.handbook.pages.memory import MemoryTable, Target, memory_table, targets, weights
from pytest_slm.handbook.pages.starts import Start, chosen, measuring, onnx_files, runs_with_transformers, starts
from pytest_slm.handbook.pages.terms import HUB, access_words, license_words
from pytest_slm.models.naming import repo_slug
from pytest_slm.registry.rows import Row
from pytest_slm.site import numbers

UNKNOWN = Md("not known")
NO_START = Md("None of its files is one that the commands here can run.")
NO_LONGER = Md("It is no longer on the Hub: there is nothing to download.")
MOST_FILES = 40
MOST_NAMES = 20
"""Languages, tags and the like."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a page knows beside its model: ``pages`` are the files of the hub's source, ``repository`` the address of
    its code, ``site`` the way from a model's page to the pages of the registry."""

    featured: FeaturedList
    models: Mapping[str, HubModel]
    pages: frozenset[str] = frozenset()
    repository: str = ""
    site: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelPage:
    """A page; lists that are empty have no section."""

    head: Md
    title: str
    notices: tuple[Md, ...]
    facts: tuple[tuple[str, Md], ...]
    tasks: Md
    starts: tuple[Start, ...]
    no_start: Md
    measured: MeasuredTables
    registry_page: Md
    memory: MemoryTable | None
    targets: tuple[Target, ...]
    license: Md
    access: Md
    limits: tuple[Md, ...]
    measuring: Md
    bases: tuple[Md, ...]
    derived: tuple[Md, ...]
    files: tuple[tuple[Md, Md], ...]
    more_files: int
    guides: tuple[Md, ...]

    @property
    def device_rows(self) -> tuple[tuple[object, ...], ...]:
        """The lines of the table of devices."""
        return tuple(
            (one.title, one.usable, one.file, one.need, one.known, "yes" if one.fits else "no") for one in self.targets
        )


def page_of(repo: str) -> str:
    """The name of a model's page."""
    return f"{repo_slug(repo)}.md"


def to_model(repo: str, around: Surroundings, up: str = "") -> Md:
    """A repository with a link: to its page, or to the Hub where it has none."""
    known = around.models.get(repo.lower())
    return link(repo, up + page_of(known.repo)) if known else link(repo, HUB + repo)


def model_page(model: HubModel, rows: Sequence[Row], around: Surroundings) -> ModelPage:
    """Everything that the page of a model says."""
    tables = measured(model, rows)
    gone = model.trouble is not None and model.trouble.kind == "gone"
    found = () if gone else starts(model)
    return ModelPage(
        head=front_matter(
            title=model.name,
            description=f"{model.repo}: how to run it, what it needs, what was measured and what it may be used for",
            generated=True,
            # The lists have its name: a text of each of 500 pages would be megabytes to load before the first search.
            search={"exclude": True},
        ),
        title=model.name,
        notices=tuple(_notices(model)),
        facts=tuple(_facts(model, around)),
        tasks=joined(
            link(title, f"by-task/{task_page(task)}")
            for task, title in around.featured.task_titles.items()
            if task in model.tasks
        ),
        starts=found,
        no_start=Md("") if found else NO_LONGER if gone else NO_START,
        measured=tables,
        registry_page=_registry_page(rows, around),
        memory=memory_table(model, rows),
        targets=targets(model, rows),
        license=license_words(model),
        access=access_words(model),
        limits=tuple(_limits(model, rows)),
        measuring=measuring(model) if model.within_limit is not False and found else Md(""),
        bases=tuple(
            say("{model} ({relation})", model=to_model(one.repo, around), relation=one.relation) for one in model.bases
        ),
        derived=tuple(
            say("{model}: {n} downloads", model=to_model(one.repo, around), n=_count(one.downloads))
            for one in model.derived or ()
        ),
        files=tuple((code(file.name), _size(file.size)) for file in model.files[:MOST_FILES]),
        more_files=max(0, model.n_files - len(model.files[:MOST_FILES])),
        guides=tuple(_guides(model, around)),
    )


def task_page(task: str) -> str:
    """The name of the page of a task."""
    return f"{repo_slug(task).replace('_', '-')}.md"


def _notices(model: HubModel) -> Iterator[Md]:
    if model.trouble and model.trouble.kind == "gone":
        yield say(
            "**No longer on the Hub since {day}.** It was deleted, renamed or made private. What stands here is what "
            "was known before; its files cannot be downloaded from there.",
            day=model.trouble.since,
        )
    elif model.trouble:
        yield say(
            "**Not read since {day}**: the Hub did not tell of it ({slug}). What stands here is what was known before.",
            day=model.trouble.since,
            slug=code(model.trouble.slug),
        )
    if model.within_limit is False:
        yield Md(
            "**Larger than what is measured here.** It has more than 3 billion parameters; it is listed for comparison."
        )
    if model.gated in ("auto", "manual"):
        yield Md("**Gated.** Its files are given to those who have accepted its terms.")


def _facts(model: HubModel, around: Surroundings) -> Iterator[tuple[str, Md]]:
    count = UNKNOWN if model.parameters is None else say(
        "{short} ({exact}, counted in the headers of its weights)",
        short=numbers.parameters(model.parameters),
        exact=numbers.number(model.parameters, 0),
    )  # fmt: skip
    yield "Repository", link(model.repo, HUB + model.repo)
    yield "Parameters", count
    yield "Architecture", _text(model.architecture)
    yield (
        "Context",
        UNKNOWN
        if model.context_length is None
        else md(f"{numbers.number(model.context_length, 0)} tokens, by its configuration"),
    )
    yield "Types of its weights", _names(model.dtypes) if model.dtypes else UNKNOWN
    yield (
        "GGUF quantizations",
        joined(map(code, [one.name for one in model.quantizations[:MOST_FILES]]))
        if model.quantizations
        else Md("none in this repository"),
    )
    yield "ONNX files", md(len(onnx_files(model))) if onnx_files(model) else Md("none")
    yield "Licence", code(model.license) if model.license else UNKNOWN
    yield (
        "Access",
        {"no": Md("open"), "auto": Md("gated, at once"), "manual": Md("gated, by its owner")}.get(
            model.gated or "", UNKNOWN
        ),
    )
    yield "Languages", _names(model.languages) if model.languages else UNKNOWN
    yield "Library", _text(model.library)
    yield "Downloads in 30 days", _count(model.downloads)
    yield "Likes", _count(model.likes)
    yield "Created", _text(model.created)
    yield "Last changed", _text(model.modified)
    yield "Commit", code(model.revision) if model.revision else UNKNOWN
    yield "All files", say("{n}, {size}", n=counted(model.n_files, "file"), size=_size(model.total_bytes))
    tags = [tag for tag in model.tags if tag not in (model.library, model.pipeline, *model.languages)]
    yield "Tags", _names(tags) if tags else Md("none")
    if model.notebook and model.notebook in around.pages and around.repository:
        place = f"{around.repository.removeprefix('https://github.com/')}/blob/main/docs-site/{model.notebook}"
        yield "Notebook", Md(f"[Open in Colab](https://colab.research.google.com/github/{place})")


def _names(names: Iterable[str]) -> Md:
    found = list(names)
    more = f" and {len(found) - MOST_NAMES} more" if len(found) > MOST_NAMES else ""
    return say("{names}{more}", names=joined(found[:MOST_NAMES]), more=more)


def _text(value: str | None) -> Md:
    return UNKNOWN if value is None else md(value)


def _count(value: int | None) -> Md:
    return UNKNOWN if value is None else md(numbers.number(value, 0))


def _size(value: int | None) -> Md:
    return UNKNOWN if value is None else md(numbers.size(value))


def _registry_page(rows: Sequence[Row], around: Surroundings) -> Md:
    if not rows or not around.site:
        return Md("")
    return Md(f"[All of its numbers, with where each is from]({around.site}models/{rows[0].model}.html)")


def _limits(model: HubModel, rows: Sequence[Row]) -> Iterator[Md]:
    if not rows:
        yield Md("Nobody has measured it here: what it can do is what its author says.")
    elif not any(row.scores for row in rows):
        yield Md("Its speed and memory were measured here, what it can do was not.")
    if model.parameters is None:
        yield Md("How many parameters it has is not known: the Hub has not counted them.")
    if model.context_length is None:
        yield Md("How long a context it can have is not known.")
    else:
        yield say(
            "A context of {n} tokens is what its configuration allows; how well it uses one is another question.",
            n=numbers.number(model.context_length, 0),
        )
    pickled = [file.name for file in model.files if file.name.endswith((".bin", ".pt", ".pth"))]
    if pickled and not weights(model):
        yield say(
            "Its weights are pickled ({file}), which can run code when they are loaded; pytest-slm does not.",
            file=code(pickled[0]),
        )
    if model.quantizations and not chosen(model):
        yield Md(
            "No command is given for its GGUF files: they are split, or their names cannot stand in a command safely."
        )
    if not model.quantizations and runs_with_transformers(model):
        yield Md(
            "It has no GGUF: llama.cpp and Ollama need one of its quantizations elsewhere, which others have made."
        )
    if not model.languages:
        yield Md("Which languages it was made for is not said.")
    if model.reported:
        n = counted(len(model.reported), "number")
        yield say("Its author's own, and measured by nobody here: {n} of its card.", n=n)


def _guides(model: HubModel, around: Surroundings) -> Iterator[Md]:
    has = {
        "any": True,
        "gguf": bool(model.quantizations),
        "safetensors": runs_with_transformers(model),
        "onnx": bool(onnx_files(model)),
    }
    for guide in around.featured.guides:
        if has[guide.needs] and guide.page in around.pages:
            yield link(guide.title, f"../{guide.page}")
