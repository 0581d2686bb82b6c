"""Ranks of the registry: what may be ranked, with what, and what takes a rank away."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_slm.core.types import Result
from pytest_slm.load.builtin import built_in_versions, suites_folder
from pytest_slm.registry import read_registry, write_registry
from pytest_slm.registry.rows import rows
from pytest_slm.registry.rows.ranking import why_unranked


def other(factory, number: int, **changes):
    """A run of another model."""
    return factory.make_run(slug=f"model-{number}", name=f"Model {number}", hf_repo=f"org/model-{number}", **changes)


def test_ranks_are_shared_and_skip(factory, build):
    def run(number, right):
        results = [
            factory.scored(suite, "task", "", "Q8_0", "full", factory.share("accuracy", right, 100))
            for suite in ("rag", "function_calling", "coding", "reasoning", "safety")
        ]
        return other(factory, number, results=results)

    registry = build(run(1, 90), run(2, 70), run(3, 70), run(4, 50))
    totals = [entry.aggregates["marketplace"] for entry in registry.models]
    assert [total.rank for total in totals] == [1, 2, 2, 4]
    # Of 5 x 100 questions, 90 is above the others for sure, and 50 below.
    assert [(total.rank_interval, total.tier) for total in totals] == [
        ((1, 1), 1),
        ((2, 3), 2),
        ((2, 3), 2),
        ((4, 4), 3),
    ]
    assert totals[0].corrected < 90
    assert totals[3].corrected > 50


def test_every_quantization_has_a_rank_of_its_own(factory, build):
    (entry,) = build(*(factory.make_run(name, quality=q) for name, q in (("Q8_0", 0.7), ("Q4_0", 0.3)))).models
    places = {name: one.aggregates["marketplace"] for name, one in entry.quantizations.items()}
    assert {name: (place.rank, place.ranked) for name, place in places.items()} == {"Q8_0": (1, 2), "Q4_0": (2, 2)}
    assert entry.aggregates == entry.quantizations[entry.quantization].aggregates
    assert places["Q8_0"].corrected is None  # of two nobody knows how far apart files are


def test_a_file_has_a_rank_on_each_machine(factory, build):
    runs = [factory.make_run(day=day, machine={"fingerprint": name}) for day, name in ((1, "a"), (2, "b"))]
    found = rows(build(*runs))
    assert [(row.machine, row.aggregates["marketplace"].rank) for row in found] == [("a", 1), ("b", 1)]


def test_machines_are_never_ranked_together(factory, build):
    registry = build(other(factory, 1), other(factory, 2), other(factory, 3, machine={"fingerprint": "fast"}))
    places = [entry.aggregates["marketplace"] for entry in registry.models]
    assert sorted(place.rank for place in places[:2]) == [1, 2]
    assert (places[2].rank, places[2].ranked) == (1, 1)


def test_a_gpu_is_never_ranked_with_the_cpu_beside_it(factory, build, tmp_path):
    gpu = {"device": "cuda", "engine_build": "torch 2.11.0, AVX512, NVIDIA H100"}
    registry = build(other(factory, 1), other(factory, 2, backend=gpu))
    assert [entry.aggregates["marketplace"].ranked for entry in registry.models] == [1, 1]
    (machine,) = registry.models[1].provenance.machines.items()
    assert machine[0] == registry.models[1].performance.machine
    assert (machine[1]["device"], machine[1]["engine_build"]) == tuple(gpu.values())
    write_registry(tmp_path / "registry", registry)
    assert read_registry(tmp_path / "registry") == registry


def test_the_platform_of_one_gpu_names_it(factory, build):
    platform = build(factory.make_run(backend={"device": "cuda"})).metadata.platform
    assert platform == "AMD EPYC 9R14 96-Core Processor, cuda, Linux 6.1 x86_64"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mode": "quick"}, "measured in quick mode"),
        ({"limit": 20}, "limit of 20"),
        ({"interrupted": True}, "did not finish"),
        ({"with_trouble": True}, "had errors"),
        ({"suites": ("rag", "coding")}, "40% of the profile"),
        ({"machine": {"fingerprint": None}}, "which machine"),
        (
            {"backend": {"server": "http://10.0.0.1/v1", "served_model": "tiny"}},
            "unverified weights: a server answered",
        ),
    ],
)
def test_what_may_not_be_ranked_says_why(factory, build, changes, reason):
    (entry,) = build(factory.make_run(**changes)).models
    total = entry.aggregates["marketplace"]
    assert total.rank is None
    assert reason in total.unranked


def test_a_server_is_no_local_file_and_each_of_its_models_is_one(factory, build):
    def run(model, day):
        return factory.make_run(day=day, backend={"server": "http://10.0.0.1/v1", "served_model": model})

    local, *served = sorted(
        build(factory.make_run(), run("/m/a.gguf", 2), run("b", 3)).models, key=lambda one: one.name
    )
    assert (local.aggregates["marketplace"].ranked, local.aggregates["marketplace"].rank) == (1, 1)
    assert [entry.name for entry in served] == [f"{name} at {local.name}" for name in ("a.gguf", "b")]
    for entry in served:
        # Its times hold a network, and a machine that nobody knows.
        assert (entry.performance, entry.performance_elsewhere, entry.aggregates["marketplace"].rank) == (
            None,
            (),
            None,
        )


@pytest.mark.parametrize("suite", ["performance", "rag"])
def test_a_later_run_that_brings_no_number_takes_no_rank_away(factory, build, suite):
    nothing = Result(suite=suite, task="last", variant="", quantization="Q8_0", mode="full", outcome="not_run")
    later = factory.make_run(results=[nothing], day=2, run_id="later", interrupted=True)
    (entry,) = build(factory.make_run(), later).models
    assert (entry.aggregates["marketplace"].rank, entry.aggregates["marketplace"].complete) == (1, True)


def test_a_later_run_that_did_not_finish_takes_the_rank_of_the_profiles_it_is_in(factory, build):
    math = factory.scored("math", "gsm8k", "", "Q8_0", "full", factory.share("accuracy", 50, 100))
    later = factory.make_run(results=[math], day=2, run_id="later", interrupted=True)
    (entry,) = build(factory.make_run(), later).models
    assert {name: total.complete for name, total in entry.aggregates.items()} == {"marketplace": True, "general": False}


def with_versions(factory, number: int, version: int, right: int, **changes):
    """A full run of another model in which one task has this version."""
    results = [
        factory.scored(
            suite, "task", "", "Q8_0", "full", factory.share("accuracy", right, 100),
            version=version if suite == "rag" else 1,
        )
        for suite in ("rag", "function_calling", "coding", "reasoning", "safety")
    ]  # fmt: skip
    return other(factory, number, results=results, **changes)


def test_versions_of_a_task_are_never_ranked_together(factory, build):
    registry = build(
        with_versions(factory, 1, 1, 90), with_versions(factory, 2, 2, 70), with_versions(factory, 3, 2, 50)
    )
    places = [entry.aggregates["marketplace"] for entry in registry.models]
    assert [(place.rank, place.ranked) for place in places] == [(None, None), (1, 2), (2, 2)]
    assert places[0].unranked == "measured with version 1 of rag/task, others with version 2"
    assert build(kept=registry) == registry


def test_a_newer_version_elsewhere_takes_no_rank_away(factory, build):
    # on another machine, and in a run that is not ranked itself
    elsewhere = with_versions(factory, 2, 2, 70, machine={"fingerprint": "fast"})
    limited = with_versions(factory, 3, 2, 70, limit=50)
    registry = build(with_versions(factory, 1, 1, 90), elsewhere, limited)
    assert [entry.aggregates["marketplace"].rank for entry in registry.models] == [1, 1, None]


def test_a_quick_score_that_fills_a_gap_has_no_say_in_the_rank(factory, build):
    def run(number, **changes):
        return other(factory, number, suites=("rag", "function_calling", "reasoning", "safety"), **changes)

    coding = factory.scored("coding", "humaneval", "", "Q8_0", "quick", factory.share("pass_at_1", 50, 100), version=2)
    filled = build(run(1), other(factory, 1, mode="quick", day=2, results=[coding]), other(factory, 2)).models
    assert filled[0].use_cases["coding"].mode == "quick"
    assert sorted(entry.aggregates["marketplace"].rank for entry in filled) == [1, 2]


def test_exactly_the_needed_coverage_is_enough(factory, build):
    # 0.25 + 0.20 + 0.15 + 0.25 is a hair off 0.85 in binary; the same hair must not cost a rank at 0.80.
    (entry,) = build(factory.make_run()).models
    assert why_unranked(replace(entry.aggregates["marketplace"], coverage=0.8 - 1e-12)) == ""
    assert why_unranked(replace(entry.aggregates["marketplace"], coverage=0.79)) != ""


def of_version(run, version, task="niah"):
    results = [replace(one, version=version) if one.task == task else one for one in run.results]
    return replace(run, results=tuple(results))


@pytest.mark.parametrize("ahead", [1, 10**9])
def test_a_version_that_nobody_knows_decides_nothing(factory, build, ahead):
    """Else one report could take the ranks of all others."""
    known = built_in_versions()["rag/niah"]
    runs = [of_version(other(factory, number), known) for number in (1, 2, 3)]
    before = [entry.aggregates["marketplace"] for entry in build(*runs).models]
    *after, odd = [
        one.aggregates["marketplace"] for one in build(*runs, of_version(other(factory, 4), known + ahead)).models
    ]
    assert after == before
    assert {one.rank for one in after} == {1, 2, 3}
    assert odd.rank is None
    assert (
        odd.unranked == f"measured with version {known + ahead} of rag/niah; the newest that is known here is {known}"
    )
    assert odd.score > 0


def test_tasks_of_others_may_have_any_version(factory, build):
    suites = ("rag", "function_calling", "coding", "reasoning", "safety")

    def run(number, version):
        share = factory.share("accuracy", 80, 100)
        results = [factory.scored(suite, "mine", "", "Q8_0", "full", share, version=version) for suite in suites]
        return other(factory, number, results=results)

    old, new = [entry.aggregates["marketplace"] for entry in build(run(1, 40), run(2, 41)).models]
    assert (old.rank, new.rank) == (None, 1)
    assert "others with version 41" in old.unranked


def test_every_task_file_has_a_known_version():
    known = built_in_versions()
    files = {f"{one.parent.name}/{one.stem}" for one in suites_folder().glob("*/*.yaml") if one.name != "suite.yaml"}
    assert known.keys() == files
    assert max(known.values()) > 1
