"""What an entry takes from which report."""

from pytest_slm.registry import build_registry
from pytest_slm.registry.store import StoredReport


def entry(*runs):
    found = [StoredReport(path=f"{n}/report.json", sha256="0" * 64, run=run) for n, run in enumerate(runs)]
    (only,) = build_registry(found).models
    return only


def test_names_are_those_of_the_full_run_even_if_a_quick_one_is_newer(factory):
    full, quick = factory.make_run(day=1, name="Full"), factory.make_run(mode="quick", day=9, name="Quick")
    assert entry(full, quick).name == "Full"
    assert entry(full, factory.make_run(day=9, name="Newer")).name == "Newer"


def test_a_quantization_has_its_own_reports_only(factory):
    # names that sort one after the other: neither takes from its neighbours
    runs = {name: factory.make_run(name, quality=quality) for name, quality in {"FP16": 0.9, "Q8_0": 0.3}.items()}
    both = entry(*runs.values()).quantizations
    alone = {name: entry(run).quantizations[name] for name, run in runs.items()}
    scores = {name: {suite: case.score for suite, case in both[name].use_cases.items()} for name in both}
    assert scores == {name: {suite: case.score for suite, case in alone[name].use_cases.items()} for name in alone}
    assert scores["FP16"] != scores["Q8_0"]
