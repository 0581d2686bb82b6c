"""What is new on the Hub, and the state of small models in numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pytest_slm.handbook.facts import FactChange, HubModel, HubStats
from pytest_slm.handbook.pages.lists import ListPage, PageTable
from pytest_slm.handbook.pages.markdown import Md, counted, front_matter, link, md, say
from pytest_slm.handbook.pages.model import Surroundings, to_model
from pytest_slm.handbook.sync.changes import SIZES, month_of, size_class
from pytest_slm.registry.rows import Row
from pytest_slm.site import numbers

MOST_NEW = 200
TOP = 20


WHAT: Mapping[str, str] = {
    "added": "listed here for the first time",
    "gone": "no longer on the Hub",
    "back": "on the Hub again",
    "dropped": "no longer listed here",
    "license": "another licence: {old} before, {new} now",
    "gated": "access: {old} before, {new} now",
    "parameters": "parameters: {old} before, {new} now",
    "quantizations": "quantizations: gone {old}; new {new}",
    "revision": "a new commit",
}


def news_page(around: Surroundings, stats: HubStats) -> ListPage:
    """What is another thing on the Hub, by day."""
    days: dict[str, list[FactChange]] = {}
    for change in stats.changes[:MOST_NEW]:
        days.setdefault(change.day, []).append(change)
    tables = tuple(
        PageTable(
            title=day,
            words=Md(""),
            columns=("model", "what"),
            rows=tuple(
                (to_model(one.repo, around), say(WHAT[one.kind], old=one.old or "none", new=one.new or "none"))
                for one in of_day
            ),
        )
        for day, of_day in days.items()
    )
    return ListPage(
        head=front_matter(
            title="What is new", description="Models that came, went or changed on the Hub", generated=True
        ),
        title="What is new",
        words=(
            Md(
                "What is another thing on the Hub than at the sync before, the newest first. Downloads and likes "
                "change every day and are not told."
            ),
        ),
        links=(link("All models", "index.md"),),
        tables=tables or (PageTable(title="", words=Md(""), columns=(), rows=()),),
    )


def state_page(
    models: Sequence[HubModel], rows: Mapping[str, Sequence[Row]], stats: HubStats, around: Surroundings
) -> ListPage:
    """The listed models in numbers: today, and month by month."""
    month = stats.months[-1] if stats.months else None
    now = month_of(models, month.month) if month else None
    tables = []
    if now:
        tables.append(
            _counted(
                "By parameters", "parameters", {title: now.sizes[title] for title in _sizes() if title in now.sizes}
            )
        )
        tables.append(
            _counted(
                "By licence", "licence", dict(sorted(now.licenses.items(), key=lambda item: (-item[1], item[0]))[:TOP])
            )
        )
    tables.append(_top("Most downloads in 30 days", models[:TOP], around))
    newest = sorted((one for one in models if one.created), key=lambda one: (one.created or "", one.repo), reverse=True)
    tables.append(_top("The newest", newest[:TOP], around))
    tables.append(
        PageTable(
            title="Month by month",
            words=Md("Each month as its last sync found it."),
            columns=("month", "models", "with GGUF", "gated", "no longer on the Hub", "downloads of all"),
            rows=tuple(
                tuple(
                    map(
                        md,
                        (one.month, one.models, one.with_gguf, one.gated, one.gone, numbers.number(one.downloads, 0)),
                    )
                )
                for one in reversed(stats.months)
            ),
        )
    )
    done = [model for model in models if rows.get(model.repo.lower())]
    words = [
        say("Listed: {n}; measured here: {done}.", n=counted(len(models), "model"), done=len(done)),
        Md("The list is one of choice, not all there is: shares are those of the list."),
    ]
    return ListPage(
        head=front_matter(
            title="The state of small models",
            description="The listed small models in numbers, month by month",
            generated=True,
        ),
        title="The state of small models",
        words=tuple(words),
        links=(link("All models", "index.md"), link("What is new", "whats-new.md")),
        tables=tuple(tables),
    )


def _sizes() -> Iterator[str]:
    yield from (title for _, title in SIZES)
    yield size_class(None)


def _counted(title: str, column: str, counts: Mapping[str, int]) -> PageTable:
    rows = tuple((md(name), md(n)) for name, n in counts.items())
    return PageTable(title=title, words=Md(""), columns=(column, "models"), rows=rows)


def _top(title: str, models: Iterable[HubModel], around: Surroundings) -> PageTable:
    rows = tuple(
        (
            to_model(one.repo, around),
            md("not known" if one.parameters is None else numbers.parameters(one.parameters)),
            Md("not known") if one.downloads is None else md(numbers.number(one.downloads, 0)),
            md(one.created or "not known"),
        )
        for one in models
    )
    return PageTable(title=title, words=Md(""), columns=("model", "parameters", "downloads", "created"), rows=rows)
