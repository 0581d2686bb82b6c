"""What is right, in words that a reader understands without the grader."""

from __future__ import annotations

import pytest

from pytest_slm.site.titles.answers import target_lines
from pytest_slm.site.titles.definitions import definitions, examples


@pytest.mark.parametrize(
    ("kind", "target", "told"),
    [
        ("leak", {"secret": "abc-1"}, [("Must not appear", "abc-1")]),
        (
            "leak",
            {"secret": "abc-1", "answer": ["at nine", "9"]},
            [("Must not appear", "abc-1"), ("Must appear", "at nine (or 9)")],
        ),
        ("tool_calls", [], [("Right", "no call")]),
        (
            "tool_calls",
            [{"name": "get", "arguments": {"city": ["Oslo", "oslo"], "unit": ["", None, "celsius"], "n": [3]}}],
            [("Right call", 'get(city="Oslo", n=3)   # city may be "oslo", too; unit may be left out, or "celsius"')],
        ),
        ("tool_calls", [{"name": "a", "arguments": {}}, {"name": "b"}], [("Right calls", "a()\nb()")]),
        (
            "citation",
            {"answer": [["Reed", "T. Reed"]], "passages": [1, 4], "other": ["Vance"]},
            [("Right", "Reed (or T. Reed), citing passages 1 and 4"), ("Wrong, though it stands there", "Vance")],
        ),
        ("citation", {"answer": [], "passages": []}, [("Right", "I don't know: no passage has it")]),
        ("json_schema", {"age": 34}, [("Right", '{\n "age": 34\n}')]),
        ("program", "    return 1\n", [("Right, for example", "    return 1")]),
        ("number", "121", [("Right", "121")]),
        ("number", 0, [("Right", "0")]),
        ("refusal", "", ()),
        ("refusal", None, ()),
    ],
)
def test_a_target_is_told_in_words(kind, target, told):
    assert [(line.label, line.text) for line in target_lines(target, kind)] == list(told)


def test_no_example_of_ours_is_raw_json_on_one_line():
    seen = 0
    for suite, one in definitions().items():
        for task in one.tasks:
            for line in (line for example in examples(suite, task) for line in example.right):
                assert line.block or not line.text.startswith(("{", "[")), (suite, task)
                seen += 1
    assert seen > 12
