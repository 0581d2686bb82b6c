"""Rows: one for each model, quantization and machine, with what was measured there and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_slm.core.types import SuiteFacts
from pytest_slm.registry.points import above_chance
from pytest_slm.registry.rows import Row, in_order, rows
from pytest_slm.registry.rows.changes import Change, changes

FAST = {"fingerprint": "fast", "cpu": "Ryzen", "cores_usable": 8}


def test_every_quantization_on_every_machine_is_a_row(factory, build):
    registry = build(
        factory.make_run("Q8_0", modern=True),
        factory.make_run("Q4_0", "quick", modern=True),
        factory.make_run("Q4_0", "quick", machine=FAST, day=2, modern=True),
    )
    found = rows(registry)
    assert [(row.quantization, row.machine, row.headline) for row in found] == [
        ("Q4_0", "fast", False),
        ("Q4_0", "m-3f9a1c", False),
        ("Q8_0", "m-3f9a1c", True),
    ]
    assert len({row.id for row in found}) == 3
    assert found[0].machine_title == "Ryzen, 8 cores"
    # Both machines show all that they measured, though the entry of the quantization holds one of them.
    assert set(found[0].scores) == set(found[1].scores) == set(found[2].scores)
    for row in found:
        assert {case.machine for case in row.scores.values()} == {row.machine}
        assert {total.machine for total in row.aggregates.values()} == {row.machine}
        assert row.titles["guardrails"] == "Guardrails"
        assert row.scores["rag"].n > 0
        assert row.lower("rag") == row.scores["rag"].interval[0]
    assert [row.scores["rag"].mode for row in found] == ["quick", "quick", "full"]
    assert Row.from_json(found[0].to_json()) == found[0]


@pytest.mark.parametrize("outcome", ["passed", "error"])
def test_what_counts_in_no_score_has_the_row_of_its_machine(factory, build, outcome):
    item = factory.scored("mine", "quiz", "", "Q8_0", "full", factory.share("acc", 5, 10))
    item = replace(item, outcome=outcome, **({"metrics": (), "primary": None} if outcome == "error" else {}))
    run = factory.make_run(results=[item], machine=FAST)
    (row,) = rows(build(replace(run, suites={"mine": SuiteFacts(title="Mine", scored=False)})))
    assert (row.machine, row.machine_title, row.scores) == ("fast", "Ryzen, 8 cores", {})


def test_a_quick_run_has_its_speed_memory_and_devices(factory, build):
    """The nearest length that was measured stands there, named by ``of``; and a small file fits where it fits."""
    (row,) = rows(build(factory.make_run("Q4_0", "quick", modern=True)))
    assert (row.tps.of, row.ttft.of) == ("100 tokens", "512 tokens")
    assert row.prompt_processing.of == "512 tokens"
    assert row.peak.of == "2048 tokens"
    assert row.fits["raspberry_pi_5_4gb"]
    assert None not in (row.size_bytes, row.bits_per_weight)
    assert row.engine == "llamacpp 0.3.36"


def test_one_noisy_speed_makes_a_row_noisy_and_says_why(factory, build):
    run = factory.make_run(modern=True)
    (calm,) = rows(build(run))
    assert (calm.verdict, calm.noise) == ("stable", ())
    noisy = tuple(
        replace(result, timing=replace(result.timing, verdict="noisy", reason=factory.STEAL))
        if (result.task, result.variant) == ("decode", "500")
        else result
        for result in run.results
    )
    (row,) = rows(build(replace(run, results=noisy)))
    assert (row.verdict, row.noise) == ("noisy", (factory.STEAL,))


def test_an_unknown_peak_fits_nowhere(factory, build):
    (row,) = rows(build(factory.make_run(modern=False)))
    assert (row.fits, row.peak.of) == ({}, "")


def test_a_server_is_on_no_machine_and_unverified(factory, build):
    (row,) = rows(build(factory.make_run(backend={"server": "http://10.0.0.1/v1", "served_model": "tiny"})))
    assert (row.machine, row.machine_title, row.speed) == ("", "", None)
    assert "http://10.0.0.1/v1" in row.unverified
    assert set(row.scores) > {"rag"}


def test_an_unknown_machine_has_its_own_speed(factory, build):
    (row,) = rows(build(factory.make_run(machine={"fingerprint": None}, modern=True)))
    assert (row.machine, row.tps.of) == ("", "500 tokens")


@pytest.mark.parametrize(("score", "chance", "above"), [(50, 50, 0), (100, 25, 100), (25, 50, -50), (40, None, None)])
def test_chance_is_taken_out(score, chance, above):
    assert above_chance(score, chance) == above


def test_aggregates_of_other_coverage_are_never_sorted_by_their_score(factory, build):
    def run(number, quality, suites):
        about = {"slug": f"model-{number}", "name": f"Model {number}", "hf_repo": f"org/model-{number}"}
        return factory.make_run(**about, mode="quick", quality=quality, suites=suites)

    wide, narrow = ("rag", "coding", "reasoning"), ("coding",)
    registry = build(run(1, 0.9, narrow), run(2, 0.2, wide), run(3, 0.4, wide))
    told = in_order(rows(registry), "marketplace")
    assert [row.name for row in told] == ["Model 3", "Model 2", "Model 1"]
    assert told[0].basis("marketplace") == told[1].basis("marketplace") != told[2].basis("marketplace")


def test_full_runs_of_some_suites_do_not_part_what_the_same_quick_tasks_have_measured(factory, build):
    # The score of all is still that of the quick runs, whatever stands beside it.
    def run(number, mode="quick", suites=("rag", "coding", "reasoning"), day=1):
        about = {"slug": f"model-{number}", "name": f"Model {number}", "hf_repo": f"org/model-{number}"}
        return factory.make_run(**about, mode=mode, suites=suites, day=day)

    found = rows(build(run(1), run(2), run(2, "full", ("coding",), day=2)))
    assert [row.scores["coding"].mode for row in found] == ["quick", "full"]
    assert [row.aggregates["marketplace"].mode for row in found] == ["quick", "quick"]
    assert found[0].basis("marketplace") == found[1].basis("marketplace")
    assert found[1].aggregates["marketplace"].use_cases["coding"] != found[1].scores["coding"].score


def test_other_versions_of_a_task_are_another_basis_also_where_a_full_run_hides_them(factory, build):
    def runs(number, version):
        about = {"slug": f"model-{number}", "name": f"Model {number}", "hf_repo": f"org/model-{number}"}
        quick = factory.make_run(**about, mode="quick", suites=("reasoning", "rag"))
        results = [
            replace(result, version=version) if result.suite == "reasoning" else result for result in quick.results
        ]
        full = factory.make_run(**about, suites=("reasoning",), day=2)
        return replace(quick, results=tuple(results)), full

    one, other = rows(build(*runs(1, 1), *runs(2, 2)))
    assert one.aggregates["marketplace"].mode == other.aggregates["marketplace"].mode == "quick"
    assert one.basis("marketplace") != other.basis("marketplace")


def test_ranked_rows_stand_first(factory, build):
    registry = build(factory.make_run("Q8_0", quality=0.2), factory.make_run("Q4_0", "quick", quality=0.9))
    assert [row.quantization for row in in_order(rows(registry), "marketplace")] == ["Q8_0", "Q4_0"]


def test_a_change_is_told_with_all_digits_before_the_point():
    change = Change(
        kind="changed", row="a@Q8_0@m", name="A", what="peak memory (bytes)", before=1e5, after=347_123_456.0
    )
    assert str(change) == "changed: a@Q8_0@m: peak memory (bytes) 100000 -> 347123456"
    assert str(replace(change, before=None, after=62.4567)).endswith("none -> 62.46")


def shares(run, **changes):
    results = [
        replace(one, metrics=tuple(replace(metric, **changes) for metric in one.metrics)) if one.suite == "rag" else one
        for one in run.results
    ]
    return replace(run, results=tuple(results))


def of_file(run, **changes):
    return replace(run, detected=replace(run.detected, **changes))


def submitted(run, **changes):
    return replace(run, submission=replace(run.submission, **changes))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda run: replace(run, backend=replace(run.backend, weights_sha256="d" * 64)), "weights (SHA-256)"),
        (lambda run: of_file(run, file_size=1), "size (bytes)"),
        (lambda run: of_file(run, bits_per_weight=1.0), "bits per weight"),
        (lambda run: of_file(run, parameters=5), "parameters"),
        (lambda run: submitted(run, revision="b" * 40), "revision"),
        (lambda run: submitted(run, name="Another"), "name"),
        (lambda run: submitted(run, license="mit"), "license"),
        (lambda run: shares(run, n=900), "n of rag"),
        (lambda run: shares(run, chance=0.5), "chance of rag"),
        (lambda run: replace(run, backend=replace(run.backend, engine_version="9")), "run of rag"),
    ],
)
def test_another_file_in_the_place_of_a_row_is_a_difference(factory, build, change, told):
    run = factory.make_run(suites=("rag",))
    found = {one.what: one for one in changes(build(run), build(change(run)))}
    assert told in found
    assert found[told].before != found[told].after
    assert str(found[told]).startswith(f"changed: {found[told].row}: {told} ")
    assert Change.from_json(found[told].to_json()) == found[told]


def test_the_same_has_no_difference_and_a_score_that_came_is_told_once(factory, build):
    one, two = (build(factory.make_run(suites=suites)) for suites in (("rag",), ("rag", "core")))
    assert changes(one, one) == ()
    assert [change.what for change in changes(one, two) if "core" in change.what] == ["score of core"]
