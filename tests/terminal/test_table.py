"""Columns stand under each other whatever the script, and foreign text cannot steer the terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.errors import shown
from pytest_slm.terminal.table import aligned, width


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("one\ntwo\r\tthree", r"one\ntwo\r\tthree"),
        ("a\u202egnp.exe", r"a\u202egnp.exe"),
        ("a\u2066b\u200fc\u2028d", r"a\u2066b\u200fc\u2028d"),
        ("bank\u200b.de\u3164", r"bank\u200b.de\u3164"),  # takes no room, or looks like nothing
        ("\ud800", r"\ud800"),  # could not be printed at all
        ("Qwen3 通义 é", "Qwen3 通义 é"),
        ("👩\u200d🔬", "👩\u200d🔬"),
    ],
)
def test_foreign_text_is_shown_and_not_obeyed(text, told):
    assert shown(text) == told


@given(st.text())
def test_what_is_shown_is_one_line_and_is_shown_the_same_again(text):
    assert len(shown(text).splitlines()) <= 1
    assert shown(shown(text)) == shown(text)
    shown(text).encode("utf-8")


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("通义", 4), ("ｶﾅ", 2), ("e\u0301", 1), ("", 0)])
def test_wide_characters_take_two_columns_and_accents_none(text, columns):
    assert width(text) == columns


def test_columns_begin_and_end_at_one_place():
    rows = [("item", "n"), ("通义/千问", "7"), ("x\ny", "1,000")]
    assert aligned(rows, right={1}) == ["item           n", "通义/千问      7", r"x\ny       1,000"]
    assert aligned(rows)[1] == "通义/千问  7"


@given(st.lists(st.tuples(st.text(), st.text(min_size=1), st.just("|")), min_size=1))
def test_the_last_column_begins_at_one_place(rows):
    assert len({width(line) for line in aligned(rows)}) == 1


def test_no_rows_are_no_lines():
    assert aligned([]) == []
