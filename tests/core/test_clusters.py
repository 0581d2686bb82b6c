"""Standard errors of samples that belong together, and of statistics that are no means."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.statistics import clustered_interval, jackknife, standard_error

VALUES = st.lists(st.floats(0, 1), min_size=2, max_size=50)


@given(values=VALUES)
def test_without_clusters_it_is_the_deviation_over_the_root_of_n(values):
    expected = statistics.stdev(values) / math.sqrt(len(values))
    assert standard_error(values) == pytest.approx(expected, abs=1e-12)


@given(values=VALUES)
def test_clusters_of_one_change_nothing(values):
    assert standard_error(values, list(range(len(values)))) == pytest.approx(standard_error(values), abs=1e-12)


@given(values=st.lists(st.sampled_from([0.0, 1.0]), min_size=3, max_size=40), times=st.integers(2, 5))
def test_asking_every_question_several_times_teaches_nothing(values, times):
    # taken for independent, copies would shrink the error by the root of their number
    repeated = [value for value in values for _ in range(times)]
    clusters = [place for place in range(len(values)) for _ in range(times)]
    assert standard_error(repeated, clusters) == pytest.approx(standard_error(values), abs=1e-12)


def test_one_cluster_has_no_error():
    assert standard_error([0.0, 1.0, 1.0], ["a", "a", "a"]) is None
    assert clustered_interval([0.0, 1.0], ["a", "a"]) is None
    assert jackknife(lambda places: 1.0, ["a", "a"]) is None


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = [float(place % 7) for place in range(40)]
    error = jackknife(lambda places: statistics.fmean(values[place] for place in places), range(40))
    assert error == pytest.approx(standard_error(values), rel=1e-9)


def test_the_jackknife_keeps_clusters_together():
    seen = []
    clusters = [place // 3 for place in range(30)]
    jackknife(lambda places: float(len(seen.append(frozenset(places)) or places)), clusters)
    assert all(
        {place // 3 for place in part} & {place // 3 for place in set(range(30)) - part} == set() for part in seen
    )
