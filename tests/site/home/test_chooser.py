"""The chooser in a real browser: filters, order, address, keyboard, and the same rows as without a script."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_slm.site.build import build_site

NAMES = """() => Array.from(document.querySelectorAll('table.files tbody tr:not(.group)'),
  (row) => `${row.querySelector('.name a').textContent} ${row.querySelector('code').textContent}`)"""
TEXT = "() => Array.from(document.querySelectorAll('table.files tbody tr'), (row) => row.textContent.replace(/\\s+/g, ' ').trim())"  # noqa: E501
TOUCHED = """(act) => {
  // How many rows of the table are written before the browser can show a picture.
  const body = document.querySelector("table.files tbody");
  const seen = new MutationObserver(() => {});
  seen.observe(body, { childList: true, characterData: true, attributes: true, subtree: true });
  if (act === "sort") document.querySelector("thead [data-key=name] button").click();
  else {
    document.getElementById("q").value = act;
    document.getElementById("q").dispatchEvent(new Event("input", { bubbles: true }));
  }
  const rows = new Set();
  for (const record of seen.takeRecords()) {
    for (const node of [record.target, ...record.addedNodes, ...record.removedNodes]) {
      const row = (node.nodeType === 1 ? node : node.parentElement)?.closest("tr");
      if (row) rows.add(row);
    }
  }
  return rows.size;
}"""
IN_VIEW = """() => Array.from(document.querySelectorAll("table.files tbody tr"))
  .filter((row) => row.getBoundingClientRect().top < innerHeight).length"""
ADDED = "() => document.querySelector('table.files tbody').innerHTML"


@pytest.fixture(scope="module")
def site(tmp_path_factory, registry_file, factory):
    """Four files of a model and one of two others: quick, noisy, on two machines, with and without memory."""
    runs = [factory.make_run(name, modern=True) for name in ("FP16", "Q8_0", "Q4_0")]
    runs.append(factory.make_run("Q4_K_M", "quick", with_trouble=True))
    runs.append(factory.make_run(slug="qwen3", name="Qwen3 0.6B", hf_repo="Qwen/Qwen3-0.6B", quality=0.8))
    far = {"cpu": "Apple M3", "fingerprint": "m-2"}
    gemma = {"slug": "gemma", "name": "Gemma 3 270M", "hf_repo": "google/gemma-3-270m"}
    runs.append(factory.make_run("Q8_0", "quick", suites=("rag",), machine=far, modern=True, **gemma))
    folder = tmp_path_factory.mktemp("chooser") / "site"
    build_site(registry_file(runs), folder)
    return folder / "index.html"


@pytest.fixture
def home(show, site):
    """The home page as somebody opens it."""
    with show(site) as seen:
        yield seen.page
        assert seen.messages == []
        assert all(url.startswith("file://") for url in seen.requests)


def names(page):
    """The files in the table, in their order, when all of it is there."""
    page.wait_for_selector("table.files tbody:not([aria-busy])", state="attached")
    return page.evaluate(NAMES)


def test_the_script_writes_what_the_page_has_without_it(show, site):
    with show(site, scripts=False) as seen:
        plain = seen.page.evaluate(TEXT)
        assert len(plain) == 9
        assert not seen.page.locator("#chooser").is_visible()
    with show(site) as seen:
        # What the page has is left as it is until other rows stand there: here they have stood and come back.
        seen.page.fill("#q", "nothing has this name")
        assert names(seen.page) == []
        seen.page.fill("#q", "")
        assert len(names(seen.page)) == 6
        assert seen.page.evaluate(TEXT) == plain
        assert seen.page.locator("#chooser").is_visible()


def test_every_condition_leaves_what_meets_it_and_the_address_keeps_it(home):
    everything = names(home)
    assert len(everything) == 6
    home.fill("#q", "qwen q8")
    assert names(home) == ["Qwen3 0.6B Q8_0"]
    assert home.text_content("#found") == "1 of 6 files fits."
    home.fill("#q", "")
    home.fill("#gb", "0.33")
    # Two have a peak of another context only: nobody knows whether they fit.
    assert names(home) == ["SmolLM2 135M Instruct Q4_0"]
    assert "2 files left out: a number that you ask for was not measured" in home.text_content("#found")
    home.fill("#tps", "150")
    home.wait_for_function("() => location.hash === '#gb=0.33&tps=150'")
    assert home.locator("#chips button").all_text_contents() == [
        "at most 0.33 GB of memory ×",
        "at least 150 tok/s ×",
        "Clear all",
    ]
    home.fill("#tps", "1000")
    assert names(home) == []
    # Nothing fits: what misses one condition only is named, with how far.
    assert home.locator("#near li").all_text_contents() == ["SmolLM2 135M Instruct Q4_0 writes 178.6\u00a0tok/s"]
    home.go_back()
    assert home.input_value("#tps") == ""
    home.go_back()
    assert (home.input_value("#gb"), len(names(home))) == ("", 6)
    home.go_forward()
    assert home.input_value("#gb") == "0.33"
    home.click("#chips button")
    assert names(home) == everything
    home.select_option("#device", "raspberry_pi_5_4gb")
    assert len(names(home)) == 4
    home.fill("#ctx", "100000")
    assert names(home) == []
    assert "has a context of 8\u202f192 tokens" in home.text_content("#near")
    home.click("#chips button:last-child")
    home.select_option("#license", "apache-2.0")
    home.select_option("#machine", "Apple M3, 2 cores")
    assert names(home) == ["Gemma 3 270M Q8_0"]
    home.reload()
    assert names(home) == ["Gemma 3 270M Q8_0"]


def test_an_option_is_chosen_as_it_stands_there_and_blanks_make_no_other_license(
    show, registry_file, factory, tmp_path
):
    runs = []
    # The last one ends in what is a blank to a browser and none to Python.
    licenses = {"a": "apache-2.0", "b": " apache-2.0  ", "c": "MIT  License", "d": "MIT License\ufeff"}
    for name, told in licenses.items():
        run = factory.make_run(slug=name, name=name, hf_repo=f"o/{name}", suites=("core",))
        runs.append(replace(run, submission=replace(run.submission, license=told), detected=None))
    build_site(registry_file(runs), tmp_path / "site")
    with show(tmp_path / "site" / "index.html") as seen:
        options = seen.page.evaluate("() => Array.from(document.getElementById('license').options, (one) => one.value)")
        assert options == ["", "MIT License", "MIT License\ufeff", "apache-2.0"]
        for at, found in enumerate(("c", "d", "ab"), 1):
            seen.page.select_option("#license", index=at)
            assert sorted(names(seen.page)) == [f"{name} Q8_0" for name in found]
            seen.page.wait_for_function("() => location.hash.includes('license')")
            seen.page.reload()
            assert sorted(names(seen.page)) == [f"{name} Q8_0" for name in found]


def test_a_use_case_is_loaded_when_it_is_asked_for(home):
    home.select_option("#use", "coding")
    home.wait_for_function("() => document.getElementById('found').textContent.includes('left out')")
    assert len(names(home)) == 5
    assert home.text_content("#of") == "Coding"
    assert "1 of 1 task" in home.text_content("table.files tbody")


def test_headers_sort_and_say_so_and_speeds_stay_on_their_machine(home):
    head = home.locator("thead [data-key=tps]")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert names(home)[0] == "SmolLM2 135M Instruct Q4_0"
    # 158 tok/s on another machine are no second place.
    assert names(home)[-1] == "Gemma 3 270M Q8_0"
    # Nor are files that were timed with other lengths only.
    assert [text.replace("\u00a0", " ") for text in home.locator("tr.group").all_text_contents()] == [
        "Measured on AMD EPYC 9R14 96-Core Processor, 2 cores, llamacpp: Speed at 500 tokens",
        "Measured on AMD EPYC 9R14 96-Core Processor, 2 cores, llamacpp: Speed at 100 tokens; not comparable with other lengths",  # noqa: E501
        "Measured on Apple M3, 2 cores, llamacpp: Speed at 100 tokens",
    ]
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    home.wait_for_function("() => location.hash === '#sort=-tps'")
    home.locator("thead [data-key=size] button").click()
    assert home.locator("thead [aria-sort]").get_attribute("data-key") == "size"
    assert names(home)[0] == "SmolLM2 135M Instruct Q4_0"
    assert home.get_attribute("thead [data-key=ttft] a", "href") == "methodology.html#first-token"
    home.locator("thead [data-key=name] button").click()
    assert names(home)[0].startswith("Gemma")


def test_columns_and_the_plot_are_in_the_address(home):
    home.click("#columns summary")
    home.check("#columns input[value=bits]")
    assert home.locator("thead [data-key=bits]").count() == 1
    home.wait_for_function("() => location.hash.includes('bits')")
    home.click("#scatter summary")
    home.wait_for_selector("#scatter circle")
    assert home.locator("#scatter circle.fits").count() == 4
    ticks = [float(text) for text in home.locator("#scatter text[text-anchor=middle]").all_text_contents()[:-1]]
    assert len(ticks) >= 3
    assert all(float(f"{tick:.2g}") == tick for tick in ticks)
    assert (
        home.evaluate("document.querySelector('#scatter svg').viewBox.baseVal.width") > 1000
    )  # of 1,232 that there are
    assert home.locator("#scatter circle.tight").count() == 0
    home.fill("#tps", "150")
    home.wait_for_function("() => document.querySelectorAll('#scatter circle.tight').length === 1")
    home.wait_for_function("() => location.hash.endsWith('&plot=1')")
    home.reload()
    assert home.locator("#scatter circle").count() == 4


CUT = """() => Array.from(document.querySelectorAll("table.files tbody td.num, table.files tbody td.num small"))
  .filter((cell) => cell.scrollWidth > cell.clientWidth + 1 && getComputedStyle(cell).overflowX !== "visible")
  .map((cell) => cell.textContent)"""


@pytest.fixture(scope="module")
def doubtful(tmp_path_factory, registry_file, factory):
    """Two files of which every speed is noisy, and one whose memory nobody has measured."""
    runs = [factory.make_run(name, modern=True) for name in ("Q8_0", "Q4_0", "FP16")]
    noisy = [
        replace(
            run,
            results=tuple(
                replace(
                    one, timing=one.timing and replace(one.timing, verdict="noisy", reason="others took the processor")
                )
                for one in run.results
            ),
        )
        for run in runs[:2]
    ]
    without = replace(runs[2], results=tuple(one for one in runs[2].results if one.task != "memory"))
    folder = tmp_path_factory.mktemp("doubtful") / "site"
    build_site(registry_file([*noisy, without]), folder)
    return folder / "index.html"


@pytest.mark.parametrize("width", [390, 768, 1120, 1440])
def test_no_number_is_shown_without_what_belongs_to_it(show, doubtful, width):
    with show(doubtful, width=width) as seen:
        assert "noisy, 2\u202f048\xa0tokens" in seen.page.text_content("table.files tbody")
        assert seen.page.evaluate(CUT) == []


def test_what_is_not_known_stands_last_in_both_directions(show, doubtful):
    with show(doubtful) as seen:
        for wanted in ("ascending", "descending"):
            seen.page.click("thead [data-key=peak] button")
            assert seen.page.get_attribute("thead [data-key=peak]", "aria-sort") == wanted
            assert names(seen.page)[-1] == "SmolLM2 135M Instruct FP16"


def test_the_keyboard_is_enough(home):
    home.keyboard.press("Tab")
    assert home.evaluate("document.activeElement.textContent") == "Skip to content"
    home.focus("#tps")
    home.keyboard.type("150")
    assert len(names(home)) == 4
    home.focus("#chips button")
    home.keyboard.press("Enter")
    assert len(names(home)) == 6
    home.focus("thead [data-key=size] button")
    home.keyboard.press("Enter")
    # The header is made anew, and the focus stays on it.
    assert home.evaluate("document.activeElement.closest('th').dataset.key") == "size"


def test_an_odd_address_is_taken_for_what_can_be_understood(show, site):
    with show(site) as seen:
        odd = "#use=<script>&device=../..&tps=-5&sort=constructor&page=1e9&cols=__proto__,size&license=%ff&gb=NaN"
        seen.page.goto("about:blank")
        seen.page.goto(site.as_uri() + odd)
        assert len(names(seen.page)) == 6
        assert seen.page.locator("thead [data-key]").count() == 3
        assert seen.messages == []


def test_fifty_rows_a_page(show, registry_file, factory, tmp_path):
    runs = [
        factory.make_run(slug=f"m{n}", name=f"Model {n}", hf_repo=f"org/m{n}", suites=("rag",), quality=n / 60)
        for n in range(55)
    ]
    build_site(registry_file(runs), tmp_path / "site")
    with show(tmp_path / "site" / "index.html", fresh=True) as seen:
        page = seen.page
        first = names(page)
        assert len(first) == 50
        page.click("#pages a[aria-label='Page 2']")
        page.wait_for_function("() => document.querySelectorAll('table.files tbody tr').length === 5")
        second = names(page)
        assert page.evaluate("location.hash") == "#page=2"
        page.go_back()
        assert names(page) == first
        # Whoever sorts or types waits for what can be seen only, and rows are written anew rather than made anew.
        page.evaluate("window.row = document.querySelectorAll('table.files tbody tr:not(.group)')[0]")
        for height in (2000, 900):
            page.set_viewport_size({"width": 1280, "height": height})
            page.evaluate("scrollTo(0, 0)")
            shown = page.evaluate(IN_VIEW)
            assert 3 < shown < 40
            assert shown <= page.evaluate(TOUCHED, "sort") <= shown + 2
            assert len(names(page)) == 50
        page.click("thead [data-key=name] button")
        assert names(page) == [f"{name} Q8_0" for name in sorted(f"Model {n}" for n in range(55))[:50]]
        assert page.evaluate("window.row === document.querySelectorAll('table.files tbody tr:not(.group)')[0]")
        # What stands there already is not touched at all.
        assert page.evaluate(TOUCHED, "model") == 0
        # Letters are one step of the history, and in the address when nothing more is typed.
        page.fill("#q", "")
        page.click("thead [data-key=score] button")
        page.evaluate("window.before = history.length")
        page.focus("#q")
        page.keyboard.type("model 7")
        page.wait_for_function("() => location.hash === '#q=model+7'")
        assert page.evaluate("history.length - window.before") == 1
    with show(tmp_path / "site" / "index.html", scripts=False) as seen:
        seen.page.click("#pages a[aria-label='Page 2']")
        assert names(seen.page) == second
