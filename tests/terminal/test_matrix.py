"""One table of a session: every item once, every quantization beside it, in 80 columns and in the report's digits."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pytest_slm.core.types import Gate
from pytest_slm.site.report import render_report
from pytest_slm.terminal.matrix import WIDTH, cell, matrix
from pytest_slm.terminal.notes import notes
from pytest_slm.terminal.table import width


@pytest.fixture
def runs(factory):
    """So many quantizations of one model: ``runs(3)``."""

    def make(n, **changes):
        return [factory.make_run(name, **changes) for name in ("FP16", "Q8_0", "Q5_K_M", "Q4_K_M", "Q4_0")[:n]]

    return make


@pytest.mark.parametrize("n", [1, 2, 5])
def test_it_fits_80_columns_and_has_every_cell(runs, n):
    reports = runs(n, modern=True)
    lines = matrix(reports)
    assert max(map(width, lines)) <= WIDTH
    items = {line.split()[0] for line in lines if line.startswith("  ")}
    assert items == {r.task + (f"[{r.variant}]" if r.variant else "") for r in reports[0].results}
    heads = [line for line in lines if line.startswith("item ")]
    names = [report.quantization for report in reports]
    assert re.findall(r"FP16|Q\w+", " ".join(heads)) == [*names, *names]  # of scores, and of timings
    numbers = [line for line in lines if re.match(r"  reasoning ", line)]
    assert sum(line.count(" % (") for line in numbers) == n


def test_a_name_of_200_letters_and_one_of_many_columns_fit_too(runs):
    (report,) = runs(1)
    first, *others = report.results
    lines = matrix([replace(report, results=(replace(first, task="x" * 200, variant="阅" * 100), *others))])
    assert max(map(width, lines)) <= WIDTH + 34  # wide letters of one name; nothing else moves
    assert any("…" in line for line in lines)


def test_the_digits_are_those_of_the_report(runs):
    (report,) = runs(1)
    page = re.sub(r"<[^>]+>|\s+|\u00a0", " ", render_report(report, {}))
    page = re.sub(r" +", " ", page)
    for result in report.results:
        if (metric := result.metric()) is not None and metric.unit == "share":
            value, interval = re.fullmatch(r"(\S+ %) \((\S+)\)", cell(result)).groups()
            assert f"{value} {interval}" in page


def test_what_has_no_number_says_which_kind_of_nothing_it_is(factory):
    run = factory.make_run(with_trouble=True)
    told = {cell(result) for result in run.results if result.outcome not in ("passed", "failed")}
    assert told <= {"skipped", "error", "not run"}
    assert told
    assert cell(None) == "–"


def test_what_is_skipped_everywhere_has_no_row_and_what_is_measured_somewhere_has_one(runs):
    one, two = runs(2)
    first, second, *_ = one.results

    def skipped(report, *items):
        names = {(item.suite, item.task, item.variant) for item in items}
        gone = [
            replace(r, outcome="skipped", reason="no data  [data-missing]", metrics=(), primary=None)
            if (r.suite, r.task, r.variant) in names
            else r
            for r in report.results
        ]
        return replace(report, results=tuple(gone))

    told = "\n".join(matrix([skipped(one, first, second), skipped(two, first)]))
    whole = "\n".join(matrix([one, two]))
    assert len(whole.splitlines()) - len(told.splitlines()) in (1, 2)  # its suite's name may go with it
    assert told.count("skipped") == 1


def test_below_its_gate_is_said_in_the_cell(runs):
    (report,) = runs(1)
    result = next(one for one in report.results if one.metric() is not None)
    failed = replace(
        result, outcome="failed", gate=Gate(metric=result.primary, limit=1.0), reason="is below its gate 1"
    )
    assert cell(failed) == f"{cell(result)} below gate"


def test_what_is_true_of_all_quantizations_is_told_once(runs):
    reports = [
        replace(one, results=(replace(one.results[0], reason="leaves out a part"), *one.results[1:])) for one in runs(3)
    ]
    name = f"{reports[0].results[0].suite}/{reports[0].results[0].task}"
    assert [line for line in notes(reports) if "leaves out" in line] == [f"{name}: leaves out a part"]
    other = [*reports[:2], runs(3)[2]]
    assert [line for line in notes(other) if "leaves out" in line] == [f"FP16, Q8_0: {name}: leaves out a part"]
