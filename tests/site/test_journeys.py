"""Ways through the site, as people go them: files chosen for a comparison, with the keyboard alone, without a script,
on paper, enlarged, and from a folder of a host."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from xml.etree import ElementTree

import pytest

from pytest_slm.site.build import build_site

FOCUSED = "document.activeElement.value"
BOXES = "table.files .pick input"


@pytest.fixture
def home(show, pages):
    """The home page as somebody opens it."""
    with show(pages["home"]) as seen:
        yield seen.page
        assert seen.messages == []


def test_files_are_chosen_and_compared_with_the_keyboard_alone(home):
    home.focus(f"{BOXES} >> nth=0")
    first = home.evaluate(FOCUSED)
    home.keyboard.press("Space")
    assert home.text_content("#picked [role=status]") == "1 file chosen: choose another to compare it with."
    assert home.locator("#picked a").count() == 0
    # The box keeps the focus, and the next one is two steps away: the link of the row lies between.
    assert home.evaluate(FOCUSED) == first
    home.keyboard.press("Tab")
    home.keyboard.press("Tab")
    second = home.evaluate(FOCUSED)
    home.keyboard.press("Space")
    assert home.evaluate("new URLSearchParams(location.hash.slice(1)).get('pick')") == f"{first},{second}"
    home.focus("#picked a")
    home.keyboard.press("Enter")
    home.wait_for_selector("#chosen button")
    assert home.url.endswith(f"compare.html?m={first},{second}")
    assert home.locator("#chosen button").count() == 2
    home.go_back()
    home.wait_for_selector("#picked a")
    assert home.locator(f"{BOXES}:checked").evaluate_all("found => found.map((one) => one.value)") == [first, second]


def test_four_files_are_enough_and_each_can_be_left_out_again(home):
    for place in range(4):
        home.check(f"{BOXES} >> nth={place}")
    assert home.locator(f"{BOXES}:disabled").count() == home.locator(BOXES).count() - 4
    assert home.text_content("#picked [role=status]") == "4 files chosen, as many as can be compared."
    home.click("#picked button >> nth=1")
    assert home.locator(f"{BOXES}:checked").count() == 3
    assert home.locator(f"{BOXES}:disabled").count() == 0
    # Filters leave what was chosen where it is.
    home.fill("#q", "nothing has this name")
    assert home.locator(BOXES).count() == 0
    assert home.locator("#picked button").count() == 3
    home.reload()
    assert home.locator("#picked button").count() == 3


def test_what_an_address_chooses_must_exist(show, pages):
    with show(pages["home"]) as seen:
        seen.page.goto("about:blank")
        seen.page.goto(f"{pages['home'].as_uri()}#pick=no@such,../../x@y,__proto__,<b>@<i>")
        assert not seen.page.locator("#picked").is_visible()
        assert seen.messages == []


def test_without_a_script_there_is_nothing_to_choose_with(show, pages):
    with show(pages["home"], scripts=False) as seen:
        assert seen.page.locator("input:visible, select:visible, button:visible").count() == 0
        assert seen.page.locator("table.files tbody tr").count() > 4


OPEN = "() => Array.from(document.querySelectorAll('section:has(> details.part[open])'), (one) => one.id)"


def test_on_a_telephone_what_matters_first_is_open_and_the_contents_open_the_rest(show, pages):
    with show(pages["timed model"], width=390) as seen:
        assert seen.page.evaluate(OPEN) == ["choose", "scores"]
        whole = seen.page.evaluate("document.documentElement.scrollHeight")
        seen.page.click("nav.contents a[href='#performance']")
        seen.page.wait_for_function("() => document.querySelector('#performance details.part').open")
        assert seen.page.evaluate("document.documentElement.scrollHeight") > 1.5 * whole
        seen.page.goto("about:blank")
        seen.page.goto(f"{pages['timed model'].as_uri()}#run")
        assert seen.page.evaluate(OPEN) == ["choose", "run", "scores"]
        seen.page.goto("about:blank")
        seen.page.goto(f"{pages['timed model'].as_uri()}#%zz")
        assert seen.messages == []
    for scripts, width in ((True, 1280), (False, 390)):
        with show(pages["timed model"], width=width, scripts=scripts) as seen:
            parts = seen.page.locator("details.part")
            assert parts.count() == seen.page.locator("details.part[open]").count() >= 8


def test_the_contents_of_a_model_lead_to_its_sections_and_stay_in_sight(look):
    page = look("timed model").page
    for link in page.locator("nav.contents a[href^='#']").all():
        target = page.locator(link.get_attribute("href"))
        assert target.count() == 1
        link.click()
        bar = page.locator("nav.contents").bounding_box()
        # As far up as the page can be scrolled, and never below the bar.
        assert target.locator("h2").first.bounding_box()["y"] >= bar["y"] + bar["height"]
        assert bar["y"] >= 0


def test_paper_has_everything_open_light_and_within_its_width(look, kind):
    page = look(kind, scheme="dark", width=718).page  # A4 with margins of 1 cm
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = false; })")
    page.emulate_media(media="print", color_scheme="dark")
    try:
        assert page.evaluate("document.documentElement.scrollWidth") <= 718
        shut = "Array.from(document.querySelectorAll('details:not(.harmful, .harmful details, .more.scripted) > *'))"
        hidden = f"{shut}.filter((one) => !one.checkVisibility({{ contentVisibilityAuto: true }})).length"
        assert page.evaluate(hidden) == 0
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(251, 250, 247)"
        assert not page.locator("nav:visible").count()
    finally:
        page.emulate_media(media="screen")


def test_text_of_one_and_a_half_times_the_size_fits(look, kind):
    for width in (1280, 768, 390):
        page = look(kind, width=width).page
        page.evaluate("document.documentElement.style.fontSize = '150%'")
        try:
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        finally:
            page.evaluate("document.documentElement.style.fontSize = ''")


@pytest.fixture(scope="module")
def host(tmp_path_factory, registry_file, runs):
    """A site in a folder of a host, which knows where it will be; ``(address, paths that were asked for)``."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_request(self, code="-", size="-"):
            asked.append((self.path, int(code)))

        def send_error(self, code, message=None, explain=None):
            text = (root / "some" / "slm" / "404.html").read_bytes()  # as hosts do, for whatever path
            self.send_response(code)
            self.end_headers()
            self.wfile.write(text)

    root = tmp_path_factory.mktemp("host")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(root)))
    address = f"http://127.0.0.1:{server.server_port}/some/slm/"
    build_site(registry_file(runs), root / "some" / "slm", address)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield address, asked
    server.shutdown()
    thread.join()
    server.server_close()
    shutil.rmtree(root)


