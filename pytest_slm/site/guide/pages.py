"""All pages of the guide by their paths, from a registry and its rows."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from pytest_slm.core.aggregation import ScoreRules
from pytest_slm.registry.entry import Registry
from pytest_slm.registry.rows import Row
from pytest_slm.site import numbers
from pytest_slm.site.guide.cases import TaskLine, case_view, definition_of
from pytest_slm.site.guide.hardware import hardware_view, machine_view
from pytest_slm.site.guide.methodology import methodology_view
from pytest_slm.site.guide.news import feed, news_view
from pytest_slm.site.guide.tasks import Found, measured_tasks, task_view
from pytest_slm.site.home.scores import Scale
from pytest_slm.site.names import page_name
from pytest_slm.site.render import guides, linked_page
from pytest_slm.site.titles.definitions import definitions, task_title
from pytest_slm.site.titles.wording import words


def guide_pages(
    registry: Registry, rows: Sequence[Row], found: Sequence[Scale], address: str = ""
) -> Mapping[str, str]:
    """The text of every page by its path in the site; ``found`` are the scales, that of the profile first."""
    measured = measured_tasks(registry)
    known = {(suite, task) for suite, one in definitions().items() for task in one.tasks}
    tasks = {key: f"tasks/{page_name(key[0])}/{page_name(key[1])}.html" for key in sorted(known | set(measured))}
    scales = {scale.name: scale for scale in found[1:]}
    suite_facts = [one.suite.facts for one in definitions().values()]
    titles = {facts.use_case: words(facts.title) for facts in suite_facts if facts.use_case}
    titles |= {name: one.title for name, one in scales.items()}
    cases = {name: f"use/{page_name(name)}.html" for name in sorted(titles)}
    updated = numbers.day(registry.metadata.last_updated) if registry.metadata.last_updated else ""
    pages = {}

    # A suite that says nothing of itself is the score of its own name.
    suites = {**{suite: suite for suite, _ in measured}, **_suites_of(registry)}
    for (suite, task), path in tasks.items():
        use_case = cases.get(suites.get(suite, ""), "").removeprefix("use/")
        mine = measured.get((suite, task))
        known_page = (suite, task, use_case, guides())
        pages[path] = _task_page(suite, task, use_case, mine, updated) if mine else _unmeasured(*known_page)

    views = []
    for name, path in sorted(cases.items(), key=lambda pair: titles[pair[0]].casefold()):
        lines = _task_lines(name, suites, tasks, rows)
        case = case_view(registry, name, titles[name], path.removeprefix("use/"), rows, scales.get(name), lines)
        views.append(case)
        pages[path] = linked_page("case.html", root="../", view=case, updated=updated)
    pages["use/index.html"] = linked_page("cases.html", root="../", views=views, updated=updated)

    machines = []
    for machine in sorted({row.machine for row in rows if row.speed or row.machine}):
        name = f"{page_name(machine or 'unknown')}.html"
        one = machine_view(registry, machine, name, [row for row in rows if row.machine == machine], found[0])
        machines.append(one)
        pages[f"hardware/{name}"] = linked_page("machine.html", root="../", view=one, updated=updated)
    pages["hardware/index.html"] = linked_page(
        "hardware.html", root="../", view=hardware_view(machines), updated=updated
    )
    pages["methodology.html"] = linked_page(
        "methodology.html", root="", view=methodology_view(registry.rules, rows, tasks)
    )
    pages["new.html"] = linked_page("new.html", root="", view=news_view(registry))
    pages["submit.html"] = linked_page("submit.html", root="", ranked=_ranked(registry.rules))
    pages["feed.xml"] = feed(registry, address)
    return pages


@functools.cache
def _unmeasured(suite: str, task: str, use_case: str, _guides: str) -> str:
    """The page of a built-in task that nobody has measured: the same in every site with its guides in that place, of
    which tests make many."""
    return _task_page(suite, task, use_case, (), "")


def _task_page(suite: str, task: str, use_case: str, found: Sequence[Found], updated: str) -> str:
    return linked_page("task.html", root="../../", view=task_view(suite, task, found, use_case), updated=updated)


def _ranked(rules: ScoreRules) -> str:
    return numbers.percent(rules.ranked_coverage)


def _suites_of(registry: Registry) -> dict[str, str]:
    """The use case of each suite, as the newest definition or a report has it."""
    found = {name: facts.use_case for one in registry.models for name, facts in one.suites.items() if facts.scored}
    found |= {name: one.suite.facts.use_case for name, one in definitions().items()}
    return {suite: use_case for suite, use_case in found.items() if use_case}


def _task_lines(
    use_case: str, suites: Mapping[str, str], tasks: Mapping[tuple[str, str], str], rows: Sequence[Row]
) -> list[TaskLine]:
    definition = definition_of(use_case)
    counted = (
        set(definition.suite.tasks)
        if definition
        else {task for row in rows if use_case in row.scores for task in row.scores[use_case].declared}
    )
    lines = []
    for (suite, task), path in tasks.items():
        if suites.get(suite) == use_case:
            declared = definition.tasks.get(task) if definition and definition.suite.name == suite else None
            lines.append(
                TaskLine(
                    title=task_title(suite, task),
                    description=declared.description if declared else "",
                    href=f"../{path}",
                    counts=task in counted,
                )
            )
    return sorted(lines, key=lambda line: (not line.counts, line.title))
