"""Addresses in the web, asked on loopback, and notebooks, executed."""

import http.server
import json
import threading

import pytest

from pytest_slm.docs_checks.config import DocsConfig
from pytest_slm.docs_checks.links import ask

pytest.importorskip("pymarkdown", reason="needs pytest-slm[docs]")


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers the path's number; ``/busy`` only the third time."""

    asked: list

    def do_GET(self):
        self.asked.append(self.path)
        number = int(self.path[1:]) if self.path[1:].isdecimal() else 200
        if self.path == "/busy" and self.asked.count("/busy") < 3:
            number = 429
        self.send_response(number)
        if number == 429:
            self.send_header("Retry-After", "7")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def host():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    Answers.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_web_is_asked_only_if_somebody_wants_it(docs, look, host):
    Answers.asked.clear()
    docs(f"# Other\n\n[a]({host}/200)\n[b]({host}/404#x) [c]({host}/404)\n[d]({host}/trusted/403)\n")
    look().assert_outcomes(passed=12)
    assert Answers.asked == []
    docs(
        f"# Other\n\n[a]({host}/200)\n[b]({host}/404#x) [c]({host}/404)\n[d]({host}/trusted/403)\n",
        config=f'trusted_links = ["{host}/trusted/"]\n',
    )
    result = look("--slm-docs-links", "-k", "web", "--tb=short")
    result.assert_outcomes(passed=1, failed=1, deselected=12)
    result.stdout.fnmatch_lines([f"site/other.md:8: {host}/404: answers 404  [[]docs-page]"])
    assert Answers.asked == ["/200", "/404"]


def test_who_is_busy_is_asked_again_after_the_time_that_he_wants(host):
    waited = []
    assert ask(f"{host}/busy", DocsConfig(), waited.append) == ""
    assert waited == [7.0, 7.0]
    assert ask(f"{host}/503", DocsConfig(link_tries=2), waited.append) == "answers 503, asked 2 times"
    assert waited == [7.0, 7.0, 1.0]


def test_who_does_not_answer_is_told():
    told = ask("http://127.0.0.1:9/", DocsConfig(link_tries=2, link_seconds=1), [].append)
    assert "does not answer" in told


def notebook(*cells):
    made = [
        {"cell_type": "code", "id": str(n), "metadata": {}, "outputs": [], "execution_count": None, "source": cell}
        for n, cell in enumerate(cells)
    ]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)


def test_a_notebook_is_executed_in_a_folder_of_its_own(docs, look):
    pytest.importorskip("nbclient", reason="needs pytest-slm[docs]")
    text = notebook("x = 1", "open('a', 'w').write('b')\nassert x == 1")
    folder = docs(files={"book.ipynb": text})
    look("-k", "notebook").assert_outcomes(passed=1, deselected=12)
    assert not (folder / "a").exists()
    assert (folder / "book.ipynb").read_text() == text


def test_a_cell_that_fails_is_told_with_its_line(docs, look):
    pytest.importorskip("nbclient", reason="needs pytest-slm[docs]")
    text = notebook("x = 1", "x = 1\n1 / 0")
    docs(files={"book.ipynb": text, "none.ipynb": "{}"})
    result = look("-k", "notebook", "--tb=short")
    result.assert_outcomes(failed=2, deselected=12)
    line = next(number for number, line in enumerate(text.splitlines(), 1) if "1 / 0" in line)
    result.stdout.fnmatch_lines([f"site/book.ipynb:{line}: cell 2: ZeroDivisionError: division by zero  [[]docs-page]"])
    result.stdout.fnmatch_lines(["site/none.ipynb:1: no notebook: *"])
