"""Places among scores that are not exactly known."""

from __future__ import annotations

import random
import statistics

from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.statistics import Z95
from pytest_slm.registry.rows.placing import places, shrunk


def around(score: float, half: float) -> tuple[float, tuple[float, float]]:
    return score, (score - half, score + half)


def test_a_rank_may_be_all_that_the_intervals_allow():
    found = places({"a": around(80, 4), "b": around(75, 4), "c": around(70, 4), "d": around(40, 4)})
    assert [(one.rank, one.rank_interval, one.tier) for one in found.values()] == [
        (1, (1, 2), 1),  # above c for sure, not above b
        (2, (1, 3), 1),
        (3, (2, 3), 2),  # not told apart from b, but from the best of its tier
        (4, (4, 4), 3),
    ]


def test_a_score_without_an_interval_may_be_anywhere():
    found = places({"a": around(80, 1), "b": (60.0, None), "c": around(40, 1)})
    assert found["b"].rank_interval == (1, 3)
    assert found["a"].rank_interval == (1, 2)
    assert {one.corrected for one in found.values()} == {None}  # two intervals are too few


scored = st.tuples(st.floats(0, 100), st.floats(0, 40)).map(lambda pair: around(*pair))


@given(st.dictionaries(st.text("abcdefgh", min_size=1, max_size=3), scored, min_size=1, max_size=12))
def test_a_rank_is_within_its_interval_and_a_tier_is_no_better_than_the_ranks(scores):
    found = places(scores)
    ordered = sorted(found.values(), key=lambda one: (one.rank, one.tier))
    assert [one.tier for one in ordered] == sorted(one.tier for one in ordered)
    assert ordered[0].tier == 1
    for name, one in found.items():
        low, high = one.rank_interval
        assert 1 <= low <= one.rank <= high <= len(scores)
        # The definition, counted one by one.
        assert low == 1 + sum(other[1][0] > scores[name][1][1] for other in scores.values())
        assert high == len(scores) - sum(other[1][1] < scores[name][1][0] for other in scores.values())


def test_the_best_of_many_is_not_overrated_on_average():
    """Of 20 files whose scores are drawn from one distribution, the naive score of the winner is too high by points;
    little of that is left in the corrected one, whichever share of the spread is noise."""
    draw = random.Random(1)
    for spread, error in ((6.0, 3.0), (3.0, 6.0), (0.0, 4.0)):
        naive, corrected = [], []
        for _ in range(300):
            true = [draw.gauss(50, spread) for _ in range(20)]
            seen = [draw.gauss(value, error) for value in true]
            best = seen.index(max(seen))
            naive.append(seen[best] - true[best])
            told = shrunk([around(score, Z95 * error) for score in seen])[best]
            corrected.append(told - true[best])
        assert statistics.fmean(naive) > 2
        assert abs(statistics.fmean(corrected)) < 0.2 * statistics.fmean(naive)


def test_scores_that_are_all_the_same_stay():
    assert shrunk([around(50, 3)] * 4) == [50.0] * 4
    assert shrunk([(50.0, (50.0, 50.0)), (60.0, (60.0, 60.0)), (70.0, (70.0, 70.0))])[2] > 69.99
