"""The browser's arithmetic is that of ``pytest-slm compare``: the same pairs through both give the same numbers."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from pytest_slm.comparing.pairs import Pairs
from pytest_slm.comparing.use_cases import Why, compare_use_cases, paired
from pytest_slm.core.comparison import holm
from pytest_slm.core.statistics import t_cdf, t_quantile
from pytest_slm.load.builtin import score_rules
from pytest_slm.registry import build_registry, write_registry
from pytest_slm.registry.entry import Registry
from pytest_slm.registry.folder.reading import read_registry
from pytest_slm.site.build import build_site
from pytest_slm.site.compare import model_scripts

PUBLISHED = Path(__file__).parents[3] / "registry"
FIELDS = "pairs => ({p: pairs.p, interval: pairs.interval, same: pairs.equivalent(0.03), mean: pairs.mean, "
FIELDS += "detectable: pairs.detectable(0.01)})"


@pytest.fixture(scope="module")
def site(tmp_path_factory, factory):
    """A site of three files of two models, with the scores of their questions, and its registry."""
    runs = [factory.make_run(name, quality=one) for name, one in (("FP16", 0.62), ("Q4_0", 0.5))]
    runs.append(factory.make_run("Q8_0", slug="qwen", name="Qwen <b>3</b>", hf_repo="Qwen/Qwen3", quality=0.8))
    found = [factory.with_questions(run, f"{number}/report.json") for number, run in enumerate(runs)]
    registry = build_registry(found)
    folder = tmp_path_factory.mktemp("compare")
    write_registry(folder / "registry", registry)
    build_site(folder / "registry", folder / "site")
    return folder / "site", registry


@pytest.fixture(scope="module")
def page(site, chromium):
    """The page of comparisons, opened once."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    opened.messages = []
    opened.asked = []
    opened.on("console", lambda message: opened.messages.append(message.text))
    opened.on("pageerror", lambda error: opened.messages.append(str(error)))
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.goto((site[0] / "compare.html").as_uri())
    yield opened
    context.close()


