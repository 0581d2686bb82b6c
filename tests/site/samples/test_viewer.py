"""The page of samples in a real browser: filters, search, links, two quantizations, and texts that are only texts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_slm.registry.store import write_text
from pytest_slm.site.samples.pages import SampledRun, sample_pages

HOSTILE = (
    "<img src=x onerror=\"document.title='pwned'\">",
    "</script><script>document.title='pwned'</script>",
    "'); document.title='pwned'; ('",
    "\u2028document.title='pwned'//",
    "${document.title='pwned'}`",
)
STATES = (1.0, 0.0, 0.5, None, 0.0)


@pytest.fixture(scope="module")
def folder(factory, tmp_path_factory):
    """Two quantizations of 45 samples each in two items; the second one has other verdicts in the last five."""
    path = tmp_path_factory.mktemp("samples")
    runs = []
    for place, name in enumerate(("Q8_0", "Q4_0")):
        run = factory.make_run(name, suites=("core",))
        results = tuple(replace(result, answers_cut=1) for result in run.results)
        lines = [
            {
                "doc_id": HOSTILE[number] if number < len(HOSTILE) else f"q-{number}",
                "prompt": [
                    {"role": "system", "content": HOSTILE[0]},
                    {"role": "user", "content": f"what is {number}?"},
                ],
                "target": HOSTILE[1],
                "response": f"{HOSTILE[number % 5]} said {name}",
                "reasoning": HOSTILE[2],
                "explanation": HOSTILE[3],
                "score": 1.0 if place and number >= 40 else STATES[number % 5],
                "finish": "length" if number == 7 else "stop",
            }
            for number in range(45)
        ]
        choices = [
            {"choice": HOSTILE[at], "logprob": -1.0 - at, "chosen": at == 0, "right": at == 1} for at in range(2)
        ]
        first, second, *_ = results
        asked = [{"doc_id": "only", "prompt": [], "prompt_sha256": "a" * 64, "response": choices, "score": 0.0}]
        run = replace(run, results=(first, second), planned=(first.id, second.id))
        runs.append(SampledRun(run=run, samples={first.samples: lines, second.samples: asked}))
    for name, text in sample_pages(
        runs, page="samples.html", data="samples/page", back="report.html", back_title="Report"
    ):
        write_text(path / name, text)
    return path


def ids(page):
    return page.locator(".sample h3").all_text_contents()


def check_settled(page, told):
    page.wait_for_function("(told) => document.getElementById('found').textContent.startsWith(told)", arg=told)


def test_filters_search_links_and_the_way_back(show, folder):
    with show(folder / "samples.html") as seen:
        page = seen.page
        check_settled(page, "1–20 of 45")
        assert page.title() == "Samples of SmolLM2 135M Instruct · pytest-slm"
        assert len(seen.requests) == 3  # the page, the index, one piece
        page.click("#next")
        check_settled(page, "21–40 of 45")
        page.click("#shows label:has-text('wrong')")
        check_settled(page, "1–18 of 18")
        assert all(state == "wrong" for state in page.locator(".beside .score").all_text_contents()[2:])
        assert "show=wrong" in page.url
        page.click("#shows label:has-text('cut off')")
        check_settled(page, "1–1 of 1")
        assert ids(page) == ["q-7"]
        assert "partly right 0.5, cut off" in page.text_content(".sample")
        page.go_back()
        check_settled(page, "1–18 of 18")
        page.click("#shows label:has-text('all')")
        page.fill("#q", "WHAT IS 33?")
        check_settled(page, "1–1 of 1")
        assert ids(page) == ["q-33"]
        page.fill("#q", "nobody said this")
        check_settled(page, "No sample")
        page.fill("#q", "")
        check_settled(page, "1–20 of 45")
        name, link = (
            page.locator(".sample h3 a").nth(8).text_content(),
            page.get_attribute(".sample:nth-child(9) a", "href"),
        )
        page.goto((folder / "samples.html").as_uri() + link)
        check_settled(page, "1–20 of 45")
        assert page.locator(".sample.here h3").text_content() == name
        page.focus("#show-all")
        page.keyboard.press("ArrowRight")  # radio buttons are one stop of the keyboard
        check_settled(page, "1–18 of 18")
        assert page.title() != "pwned"
        assert seen.messages == []


def test_two_quantizations_stand_side_by_side_and_what_changed_is_found(show, folder):
    with show(folder / "samples.html", width=390, scheme="dark") as seen:
        page = seen.page
        check_settled(page, "1–20 of 45")
        page.select_option("#beside", "1")
        page.click("#shows label:has-text('changed')")
        check_settled(page, "1–4 of 4")  # the first of the last five was right in both
        assert ids(page) == [f"q-{number}" for number in range(41, 45)]
        first = page.locator(".sample").first.locator(".beside > div")
        assert [first.nth(at).get_attribute("class") for at in (0, 1)] == ["wrong", "right"]
        assert "said Q8_0" in first.nth(0).text_content()
        assert "said Q4_0" in first.nth(1).text_content()
        page.select_option("#task", "1")
        check_settled(page, "1–1 of 1")
        rows = page.locator(".choices tbody tr").all_text_contents()
        assert [HOSTILE[at] in rows[at] for at in (0, 1)] == [True, True]
        assert ("chosen" in rows[0], "right" in rows[0]) == (True, False)
        assert ("chosen" in rows[1], "right" in rows[1]) == (False, True)
        assert "The question was not kept" in page.text_content(".sample")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_no_text_of_a_model_runs_and_nothing_foreign_is_asked_for(show, folder):
    with show(folder / "samples.html") as seen:
        page = seen.page
        check_settled(page, "1–20 of 45")
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert HOSTILE[0] in page.text_content("#samples")
        assert page.locator("#samples img, #samples script, #samples a[href^=javascript]").count() == 0
        for said in ("#task=constructor&show=__proto__&page=1e999&run=toString&id=%00", "#%", "#q=(((", "#page=-3"):
            page.goto((folder / "samples.html").as_uri() + said)
            page.wait_for_timeout(50)
        assert page.title() != "pwned"
        assert seen.messages == []
        assert all(url.startswith("file://") for url in seen.requests)


def test_without_scripts_the_page_says_where_the_samples_are(show, folder):
    with show(folder / "samples.html", scripts=False) as seen:
        assert "samples/*.jsonl" in seen.page.text_content("#found")
        assert not seen.page.locator("#tools").is_visible()


ASKED = 'He said "no"', "C:\\dir\\new", "plain", 'ends in a quote"'


@pytest.fixture(scope="module")
def odd(factory, tmp_path_factory):
    """Samples whose ids begin with a picture, and whose texts have quotes and backslashes."""
    path = tmp_path_factory.mktemp("odd")
    run = factory.make_run(suites=("core",))
    first = run.results[0]
    lines = [
        {
            "doc_id": f"😀-{number}",
            "prompt": [{"role": "user", "content": ASKED[number % 4]}, {"role": "tool", "content": f"it is {number}"}],
            "response": [{"choice": f"choice {number}", "logprob": None}] if number == 24 else f"wrote {number}",
            "explanation": f"because of {number}",
            "score": 1.0,
        }
        for number in range(25)
    ]
    run = replace(run, results=(first,), planned=(first.id,))
    for name, text in sample_pages(
        [SampledRun(run=run, samples={first.samples: lines})], page="samples.html", data="samples/page"
    ):
        write_text(path / name, text)
    return path / "samples.html"


def test_a_link_leads_to_the_sample_of_any_id(show, odd):
    with show(f"{odd}#id=😀-23") as seen:
        check_settled(seen.page, "21–25 of 25")
        assert seen.page.locator(".sample.here h3").text_content() == "😀-23"


@pytest.mark.parametrize(
    ("query", "count"),
    [
        *(('said "NO"', 7), ("C:\\dir\\new", 6), ('quote"', 6), ("😀-7", 1), ("it is 11", 1), ("wrote 9", 1)),
        *(("choice 24", 1), ("because of 3", 1)),
        *(("null", 0), ("false", 0), ('",[', 0), ("[[", 0), ('","', 0), ("\\\\", 0), ("user", 0), ("tool", 0)),
    ],
)
def test_what_is_searched_are_the_texts_as_they_are_read(show, odd, query, count):
    with show(odd) as seen:
        check_settled(seen.page, "1–20 of 25")
        seen.page.fill("#q", query)
        check_settled(seen.page, f"1–{count} of {count}" if count else "No sample is like that.")


def test_a_piece_that_is_gone_is_told(show, folder, tmp_path):
    (tmp_path / "samples.html").write_text((folder / "samples.html").read_text("utf-8"), "utf-8")
    with show(tmp_path / "samples.html") as seen:
        check_settled(seen.page, "Not all data are there")
