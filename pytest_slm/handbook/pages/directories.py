"""Lists of models: all of them, by task, by device and by licence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_slm.handbook.facts import HubModel, HubStats
from pytest_slm.handbook.pages.lists import NOTHING, ListPage, PageTable
from pytest_slm.handbook.pages.markdown import CODE, Md, code, counted, front_matter, joined, link, md, say
from pytest_slm.handbook.pages.memory import Target, targets
from pytest_slm.handbook.pages.model import Surroundings, page_of, task_page, to_model
from pytest_slm.handbook.pages.state import news_page, state_page
from pytest_slm.handbook.pages.terms import commercial, licenses
from pytest_slm.machine.devices import DeviceClass, device_table
from pytest_slm.models.naming import slugify
from pytest_slm.registry.rows import Row
from pytest_slm.site import numbers

PER_PAGE = 150
"""Lines of a list that one page has."""
MOST_GONE = 50
COLUMNS = ("model", "parameters", "licence", "GGUF", "downloads", "measured here")
OF_DEVICES = ("model", "parameters", "largest file", "needs", "which is")
Line = Callable[[HubModel], tuple[Md, ...]]


@dataclass(frozen=True, kw_only=True)
class ModelList:
    """Models under a heading; ``line`` makes the row of each, ``place`` is that of its first page without ``.md``."""

    place: str
    title: str
    words: tuple[Md, ...]
    models: Sequence[HubModel]
    line: Line
    columns: tuple[str, ...] = COLUMNS
    links: tuple[Md, ...] = ()

    @property
    def link(self) -> Md:
        """A link to it from the folder of models."""
        return link(self.title, f"{self.place}.md")


def list_pages(around: Surroundings, rows: Mapping[str, Sequence[Row]], stats: HubStats) -> dict[str, ListPage]:
    """All lists by their place below the folder of models."""
    models = sorted(around.models.values(), key=lambda one: (-(one.downloads or 0), one.repo.lower()))
    there = [model for model in models if not (model.trouble and model.trouble.kind == "gone")]

    def line(model: HubModel, up: str = "../") -> tuple[Md, ...]:
        return _line(model, rows.get(model.repo.lower(), ()), up)

    kinds = {
        "Task": _by_task(there, around, line),
        "Hardware": _by_device(there, {one.repo: targets(one, rows.get(one.repo.lower(), ())) for one in there}),
        "Licence": _by_license(there, line),
    }
    whole = _whole(models, there, around, stats, kinds, lambda model: line(model, ""))
    pages: dict[str, ListPage] = {}
    for one in (whole, *(one for lists in kinds.values() for one in lists)):
        pages |= _paged(one)
    pages["whats-new.md"] = news_page(around, stats)
    pages["state.md"] = state_page(there, rows, stats, around)
    return pages


def _whole(
    models: Sequence[HubModel],
    there: Sequence[HubModel],
    around: Surroundings,
    stats: HubStats,
    kinds: Mapping[str, Sequence[ModelList]],
    line: Line,
) -> ModelList:
    day = stats.synced or "a day that is not known"
    words = [
        say("{n} of the Hugging Face Hub, as it told of them on {day}.", n=counted(len(there), "model"), day=day),
        Md(
            "Parameters are counted in the headers of the weights. Models of more than 3 billion are listed for "
            "comparison and marked; they are not measured here."
        ),
    ]
    gone = [model for model in models if model.trouble and model.trouble.kind == "gone"]
    if gone:
        named = joined(to_model(one.repo, around) for one in gone[:MOST_GONE])
        more = f" and {len(gone) - MOST_GONE} more" if len(gone) > MOST_GONE else ""
        words.append(say("No longer on the Hub: {named}{more}.", named=named, more=more))
    ways = [link("What is new", "whats-new.md"), link("The state of small models", "state.md")]
    ways += [
        say("By {kind}: {lists}", kind=kind.lower(), lists=joined((one.link for one in lists), " · "))
        for kind, lists in kinds.items()
        if lists
    ]
    return ModelList(place="index", title="All models", words=tuple(words), models=there, line=line, links=tuple(ways))


def _paged(whole: ModelList) -> dict[str, ListPage]:
    """One list in pages of ``PER_PAGE`` lines, each with links to all of them."""
    n = max(1, -(-len(whole.models) // PER_PAGE))
    places = [whole.place if number == 0 else f"{whole.place}-{number + 1}" for number in range(n)]
    found = {}
    for number, place in enumerate(places):
        part = whole.models[number * PER_PAGE : (number + 1) * PER_PAGE]
        title = whole.title if number == 0 else f"{whole.title}, page {number + 1}"
        page = ListPage(
            head=front_matter(title=title, description=f"Small language models: {title}", generated=True),
            title=title,
            words=whole.words if number == 0 else (),
            links=whole.links if number == 0 else (),
            tables=(PageTable(title="", words=NOTHING, columns=whole.columns, rows=tuple(map(whole.line, part))),),
        )
        names = [f"{other.rpartition('/')[2]}.md" for other in places]
        parts = (md(at + 1) if at == number else link(at + 1, name) for at, name in enumerate(names))
        found[f"{place}.md"] = replace(page, pages=joined(parts, " · ")) if n > 1 else page
    return found


def _line(model: HubModel, rows: Sequence[Row], up: str) -> tuple[Md, ...]:
    kinds = {"scores": any(one.scores for one in rows), "speed": any(one.speed for one in rows)}
    done = [kind for kind, found in kinds.items() if found]
    larger = " (larger than what is measured here)" if model.within_limit is False else ""
    return (
        link(model.repo, up + page_of(model.repo)),
        md(f"{_size(model)}{larger}"),
        code(model.license) if model.license else Md("not known"),
        md(len(model.quantizations)) if model.quantizations else Md("–"),
        Md("not known") if model.downloads is None else md(numbers.number(model.downloads, 0)),
        md(" and ".join(done) or "no"),
    )


def _size(model: HubModel) -> str:
    return "not known" if model.parameters is None else numbers.parameters(model.parameters)


def _by_task(models: Sequence[HubModel], around: Surroundings, line: Line) -> list[ModelList]:
    found: dict[str, list[HubModel]] = {}
    for model in models:
        for task in set(model.tasks) & set(around.featured.task_titles):
            found.setdefault(task, []).append(model)
    words = Md(
        "What people look for these models for, by the list of this hub and the tags on the Hub; how good they are at "
        "it is on their pages, where it was measured."
    )
    titles = around.featured.task_titles
    return [
        ModelList(
            place=f"by-task/{task_page(task).removesuffix('.md')}",
            title=titles[task],
            words=(words,),
            models=found[task],
            line=line,
        )
        for task in sorted(found)
    ]


def _by_license(models: Sequence[HubModel], line: Line) -> list[ModelList]:
    found: dict[str, list[HubModel]] = {}
    for model in models:
        found.setdefault(model.license or "not-told", []).append(model)
    lists = []
    for name, listed in sorted(found.items(), key=lambda item: (-len(item[1]), item[0])):
        known = licenses().get(name)
        words = say(
            "{words} Use in products: {commercial}. The licence itself counts.",
            words=Md(known.words if known else "It is not explained here; read it on the page of the model."),
            commercial=commercial(listed[0]),
        )
        # It becomes the title of a page, which nobody can be sure to be escaped everywhere.
        title = known.title if known else name if CODE.fullmatch(name) else "A licence of its own"
        lists.append(
            ModelList(place=f"by-licence/{slugify(name)}", title=title, words=(words,), models=listed, line=line)
        )
    return lists


def _by_device(models: Sequence[HubModel], fitting: Mapping[str, Sequence[Target]]) -> list[ModelList]:
    lists = []
    for device in device_table():
        best = {repo: one for repo, found in fitting.items() for one in found if one.device == device.name and one.fits}
        lists.append(
            ModelList(
                place=f"by-hardware/{slugify(device.name).replace('_', '-')}",
                title=device.title,
                words=(_device_words(device),),
                models=[model for model in models if model.repo in best],
                line=_device_line(best),
                columns=OF_DEVICES,
            )
        )
    return lists


def _device_words(device: DeviceClass) -> Md:
    return say(
        "{usable} of {total} are usable for a model ({basis}). {reasoning} How fast the models are there was not "
        "measured; their pages have the speeds of the machines that measured them.",
        usable=numbers.size(device.usable_bytes),
        total=numbers.size(device.total_bytes),
        basis="measured" if device.basis == "measured" else "assumed",
        reasoning=Md(device.reasoning),
    )


def _device_line(best: Mapping[str, Target]) -> Line:
    def line(model: HubModel) -> tuple[Md, ...]:
        one = best[model.repo]
        way = link(model.repo, f"../{page_of(model.repo)}")
        return (way, md(_size(model)), one.file, md(one.need), md(one.known))

    return line
