"""Values as models write them: what is odd is no value, and ends nothing."""

from __future__ import annotations

import pytest

from pytest_slm.scorers.call_values import UNREADABLE, json_at, json_value, json_values


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[" * 5_000 + "]" * 5_000, "[", "", "no JSON"])
def test_what_is_nested_without_end_or_no_json_is_no_value(text):
    assert json_at(text, 0) == (UNREADABLE, 0)
    assert json_value(text) is UNREADABLE
    assert list(json_values(text)) == []


def test_what_is_nested_deeper_than_64_levels_is_passed_over():
    deep, deeper = "[" * 64 + "]" * 64, "[" * 65 + "]" * 65
    assert json_at(deep, 0)[0] is not UNREADABLE
    assert json_at(f"{deeper} 1", 0) == (UNREADABLE, len(deeper))
    assert list(json_values(f'{deeper} {{"a": 1}}')) == [{"a": 1}]
