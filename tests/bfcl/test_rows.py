import json

import pytest

from pytest_slm.bfcl.rows import decoded, read_rows
from pytest_slm.core.config import RunConfig
from pytest_slm.errors import SlmError


def test_columns_are_json_and_none_stays_none():
    raw = [{"id": "a_0", "question": '[[{"role": "user", "content": "x"}]]', "ground_truth": None}]
    assert decoded(raw, "here") == [
        {"id": "a_0", "question": [[{"role": "user", "content": "x"}]], "ground_truth": None}
    ]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"id": "a", "function": "[]"}, {"id": "a", "function": "[]"}], "here: the id 'a' is there twice"),
        ([{"id": "a", "function": "[]"}, {"id": None, "function": "[]"}], "here: row 1 has no id"),
        ([{"id": "  ", "function": "[]"}], "here: row 0 has no id"),
        ([{"id": "a", "function": "[1"}], "here: 'a': the column 'function' is no JSON"),
        ([{"id": "a", "function": "NaN"}], "is no JSON"),
        ([{"id": "a", "function": '{"a": 1, "a": 2}'}], "is no JSON"),
        ([{"id": "a", "function": 5}], "is no JSON"),
        ([{"id": "a", "function": "[" * 10_000}], "is no JSON"),
    ],
)
def test_a_broken_row_is_told_with_its_place(rows, told):
    with pytest.raises(SlmError) as caught:
        decoded(rows, "here")
    assert told in str(caught.value)
    assert caught.value.slug == "data-broken"


def test_the_mirror_has_every_category(mirror):
    rows, table = read_rows("simple_java", RunConfig(model="fake", data=str(mirror), offline=True))
    assert {"id", "question", "function", "ground_truth"} == set(rows[0])
    assert json.dumps(rows[0]["function"])
    assert table.dataset.config == "simple_java"
    assert (table.data_from, len(table.rows)) == ("mirror", len(rows))


def test_without_data_it_is_not_available(tmp_path):
    with pytest.raises(SlmError) as caught:
        read_rows("simple_java", RunConfig(model="fake", data=str(tmp_path), offline=True))
    assert caught.value.slug == "data-unreachable"