def drawn(rng):
    """Differences and clusters as they are met: plain, partly right, in clusters, weighed; few and many."""
    n = rng.choice((1, 2, 5, 12, 20, 60, 300))
    kind = rng.choice(("plain", "partly", "clusters", "weighed"))
    apart = rng.choice((0.05, 0.3, 0.9))
    values = [rng.choice((-1.0, 1.0, 1.0)) if rng.random() < apart else 0.0 for _ in range(n)]
    if kind == "partly":
        values = [value * rng.choice((0.25, 0.5, 1.0)) for value in values]
    if kind == "weighed":
        values = [value * (0.5 if place % 3 else 2.0) for place, value in enumerate(values)]
    clusters = [place // 3 if kind == "clusters" else place for place in range(n)]
    return values, clusters, 2.0 if kind == "weighed" else 1.0


def test_pairs_give_the_same_numbers_in_both(page):
    rng = random.Random(56)
    vectors = [drawn(rng) for _ in range(60)]
    script = "all => all.map(([d, c, most]) => (" + FIELDS + ")(new slmArithmetic.Pairs(d, c, most)))"
    for (values, clusters, most), found in zip(vectors, page.evaluate(script, vectors), strict=True):
        mine = Pairs(differences=tuple(values), clusters=tuple(clusters), most=most)
        told = {"p": mine.p, "same": mine.equivalent(0.03), "mean": mine.mean}
        if (least := mine.detectable(0.01)) is None:
            assert found["detectable"] is None
        else:
            told["detectable"] = least
        assert {name: found[name] for name in told} == pytest.approx(told, rel=1e-6, abs=1e-9), (values, clusters)
        assert found["interval"] == pytest.approx(list(mine.interval), rel=1e-6, abs=1e-9)


def test_corrections_and_distributions_are_the_same(page):
    p_values = [0.04, 0.001, 0.2, 0.04, 1.0]
    assert page.evaluate("p => slmArithmetic.holm(p)", p_values) == pytest.approx(holm(p_values))
    for df in (1, 2, 7, 30, 199):
        assert page.evaluate("([t, df]) => slmArithmetic.student(t, df)", [-1.7, df]) == pytest.approx(t_cdf(-1.7, df))
        found = page.evaluate("df => slmArithmetic.quantile(0.975, df)", df)
        assert found == pytest.approx(t_quantile(0.975, df), rel=1e-6)


def test_packed_scores_give_the_same_pairs(page, site):
    registry: Registry = site[1]
    model = next(entry for entry in registry.models if len(entry.quantizations) == 2)
    a, b = (model.quantizations[name] for name in ("FP16", "Q4_0"))
    items = [(one, other) for one, other in zip(a.items, b.items, strict=True) if one.questions and other.questions]
    unscored = replace(items[0][0].questions, levels=(None, 1.0))
    vectors = [(one.questions, other.questions, one.higher_is_better) for one, other in items]
    vectors.append((unscored, items[0][1].questions, True))
    script = f"all => all.map(([a, b, sign]) => ({FIELDS})(slmArithmetic.paired(a, b, sign)))"
    found = page.evaluate(script, [[a.to_json(), b.to_json(), 1 if higher else -1] for a, b, higher in vectors])
    for (one, other, higher), its in zip(vectors, found, strict=True):
        mine = paired(one, other, higher_is_better=higher)
        assert (its["p"], its["mean"]) == pytest.approx((mine.p, mine.mean))
        assert its["interval"] == pytest.approx(list(mine.interval))


def sides(model, *names):
    """The data of files as the page of comparisons has them: each script is one call of a function with plain data."""
    scripts = model_scripts(model, score_rules())
    return [json.loads(scripts[f"compare/{model.id}/{name}.js"].partition("(")[2].rpartition(")")[0]) for name in names]


JUDGED = """([a, b]) => {
    const found = slmArithmetic.compared(a, b);
    const told = ({key, pairs, counts, tasks, of, p, verdict, detectable}) => [key || "all", {
        n: pairs.n, tasks, of, difference: pairs.mean, interval: pairs.interval, p, verdict, detectable,
        only_a: counts.onlyA, only_b: counts.onlyB, lower: counts.lower, higher: counts.higher,
    }];
    const cases = slmArithmetic.judged(found.cases, 0.03), all = slmArithmetic.judged(found.all, 0.03);
    return {cases: [...all, ...cases].map(told), note: found.all.map(({note}) => note), absent: found.absent};
}"""


def in_browser(page, model, a, b):
    """What the page of comparisons makes of two files, and what ``compare_use_cases`` makes of them."""
    profile = next((profile for profile in score_rules().profiles if profile.name in model.aggregates), None)
    weights = profile.weights if profile else {}
    told = compare_use_cases(model.quantizations[a], {b: model.quantizations[b]}, weights)[b]
    return page.evaluate(JUDGED, sides(model, a, b)), told


def held_to_the_same(found, told):
    every = [told.overall, *told.use_cases.values()]
    assert [key for key, _ in found["cases"]] == [one.use_case for one in every]
    for (_, shown), one in zip(found["cases"], every, strict=True):
        for name in ("n", "tasks", "of", "only_a", "only_b", "lower", "higher", "verdict"):
            assert shown[name] == getattr(one, name), (one.use_case, name)
        assert shown["difference"] == pytest.approx(one.difference, abs=1e-9)
        assert shown["interval"] == pytest.approx(list(one.interval), rel=1e-6, abs=1e-9)
        least = one.detectable
        assert shown["detectable"] == (None if least is None else pytest.approx(least, rel=1e-6))
        assert shown["p"] == pytest.approx(one.p_corrected, rel=1e-6, abs=1e-9)


def test_a_full_and_a_quick_run_are_compared_by_the_sample_of_both(page, factory):
    runs = [factory.make_run("FP16", mode="quick", quality=0.7)]
    runs += [factory.make_run("Q4_0", mode=mode, day=day, quality=0.5) for day, mode in ((1, "full"), (2, "quick"))]
    found = [factory.with_questions(run, f"{number}/report.json") for number, run in enumerate(runs)]
    (model,) = build_registry(found).models
    shown, told = in_browser(page, model, "FP16", "Q4_0")
    assert told.use_cases["rag"].n == 100 * told.use_cases["rag"].tasks
    held_to_the_same(shown, told)


@pytest.mark.parametrize("names", [("F16", "Q4_0"), ("Q4_1", "Q8_0"), ("Q8_0", "Q4_0")])
def test_published_files_are_compared_as_on_the_page_of_their_model(page, names):
    """Quick and full runs, graded answers, two tasks of one title, and tasks that cannot be compared."""
    models = read_registry(PUBLISHED).models
    model = next((one for one in models if set(names) <= set(one.quantizations)), None)
    assert model is not None, f"no model of {PUBLISHED} has {names}: choose others here"
    shown, told = in_browser(page, model, *names)
    held_to_the_same(shown, told)
    assert told.overall.lower + told.overall.higher > 0
    assert shown["note"] == [f"{len(told.counted)} use cases, weighted as in the overall score"]
    apart = [one.why for left_out in told.absent.values() for one in left_out]
    reasons = [line.rpartition(": ")[2] for line in shown["absent"]]
    assert apart
    assert all(reasons.count(why) >= apart.count(why) for why in apart)


def test_items_of_one_title_in_two_suites_are_two_items_and_say_their_suite(page, site):
    model = next(entry for entry in site[1].models if len(entry.quantizations) == 2)
    a, b = sides(model, "FP16", "Q4_0")
    for side in (a, b):
        (item, *_) = [one for one in side["items"] if one["questions"]]
        # The same title in another suite, and other questions.
        twin = {**item, "suite": "other", "version": item["version"] + side["key"].endswith("Q4_0")}
        side["items"] = [item, twin]
        side["suites"]["other"] = "Another suite"
    script = "([a, b]) => { const {items, absent} = slmArithmetic.compared(a, b); "
    script += "return [items.map(({name, pairs}) => [name, pairs.n]), absent]; }"
    ((name, n), *rest), absent = page.evaluate(script, [a, b])
    assert (name, n, rest) == (f"{item['title']} ({a['suites'][item['suite']]})", item["questions"]["n"], [])
    assert absent == [f"{item['title']} (Another suite): two versions of it"]


def test_why_an_item_is_not_compared_is_told_as_on_the_page_of_its_model(page, factory):
    runs = [factory.make_run(name) for name in ("FP16", "Q4_0")]
    found = [factory.with_questions(run, f"{number}/report.json") for number, run in enumerate(runs)]
    (model,) = build_registry(found).models
    first, second, third, *rest = (one for one in model.quantizations["Q4_0"].items if one.questions)
    other = replace(third.questions, questions="f" * len(third.questions.questions))
    items = (replace(first, questions=None), replace(second, version=9), replace(third, questions=other), *rest[1:])
    model = replace(
        model, quantizations={**model.quantizations, "Q4_0": replace(model.quantizations["Q4_0"], items=items)}
    )
    shown, told = in_browser(page, model, "FP16", "Q4_0")
    apart = sorted(one.why for left_out in told.absent.values() for one in left_out)
    reasons = sorted(line.rpartition(": ")[2] for line in shown["absent"])
    assert set(apart) == set(get_args(Why)) - {"no question was scored in both"}
    assert [why for why in reasons if why in apart] == reasons


def test_a_verdict_does_not_depend_on_which_other_files_are_shown(page, site):
    model = next(entry for entry in site[1].models if len(entry.quantizations) == 2)
    start = f"{page.url.split('#')[0]}#m={model.id}@FP16,{model.id}@Q4_0"
    tables = []
    for address in (start, f"{start},qwen--qwen3@Q8_0"):
        page.goto("about:blank")
        page.goto(address)
        page.wait_for_selector("#out table.forest")
        tables.append(page.locator("#out table.forest").first.inner_text())
    assert re.search(r"p\xa0[=<]\xa0(\.\d{4}|1\b)", tables[0])
    assert tables[0] == tables[1]


def test_speeds_are_of_a_length_that_all_files_were_timed_at(page):
    script = "files => labelsOf(files)"
    size = ["File size", "1 MB", ""]
    speed = [[f"Speed, {n} tokens", "9 tok/s", "Speed"] for n in (500, 100, 1000)]
    full, quick = {"facts": [size, *speed]}, {"facts": [size, speed[1]]}
    assert page.evaluate(script, [full, quick]) == ["File size", "Speed, 100 tokens"]
    assert page.evaluate(script, [full, full]) == ["File size", "Speed, 500 tokens"]
    assert page.evaluate(script, [full]) == ["File size", "Speed, 500 tokens"]
    # Without a common length each has its own, and "not measured" is true of the other.
    assert page.evaluate(script, [quick, {"facts": [size, speed[2]]}]) == [
        "File size",
        "Speed, 100 tokens",
        "Speed, 1000 tokens",
    ]


def test_every_length_that_was_timed_is_in_the_data_of_a_file_the_usual_one_first(factory):
    (model,) = build_registry([factory.with_questions(factory.make_run("Q8_0", modern=True))]).models
    row = model.performance.quantizations["Q8_0"]
    labels = [label for label, _, kind in sides(model, "Q8_0")[0]["facts"] if kind.startswith("Speed")]
    assert len(labels) == len({quantity.of for quantity in row.decode}) > 1
    assert labels[0].startswith(f"Speed, {row.tps_output.of}")


def test_use_cases_are_those_of_the_models_page(page, site):
    registry: Registry = site[1]
    model = next(entry for entry in registry.models if len(entry.quantizations) == 2)
    profile = next(profile for profile in registry.rules.profiles if profile.name in model.aggregates)
    others = {"Q4_0": model.quantizations["Q4_0"]}
    told = compare_use_cases(model.quantizations["FP16"], others, profile.weights)["Q4_0"]
    page.goto(f"{page.url.split('#')[0]}#m={model.id}@FP16,{model.id}@Q4_0&margin=3")
    page.wait_for_selector("#out table.forest")
    shown = page.locator("#out table.forest").first.locator("tbody tr").all_inner_texts()
    every = [told.overall, *told.use_cases.values()]
    assert len(shown) == len(every)
    for text, one in zip(shown, every, strict=True):
        points = f"{abs(100 * one.difference):.1f}"
        assert points in text
        assert one.verdict in text
    assert f"{len(told.counted)} use cases, weighted as in the overall score" in shown[0]


def test_an_address_shows_its_files_and_nothing_foreign(page, site):
    start = (site[0] / "compare.html").as_uri()
    page.asked.clear()
    page.goto("about:blank")
    page.goto(f"{start}?m=qwen--qwen3@Q8_0,huggingfacetb--smollm2-135m-instruct@Q4_0")
    page.wait_for_selector("#out table.forest")
    asked = [url for url in page.asked if url.startswith("file:")]
    assert len(asked) == 3  # the page, and a script for each file
    assert "Qwen <b>3</b> Q8_0" in page.inner_text("#out h2")
    assert page.locator("#out b").filter(has_text="3").count() == 0
    # Flipped questions are listed when somebody opens them.
    page.locator("#out table.forest details").first.locator("summary").click()
    page.wait_for_selector("#out p.flips")
    assert page.locator("#out p.flips").first.inner_text().startswith("lost: ")
    # Another file, by the list; then back.
    page.focus("#add")
    page.wait_for_function("() => document.querySelectorAll('#files option').length === 3")
    page.fill("#add", "huggingfacetb--smollm2-135m-instruct@FP16")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelectorAll('#out h2').length === 2")
    page.go_back()
    page.wait_for_function("() => document.querySelectorAll('#out h2').length === 1")
    page.select_option("#margin", "0")
    page.wait_for_function("!document.getElementById('out').textContent.includes('equivalent within')")
    for width in (390, 768, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.messages == []


@pytest.mark.parametrize(
    "address", ["../../x@y", "//evil.example/x@y", "javascript:alert(1)@x", "a@b@c", "<img>@x", "no--such@Q8_0"]
)
def test_a_hostile_address_loads_nothing_but_files_of_the_site(page, site, address):
    page.asked.clear()
    page.goto("about:blank")
    page.goto(f"{(site[0] / 'compare.html').as_uri()}#m={address}")
    page.wait_for_selector("#out p")
    assert all(url.startswith(site[0].as_uri()) for url in page.asked if url != "about:blank")
    assert page.locator("#out img").count() == 0
