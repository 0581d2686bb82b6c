"""All pages of the guide by their paths."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pytest_slm.site import numbers
from pytest_slm.site.facts.files import FileFacts
from pytest_slm.site.facts.measured import TaskTable
from pytest_slm.site.facts.wide import Wide
from pytest_slm.site.guide.cases import TaskLine, case_view, definition_of
from pytest_slm.site.guide.hardware import hardware_view, machine_view
from pytest_slm.site.guide.methodology import methodology_view
from pytest_slm.site.guide.news import feed, news_view
from pytest_slm.site.guide.tasks import task_view
from pytest_slm.site.home.scores import Scale
from pytest_slm.site.home.view import shown_columns
from pytest_slm.site.names import page_name
from pytest_slm.site.render import guides, linked_page
from pytest_slm.site.titles.definitions import definitions, described, task_title, twin_note, weights
from pytest_slm.site.titles.wording import words


def guide_pages(wide: Wide, found: Sequence[Scale], address: str = "") -> Mapping[str, str]:
    """The text of every page by its path in the site; ``found`` are the scales, that of the profile first."""
    measured = {(suite, task): one for suite, tasks in wide.summary.tasks.items() for task, one in tasks.items()}
    known = {(suite, task) for suite, one in definitions().items() for task in one.tasks}
    tasks = {key: f"tasks/{page_name(key[0])}/{page_name(key[1])}.html" for key in sorted(known | set(measured))}
    scales = {scale.name: scale for scale in found if scale.name in wide.summary.titles}
    suite_facts = [one.suite.facts for one in definitions().values()]
    titles = {facts.use_case: words(facts.title) for facts in suite_facts if facts.use_case}
    titles |= {name: one.title for name, one in scales.items()}
    cases = {name: f"use/{page_name(name)}.html" for name in sorted(titles)}
    pages = {}

    # A suite that says nothing of itself is the score of its own name.
    suites = {**{suite: suite for suite, _ in measured}, **_suites_of(wide)}
    for (suite, task), path in tasks.items():
        use_case = cases.get(suites.get(suite, ""), "").removeprefix("use/")
        mine = measured.get((suite, task))
        known_page = (suite, task, use_case, guides())
        pages[path] = _task_page(suite, task, use_case, mine, wide.updated) if mine else _unmeasured(*known_page)

    views, columns = [], shown_columns(wide.files)
    for name, path in sorted(cases.items(), key=lambda pair: titles[pair[0]].casefold()):
        lines = _task_lines(name, suites, tasks, wide.summary.declared.get(name, ()))
        place = path.removeprefix("use/")
        case = case_view(wide.rules, name, titles[name], place, wide.files, scales.get(name), lines, columns)
        views.append(case)
        pages[path] = linked_page("case.html", root="../", view=case, updated=wide.updated)
    pages["use/index.html"] = linked_page("cases.html", root="../", views=views, updated=wide.updated)
    return {**pages, **_machine_pages(wide, found[0]), **_other_pages(wide, tasks, address)}


def _machine_pages(wide: Wide, scale: Scale) -> Mapping[str, str]:
    files: dict[str, list[FileFacts]] = {}
    timed: set[str] = set()
    for file in wide.files:
        files.setdefault(file.machine, []).append(file)
        if file.tool is not None or file.machine:
            timed.add(file.machine)
    pages, machines = {}, []
    for machine in sorted(timed):
        name = f"{page_name(machine)}.html"
        _, facts = wide.summary.machines.get(machine, ("", {}))
        one = machine_view(facts, machine, name, files[machine], scale)
        machines.append(one)
        pages[f"hardware/{name}"] = linked_page("machine.html", root="../", view=one, updated=wide.updated)
    pages["hardware/index.html"] = linked_page(
        "hardware.html", root="../", view=hardware_view(machines), updated=wide.updated
    )
    return pages


def _other_pages(wide: Wide, tasks: Mapping[tuple[str, str], str], address: str) -> Mapping[str, str]:
    worked = wide.summary.worked and wide.summary.worked[1]
    return {
        "methodology.html": linked_page("methodology.html", root="", view=methodology_view(wide.rules, worked, tasks)),
        "new.html": linked_page("new.html", root="", view=news_view(wide.summary)),
        "submit.html": linked_page("submit.html", root="", ranked=numbers.percent(wide.rules.ranked_coverage)),
        "feed.xml": feed(wide.summary, address),
    }


@functools.cache
def _unmeasured(suite: str, task: str, use_case: str, _guides: str) -> str:
    """The page of a built-in task that nobody has measured: the same in every site with its guides in that place, of
    which tests make many."""
    return _task_page(suite, task, use_case, None, "")


def _task_page(suite: str, task: str, use_case: str, found: TaskTable | None, updated: str) -> str:
    return linked_page("task.html", root="../../", view=task_view(suite, task, found, use_case), updated=updated)


def _suites_of(wide: Wide) -> dict[str, str]:
    """The use case of each suite, as the newest definition or a report has it."""
    found = {name: use_case for name, (_, use_case) in wide.summary.suites.items()}
    found |= {name: one.suite.facts.use_case for name, one in definitions().items()}
    return {suite: use_case for suite, use_case in found.items() if use_case}


def _task_lines(
    use_case: str, suites: Mapping[str, str], tasks: Mapping[tuple[str, str], str], told: Iterable[str]
) -> list[TaskLine]:
    """The tasks of a use case; ``told`` are those that reports declare where no built-in suite does."""
    definition = definition_of(use_case)
    counted = set(definition.suite.tasks) if definition else set(told)
    shares = weights(definition) if definition else {}
    families = Counter(definition.tasks[name].family for name in shares) if definition else {}
    lines = []
    for (suite, task), path in tasks.items():
        if suites.get(suite) == use_case:
            declared = definition.tasks.get(task) if definition and definition.suite.name == suite else None
            lines.append(
                TaskLine(
                    title=task_title(suite, task),
                    description=described(suite, task) if declared else "",
                    href=f"../{path}",
                    counts=task in counted,
                    weight=numbers.percent(shares[task]) if declared and task in shares else "",
                    family=families.get(declared.family or "", 0) if declared and task in shares else 0,
                    note=twin_note(suite, task),
                )
            )
    return sorted(lines, key=lambda line: (not line.counts, line.title))
