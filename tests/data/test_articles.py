"""Articles of Wikipedia: which address is which, the text with its tables, and what a pull does when one fails."""

import http.server
import json
import threading
import types

import pytest

from pytest_slm.data import articles
from pytest_slm.data.articles import find, link_of, pull, text_of
from pytest_slm.errors import BackendError

PAGE = """<!DOCTYPE html><html about="https://en.wikipedia.org/wiki/Special:Redirect/revision/42"><head><title>Oslo</title>
<style>.x{}</style></head><body>
<section><p>Oslo is the <b>capital</b> of&nbsp;Norway.<sup class="reference">[1]</sup></p>
<div class="hatnote">For other uses, see there.</div><link rel="x"><ul><li>one<li>two</li></ul>
<table><caption>People</caption><tr><th>Year</th><th>Number</th></tr><tr><td>2020</td><td>697,010</td></tr></table>
<script>evil()</script><div class="navbox"><ul><li>more</li></ul></div>
<p>The &lt;end&gt;.</p></section></body></html>"""
TEXT = "Oslo is the capital of Norway.\none\ntwo\nPeople\nYear | Number\n2020 | 697,010\nThe <end>."
ADDRESSES = ["https://en.wikipedia.org/wiki/Oslo", "https://en.m.wikipedia.org/wiki/Oslo#History", "https://w.wiki/x"]


@pytest.mark.parametrize(
    ("address", "host", "title"),
    [
        ("https://en.wikipedia.org/wiki/James_A._Garfield", "en.wikipedia.org", "James A. Garfield"),
        ("https://en.m.wikipedia.org/wiki/Evening_(magazine)#Top", "en.wikipedia.org", "Evening (magazine)"),
        ("en.wikipedia.org/wiki/List_of_men%27s_champions", "en.wikipedia.org", "List of men's champions"),
        ("https://en.wikipedia.org/w/index.php?title=Bronco&redirect=no", "en.wikipedia.org", "Bronco"),
        ("https://simple.wikipedia.org/wiki/AC/DC?x=1", "simple.wikipedia.org", "AC/DC"),
    ],
)
def test_an_address_is_an_article(address, host, title):
    link = link_of(address)
    assert (link.host, link.title) == (host, title)
    assert link.url.startswith(f"https://{host}/api/rest_v1/page/html/")
    assert "/" not in link.url.rpartition("/html/")[2]


@pytest.mark.parametrize(
    "address",
    [
        "https://w.wiki/ASFv",
        "https://en.wikipedia.org/wiki/",
        "https://en.wikipedia.org/w/index.php?search=x&title=Special:Search",
        "https://evil.org/wiki/Oslo",
        "https://en.wikipedia.org.evil.org/wiki/Oslo",
        "https://user@en.wikipedia.org/wiki/Oslo",
        "https://en.wikipedia.org/wiki/" + "x" * 300,
        "",
    ],
)
def test_others_are_none(address):
    assert link_of(address) is None


def test_the_text_has_tables_and_no_notes():
    assert text_of(PAGE) == TEXT


@pytest.mark.parametrize(
    "html", ["", "<p", "</p></p>", "<div>" * 50_000, "<sup class=reference>never closed", "\0" * 9]
)
def test_whatever_came_is_read_without_breaking(html):
    assert isinstance(text_of(html), str)


@pytest.fixture
def wikipedia(monkeypatch):
    """A server in Wikipedia's place: pages by title, and what it was asked."""
    state = types.SimpleNamespace(asked=[], pages={"Oslo": PAGE}, agents=set())

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            title = self.path.rpartition("/")[2]
            state.asked.append(title)
            state.agents.add(self.headers["User-Agent"].split()[0])
            page = state.pages.get(title)
            data = (page or "none").encode()
            self.send_response(200 if page is not None else 404)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    place = f"127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("no_proxy", "*")
    real = articles.get
    monkeypatch.setattr(
        articles,
        "get",
        lambda url, *more, **named: real(url.replace("https://en.wikipedia.org", f"http://{place}"), *more, **named),
    )
    yield state
    server.shutdown()
    server.server_close()


def test_an_article_is_fetched_once_and_found_by_each_of_its_addresses(wikipedia, tmp_path):
    told = []
    assert pull(tmp_path, ADDRESSES, told.append) == []
    assert pull(tmp_path, ADDRESSES, told.append) == []
    assert (wikipedia.asked, wikipedia.agents) == (["Oslo"], {"pytest-slm"})
    assert told[-2:] == ["1 articles of Wikipedia: 1 are there", "1 articles of Wikipedia: there"]
    assert find(str(tmp_path), ADDRESSES[0]) == find(str(tmp_path), ADDRESSES[1]) == ("Oslo", TEXT)
    assert find(str(tmp_path), ADDRESSES[2]) is None
    assert find(None, ADDRESSES[0]) is None
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert json.loads(file.read_text())["revision"] == "42"


def test_what_fails_is_told_after_everything_else_was_fetched(wikipedia, tmp_path, monkeypatch):
    wikipedia.pages["Empty"] = "<p></p>"
    addresses = [f"https://en.wikipedia.org/wiki/{name}" for name in ("None", "Empty", "Oslo")]
    none, empty = pull(tmp_path, addresses, print)
    assert {none.slug, empty.slug} == {"articles-pull"}
    assert "/html/None: cannot be fetched (HTTP 404)" in str(none)
    assert "no text in it" in str(empty)
    assert find(str(tmp_path), addresses[2]) == ("Oslo", TEXT)
    monkeypatch.setattr(articles, "MOST", 100)
    wikipedia.pages["Long"] = PAGE
    assert "more than 100 bytes" in str(pull(tmp_path, ["https://en.wikipedia.org/wiki/Long"], print)[0])


def test_a_silent_wikipedia_is_not_asked_two_thousand_times(wikipedia, tmp_path):
    told = []
    failed = pull(tmp_path, [f"https://en.wikipedia.org/wiki/None_{n}" for n in range(50)], told.append)
    assert told[-1] == "50 articles of Wikipedia: 0 are there"
    assert len(wikipedia.asked) == articles.PATIENCE
    assert "45 more are left; run the command again" in str(failed[-1])


@pytest.mark.parametrize("content", [b"", b"[]", b'{"title": 5}', b"\xff", b'{"title": "a", "text": "b", "x": 1}'])
def test_a_file_that_is_no_article_is_one_line(tmp_path, content):
    path = tmp_path / link_of(ADDRESSES[0]).name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(BackendError, match="no article") as caught:
        find(str(tmp_path), ADDRESSES[0])
    assert caught.value.slug == "articles-broken"
