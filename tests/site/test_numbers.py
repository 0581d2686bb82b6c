"""Numbers are printed with as many digits as are known."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.site import numbers


@pytest.mark.parametrize(
    ("value", "interval", "text"),
    [
        (62.4321, (57.1, 67.3), ("62.4", "57.1–67.3")),
        (152.34, (120.0, 180.0), ("152", "120–180")),
        (0.6071, (0.6012, 0.6131), ("0.6071", "0.6012–0.6131")),
        (152.34, None, ("152", "")),
        (0.01234, None, ("0.0123", "")),
        (0.0, None, ("0", "")),
        (-0.0001, (-1.0, 1.0), ("0.0", "-1.0–1.0")),
    ],
)
def test_the_interval_decides_the_digits(value, interval, text):
    assert numbers.estimate(value, interval) == text


@given(st.floats(-1e9, 1e9), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_value_and_its_interval_have_the_same_decimals(value, below, above):
    shown, span = numbers.estimate(value, (value - below, value + above))
    ends = [len(part.partition(".")[2]) for part in [shown, *span.split("–")]]
    assert len(set(ends)) == 1


@given(st.sampled_from((1, 1.5, 2, 3, 4, 5, 6, 8)), st.integers(-9, 9), st.sampled_from((1, 2)))
def test_no_digit_of_a_round_number_is_lost(step, power, parts):
    value = step * 10.0**power / parts
    text = numbers.exact(value)
    assert float(text.replace("\u202f", "")) == pytest.approx(value, rel=1e-9)
    assert not text.endswith(".")
    assert not ("." in text and text.endswith("0"))


@pytest.mark.parametrize(
    ("share", "text"), [(1.0, "100 %"), (0.999, "99 %"), (0.0, "0 %"), (0.001, "<1 %"), (0.685, "69 %")]
)
def test_rounding_does_not_complete_a_coverage(share, text):
    # 99.9 % printed as "100 %" would say that nothing is missing.
    assert numbers.percent(share).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("count", "text"), [(134_515_008, "135 M"), (1_711_376_384, "1.71 B"), (3.0e9, "3 B"), (1200, "1\u202f200")]
)
def test_parameters_are_said_as_people_say_them(count, text):
    assert numbers.parameters(int(count)).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("governor", None, "not known"),
        ("ram_bytes", 16_542_000_000, "16.54 GB"),
        ("cpu_flags", ["avx2", "f16c"], "avx2, f16c"),
        ("wall_s", 4800.0, "1 h 20 min"),
        ("flash_attention", True, "yes"),
        (
            "caches",
            {"L1d": 32768, "L2": 2**21, "odd": 1500, "L3": None},
            "L1d: 32 KiB, L2: 2 MiB, odd: 1\u202f500 bytes, L3: not known",
        ),
        ("frequency_mhz", 2600, "2\u202f600 MHz"),
        ("surprise", {"a": [1, None]}, "a: 1, not known"),
    ],
)
def test_any_value_of_a_report_has_a_text(key, value, text):
    assert numbers.plain(key, value).replace("\u00a0", " ") == text


def test_a_time_that_is_none_stays_as_it_is():
    assert numbers.day("2026-11-01T10:00:00Z") == "1 November 2026, 10:00 UTC"
    assert numbers.day("<b>soon</b>") == "<b>soon</b>"


@pytest.mark.parametrize(
    "shares", [(0.5, -1e308, 0.6), (1e308, -1e308, 1e308), (1e308, 1e308, 1e308), (0.5, 0.5, 5e-324)]
)
def test_what_percent_of_a_valid_number_are_can_be_infinite(shares):
    value, *interval = (100 * share for share in shares)
    assert all(numbers.points(value, tuple(interval)))
    assert all(numbers.estimate(value, tuple(interval)))
    assert numbers.exact(value)
    assert numbers.percent(max(shares))
    assert numbers.percent(min(shares))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (numbers.parameters(1_040_000_000_000), "1040 B"),
        (numbers.parameters(999_600_000_000), "1000 B"),
        (numbers.duration(0.00005), "0.00005 s"),
        (numbers.plain("surprise", 12_345.6), "12346"),
        (numbers.plain("surprise", 0.00001), "0.00001"),
    ],
)
def test_no_number_has_an_exponent(text, wanted):
    assert text.replace("\u00a0", " ") == wanted


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        (62.5, 0, "63"), (-62.5, 0, "-63"), (61.5, 0, "62"), (26.25, 1, "26.3"), (2500.5, 0, "2\u202f501"),
        (0.35, 1, "0.3"),  # the number behind it is a little less
        (-0.4, 0, "0"), (7, 0, "7"), (2.0**51 + 0.5, 0, "2\u202f251\u202f799\u202f813\u202f685\u202f249"),
    ],
)  # fmt: skip
def test_what_lies_between_two_numbers_goes_away_from_zero_as_in_a_browser(value, places, text):
    assert numbers.number(value, places) == text


@given(st.integers(-(10**7), 10**7), st.integers(0, 3))
def test_every_tie_goes_away_from_zero(odd, places):
    value = (2 * odd + 1) / 2 / 10**places
    exact = Fraction(value) * 10**places
    expected = int(abs(exact) + Fraction(1, 2)) * (1 if value > 0 else -1)
    assert Fraction(numbers.number(value, places).replace("\u202f", "")) * 10**places == expected


def test_sizes_and_parameters_are_rounded_alike():
    assert (numbers.size(2.5e6), numbers.size(1.125e9)) == ("3\xa0MB", "1.13\xa0GB")
    assert (numbers.parameters(2_500_000), numbers.parameters(134_515_008)) == ("3\xa0M", "135\xa0M")
