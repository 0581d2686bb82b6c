"""Baseline gates: what each verdict says, and how often it is wrong."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace

import pytest

from pytest_slm.comparing.answers import CannotCompareError
from pytest_slm.comparing.baseline import Baseline
from pytest_slm.comparing.drops import concluded, judged, said, score_verdict, sight, speed_verdict
from pytest_slm.comparing.pairs import Pairs
from pytest_slm.core.comparison import BaselineVerdict
from pytest_slm.core.types import Measurement, Metric
from pytest_slm.errors import UsageError
from pytest_slm.registry import build_registry
from pytest_slm.registry.folder import write_registry
from pytest_slm.registry.store import find_reports, write_json, write_text


def pairs(only_a, only_b, n):
    return Pairs(
        differences=(-1.0,) * only_a + (1.0,) * only_b + (0.0,) * (n - only_a - only_b), clusters=tuple(range(n))
    )


def verdict(found, allowed=0.02, tests=1):
    known = BaselineVerdict(
        run="base", verdict="inconclusive", p=found.dropped(allowed), p_within=found.no_worse(allowed),
        n=found.n, detectable=found.detectable_drop(0.05 / tests, allowed), allowed=allowed, tests=tests,
    )  # fmt: skip
    return judged(known, min(1.0, tests * known.p))


@pytest.mark.parametrize(
    ("only_a", "only_b", "n", "expected"),
    [
        (40, 5, 200, "fail"),
        (0, 0, 400, "pass"),
        (5, 40, 200, "pass"),
        (6, 4, 200, "inconclusive"),
        (15, 0, 1000, "inconclusive"),  # worse beyond doubt, by 1.5 points: which is allowed, or not beyond doubt
        (0, 0, 5, "inconclusive"),
    ],
)
def test_three_verdicts(only_a, only_b, n, expected):
    assert verdict(pairs(only_a, only_b, n)).verdict == expected


def test_nothing_allowed_is_the_exact_test_of_one_side():
    # 7 of 8 questions that differ: (1 + 8) / 2^8
    assert pairs(7, 1, 50).dropped(0.0) == pytest.approx(9 / 256)
    assert pairs(1, 7, 50).dropped(0.0) == 1.0


def test_a_larger_allowance_is_harder_to_break_and_easier_to_keep():
    found = pairs(40, 10, 300)
    allowed = [0.0, 0.01, 0.02, 0.05, 0.1, 0.2]
    broken, kept = [found.dropped(a) for a in allowed], [found.no_worse(a) for a in allowed]
    assert broken == sorted(broken)
    assert kept == sorted(kept, reverse=True)
    assert broken[0] < 0.001 < 0.5 < broken[-1]


def test_more_items_ask_for_more():
    found = pairs(14, 3, 100)
    assert [verdict(found, tests=m).verdict for m in (1, 20)] == ["fail", "inconclusive"]


def drawn(rng, n, apart, drop):
    marks = rng.choices((-1.0, 1.0, 0.0), ((apart + drop) / 2, (apart - drop) / 2, 1 - apart), k=n)
    return pairs(marks.count(-1.0), marks.count(1.0), n)


def failing(runs, drop, allowed, seed, items=8):
    """The share of sessions in which any item fails, where each has dropped by ``drop``."""
    rng = random.Random(seed)
    failed = 0
    for _ in range(runs):
        found = {}
        for item in range(items):
            n, apart = rng.choice((20, 50, 100, 200)), rng.choice((0.05, 0.1, 0.3))
            p = drawn(rng, n, max(apart, drop), drop).dropped(allowed)
            known = BaselineVerdict(run="base", verdict="inconclusive", p=p, allowed=allowed, tests=items)
            found[item] = judged(known, min(1.0, items * p))
        failed += any(one.verdict == "fail" for one in concluded(found).values())
    return failed / runs


def most(runs):
    return 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


def test_where_nothing_differs_a_session_fails_in_5_of_100_cases_at_most():
    assert failing(150, 0.0, 0.0, seed=1) <= most(150)


@pytest.mark.nightly
@pytest.mark.parametrize("allowed", [0.0, 0.02])
def test_where_nothing_differs_at_most_5_of_100_of_10_000_sessions_fail(allowed):
    assert failing(10_000, 0.0, allowed, seed=2) <= 0.05


@pytest.mark.nightly
@pytest.mark.parametrize("allowed", [0.02, 0.05])
def test_where_all_drop_by_what_is_allowed_at_most_5_of_100_sessions_fail(allowed):
    assert failing(4_000, allowed, allowed, seed=3) <= most(4_000)


@pytest.mark.parametrize(("n", "apart", "allowed"), [(100, 0.1, 0.02), (400, 0.2, 0.02), (300, 0.1, 0.0)])
def test_a_drop_that_is_seen_fails_in_four_of_five_cases(n, apart, allowed):
    half = round(n * apart / 2)
    drop = pairs(half, half, n).detectable_drop(0.05, allowed)
    rng = random.Random(n)
    runs = 300
    found = sum(drawn(rng, n, max(apart, drop), drop).dropped(allowed) <= 0.05 for _ in range(runs))
    assert 0.7 <= found / runs <= 0.95


def test_holms_later_steps_find_more_and_do_not_depend_on_the_order():
    # of three items .012 is enough at once, .02 only where that one has failed already
    known = {name: BaselineVerdict(run="r", verdict="inconclusive", p=p, p_within=1.0, allowed=0.0, tests=3)
             for name, p in (("late", 0.02), ("first", 0.012), ("none", 0.5))}  # fmt: skip
    at_once = {name: judged(one, 3 * one.p).verdict for name, one in known.items()}
    assert at_once == {"first": "fail", "late": "inconclusive", "none": "inconclusive"}
    found = {name: one.verdict for name, one in concluded(known).items()}
    assert found == {"first": "fail", "late": "fail", "none": "inconclusive"}
    assert {name: one.verdict for name, one in concluded(dict(reversed(known.items()))).items()} == found
    # an item that was to be compared, and was not, still counts among them
    del known["none"]
    assert {name: one.p_corrected for name, one in concluded(known).items()} == pytest.approx(
        {"first": 0.036, "late": 0.04}
    )


# -- runs ---------------------------------------------------------------------------------------------------------


def baseline(run):
    (result,) = run.run.results
    return Baseline(name="base", items={("core", "math", ""): (run, result)}, absent={})


def held(before, after, **known):
    (result,) = after.run.results
    return score_verdict(
        baseline(before), result, after.samples[result.samples], **{"allowed": 0.02, "tests": 1} | known
    )


def test_a_score_is_compared_question_by_question(answered):
    # 60 % and 40 %: of 50 questions no test for two groups would tell
    found = held(answered("1" * 30 + "0" * 20), answered("1" * 20 + "0" * 30))
    assert (found.verdict, found.n, found.baseline, found.value) == ("fail", 50, 0.6, 0.4)
    assert found.change == pytest.approx(-0.2)
    assert "accuracy 40.0 % after 60.0 %, -20.0 points" in said(found)
    assert "by more than 2 points (p .00" in said(found)


def test_few_questions_say_what_they_see(answered):
    found = held(answered("1" * 20), answered("1" * 19 + "0"))
    assert found.verdict == "inconclusive"
    assert sight(found).startswith("20 questions show a drop of 31 points")
    assert "show no drop, however large" in sight(held(answered("111"), answered("110")))


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"version": 2}, "version 1 and version 2"), ({"seeded": True, "seed": 9}, "made from the seed")],
)
def test_what_cannot_be_compared_is_inconclusive_with_the_reason(answered, changes, why):
    before, after = answered("1" * 50, seeded="seed" in changes), answered("0" * 50, **changes)
    found = held(before, after)
    assert (found.verdict, found.p) == ("inconclusive", None)
    assert why in found.reason


def test_a_rate_that_should_be_low_drops_when_it_rises(answered):
    def run(marks):
        share = marks.count("1") / len(marks)
        return answered(marks, metric=Metric(name="rate", value=share, n=len(marks), higher_is_better=False))

    low, high = run("0" * 50), run("1" * 20 + "0" * 30)
    assert (held(low, high).verdict, held(high, low).verdict) == ("fail", "pass")


# -- speeds -------------------------------------------------------------------------------------------------------


def rounds(centre, spread=0.01, unit="tok/s", n=8, seed=0):
    rng = random.Random(f"{centre} {seed}")
    return Measurement(
        name="decode_tps", unit=unit, values=tuple(centre * (1 + rng.gauss(0, spread)) for _ in range(n))
    )


@pytest.mark.parametrize(
    ("base", "head", "unit", "expected"),
    [
        (100, 80, "tok/s", "fail"),
        (100, 100, "tok/s", "pass"),
        (100, 95, "tok/s", "inconclusive"),
        (1.0, 1.4, "s", "fail"),  # of a time more is slower
        (1.4, 1.0, "s", "pass"),
    ],
)
def test_a_speed_is_a_ratio(base, head, unit, expected):
    found = speed_verdict("r", rounds(base, unit=unit), rounds(head, unit=unit, seed=1), allowed=0.05, tests=1)
    assert (found.verdict, found.unit) == (expected, "ratio")
    assert found.interval[0] < found.change < found.interval[1]


def test_few_rounds_among_many_items_see_nothing():
    found = speed_verdict("r", rounds(100, n=4), rounds(50, n=4), allowed=0.05, tests=20)
    assert (found.verdict, found.detectable) == ("inconclusive", None)
    assert sight(found) == "4 rounds show no drop, however large"


# -- where a baseline comes from ----------------------------------------------------------------------------------


@pytest.fixture
def stored(answered, tmp_path):
    """A run folder below ``reports``, and the registry of it."""
    run = answered("1" * 40)
    report = run.run
    folder = tmp_path / "reports" / report.submission.slug / report.quantization / report.run_id
    write_json(folder / "report.json", {"slm": report.to_json()})
    for name, lines in run.samples.items():
        write_text(folder / name, "\n".join(json.dumps(line) for line in lines))
    found, _ = find_reports(tmp_path / "reports")
    write_registry(tmp_path / "registry", build_registry(found))
    return folder


def test_a_row_of_a_registry_stands_for_its_runs(stored, tmp_path):
    report = json.loads((stored / "report.json").read_text())["slm"]
    row = f"{tmp_path / 'registry'}#huggingfacetb--smollm2-135m-instruct/{report['quantization']}"
    by_row, by_run = Baseline.of(row, tmp_path), Baseline.of(str(stored), tmp_path)
    assert by_row.items.keys() == by_run.items.keys() == {("core", "math", "")}
    assert [run.run for run in by_row.runs] == [run.run for run in by_run.runs]
    assert next(iter(by_row.runs)).samples


def test_a_row_whose_run_is_gone_or_was_changed_is_no_baseline(stored, tmp_path):
    report = json.loads((stored / "report.json").read_text())["slm"]
    row = f"{tmp_path / 'registry'}#huggingfacetb--smollm2-135m-instruct/{report['quantization']}"
    path = stored / "report.json"
    path.write_text(path.read_text() + "\n")
    with pytest.raises(UsageError, match="is not the report that the registry was made from"):
        Baseline.of(row, tmp_path)
    path.unlink()
    with pytest.raises(UsageError, match="not beside the registry"):
        Baseline.of(row, tmp_path)


@pytest.mark.parametrize(
    ("row", "why"),
    [("#nobody/Q8_0", "no model nobody"), ("#", "no model"), ("/none", "cannot be read"), ("", "report")],
)
def test_what_is_no_baseline_is_told(stored, tmp_path, row, why):
    with pytest.raises(UsageError, match=why):
        Baseline.of(f"{tmp_path / 'registry'}{row}", tmp_path)


def test_what_the_baseline_has_not_measured_has_a_reason(answered):
    before = answered("1" * 10)
    known = baseline(before)
    (result,) = before.run.results
    with pytest.raises(CannotCompareError, match="does not have it"):
        known.find(replace(result, task="other"))
    absent = replace(known, absent={("core", "other", ""): "error in the baseline (why)"})
    with pytest.raises(CannotCompareError, match="error in the baseline"):
        absent.find(replace(result, task="other"))


def test_a_sentence_tells_both_scores_and_what_the_difference_may_be():
    verdict = BaselineVerdict(
        run="r", quantity="acc", verdict="fail", n=200, baseline=0.472, value=0.41, change=-0.062,
        interval=(-0.101, -0.023), allowed=0.02, p=0.001, p_corrected=0.001, tests=1,
    )  # fmt: skip
    assert said(verdict).startswith(
        "acc 41.0 % after 47.2 %, -6.2 points (95 % interval -10.1 to -2.3, n=200): worse than the baseline r by more"
    )
    # what is nothing is nothing
    none = replace(verdict, baseline=0.0, value=0.0, change=0.0, interval=(0.0, 0.0), verdict="pass")
    assert said(none).startswith("acc 0.0 % after 0.0 %, +0.0 points (95 % interval +0.0 to +0.0, n=200): not worse")
    fast = replace(verdict, unit="ratio", change=0.912, interval=(0.894, 0.93), n=5)
    assert "0.912 times as fast (95 % interval 0.894 to 0.930, 5 rounds each)" in said(fast)
