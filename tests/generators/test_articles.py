"""Questions with their articles: cut to the room that there is, and left out where the mirror lacks one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.record import RecordError
from pytest_slm.errors import BackendError, NotAvailableError, UsageError
from pytest_slm.generators import GeneratorContext
from pytest_slm.generators.articles import ARTICLES, CUT, WHOLE, ArticlesOptions, links, shared

LONG = "\n".join(f"line {n} of words" for n in range(500))
KNOWN = {"w/short": ("Short", "A short one.\nIt has two lines."), "w/long": ("Long", LONG), "w/other": ("Other", LONG)}
ROWS = [
    {"q": "First?", "a": "one", "links": "['w/short']"},
    {"q": "Second?", "a": "two", "links": ["w/short", "w/long", "w/long"]},
    {"q": "Third?", "a": "three", "links": '["w/short", "w/nowhere"]'},
    {"q": "Fourth?", "a": "four", "links": "['w/long', 'w/other']"},
]
OPTIONS = {
    "dataset": {"path": "org/set"},
    "links": "links",
    "max_tokens": 20,
    "sample": {"id": "{row}", "input": "{articles}\n\n{q}", "target": "{a}"},
}


def made(rows=ROWS, length=220, limit=9, seed=1, **options):
    context = GeneratorContext(
        options={**OPTIONS, **options},
        variant={"max_seq_length": length},
        limit=limit,
        seed=seed,
        count_tokens=lambda messages: 7 + sum(len(message.content.split()) for message in messages),
        rows=lambda _dataset: rows,
        article=KNOWN.get,
    )
    return {sample.id: sample for sample in ARTICLES.make(context)}, context


def tokens(sample):
    return 7 + len(sample.input.split())


def test_articles_stand_under_their_titles_and_are_cut_to_their_share():
    samples, context = made()
    assert sorted(samples) == ["0", "1", "3"]  # of the third one article is not there
    assert context.facts["questions_without_articles"] == 1
    assert len(context.facts["articles_sha256"]) == 64
    assert samples["0"].input == "Short\nA short one.\nIt has two lines.\n\nFirst?"
    assert samples["0"].groups == (WHOLE,)
    assert samples["1"].input.startswith("Short\nA short one.\nIt has two lines.\n\nLong\nline 0 of words\n")
    assert samples["1"].input.endswith("\n\nSecond?")
    assert [samples[name].groups for name in "13"] == [(CUT,), (CUT,)]
    assert all(150 < tokens(samples[name]) <= 200 for name in "13")
    # neither of two long ones takes the other's room
    before, _, after = samples["3"].input.partition("Other\n")
    assert abs(len(before.split()) - len(after.split())) < 10
    told = samples["3"].metadata
    assert (told["articles"], told["letters"]) == (2, 2 * len(LONG))
    assert told["letters_shown"] < told["letters"]


def test_with_room_for_all_nothing_is_cut():
    samples, _ = made(length=100_000)
    assert {sample.groups for sample in samples.values()} == {(WHOLE,)}
    assert samples["3"].input == f"Long\n{LONG}\n\nOther\n{LONG}\n\nFourth?"


@pytest.mark.parametrize("length", [21, 30, 45, 60])
def test_without_room_there_is_less_and_no_error(length):
    samples, _ = made(length=length)
    assert all("line 400" not in sample.input for sample in samples.values())


def test_a_smaller_limit_is_the_beginning_of_a_greater_one():
    few, many = (list(made(limit=limit)[0]) for limit in (2, 3))
    assert many[:2] == few
    assert {tuple(made(seed=seed, limit=1)[0]) for seed in range(9)} > {("0",)}


def test_without_any_articles_it_is_skipped_with_the_remedy():
    with pytest.raises(NotAvailableError, match="`pytest-slm data pull DIR` fetches them from Wikipedia") as caught:
        made(rows=ROWS[2:3])
    assert caught.value.slug == "articles-missing"


@pytest.mark.parametrize("links", ["", "[", "[5]", "[]", "__import__('os')", None, "[" * 9_000])
def test_addresses_that_are_none_name_the_row(links):
    with pytest.raises(BackendError, match="org/set, row 0: links: no list of addresses") as caught:
        made(rows=[{**ROWS[0], "links": links}])
    assert caught.value.slug == "data-broken"


@pytest.mark.parametrize("length", [None, "8192", True, 20])
def test_a_variant_has_a_length(length):
    with pytest.raises(UsageError, match="max_seq_length: 8192") as caught:
        made(length=length)
    assert caught.value.slug == "articles-variant"


def test_the_input_has_a_place_for_them():
    with pytest.raises(RecordError, match=r"input has no \{articles\}"):
        ArticlesOptions.from_json({**OPTIONS, "sample": {"id": "{row}", "input": "{q}"}})


def test_all_addresses_are_told():
    assert set(links(OPTIONS, lambda _dataset: ROWS)) == {*KNOWN, "w/nowhere"}


@given(st.lists(st.integers(0, 1000), min_size=1), st.integers(-5, 5000))
def test_shares_are_fair(wanted, room):
    shares = shared(wanted, room)
    assert sum(shares) <= max(room, 0)
    assert all(share <= want for share, want in zip(shares, wanted, strict=True))
    least = min((share for share, want in zip(shares, wanted, strict=True) if share < want), default=None)
    if least is not None:  # who lacks something gets no less than anybody else, but for what cannot be divided
        assert max(shares) <= least + len(wanted)
