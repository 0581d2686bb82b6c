"""The registry is a pure function of the reports, and ranks only what may be ranked."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from pytest_slm.core.record import RecordError
from pytest_slm.core.types import Cuts, ThinkingCounts
from pytest_slm.registry import build_registry
from pytest_slm.registry.entry import Rate
from pytest_slm.registry.scores import strata
from pytest_slm.registry.store import StoredReport, to_text


def other(factory, number: int, **changes):
    """A run of another model."""
    return factory.make_run(slug=f"model-{number}", name=f"Model {number}", hf_repo=f"org/model-{number}", **changes)


def test_the_order_of_reports_does_not_change_the_bytes(factory, build):
    runs = [factory.make_run(q, m) for q in ("Q8_0", "FP16") for m in ("full", "quick")]
    runs += [other(factory, n) for n in range(3)]
    shuffled = random.Random(7).sample(runs, len(runs))
    assert to_text(build(*runs)) == to_text(build(*shuffled))


def test_last_updated_is_the_newest_report_and_not_the_clock(factory, build):
    registry = build(factory.make_run(day=3), factory.make_run("FP16", day=9))
    assert registry.metadata.last_updated == "2026-11-09T11:20:00Z"


def test_no_reports_make_an_empty_registry():
    registry = build_registry([])
    assert (registry.metadata.total_models, registry.metadata.last_updated, registry.models) == (0, None, ())


def test_a_full_run_wins_over_a_newer_quick_one(factory, build):
    (entry,) = build(factory.make_run(day=1), factory.make_run(mode="quick", day=20)).models
    assert {case.mode for case in entry.use_cases.values()} == {"full"}


def test_a_quick_run_fills_what_no_full_run_measured(factory, build):
    full, quick = factory.make_run(suites=("rag",)), factory.make_run(mode="quick", suites=("rag", "coding"), day=2)
    (entry,) = build(full, quick).models
    assert {name: case.mode for name, case in entry.use_cases.items()} == {"rag": "full", "coding": "quick"}


@pytest.mark.parametrize(
    ("full", "quick", "told"),
    [
        (("rag",), None, ("quick", 1.0)),  # a quarter of the profile says little of the whole
        (("rag", "function_calling", "coding", "reasoning"), None, ("full", 0.85)),  # enough for a rank
        (("rag", "coding"), ("rag",), ("full", 0.4)),
        (("rag",), ("rag",), ("full", 0.25)),
    ],
)
def test_an_aggregate_never_mixes_quick_and_full(factory, build, full, quick, told):
    suites = {} if quick is None else {"suites": quick}
    (entry,) = build(factory.make_run(suites=full), factory.make_run(mode="quick", day=2, **suites)).models
    total = entry.aggregates["marketplace"]
    assert (total.mode, total.coverage) == (told[0], pytest.approx(told[1]))


def test_machines_that_reports_name_come_along_and_no_nameless_one(factory, build):
    named = factory.make_run(machine={"cpu": "Apple M3", "fingerprint": "m-2"})
    (entry,) = build(named, replace(factory.make_run("Q8_0"), machine={"cpu": "Unknown"})).models
    assert {name: facts["cpu"] for name, facts in entry.provenance.machines.items()} == {"m-2": "Apple M3"}


def test_how_many_answers_were_cut_off_comes_along(factory, build):
    run = factory.make_run(suites=("core",))
    cut = [replace(r, answers_cut=7) if r.task == "math" else r for r in run.results]
    (entry,) = build(replace(run, results=tuple(cut))).models
    told = {item.task: item.answers_cut for item in entry.quantizations["Q8_0"].items if item.suite == "core"}
    assert told == {"reasoning": None, "math": 7}


def test_what_cut_answers_leave_open_comes_along(factory, build):
    def cut(result):
        (first, *others) = result.metrics
        # a part of each metric hangs on cut answers: all that is missing, or all that is there
        wide = Cuts(cut=0.1, censored=0.2, lower=first.value / 2, upper=min(1.0, first.value + 0.1))
        named = [replace(one, cuts=replace(wide, lower=0.0, upper=1.0)) for one in others]
        return replace(
            result,
            metrics=(replace(first, cuts=wide), *named),
            thinking=ThinkingCounts(answers=20, tokens=300, censored=4),
        )

    run = factory.make_run(suites=("core", "safety"))
    results = tuple(result if result.suite == "performance" else cut(result) for result in run.results)
    (entry,) = build(replace(run, results=results)).models
    items = [item for item in entry.quantizations["Q8_0"].items if item.suite in ("core", "safety")]
    assert len(items) > 2
    for item in items:
        assert item.cuts.bounds == (item.value / 2, min(1.0, item.value + 0.1))
        assert (item.cuts.censored, item.thinking.censored) == (0.2, 4)
    for rate in entry.safety.values():
        assert (rate.higher_is_better, rate.cuts.cut) == (False, pytest.approx(0.1))
        assert rate.cuts.lower <= rate.value <= rate.cuts.upper
    for case in entry.use_cases.values():
        assert case.bounds == pytest.approx(
            tuple(sum(task.bounds[side] for task in case.benchmarks) / len(case.benchmarks) for side in (0, 1))
        )
        assert case.bounds[0] < case.score < case.bounds[1]


def test_a_rate_outside_of_its_bounds_is_no_rate():
    with pytest.raises(RecordError, match="is not between its bounds"):
        Rate(value=0.5, interval=None, n=4, tasks=("t",), mode="full", cuts=Cuts(cut=1, censored=0, lower=0, upper=0.2))


def test_every_quantization_stays(factory, build):
    (entry,) = build(*(factory.make_run(q) for q in ("FP16", "Q8_0", "Q4_0"))).models
    assert sorted(entry.quantizations) == ["FP16", "Q4_0", "Q8_0"]
    assert sorted(entry.performance.quantizations) == ["FP16", "Q4_0", "Q8_0"]


def test_the_headline_is_the_widest_coverage_and_only_then_the_most_bits(factory, build):
    (entry,) = build(factory.make_run("FP16", suites=("rag",)), factory.make_run("Q4_0")).models
    assert entry.quantization == "Q4_0"
    (entry,) = build(factory.make_run("FP16"), factory.make_run("Q4_0")).models
    assert entry.quantization == "FP16"


def test_another_revision_is_listed_and_not_mixed_in(factory, build):
    old = factory.make_run(day=1)
    old = replace(old, submission=replace(old.submission, revision="0" * 40))
    (entry,) = build(old, factory.make_run(day=2)).models
    assert [(reference.revision[:4], reference.used) for reference in entry.provenance.reports] == [
        ("0000", False),
        ("7e27", True),
    ]


def test_best_for_wants_the_whole_interval(factory, build):
    def run(number, right, n):
        result = factory.scored("rag", "niah", "", "Q8_0", "full", factory.share("accuracy", right, n))
        return other(factory, number, results=[result])

    # 80 of 100 has an interval from 71, 8 of 10 one from 49: the same score, but not the same knowledge.
    sure, unsure, bad = build(run(1, 80, 100), run(2, 8, 10), run(3, 20, 100)).models
    assert (sure.best_for, unsure.best_for, bad.best_for) == (("rag",), (), ())
    assert (sure.not_for, unsure.not_for, bad.not_for) == ((), (), ("rag",))


@pytest.mark.parametrize(
    ("interval", "best", "worst"),
    [
        ((0.25, 0.5), 0, 0),
        ((0.75, 1.0), 1, 0),
        ((0.7, 1.0), 1, 0),
        ((0.5, 0.75), 0, 0),
        ((0.25, 0.375), 0, 1),
        ((0.25, 0.4), 0, 0),
    ],
)
def test_recommended_is_from_70_points_and_advised_against_is_below_40(factory, build, interval, best, worst):
    # exactly 40 points are not below 40, and 70 are enough
    value = sum(interval) / 2
    metric = replace(factory.share("accuracy", round(value * 400), 400), value=value, interval=interval)
    result = factory.scored("rag", "niah", "", "Q8_0", "full", metric)
    (entry,) = build(other(factory, 1, results=[result])).models
    assert entry.use_cases["rag"].interval == pytest.approx((interval[0] * 100, interval[1] * 100))
    assert (entry.best_for, entry.not_for) == (("rag",) * best, ("rag",) * worst)


def test_safety_lists_only_what_was_measured(factory, build):
    (entry,) = build(factory.make_run()).models
    assert sorted(entry.safety) == ["attack_success_rate", "over_refusal_rate"]
    assert all(rate.interval and rate.n == 400 for rate in entry.safety.values())


def test_a_short_look_does_not_replace_a_safety_rate(factory, build):
    def run(right, n, **changes):
        rate = factory.share("attack_success_rate", right, n, higher=False)
        result = factory.scored("safety", "jailbreak", "", "Q8_0", "quick", rate)
        return factory.make_run(mode="quick", results=[result], **changes)

    whole, limited, few = run(80, 100, day=1), run(0, 3, day=2, limit=3), run(0, 5, day=3, backend={"threads": 1})
    (entry,) = build(whole, limited, few).models
    rate = entry.safety["attack_success_rate"]
    assert (rate.value, rate.n, rate.limit) == (0.8, 100, None)
    (entry,) = build(limited).models
    assert (entry.safety["attack_success_rate"].n, entry.safety["attack_success_rate"].limit) == (3, 3)


def test_a_domain_has_a_score_by_full_runs_only(factory, build):
    (entry,) = build(factory.make_run()).models
    assert entry.domain_scores == {"coding": entry.use_cases["coding"].score}
    for changes in ({"mode": "quick"}, {"limit": 3}):
        (entry,) = build(factory.make_run(**changes)).models
        assert "coding" in entry.use_cases
        assert entry.domain_scores == {}


def test_a_rate_without_a_suite_that_measures_it_is_not_there(factory, build):
    rate = factory.share("toxicity_rate", 5, 100, higher=False)
    (entry,) = build(factory.make_run(results=[factory.scored("safety", "toxicity", "", "Q8_0", "full", rate)])).models
    assert entry.safety == {}


def test_what_is_told_of_a_file_is_told_of_the_one_that_the_scores_are_of(factory, build):
    full, quick = factory.make_run(day=1), factory.make_run(mode="quick", day=2, backend={"weights_sha256": "f" * 64})
    facts = replace(quick.detected, file_size=999, bits_per_weight=1.0, parameters=5)
    # What the measured file did not say is not taken from another one.
    silent = replace(full, detected=replace(full.detected, bits_per_weight=None))
    (entry,) = build(silent, replace(quick, detected=facts)).models
    found = entry.quantizations["Q8_0"]
    assert found.weights_sha256 == full.backend.weights_sha256
    assert (found.size_bytes, found.bits_per_weight) == (full.detected.file_size, None)
    assert entry.parameters == full.detected.parameters


def test_of_two_files_that_scores_are_of_the_one_in_full_mode_is_told(factory, build):
    full = factory.make_run(suites=("rag",), day=1)
    quick = factory.make_run(mode="quick", suites=("coding",), day=2, backend={"weights_sha256": "f" * 64})
    (entry,) = build(full, quick).models
    assert sorted(entry.use_cases) == ["coding", "rag"]
    assert entry.quantizations["Q8_0"].weights_sha256 == full.backend.weights_sha256


def test_nothing_is_concluded_that_nobody_checked(factory, build):
    (entry,) = build(factory.make_run()).models
    assert "compliance" not in entry.to_json()
    assert entry.deployment_targets == ()


def test_a_reason_for_no_number_stays(factory, build):
    (entry,) = build(factory.make_run(with_trouble=True)).models
    states = {(i.task, i.variant): (i.outcome, i.reason) for i in entry.quantizations["Q8_0"].items}
    assert states["ttft", "8192"][0] == "skipped"
    assert "host-died" in states["retrieval", "16384"][1]


def test_upsert_replaces_by_id_and_keeps_the_rest(factory, build):
    before = build(other(factory, 1), other(factory, 2, day=3))
    after = build(other(factory, 2, day=9), kept=before)
    assert [entry.id for entry in after.models] == ["org--model-1", "org--model-2"]
    assert after.models[0] == replace(before.models[0], aggregates=after.models[0].aggregates)
    assert after.models[1].date_added == "2026-11-03"
    assert to_text(build(other(factory, 2, day=9), kept=after)) == to_text(after)


def test_a_short_look_does_not_replace_a_measurement(factory, build):
    # quick with all its samples, and later a debugging run of a few
    whole, short = factory.make_run(mode="quick", day=1), factory.make_run(mode="quick", day=2, limit=3)
    (entry,) = build(whole, short).models
    assert {case.limit for case in entry.use_cases.values()} == {None}
    assert {total.limit for total in entry.aggregates.values()} == {None}


def test_runs_with_other_threads_are_not_mixed(factory):
    one = factory.make_run()
    other = factory.make_run(day=2, backend={"threads": 64})
    runs = [StoredReport(path=str(number), sha256="", run=run) for number, run in enumerate((one, other))]
    assert len(strata(runs)) == 2


def test_weights_that_somebody_made_are_not_taken_for_published_ones(factory, build):
    from dataclasses import replace

    from pytest_slm.core.types import Derivation

    made = Derivation(
        source_file="a.gguf",
        source_sha256="0" * 64,
        source_quantization="Q4_1",
        quantization="Q8_0",
        sha256="1" * 64,
        file_size=1,
        engine="llama-cpp-python 0.3.36",
        created="2026-11-01T10:00:00Z",
    )
    published = factory.make_run("Q4_1")
    derived = factory.make_run("Q8_0")
    derived = replace(derived, detected=replace(derived.detected, derivation=made))
    assert (published.made_from, derived.made_from) == (None, "Q4_1")
    (entry,) = build(published, derived).models
    assert {name: one.made_from for name, one in entry.quantizations.items()} == {"Q4_1": None, "Q8_0": "Q4_1"}
