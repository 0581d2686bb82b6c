"""Conversations of a data set: each question behind the earlier ones and their right answers."""

import dataclasses
import json

import pytest

from pytest_slm.errors import BackendError
from pytest_slm.generators.dialogues.turns import TURNS

ROW = {"id": "r", "page": "Sales: 3, 4.", "asked": ["And 2020?", "And 2021?", "Did it grow?"], "said": [3, 4, "yes"]}
OPTIONS = {
    "dataset": {"path": "org/set"},
    "questions": "asked",
    "answers": "said",
    "opening": "{page}\n\n",
    "sample": {"id": "{id}/{turn}", "input": "{asked}", "target": "{said}", "cluster": "{id}"},
}


@pytest.fixture
def turns(context):
    def make(rows, **options):
        given = dataclasses.replace(context(None, options={**OPTIONS, **options}), rows=lambda _dataset: rows)
        return list(TURNS.make(given))

    return make


def test_a_question_stands_behind_those_before_it_and_their_right_answers(turns):
    first, second, third = turns([ROW])
    assert (first.id, first.target, first.cluster) == ("r/1", 3, "r")
    assert [(message.role, message.content) for message in first.input] == [("user", "Sales: 3, 4.\n\nAnd 2020?")]
    assert [(message.role, message.content) for message in third.input] == [
        ("user", "Sales: 3, 4.\n\nAnd 2020?"),
        ("assistant", "3"),
        ("user", "And 2021?"),
        ("assistant", "4"),
        ("user", "Did it grow?"),
    ]
    assert "yes" not in json.dumps([message.to_json() for message in (*first.input, *second.input, *third.input)])


def test_turns_of_some_values_are_shown_and_not_asked(turns):
    rows = [{**ROW, "said": ["no", 4, 5]}]
    assert [sample.id for sample in turns(rows, shown={"said": ["no", "yes"]})] == ["r/2", "r/3"]
    assert turns(rows, shown={"said": ["no"]})[0].input[1].content == "no"


def test_other_columns_have_a_value_for_each_turn(turns):
    made = turns(
        [{**ROW, "wrote": ["3.0", "4.0", "y"]}], each=["wrote"], sample={**OPTIONS["sample"], "target": "{wrote}"}
    )
    assert [sample.target for sample in made] == ["3.0", "4.0", "y"]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({**ROW, "said": [3, 4]}, "asked, said: lists of 2 and of 3 values"),
        ({**ROW, "said": "345"}, "said: no list with a value for each turn"),
        ({"id": "r", "page": ""}, "asked: no list"),
    ],
)
def test_a_row_that_is_no_conversation_is_one_line(turns, row, told):
    with pytest.raises(BackendError, match=f"org/set, row 0: .*{told}"):
        turns([row])
