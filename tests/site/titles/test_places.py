"""The place of a file in words: a rank has the best and the worst one behind it that the intervals allow."""

import pytest

from pytest_slm.site.titles.places import place_text, rank_text


@pytest.mark.parametrize(
    ("rank", "between", "told"),
    [(2, (1, 2), "rank 2 (1–2) of 3"), (2, (2, 2), "rank 2 of 3"), (2, None, "rank 2 of 3")],
)
def test_a_rank_has_its_interval(rank, between, told):
    assert rank_text(rank, between, 3) == told
    assert place_text(rank, between, 3, "") == f"{told} on this machine"


def test_what_has_no_rank_says_why():
    assert place_text(None, None, None, "measured in quick mode") == "not ranked: measured in quick mode"
    assert place_text(None, None, None, "") == ""
