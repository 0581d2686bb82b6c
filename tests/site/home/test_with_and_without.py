"""The same numbers in the same order, whether the page or its script writes them."""

from __future__ import annotations

import html
import random
import re
from dataclasses import replace

import pytest

from pytest_slm.registry import build_registry
from pytest_slm.registry.store import StoredReport
from pytest_slm.site import numbers
from pytest_slm.site.facts.files import Score
from pytest_slm.site.facts.wide import wide_of
from pytest_slm.site.home.data import tenths
from pytest_slm.site.home.pages import home_pages
from pytest_slm.site.home.scores import ScoreMark, scales
from pytest_slm.site.home.view import PAGE, file_table
from pytest_slm.site.render import static

COUNT = 350
READ = """() => Array.from(document.querySelectorAll('table.files tbody tr:not(.group)'), (row) => {
  const [score, track] = row.querySelectorAll('td');
  const told = score.querySelector('small');
  return [row.querySelector('.name a').textContent, score.querySelector('b').textContent,
    told && !told.hidden ? told.textContent : '', track.querySelector('title').textContent];
})"""
ROW = re.compile(
    r'<span class="name"><a [^>]*>([^<]*)</a>.*?<td role="cell" class="num score"><b>([^<]*)</b>'
    r"(?:<small [^>]*>([^<]*)</small>)?.*?<title>([^<]*)</title>"
)


def drawn(rng):
    """A score with its interval and a chance level, as they are met, ties and next to ties among them."""
    kind = rng.choice(["any", "any", "tie", "close", "alone", "narrow", "ends"])
    score, half, near = rng.uniform(0, 100), rng.uniform(0.4, 15), rng.choice([0.0, 1e-9, -1e-9, 0.004, -0.004])
    if kind == "tie":
        score, half = rng.randrange(5, 200) / 2 + near, rng.choice([2.5, 9.5, 10.0, 10.5, 12.25])
    if kind == "close":
        score, half = 60 + rng.choice([0.01, 0.04, 0.05, 0.06]) + near, 10.0
    if kind == "ends":
        score, half = rng.choice([0.0, 0.04, 99.96, 100.0]), rng.choice([0.0, 0.02, 8.0])
    low, high = max(0.0, score - half), min(100.0, score + half)
    interval = None if kind == "alone" else (score, score) if kind == "narrow" else (low, high)
    return score, interval, rng.choice([None, 0.0, 25.0, 100 / 3, 33.349, 33.35, 6.25, rng.uniform(0, 100)])


@pytest.fixture(scope="module")
def many(factory):
    """Many files with scores of a profile and of a use case."""
    runs = [factory.make_run(suites=("coding",))]
    few = wide_of(build_registry([StoredReport(path="report.json", sha256="a" * 64, run=run) for run in runs]))
    rng = random.Random(13)
    (model,) = few.models
    (file,) = model.files

    def others(found):
        return {name: Score(*drawn(rng), kind=one.kind, note=one.note) for name, one in found.items()}

    def another(number):
        name = f"Model {number:04}"
        one = file._replace(model=f"m{number}", id=f"{file.id}-{number}", name=name)
        one = one._replace(totals=others(file.totals), scores=others(file.scores))
        return model._replace(id=f"m{number}", name=name, files=(one,), listed=None)

    return replace(few, models=tuple(map(another, rng.sample(range(COUNT), COUNT))), places={})


def read_rows(page):
    page.wait_for_selector("table.files tbody:not([aria-busy])", state="attached")
    return [tuple(row) for row in page.evaluate(READ)]


def test_both_write_the_same_numbers_in_the_same_order(many, show, tmp_path):
    found = scales(many)
    pages = home_pages(many, found)
    for path, text in {**pages, "static/home.js": static("home.js"), "static/style.css": static("style.css")}.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    count = -(-COUNT // PAGE)
    plain = [pages["index.html"], *(pages[f"files/{number}.html"] for number in range(2, count + 1))]
    served = [tuple(map(html.unescape, row)) for text in plain for row in ROW.findall(text)]
    assert len(served) == COUNT
    assert len(set(served)) == COUNT
    scale = found[-1]
    rows = file_table("", scale, scale.ordered(many.files), "", ()).rows
    other = [(row.name, row.score, row.interval, row.plot.text) for row in rows]
    assert [row[0] for row in other] != [row[0] for row in served]
    with show(tmp_path / "index.html") as seen:

        def written(address):
            seen.page.evaluate("address => { location.hash = address; }", address)
            seen.page.wait_for_function("() => !document.querySelector('tbody[aria-busy]')")
            return read_rows(seen.page)

        def all_of(address):
            return [row for number in range(1, count + 1) for row in written(f"{address}&page={number}")]

        read_rows(seen.page)
        written("sort=name")  # so that none of those stands there that the page has
        assert all_of("sort=score") == served
        assert all_of("sort=-score") == served[::-1]
        seen.page.select_option("#use", scale.name)
        seen.page.wait_for_function("title => document.getElementById('of').textContent === title", arg=scale.title)
        assert all_of(f"use={scale.name}") == other
        assert seen.messages == []


def test_tenths_give_what_pages_say_and_are_as_near_as_that_allows():
    rng = random.Random(37)
    for _ in range(20_000):
        score, interval, chance = drawn(rng)
        told = tenths(ScoreMark(score, interval, chance, "", "", 0))
        places = 0 if told.whole else 1
        written = f"{told.score / 10 + 1e-9:.{places}f}"  # ties go up, as in a browser
        assert written == numbers.points(score, interval)[0]
        assert abs(told.score / 10 - score) < 0.1 + 1e-6
        if interval:
            assert told.low <= told.score <= told.high
