"""Speeds are in one order at one length only: a page of a machine says which, and what stands below."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.registry import build_registry
from pytest_slm.registry.store import StoredReport
from pytest_slm.site import numbers
from pytest_slm.site.build import site_pages
from pytest_slm.site.facts.wide import wide_of
from pytest_slm.site.guide.hardware import axis_of

QUANTIZATIONS = ("Q4_0", "Q8_0", "F16")


@pytest.fixture
def timed(factory):
    """The registry of files that were timed so: by quantization the speed at each length."""

    def make(speeds, machine=None):
        runs = []
        for quantization, at in speeds.items():
            results = [
                factory.timing("decode", str(length), quantization, "full", "decode_tps", "tok/s", (tps,) * 3)
                for length, tps in at.items()
            ]
            run = factory.make_run(quantization, results=results or None, machine=machine)
            runs.append(run)
        stored = [StoredReport(path=f"{n}/report.json", sha256="a" * 64, run=run) for n, run in enumerate(runs)]
        return build_registry(stored)

    return make


def rows(page):
    """Quantizations and lines between them, as the table of a page has them."""
    table = page[page.index('<table class="files"') :]
    return re.findall(r'scope="rowgroup"[^>]*>([^<]+)<|</a> <code>([^<]+)<', table)


def table(registry):
    """The table of the machine's page, as texts."""
    pages = site_pages(registry)
    (page,) = (text for path, text in pages.items() if re.fullmatch(r"hardware/(?!index).*\.html", path))
    return page.replace("\u00a0", " "), [group.replace("\u00a0", " ") or code for group, code in rows(page)]


def test_a_short_answer_is_not_faster_than_a_long_one(timed, words):
    # At its longest length Q4_0 is slower than Q8_0 at its only one; at the same length it is faster.
    page, found = table(timed({"Q8_0": {100: 126}, "Q4_0": {100: 133, 500: 104}}))
    assert found == ["Q4_0", "Q8_0"]
    assert "Speeds are of an answer of 100 tokens" in words(page)
    assert "2 files by size and speed at 100 tokens" in page


def test_what_was_timed_with_other_lengths_only_stands_below_and_is_not_drawn(timed):
    speeds = {"Q4_0": {100: 190, 500: 120}, "Q8_0": {100: 180, 500: 90}, "F16": {100: 300}}
    page, found = table(timed(speeds))
    assert found == [
        "Speed at 500 tokens",
        "Q4_0",
        "Q8_0",
        "Speed at 100 tokens; not comparable with other lengths",
        "F16",
    ]
    assert "2 files by size and speed at 500 tokens" in page
    assert "F16" not in page[page.index('<svg role="img"') : page.index("</svg>")]


def test_where_no_length_is_shared_by_most_the_one_that_the_most_share_counts(timed):
    speeds = {"Q4_0": {100: 10, 500: 9}, "Q8_0": {100: 8}, "F16": {500: 7}, "Q5_0": {1000: 6}}
    files = {file.quantization: file.at["tps"] for file in wide_of(timed(speeds)).files}
    # 100 and 500 have two files of four each: the longer one.
    assert files == {"Q4_0": (0, "500 tokens"), "F16": (0, "500 tokens"), "Q8_0": (1, "100 tokens"), "Q5_0": (2, "1000 tokens")}  # fmt: skip  # noqa: E501


def test_the_standard_length_counts_before_a_longer_one(timed):
    speeds = {name: {100: 30, 500: 20, 1000: 10} for name in QUANTIZATIONS}
    assert {file.at["tps"] for file in wide_of(timed(speeds)).files} == {(0, "500 tokens")}


def test_each_machine_has_a_length_of_its_own(timed):
    one = timed({"Q8_0": {100: 50}}, {"cpu": "One", "fingerprint": "m-1"})
    other = timed({"Q4_0": {500: 40}}, {"cpu": "Other", "fingerprint": "m-2"})
    wide = replace(wide_of(one), models=(*wide_of(one).models, *wide_of(other).models))
    assert [file.at["tps"] for file in wide.files] == [(0, "100 tokens"), (0, "500 tokens")]


def test_the_script_of_the_home_page_keeps_lengths_apart(timed):
    pages = site_pages(timed({"Q4_0": {100: 190, 500: 120}, "Q8_0": {100: 180, 500: 90}, "F16": {100: 300}}))
    data = json.loads(pages["data/files.js"].removeprefix("var slm = ").rstrip(";\n"))
    column, names = data["columns"]["tps"], [data["quantizationWords"][n] for n in data["quantization"]]
    assert dict(zip(names, column["apart"], strict=True)) == {"Q4_0": 0, "Q8_0": 0, "F16": 1}
    assert {column["atWords"][n] for n in column["at"]} == {"500\u00a0tokens", "100\u00a0tokens"}
    alike = site_pages(timed({"Q4_0": {100: 190}, "Q8_0": {100: 180}}))["data/files.js"]
    assert '"apart"' not in alike


@given(least=st.floats(0.01, 1e6), ratio=st.floats(1, 1e6))
def test_an_axis_has_round_ticks_that_are_neither_too_near_nor_too_few(least, ratio):
    at, ticks = axis_of([least, least * ratio])
    assert 0 < at(least) < at(least * ratio) < 100 or ratio < 1.001
    places = [place for place, _ in ticks]
    assert len(places) >= 3
    assert all(after - before >= 18 for before, after in pairwise(places))
    assert max(after - before for before, after in pairwise([0, *places, 100])) <= 51
    labels = [numbers.exact(value) for _, value in ticks]
    assert len(set(labels)) == len(labels)
    for (_, value), label in zip(ticks, labels, strict=True):
        assert float(label.replace("\u202f", "")) == pytest.approx(value, rel=1e-9)  # no label rounds


@pytest.mark.parametrize(
    ("values", "ticks"),
    [((71, 112), [80, 100, 120]), ((92, 271), [100, 150, 200]), ((1, 1000), [1, 10, 100, 1000]), ((7,), [6.5, 7, 7.5])],
)
def test_ticks_stand_where_people_look_for_them(values, ticks):
    assert [value for _, value in axis_of(values)[1]] == ticks
