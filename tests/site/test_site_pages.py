"""What stands on the pages of the site: marks of quick, limited and noisy numbers, machines, sources."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pytest_slm.load.builtin import score_rules
from pytest_slm.registry import build_registry
from pytest_slm.registry.entry import Composite
from pytest_slm.registry.store import StoredReport
from pytest_slm.site.build import build_site
from pytest_slm.site.home_view import home_view
from pytest_slm.site.model_view import model_view


@pytest.fixture(scope="module")
def site(tmp_path_factory, registry_file, runs):
    """A built site."""
    folder = tmp_path_factory.mktemp("site") / "deep" / "public"
    build_site(registry_file(runs), folder)
    return folder


def registry(*runs):
    """The registry of some runs."""
    return build_registry([StoredReport(path=f"{n}/report.json", sha256="", run=run) for n, run in enumerate(runs)])


def home(*runs):
    """The rows of the home page."""
    found = registry(*runs)
    (group,) = home_view(found, {entry.id: "" for entry in found.models}).groups
    return group.rows


def test_devices_are_told_with_the_quantization(registry_file, modern_runs, runs, tmp_path):
    build_site(registry_file(modern_runs), tmp_path / "new")
    build_site(registry_file(runs), tmp_path / "old")
    name = "models/huggingfacetb--smollm2-135m-instruct.html"
    assert "Raspberry Pi 5, 4 GB" in (tmp_path / "new" / name).read_text()
    # Memory with another context was measured there, which says nothing.
    assert "Raspberry" not in (tmp_path / "old" / name).read_text()


def test_quick_results_and_reasons_are_on_the_home_page(site):
    text = (site / "index.html").read_text()
    assert "not ranked: measured in quick mode" in text
    assert "coverage" in text


def test_scores_of_quick_runs_are_marked_where_there_is_no_aggregate(factory):
    # Language is in no part of the profile that ranks.
    result = factory.scored("language", "boolq", "", "Q8_0", "quick", factory.share("acc", 60, 100))
    (row,) = home(factory.make_run(mode="quick", results=[result]))
    assert (row.quick, row.score.text) == ("quick", "–")
    (row,) = home(factory.make_run(results=[replace(result, mode="full")], limit=100))
    assert row.quick == "limited"


def test_a_quick_score_beside_an_aggregate_of_full_runs_is_marked(factory):
    result = factory.scored("language", "boolq", "", "Q8_0", "quick", factory.share("acc", 60, 100))
    (row,) = home(factory.make_run(), factory.make_run(mode="quick", results=[result], day=2))
    assert row.quick == ""
    assert [(name, quick) for name, _, quick in row.cases if quick] == [("Language", "quick")]


def test_a_quick_score_does_not_make_a_ranked_model_quick(factory):
    result = factory.scored("language", "boolq", "", "Q8_0", "quick", factory.share("acc", 60, 100))
    (entry,) = registry(factory.make_run(), factory.make_run(mode="quick", results=[result], day=2)).models
    assert entry.aggregates["marketplace"].rank == 1
    assert model_view(entry, {}, score_rules()).quick == "quick (Language): sample of at most 100 per task, not ranked"


def test_models_without_a_rank_stand_by_their_score(factory):
    runs = [
        factory.make_run(slug=name, name=name, hf_repo=f"org/{name}", mode=mode, quality=quality)
        for name, mode, quality in (("a", "quick", 0.3), ("b", "quick", 0.9), ("c", "full", 0.5))
    ]
    none = factory.scored("language", "boolq", "", "Q8_0", "quick", factory.share("acc", 60, 100))
    runs.append(factory.make_run(slug="0", name="0", hf_repo="org/0", mode="quick", results=[none]))
    assert [row.name for row in home(*runs)] == ["c", "b", "a", "0"]


def test_a_noisy_speed_is_called_noisy_on_the_home_page(factory):
    values = {"decode_tps": ("tok/s", (100.0, 150.0))}
    noisy = factory.rounds("decode", "500", "Q8_0", "full", values, noise="steal")
    (row,) = home(factory.make_run(results=[noisy]))
    assert row.tps.note == "500 tokens, noisy"


def test_items_of_limited_runs_and_cut_answers_are_told_on_the_page_of_the_model(factory):
    run = factory.make_run(suites=("core",), limit=400)
    (entry,) = registry(run).models
    (one,) = entry.quantizations.values()
    first, *rest = one.items
    one = replace(one, items=(replace(first, answers_cut=59), *rest))
    view = model_view(replace(entry, quantizations={"Q8_0": one}), {}, score_rules())
    rows = view.items.groups[0][1]
    assert [(row.quick, row.note) for row in rows] == [("limited", "59 cut off"), ("limited", "")]
    assert {row.quick for row in (*view.scores, *view.aggregates, *view.quantizations)} == {"limited"}
    assert view.quick == "limited: sample of at most 400 per task, not ranked"


def test_rates_of_limited_runs_are_called_limited(factory):
    (entry,) = registry(factory.make_run()).models
    safety = {name: replace(rate, limit=20) for name, rate in entry.safety.items()}
    assert {row.quick for row in model_view(replace(entry, safety=safety), {}, score_rules()).safety} == {"limited"}


def test_totals_of_benchmarks_stand_on_the_page_of_the_model(factory):
    (entry,) = registry(factory.make_run()).models
    name, case = next(iter(entry.use_cases.items()))
    case = replace(case, limit=20, composites={"their_total": Composite(value=0.5, interval=(0.4, 0.6), n=200)})
    view = model_view(replace(entry, use_cases={name: case}), {}, score_rules())
    ((_, (row,)),) = view.composites
    assert (row.task, row.value, row.interval, row.n, row.quick) == (
        "Their total",
        "50\N{NO-BREAK SPACE}%",
        "40–60",
        "200",
        "limited",
    )


def test_models_of_two_machines_stand_in_two_tables(site):
    text = (site / "index.html").read_text()
    assert text.count('<table class="models"') == 2
    assert text.count("Ranks and speeds hold on this machine only") == 2


def test_a_model_that_was_measured_on_a_gpu_is_not_called_cpu_only(factory, registry_file, tmp_path):
    gpu = {"device": "cuda", "engine_build": "torch 2.11.0, AVX512, NVIDIA H100"}
    build_site(registry_file([factory.make_run(modern=True, backend=gpu)]), tmp_path / "site")
    text = (tmp_path / "site" / "models" / "huggingfacetb--smollm2-135m-instruct.html").read_text()
    assert "CPU-only" not in text
    assert "Measured with cuda on AMD EPYC 9R14" in text
    assert "NVIDIA H100" in text
    assert "2 cores, cuda" in (tmp_path / "site" / "index.html").read_text()


def test_a_model_page_shows_what_was_not_run_and_where_numbers_are_from(site):
    text = (site / "models" / "google--gemma-3-270m.html").read_text()
    assert re.search(r"not run</span> Coding, Function calling, Guardrails, Language, Math, Reasoning", text)
    assert "5/report.json" in text
    assert "a" * 64 in text


def test_each_speed_says_of_how_many_tokens_it_is(site):
    text = (site / "models" / "huggingfacetb--smollm2-135m-instruct.html").read_text()
    table = text[text.index('<table class="speeds">') :]
    for length in ("500 tokens", "100 tokens", "2048 tokens", "512 tokens"):
        assert f"<small>{length}</small>" in table[: table.index("</table>")]


def test_whether_a_speed_was_right_stands_beside_it(factory):
    checked = factory.make_run(backend={"kernels_nmse": 0.0021})
    (told,), (untold,) = (registry(run).models for run in (checked, factory.make_run(mode="quick")))
    (machine,), (other,) = (model_view(one, {}, score_rules()).machines for one in (told, untold))
    assert machine.notes == (
        "Q8_0: correctness of the speeds of llamacpp 0.3.36, many tokens at once beside a few: NMSE of logits 0.0021",
    )
    assert other.notes == ("From quick runs: Q8_0.", "Q8_0: correctness not looked at")


def test_models_of_another_engine_are_not_sorted_by_speed(factory):
    engines = {"a": "llama-cpp-python 0.3.36", "b": "llama-cpp-python 0.3.35", "c": "ik-llama-cpp-python 0.1.5"}
    runs = [
        factory.make_run(slug=name, name=name, hf_repo=f"org/{name}", backend={"engine_version": version})
        for name, version in engines.items()
    ]
    found = registry(*runs)
    (group,) = home_view(found, {entry.id: "" for entry in found.models}).groups
    speeds = {row.name: (row.tps, row.ttft) for row in group.rows}
    assert all(cell.sort and "by" not in cell.note for name in "ab" for cell in speeds[name])
    assert {(cell.sort, cell.note.rpartition(", ")[2]) for cell in speeds["c"]} == {
        ("", "by ik-llama-cpp-python 0.1.5")
    }
    assert all(row.ram.sort for row in group.rows)
