"""Questions from CSV and YAML: the same values as from JSONL, and every file that cannot be meant is one line."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.errors import UsageError
from pytest_slm.load.rows import MOST_BYTES, read_rows


def rows(text: str | bytes, name: str = "q.csv") -> list[Any]:
    data = text if isinstance(text, bytes) else text.encode("utf-8")
    return [value for _, value in read_rows(data, Path(name), "sample")]


def refused(text: str | bytes, name: str = "q.csv") -> str:
    with pytest.raises(UsageError) as caught:
        rows(text, name)
    return str(caught.value)


def test_a_csv_file_has_texts_by_their_columns() -> None:
    assert rows("id,input,target\n1,How much?,007\n") == [{"id": "1", "input": "How much?", "target": "007"}]


def test_a_byte_order_mark_and_ends_of_lines_of_windows_are_read_over() -> None:
    assert rows(b"\xef\xbb\xbfid,input\r\n1,a\r\n\r\n2,b\r\n") == [{"id": "1", "input": "a"}, {"id": "2", "input": "b"}]


def test_a_cell_in_quotes_may_hold_anything() -> None:
    assert rows('id,input\n1,"a, ""b""\nc"\n') == [{"id": "1", "input": 'a, "b"\nc'}]


def test_columns_with_dots_are_mappings_and_lists() -> None:
    text = "id,options.1,options.2,options.10,metadata.level,scoring.tolerance,scoring.pattern\n1,a,b,c,3,0.5,x+\n"
    assert rows(text) == [
        {
            "id": "1",
            "options": ["a", "b", "c"],
            "metadata": {"level": "3"},
            "scoring": {"tolerance": 0.5, "pattern": "x+"},
        }
    ]


def test_an_empty_cell_is_no_value() -> None:
    assert rows("id,target,options.1,options.2,metadata.a\n1,,x,,\n") == [{"id": "1", "options": ["x"]}]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,input\n1\n", "q.csv:2: 1 cells, the header has 2"),
        ("id,input\n1,a,b\n", "q.csv:2: 3 cells, the header has 2"),
        ('id,input\n1,"a\nb"\n2,"c\n', "q.csv:4: no valid CSV: unexpected end of data"),
        ('id,input\n1,"a"b\n', "q.csv:2: no valid CSV:"),
        ("id,input\n1,a\0\n", "q.csv:2: a NUL character"),
        (b"id,input\n1,caf\xe9\n", "q.csv:2: not UTF-8 text"),
        ("id,input\n1,a\n".encode("utf-16"), "q.csv:1: not UTF-8 text"),
        ("id;input;target\n1;a;b\n", "q.csv:1: the header 'id;input;target' has no commas"),
        ("id\tinput\n1\ta\n", "q.csv:1: the header 'id\\tinput' has no commas"),
        ("id,id\n1,2\n", "q.csv:1: the column 'id' is there twice"),
        ("id,,input\n1,2,3\n", "q.csv:1: column 2 has no name"),
        ("", "q.csv:1: no header"),
        ("a," * 1_000 + "a\n", "q.csv:1: 1001 columns"),
        ("id,options.1,options.2\n1,,x\n", "q.csv:2: not a sample (options: cell 1 is empty"),
        ("id,metadata,metadata.a\n1,x,y\n", "q.csv:2: not a sample (the column 'metadata.a' is below a column"),
        ("id,metadata.a,metadata\n1,x,y\n", "q.csv:2: not a sample (the column 'metadata' has columns below it"),
        ("id,input\n1," + "x" * (1 << 20) + "y\n", "q.csv:2: no valid CSV: field larger than field limit"),
    ],
)
def test_a_csv_file_that_cannot_be_meant_is_one_line(text: str | bytes, told: str) -> None:
    assert refused(text).startswith(told)
    assert "\n" not in refused(text)


def test_a_csv_file_has_a_greatest_size() -> None:
    assert refused(b"x" * (MOST_BYTES + 1)).startswith("q.csv:1: larger than 64 MiB")


def test_the_limit_of_cells_is_ours_alone() -> None:
    before = csv.field_size_limit()
    rows("id,input\n1,a\n")
    refused("id,input\n1\n")
    assert csv.field_size_limit() == before


cells = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\r"), max_size=12).filter(str.strip)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=5))
def test_what_a_spreadsheet_writes_comes_back(pairs: list[tuple[str, str]]) -> None:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([("id", "input"), *pairs])
    assert rows(file.getvalue()) == [{"id": one, "input": other} for one, other in pairs]


@given(st.binary(max_size=80))
def test_no_bytes_break_it(data: bytes) -> None:
    for name in ("q.csv", "q.yaml", "q.jsonl"):
        with contextlib.suppress(UsageError):
            assert isinstance(rows(data, name), list)


def test_a_yaml_file_is_a_list_with_words_as_they_are_written() -> None:
    text = """
- id: 1
  input: Is it on?
  target: No
- id: 02
  input: |
    Two
    lines
  target: [1.0, yes, 2026-11-29]
  metadata: {level: 3, hard: yes}
  scoring: {tolerance: 0.5}
  wrong_answers:
"""
    assert rows(text, "q.yaml") == [
        {"id": "1", "input": "Is it on?", "target": "No"},
        {
            "id": "02",
            "input": "Two\nlines\n",
            "target": ["1.0", "yes", "2026-11-29"],
            "metadata": {"level": 3, "hard": True},
            "scoring": {"tolerance": 0.5},
        },
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id: 1\n", "q.yaml:1: expected a list, each sample behind a dash"),
        ("- 1\n", "q.yaml:1: not a sample (expected keys and values"),
        ("- id: 1\n  id: 2\n", "q.yaml:2: [0].id: this key stands in line 1 already"),
        ("- id: !!python/object:os.system x\n", "q.yaml:1: [0].id: the tag"),
        ("- &a [*a]\n", "q.yaml:1: "),
        ("- &a [1, 2]\n" + "- [*a, *a, *a, *a, *a, *a]\n" * 10, "q.yaml:10: more than 50 aliases"),
        ("- " * 40 + "1\n", "q.yaml:1: nested deeper than 20 levels"),
        ("- id: 1\n# " + "x" * 300_000, "q.yaml:1: larger than 256 KiB; write it as JSONL or CSV"),
        ("", "q.yaml:1: the file is empty"),
    ],
)
def test_a_yaml_file_that_cannot_be_meant_is_one_line(text: str, told: str) -> None:
    assert refused(text, "q.yaml").startswith(told)


def test_jsonl_is_as_ever() -> None:
    assert rows(json.dumps({"id": "1"}) + "\n\n", "q.jsonl") == [{"id": "1"}]
    assert refused("{\n", "q.jsonl").startswith("q.jsonl:1: not a sample (")
