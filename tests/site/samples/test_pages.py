"""The files of the page of samples: small, complete, and only what may be shown."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from pytest_slm.site.samples.pages import LARGEST, PIECE, SampledRun, sample_pages


@pytest.fixture
def sampled(factory):
    """A run with so many lines of its only item: ``sampled(30, public=True)``."""

    def make(n=3, text="What?", quantization="Q8_0", show_harmful=False, **about):
        run = factory.make_run(quantization, suites=("core",))
        result = replace(run.results[0], **about)
        lines = [
            {
                "doc_id": f"task/{number}",
                "prompt": [{"role": "user", "content": text}],
                "response": text,
                "score": number % 2,
            }
            for number in reversed(range(n))
        ]
        run = replace(run, results=(result,), planned=(result.id,), show_harmful=show_harmful)
        return SampledRun(run=run, samples={result.samples: lines})

    return make


def files(*runs, **options):
    return dict(sample_pages(runs, page="samples.html", data="samples/page", **options))


def data(text):
    key, value = re.fullmatch(r"slmSamples\((\"[^\"]+\"),(.*)\);\n", text, re.DOTALL).groups()
    return json.loads(key), json.loads(value)


def ids(index):
    """The ids of an index as a browser reads them, which counts units of UTF-16."""
    found, before = [], b""
    for told in index["ids"]:
        before = before[: 2 * int(told[:2], 36)] + told[2:].encode("utf-16-le", "surrogatepass")
        found.append(before.decode("utf-16-le", "surrogatepass"))
    return found


def test_every_sample_is_in_the_index_and_in_one_piece_in_the_order_of_its_number(sampled):
    made = files(sampled(700))
    key, index = data(made["samples/page/0-0.js"])
    assert key == "0-0"
    assert ids(index) == [f"task/{number}" for number in range(700)]
    assert index["states"] == "wr" * 350
    pieces = [data(made[f"samples/page/0-0-{number}.js"])[1] for number in range(len(index["starts"]))]
    assert [row["id"] for piece in pieces for row in piece] == ids(index)
    assert [sum(map(len, pieces[:number])) for number in range(len(pieces))] == index["starts"]


@pytest.mark.parametrize("text", ["word " * 20, "語" * 100_000, "\x00\ud800\u2028" * 50_000, '\\"<>&' * 30_000])
def test_no_file_is_larger_than_it_may_be(sampled, text):
    made = files(sampled(600 if len(text) < 200 else 12, text))
    sizes = {name: len(one.encode("utf-8", "backslashreplace")) for name, one in made.items()}
    assert max(sizes.values()) <= PIECE + LARGEST + 100
    assert sizes["samples.html"] < 60_000
    rows = [row for name, one in made.items() if name.count("-") == 2 for row in data(one)[1]]
    assert all("wrote" in row for row in rows)


def test_ids_of_any_letters_have_an_order(sampled):
    one = sampled(5)
    for line, name in zip(next(iter(one.samples.values())), ("²", "a10", "a9", "٣", "9" * 200), strict=True):
        line["doc_id"] = name
    assert ids(data(files(one)["samples/page/0-0.js"])[1]) == ["9" * 200, "a9", "a10", "²", "٣"]


@pytest.mark.parametrize("beginning", ["😀-", "a😀", "語😀😀", "😀" * 99, "W" * 200, ""])
def test_ids_of_any_letters_come_back_whole(sampled, beginning):
    one = sampled(40)
    names = [f"{beginning}{number}"[:200] for number in range(40)]
    for line, name in zip(next(iter(one.samples.values())), names, strict=True):
        line["doc_id"] = name
    assert ids(data(files(one)["samples/page/0-0.js"])[1]) == names


def test_an_index_of_14_000_samples_is_light(sampled):
    index = files(sampled(14_000))["samples/page/0-0.js"]
    assert len(index) < 150_000


def test_the_public_sees_only_what_is_public_and_harmless(sampled):
    ours = files(sampled(public=True), public=True)
    assert "samples/page/0-0-0.js" in ours
    for one, why in ((sampled(), "its texts are not published"), (sampled(public=True, harmful=True), "may hurt")):
        made = files(replace(one, run=replace(one.run, show_harmful=True)), public=True)
        assert list(made) == ["samples.html"]
        assert why in made["samples.html"]
        assert "What?" not in made["samples.html"]


def test_harmful_texts_are_hashes_unless_the_run_shows_them(sampled):
    hidden = "".join(files(sampled(harmful=True)).values())
    assert "What?" not in hidden
    shown = files(sampled(harmful=True, show_harmful=True))["samples/page/0-0-0.js"]
    assert '"harmful":true' in shown
    assert "What?" in shown


def test_two_quantizations_of_one_name_are_told_apart(sampled):
    one, other = sampled(), sampled()
    other = replace(other, run=replace(other.run, run_id="another"))
    page = files(one, other)["samples.html"]
    manifest = json.loads(re.search(r'id="manifest">(.*?)</script>', page, re.DOTALL)[1])
    assert manifest["runs"] == [f"Q8_0 {one.run.run_id}", "Q8_0 another"]
    assert manifest["items"][0]["pieces"] == [1, 1]


def test_where_there_is_no_sample_there_is_no_page(sampled):
    assert files(replace(sampled(), samples={})) == {}


def test_the_same_samples_are_the_same_bytes(sampled):
    assert files(sampled(50)) == files(sampled(50))