def test_from_a_folder_of_a_host_everything_is_found_and_a_wrong_path_leads_home(chromium, host):
    address, asked = host
    with chromium.new_context() as context:
        page = context.new_page()
        # Not as a page: XML has no icon, so that the browser asks for the host's own, whenever it likes to.
        sitemap = context.request.get(f"{address}sitemap.xml").text()
        places = [one.text for one in ElementTree.fromstring(sitemap).iter() if one.text]
        pages = [place for place in places if place.startswith("http")]
        assert {f"{address}{name}" for name in ("index.html", "new.html", "compare.html", "use/rag.html")} <= {*pages}
        asked.clear()
        told = []
        of_each = {place.removeprefix(address).rpartition("/")[0] or place: place for place in pages}
        assert len(of_each) > 12
        for place in of_each.values():
            page.goto(place)
            told.append(page.locator("meta[name=description]").get_attribute("content"))
            assert page.locator("link[rel=icon]").count() == 1
        assert [path for path, code in asked if code >= 400] == []
        assert all(40 < len(one) < 400 for one in told)
        assert len(set(told)) > 0.8 * len(told)
        page.goto(f"{address}models/deep/down/nobody.html")
        assert "There is no such page" in page.text_content("h1")
        page.click("main a")
        assert page.url == address
        assert page.locator("table.files tbody tr").count() > 4
