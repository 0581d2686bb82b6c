"""Server-sent events: whatever way the bytes come in, the same events come out."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.backends.server.events import EventParser


def parsed(pieces, limit=1 << 20):
    parser = EventParser(limit)
    return [data for piece in pieces for data in parser.feed(piece)] + list(parser.finish())


def cut(data, places):
    cuts = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(cuts)]


LINES = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=8)


@given(
    events=st.lists(st.lists(LINES, min_size=1, max_size=3), max_size=5),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    places=st.lists(st.integers(0, 10_000), max_size=12),
    bom=st.booleans(),
)
def test_a_stream_is_the_same_wherever_its_bytes_are_cut(events, end, places, bom):
    # Between the two bytes of an end of line, and inside of a character, too.
    text = "".join(
        f": ping{end}id: 1{end}" + "".join(f"data: {line}{end}" for line in lines) + f"event: x{end}{end}"
        for lines in events
    )
    data = (b"\xef\xbb\xbf" if bom else b"") + text.encode()
    expected = ["\n".join(lines) for lines in events]
    assert parsed(cut(data, places)) == expected
    assert parsed([data[place : place + 1] for place in range(len(data))]) == expected


def test_a_carriage_return_and_an_empty_line_are_two_ends():
    # "\r" "\n\n": the first line feed belongs to the carriage return, the second one is an empty line.
    assert parsed([b"data: a\r", b"\n", b"\n", b"data: b\n\n"]) == ["a", "b"]


def test_one_space_behind_the_colon_is_none_of_the_data():
    assert parsed([b"data:a\n\ndata:  b\n\ndata\n\n"]) == ["a", " b", ""]


def test_what_the_stream_ends_without_an_empty_line_is_still_an_event():
    assert parsed([b"data: a\n\ndata: [DONE]"]) == ["a", "[DONE]"]


def test_comments_alone_are_no_event():
    assert parsed([b": ping\n\n: ping\n\n"]) == []


def test_an_event_of_any_number_of_lines_has_one_limit():
    for endless in ([b"data: " + b"x" * 100], [b"data: xxxxxxxxxx\n"] * 10, [b"x"] * 100):
        with pytest.raises(ValueError, match="more than 64 bytes"):
            parsed(endless, limit=64)


def test_half_a_character_is_no_text():
    with pytest.raises(ValueError, match="utf-8"):
        parsed([b"data: \xc3\n\n"])
