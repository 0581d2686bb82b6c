"""Maps of lengths tell the same as their tables, and draw nothing that was not measured."""

import re
from dataclasses import replace

import pytest

from pytest_slm.core.result import LARGEST_SHARE
from pytest_slm.core.types import Declaration, Metric
from pytest_slm.site.plots.heat import LEVELS, heat_maps
from pytest_slm.site.report import render_report

VALUES = {("niah", 1024): 1.0, ("niah", 4096): 0.04, ("vt", 1024): 0.5}


@pytest.fixture
def run(factory):
    """A run with two tasks over lengths, one of them by depth; the other was measured at one length."""
    made = factory.make_run("Q4_0")
    first = made.results[0]
    results = tuple(
        replace(
            first,
            suite="rag",
            task=task,
            variant=str(tokens),
            outcome="passed",
            primary="found",
            metrics=(
                Metric(name="found", value=value, n=7, interval=(0.0, 1.0)),
                *(Metric(name=f"found[depth={d}]", value=value, n=1) for d in (100, 0) if task == "niah"),
            ),
            declared=Declaration(effective=0.85, family="long"),
        )
        for (task, tokens), value in VALUES.items()
    )
    return replace(made, results=results, planned=tuple(result.id for result in results))


def test_every_task_has_a_row_and_every_length_a_column(run):
    tasks, depths = heat_maps(run)
    assert [(label, short) for _, label, short in tasks.columns] == [("1\u202f024", "1k"), ("4\u202f096", "4k")]
    assert [row.name for row in tasks.rows] == ["Long, mean of 2 tasks", "Needle in a haystack", "Vt"]
    assert [row.last for row in tasks.rows] == ["below 1\u202f024", "1\u202f024", "below 1\u202f024"]
    assert [row.name for row in depths.rows] == ["0\u00a0%", "100\u00a0%"]
    assert depths.last == ""


def test_a_level_grows_with_the_share_and_nothing_is_no_level(run):
    tasks, _ = heat_maps(run)
    _, niah, vt = tasks.rows
    assert [cell.level for cell in niah.cells] == [LEVELS, 0]
    assert [(cell.level, cell.value) for cell in vt.cells] == [(5, "50\u00a0%"), (None, "–")]
    assert "not measured" in vt.cells[1].text
    assert [cell.short for cell in vt.cells] == ["50", "–"]


def test_the_page_has_the_numbers_in_squares_and_table(run):
    page = render_report(run, {})
    section = page.partition('<section id="lengths">')[2].partition("</section>")[0]
    assert section.count('<svg class="heat"') == section.count("<table") == 2
    assert '<a href="#lengths">' in page
    for _, value in VALUES.items():
        text = f"{round(100 * value)}\u00a0%"
        assert len(re.findall(text, section)) >= 2
    assert "Effective length" in section


def test_a_hostile_name_is_text(run):
    name = "<script>x</script>"
    results = tuple(replace(result, task=name) if result.task == "vt" else result for result in run.results)
    page = render_report(replace(run, results=results), {})
    assert name not in page
    assert "&lt;script&gt;" in page


def test_a_run_without_lengths_has_no_section(factory):
    assert heat_maps(factory.make_run("Q4_0")) == ()
    assert 'id="lengths"' not in render_report(factory.make_run("Q4_0"), {})


@pytest.mark.parametrize(("share", "level"), [(LARGEST_SHARE, LEVELS), (-LARGEST_SHARE, 0), (1.0, LEVELS), (5e-324, 0)])
def test_a_share_that_no_share_can_be_has_a_square(run, share, level):
    odd = replace(run.results[0].metrics[0], value=share)
    results = tuple(replace(result, metrics=(odd,)) for result in run.results)
    assert {cell.level for row in heat_maps(replace(run, results=results))[0].rows for cell in row.cells} <= {
        level,
        None,
    }
