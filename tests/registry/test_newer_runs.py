"""What a newer run replaces, which runs are never put together, and which machine is meant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_slm.core.types import (
    Declaration,
    Result,
)
from pytest_slm.registry import build_registry
from pytest_slm.registry.scores import machine_of, strata, use_cases
from pytest_slm.registry.store import StoredReport


@pytest.fixture
def score(factory):
    """Makes a measured result of one task."""

    def make(task: str, right: int, n: int = 100, *, suite: str = "rag", variant: str = "", **changes) -> Result:
        result = factory.scored(suite, task, variant, "Q8_0", "full", factory.share("accuracy", right, n))
        return replace(result, declared=Declaration(), **changes)

    return make


def stored(run, path="a/report.json"):
    return StoredReport(path=path, sha256="0" * 64, run=run)


def test_a_newer_run_replaces_the_items_it_measured(factory, score):
    old = factory.make_run(results=[score("niah", 10), score("frames", 20)], day=1)
    new = factory.make_run(results=[score("niah", 90)], day=2)
    (stratum,) = strata([stored(new, "b"), stored(old, "a")])
    case = use_cases(stratum)["rag"]
    assert {task.task: task.score for task in case.benchmarks} == {"frames": 20, "niah": 90}
    assert case.reports == ("a", "b")


def test_a_newer_error_does_not_erase_a_number(factory, score):
    error = Result(suite="rag", task="niah", variant="", quantization="Q8_0", mode="full", outcome="error")
    old, new = factory.make_run(results=[score("niah", 80)], day=1), factory.make_run(results=[error], day=2)
    (stratum,) = strata([stored(old, "a"), stored(new, "b")])
    assert use_cases(stratum)["rag"].score == pytest.approx(80)


def test_two_versions_of_a_task_are_never_averaged(factory, score):
    old = factory.make_run(results=[score("niah", 10, variant="1024"), score("niah", 10, variant="2048")], day=1)
    new = factory.make_run(results=[score("niah", 90, variant="1024", version=2)], day=2)
    (stratum,) = strata([stored(old, "a"), stored(new, "b")])
    (task,) = use_cases(stratum)["rag"].benchmarks
    assert (task.version, task.score, task.measured_variants, task.planned_variants) == (2, pytest.approx(90), 1, 2)


NOT_RUN = {"outcome": "not_run", "reason": "the run ended before this item was done"}


@pytest.mark.parametrize(
    "later",
    [
        NOT_RUN,
        {"outcome": "error", "reason": "worker 'gw0' crashed"},
        {"outcome": "skipped"},
    ],
)
def test_what_does_not_know_the_version_of_its_task_erases_no_number(factory, score, later):
    # Reports have version 1 there, whatever the task's version is.
    lost = Result(suite="rag", task="niah", variant="1024", quantization="Q8_0", mode="full", **later)
    old = factory.make_run(results=[score("niah", 80, variant="1024", version=2)], day=1)
    new = factory.make_run(results=[lost], day=2, interrupted=True)
    (stratum,) = strata([stored(old, "a"), stored(new, "b")])
    (task,) = use_cases(stratum)["rag"].benchmarks
    assert (task.version, task.score) == (2, pytest.approx(80))


def test_what_was_not_run_erases_no_number_of_its_own_report_and_is_told(factory, score):
    lost = Result(suite="rag", task="niah", variant="2048", quantization="Q8_0", mode="full", **NOT_RUN)
    run = factory.make_run(results=[score("niah", 80, variant="1024", version=2), lost], interrupted=True)
    (stratum,) = strata([stored(run)])
    assert use_cases(stratum)["rag"].score == pytest.approx(80)
    assert [result.outcome for result in stratum.results] == ["passed", "not_run"]


def test_an_error_of_a_newer_version_ends_the_number_of_the_older_one(factory, score):
    error = Result(
        suite="rag",
        task="niah",
        variant="",
        quantization="Q8_0",
        mode="full",
        outcome="error",
        version=2,
        kind="checks",
    )
    old, new = factory.make_run(results=[score("niah", 80)], day=1), factory.make_run(results=[error], day=2)
    (stratum,) = strata([stored(old, "a"), stored(new, "b")])
    assert use_cases(stratum) == {}
    assert stratum.results == (error,)


def test_a_task_that_was_taken_out_of_its_suite_leaves_the_score(factory, score):
    def run(day, **tasks):
        declared = Declaration(suite_tasks=tuple(sorted(tasks)))
        results = [replace(score(task, right), declared=declared) for task, right in tasks.items()]
        return factory.make_run(results=results, day=day)

    (stratum,) = strata([stored(run(1, niah=90, removed=10), "a"), stored(run(2, niah=90, added=90), "b")])
    case = use_cases(stratum)["rag"]
    assert (case.declared, case.score, case.coverage) == (("added", "niah"), pytest.approx(90), 1.0)
    # it is still shown
    assert {result.task for result in stratum.results} == {"added", "niah", "removed"}


@pytest.mark.parametrize(
    "changes",
    [
        {"backend": {"engine_version": "0.4.0"}},
        {"backend": {"weights_sha256": "f" * 64}},
        {"backend": {"chat_template_sha256": "f" * 64}},
        {"machine": {"fingerprint": "another"}},
        {"mode": "quick"},
        {"limit": 10},
        {"quantization": "Q4_0"},
    ],
)
def test_what_cannot_be_compared_is_kept_apart(factory, changes):
    assert len(strata([stored(factory.make_run(), "a"), stored(factory.make_run(**changes), "b")])) == 2


def test_the_cpu_has_the_fingerprint_alone(factory):
    # The build of an engine is no part of a machine of which the fingerprint says all.
    for backend in ({}, {"device": "cpu", "engine_build": "torch 2.11.0, AVX512"}, {"device": "CPU"}):
        assert machine_of(factory.make_run(backend=backend)) == "m-3f9a1c"


def test_a_gpu_is_part_of_the_machine(factory):
    builds = ("torch 2.11.0, AVX512, NVIDIA H100", "torch 2.11.0, AVX512, NVIDIA T4")
    found = {machine_of(factory.make_run(backend={"device": "cuda", "engine_build": build})) for build in builds}
    # Known numbers, so that the recipe cannot change unnoticed.
    assert found == {"m-3f9a1c-b9378c5d", "m-3f9a1c-de61e45f"}


def test_a_gpu_in_a_machine_that_is_not_known_is_not_known(factory):
    assert machine_of(factory.make_run(machine={"fingerprint": None}, backend={"device": "cuda"})) is None


def test_two_unknown_machines_are_not_one(factory):
    runs = [factory.make_run(machine={"fingerprint": None}, day=day) for day in (1, 2)]
    assert len(strata([stored(run, str(index)) for index, run in enumerate(runs)])) == 2


@pytest.mark.parametrize(("setting", "value"), [("exact", True), ("kv_type", "Q8_0"), ("dtype", "bfloat16")])
def test_runs_of_other_engine_are_never_put_together(factory, setting, value):
    backend = {"name": "llamacpp", "engine_version": "1", "exact": False, "kv_type": "F16", "dtype": None}
    runs = [
        stored(factory.make_run(backend=other), f"{n}/report.json")
        for n, other in enumerate((backend, backend, {**backend, setting: value}))
    ]
    assert sorted(len(stratum.runs) for stratum in strata(runs)) == [1, 2]


def test_the_machine_is_that_which_the_results_name(factory):
    run = factory.make_run()
    head = machine_of(run)
    assert head

    def on(*names):
        return replace(run, results=tuple(replace(r, machine=names[n % len(names)]) for n, r in enumerate(run.results)))

    assert machine_of(on("a")) == "a"
    assert machine_of(on("a", None)) == "a"
    assert machine_of(on(None)) == head
    assert machine_of(on("a", "b")) is None  # never put together with anything


def items_of(*runs):
    (entry,) = build_registry([stored(run, str(place)) for place, run in enumerate(runs)]).models
    items = entry.quantizations["Q8_0"].items
    return entry, {(item.task, item.mode): item.value for item in items if item.value is not None}


def test_a_full_run_of_one_task_does_not_hide_what_a_quick_one_says_of_the_others(factory, score):
    tasks = Declaration(suite_tasks=("gsm8k", "mathqa"))
    quick = [
        replace(score(task, right, 50, suite="math"), mode="quick", declared=tasks)
        for task, right in (("gsm8k", 5), ("mathqa", 20))
    ]
    asked = factory.make_run(mode="quick", results=quick, day=1)
    full = factory.make_run(results=[replace(score("mathqa", 300, 1000, suite="math"), declared=tasks)], day=2)
    entry, found = items_of(asked, full)
    assert found == {("gsm8k", "quick"): 0.1, ("mathqa", "full"): 0.3}
    assert entry.quantizations["Q8_0"].use_cases["math"].score == pytest.approx(30)  # of the full run alone
    # As texts were asked with the user's own settings they are not beside those of others.
    warm = replace(asked, generation=replace(asked.generation, temperature=0.7))
    assert items_of(warm, full)[1] == {("mathqa", "full"): 0.3}
    # Nor are those of another machine.
    away = factory.make_run(mode="quick", results=quick, day=1, machine={**asked.machine, "cpu": "another"})
    away = replace(away, results=tuple(replace(one, machine="m-2") for one in away.results))
    assert items_of(away, full)[1] == {("mathqa", "full"): 0.3}


def test_of_several_others_one_without_a_limit_is_told_then_the_newest(factory, score):
    def quick(right, day):
        return factory.make_run(mode="quick", results=[replace(score("frames", right), mode="quick")], day=day)

    full = factory.make_run(results=[score("niah", 50)], day=2)
    limited = factory.make_run(results=[score("frames", 90)], day=3, limit=100)
    assert items_of(quick(10, 1), limited, full)[1] == {("niah", "full"): 0.5, ("frames", "quick"): 0.1}
    assert items_of(limited, full)[1] == {("niah", "full"): 0.5, ("frames", "full"): 0.9}
    assert items_of(quick(10, 4), quick(20, 5), full)[1] == {("niah", "full"): 0.5, ("frames", "quick"): 0.2}
