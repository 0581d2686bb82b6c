"""Costs are known where everything was given, and every price that stands there has its source and its day."""

from __future__ import annotations

import datetime
import re
import tomllib
from importlib import resources

import pytest

from pytest_slm.core.record import RecordError
from pytest_slm.site.tools.prices import UNITS, Price, price_table

COST = {"requests": 1000, "input": 500, "output": 100}


def test_costs_are_known_only_where_everything_was_given(tool):
    page = tool("cost")
    cells = "#out tbody tr td:first-of-type"
    assert page.locator(cells).all_inner_texts() == ["something is not given"] * 3
    own = {"own_prompt": 1000, "own_output": 10, "price": 600, "months": 20, "watts": 60, "idle": 10, "energy": 0.5}
    more = {"cloud_prompt": 5000, "cloud_output": 50, "hour": 2, "api_input": 1, "api_output": 4}
    for name, value in {**COST, **own, **more}.items():
        page.fill(f"#{name}", str(value))
    hours = 30_000 * (500 / 1000 + 100 / 10) / 3600
    mine = 600 / 20 + (hours * 60 + (720 - hours) * 10) / 1000 * 0.5
    wanted = [f"{mine:.2f}", f"{720 * 2:.2f}", f"{30_000 * (500 * 1 + 100 * 4) / 1e6:.2f}"]
    assert page.locator(cells).all_inner_texts() == wanted
    page.fill("#requests", "50000")  # more than one machine can answer
    hours = 50 * hours
    machines = -(-hours // (720 * 0.7))
    mine = machines * 30 + (hours * 60 + (machines * 720 - hours) * 10) / 1000 * 0.5
    assert page.locator(cells).first.inner_text() == f"{mine:.2f}"
    page.fill("#months", "0")
    assert page.locator(cells).first.inner_text() == "something is not given"


def fields(page, *names):
    return [page.input_value(f"#{name}") for name in names]


def test_a_price_that_somebody_said_comes_with_source_and_day(tool):
    page = tool("cost")
    page.clock.set_fixed_time(datetime.datetime(2026, 8, 1))
    for kind, names in {"machine": ["price"], "energy": ["energy"], "gpu": ["hour"]}.items():
        first = next(one for one in price_table() if one.kind == kind)
        page.select_option(f"#{kind}_said", index=1)
        assert [float(text) for text in fields(page, *names)] == [first.price]
        told = page.locator(f"#{kind}_source a").evaluate_all(
            "(links) => links.map((link) => link.getAttribute('href'))"
        )
        assert told == [href for _, href in first.hosts]
        assert first.said in page.inner_text(f"#{kind}_source")
    assert "look it up" in page.inner_text("#machine_source")
    assert "look it up" not in page.inner_text("#gpu_source")
    assert "convert them first" in page.inner_text("#out")  # energy in EUR, a machine in USD
    page.select_option("#api_said", label="Ministral 3 3B at Mistral: 0.1 / 0.1 USD 1 M tokens")
    assert fields(page, "api_input", "api_output") == ["0.1", "0.1"]
    assert page.locator("#api_source a").count() == 2
    page.fill("#api_output", "0.3")  # a person's own price: nobody else has said it
    assert fields(page, "api_said") == [""]
    assert page.inner_text("#api_source") == ""
    assert page.input_value("#api_input") == "0.1"
    assert page.messages == []


def test_the_speeds_of_a_measured_file_count_at_once(tool):
    page = tool("cost")
    for name, value in {**COST, "price": 600, "months": 20, "watts": 60, "idle": 10, "energy": 0.5}.items():
        page.fill(f"#{name}", str(value))
    first = page.locator("#out tbody tr td:first-of-type").first
    assert first.inner_text() == "something is not given"
    page.select_option("#measured", index=1)
    page.wait_for_function("() => document.getElementById('own_output').value")
    assert float(first.inner_text()) > 0


def test_a_gpu_that_is_paid_by_the_second_costs_what_it_computes(tool):
    page = tool("cost")
    for name, value in {**COST, "cloud_prompt": 5000, "cloud_output": 50, "hour": 2}.items():
        page.fill(f"#{name}", str(value))
    page.select_option("#paid", "busy")
    hours = 30_000 * (500 / 5000 + 100 / 50) / 3600
    assert page.locator("#out tbody tr td:first-of-type").nth(1).inner_text() == f"{hours * 2:.2f}"


def test_every_price_stands_in_the_table_with_its_source(site):
    text = (site / "cost.html").read_text("utf-8")
    assert {one.kind for one in price_table()} == set(UNITS)
    for one in price_table():
        row = re.search(rf"<tr><th scope=\"row\">{re.escape(one.what)}</th>.*?</tr>", text, re.DOTALL)[0]
        assert f">{one.told}<" in row
        assert f'class="day">{one.said}<' in row
        for host, href in one.hosts:
            assert f'<a href="{href.replace("&", "&amp;")}" rel="noopener">{host}</a>' in row


def test_a_rented_gpu_and_an_api_name_their_seller():
    for one in price_table():
        if one.kind in ("gpu", "api") or "Raspberry" in one.what:
            assert one.list or one.source.startswith("https://blogs.nvidia.com/"), one.what
            seller = one.hosts[0][0].removeprefix("www.").removeprefix("ai.").split(".")[-2]
            words = re.sub(r"\W", "", one.what).casefold()
            assert seller in words or seller in ("amazon",), (seller, one.what)


def entry(**changed):
    return {
        "kind": "gpu",
        "what": "T4",
        "currency": "USD",
        "price": 1,
        "said": "2026-05-07",
        "source": "https://a.example/",
    } | changed


@pytest.mark.parametrize(
    "changed",
    [
        {"source": "http://a.example/"},
        {"source": ""},
        {"said": "last week"},
        {"said": "2026-02-30"},
        {"said": ""},
        {"said": "unknown"},
        {"price": 0},
        {"price": -1},
        {"price": float("nan")},
        {"currency": "GBP"},
        {"kind": "api"},
        {"written": 2},
        {"list": "javascript:alert(1)"},
        {"rumour": "cheap"},
    ],
)
def test_a_price_without_source_day_or_sense_is_none(changed):
    assert Price.from_json(entry()).told == "1 USD an hour"
    with pytest.raises((ValueError, RecordError)):
        Price.from_json(entry(**changed))


def test_the_table_says_only_what_a_price_has():
    text = resources.files("pytest_slm.site.tools").joinpath("prices.toml").read_text("utf-8")
    assert len(tomllib.loads(text)["price"]) == len(price_table())
    days = [datetime.date.fromisoformat(one.said) for one in price_table()]
    assert max(days) <= datetime.datetime.now(tz=datetime.UTC).date()


@pytest.mark.parametrize(
    ("price", "wanted"), [(3, "3.00"), (99.96, "100"), (999.7, "1000"), (1234.5, "1235"), (0.1234, "0.123")]
)
def test_what_a_million_tokens_cost_is_a_plain_number(tool, price, wanted):
    page = tool("cost")
    for name, value in {**COST, "api_input": price, "api_output": price}.items():
        page.fill(f"#{name}", str(value))
    assert page.locator("#out tbody tr").nth(2).locator("td").nth(1).inner_text() == wanted
