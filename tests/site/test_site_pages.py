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


def test_devices_are_told_with_the_quantization(registry_file, modern_runs, runs, tmp_path):
    build_site(registry_file(modern_runs), tmp_path / "new")
    build_site(registry_file(runs), tmp_path / "old")
    name = "models/huggingfacetb--smollm2-135m-instruct.html"
    assert "Raspberry Pi 5, 4 GB" in (tmp_path / "new" / name).read_text()
    # Memory with another context was measured there, which says nothing.
    assert "Raspberry" not in (tmp_path / "old" / name).read_text()


def test_a_quick_score_does_not_make_a_ranked_model_quick(factory):
    result = factory.scored("language", "boolq", "", "Q8_0", "quick", factory.share("acc", 60, 100))
    (entry,) = registry(factory.make_run(), factory.make_run(mode="quick", results=[result], day=2)).models
    assert entry.aggregates["marketplace"].rank == 1
    assert model_view(entry, {}, score_rules()).quick == "quick (Language): sample of at most 100 per task, not ranked"


def test_noisy_items_say_so_in_the_table_of_all_items(factory):
    (entry,) = registry(factory.make_run(modern=True)).models
    (one,) = entry.quantizations.values()
    timed = [item for item in one.items if item.suite == "performance" and item.value is not None]
    marked = {
        id(timed[0]): replace(timed[0], verdict="noisy", noise="the rounds disagree"),
        id(timed[1]): replace(timed[1], verdict="noisy", noise=""),
        id(timed[2]): replace(timed[2], verdict="stable", noise=""),
    }
    one = replace(one, items=tuple(marked.get(id(item), item) for item in one.items))
    view = model_view(replace(entry, quantizations={"Q8_0": one}), {}, score_rules())
    title = view.items.groups[-1][0]
    notes = [row.note for row in view.items.groups[-1][1] if "noisy" in row.note]
    assert title == "Performance"
    assert sorted(notes) == ["noisy", "noisy: the rounds disagree"]


def test_items_of_limited_runs_and_cut_answers_are_told_on_the_page_of_the_model(factory):
    run = factory.make_run(suites=("core",), limit=400)
    (entry,) = registry(run).models
    (one,) = entry.quantizations.values()
    first, *rest = one.items
    one = replace(one, items=(replace(first, answers_cut=59), *rest))
    view = model_view(replace(entry, quantizations={"Q8_0": one}), {}, score_rules())
    rows = view.items.groups[0][1]
    assert [(row.quick, row.note) for row in rows] == [("limited", "59 cut off"), ("limited", "")]
    assert {row.quick for row in (*view.scores, *view.aggregates)} == {"limited"}
    assert [kind for row in view.quantizations for *_, kind in row.scores] == ["limited"]
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


def test_a_model_that_was_measured_on_a_gpu_is_not_called_cpu_only(factory, registry_file, tmp_path):
    gpu = {"device": "cuda", "engine_build": "torch 2.11.0, AVX512, NVIDIA H100"}
    build_site(registry_file([factory.make_run(modern=True, backend=gpu)]), tmp_path / "site")
    text = (tmp_path / "site" / "models" / "huggingfacetb--smollm2-135m-instruct.html").read_text()
    assert "CPU-only" not in text
    assert "Measured with cuda on AMD EPYC 9R14" in text
    assert "NVIDIA H100" in text
    assert "2 cores, cuda" in (tmp_path / "site" / "hardware" / "index.html").read_text()


def test_a_model_page_shows_what_was_not_run_and_where_numbers_are_from(site):
    text = (site / "models" / "google--gemma-3-270m.html").read_text()
    found = re.search(r"not run</span> (Coding[^<]*)</p>", text)
    # Also what has no weight in any profile.
    assert {"Coding", "Finance", "Healthcare", "Reasoning"} - {*found[1].split(", ")} == set()
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
        "Q8_0: correct while timed: llamacpp 0.3.36, whose logits match those of small batches (NMSE 0.0021)",
    )
    assert other.notes == ("From quick runs: Q8_0.", "Q8_0: not checked whether the fast computation was also right")
